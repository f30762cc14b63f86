//! Which service an error is about, where the error says that one is missing.

use std::error::Error;

use super::{jetstream, postgres};
use crate::outage::Service;

/// The service that is missing, if that is what the error says: what failed for this reason has nothing wrong with it, and
/// is worth doing as soon as the service is back, however long that takes.
pub fn missing(error: &(dyn Error + 'static)) -> Option<Service> {
    std::iter::successors(Some(error), |error| (*error).source()).find_map(|error| {
        if postgres::says_away(error) {
            Some(Service::Postgres)
        } else if jetstream::says_away(error) {
            Some(Service::Nats)
        } else {
            error.downcast_ref::<::redis::RedisError>().filter(|error| is_away(error)).map(|_| Service::Redis)
        }
    })
}

/// Whether Redis did not answer, rather than refuse. While it starts it answers `LOADING`.
fn is_away(error: &::redis::RedisError) -> bool {
    error.is_io_error() || error.is_timeout() || error.is_connection_dropped() || error.code() == Some("LOADING")
}
