//! A deadline for reads. PostgreSQL that neither answers nor refuses would otherwise hold a request for minutes.
//!
//! Requests that change something have none: whether they have changed it would not be known.

use std::sync::Arc;
use std::time::Duration;

use poem::http::Method;
use poem::{Endpoint, Request};

use crate::http::problem::Problem;
use crate::http::reads::{as_new_as_asked, wants_no_cache};
use crate::store::StoreError;

/// Longer than a wait for a connection. Attachments have a shorter one of their own.
const DEADLINE: Duration = Duration::from_secs(15);

/// Calls the endpoint; a read that takes too long is answered 503. What follows the head of a response has no deadline.
pub(super) async fn kept<E: Endpoint>(endpoint: Arc<E>, request: Request) -> poem::Result<E::Output> {
    if request.method() != Method::GET {
        return endpoint.call(request).await;
    }
    let no_cache = wants_no_cache(&request);
    match tokio::time::timeout(DEADLINE, as_new_as_asked(no_cache, endpoint.call(request))).await {
        Ok(answered) => answered,
        Err(_late) => Err(Problem::unavailable(&StoreError::away()).into()),
    }
}
