//! Finds out which service is unavailable, if an error says so.

use std::error::Error;

use super::jetstream;
use crate::outage::Service;
use crate::store::Unavailable;

/// The service that is unavailable, if the error says so. Such a failure is not the fault of the failed work: it is
/// worth retrying when the service is back, however long that takes.
pub fn missing(error: &(dyn Error + 'static)) -> Option<Service> {
    std::iter::successors(Some(error), |error| (*error).source()).find_map(|error| {
        if error.is::<Unavailable>() {
            Some(Service::Postgres)
        } else if jetstream::says_away(error) {
            Some(Service::Nats)
        } else {
            error.downcast_ref::<::redis::RedisError>().filter(|error| is_away(error)).map(|_| Service::Redis)
        }
    })
}

/// Whether Redis did not answer, as opposed to refusing. While Redis starts, it answers `LOADING`.
fn is_away(error: &::redis::RedisError) -> bool {
    error.is_io_error() || error.is_timeout() || error.is_connection_dropped() || error.code() == Some("LOADING")
}
