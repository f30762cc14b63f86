//! Reads of a request, from a replica if there is one. `Cache-Control: no-cache` asks for what is true now.

use std::future::Future;

use poem::Request;
use poem::http::header::CACHE_CONTROL;

use super::EdgeParts;
use crate::adapters::postgres::Store;
use crate::store::Stored;

tokio::task_local! {
    /// Whether the request wants no answer that may be old.
    static NO_CACHE: bool;
}

/// Whether a request wants no answer that may be old.
pub(super) fn wants_no_cache(request: &Request) -> bool {
    let lists = request.headers().get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|directive| directive.trim().eq_ignore_ascii_case("no-cache"))
}

/// Handles a request, whose reads are as new as it asks.
pub(super) async fn as_new_as_asked<T>(no_cache: bool, handled: impl Future<Output = T>) -> T {
    NO_CACHE.scope(no_cache, handled).await
}

impl EdgeParts {
    /// Reads what may be some seconds old.
    pub(crate) async fn read<T, F>(&self, question: impl Fn(Store) -> F) -> Stored<T>
    where
        F: Future<Output = Stored<T>>,
    {
        if is_no_cache() { question(self.reads.primary().clone()).await } else { self.reads.ask(question).await }
    }

    /// Reads one thing, which may be some seconds old, but is not missing if it is there.
    pub(crate) async fn find<T, F>(&self, question: impl Fn(Store) -> F) -> Stored<Option<T>>
    where
        F: Future<Output = Stored<Option<T>>>,
    {
        if is_no_cache() { question(self.reads.primary().clone()).await } else { self.reads.find(question).await }
    }
}

fn is_no_cache() -> bool {
    NO_CACHE.try_with(|no_cache| *no_cache).unwrap_or(false)
}
