//! `/docs` and `/openapi.json`: generated once and shared, so that many or slow readers need no additional memory.

use std::sync::LazyLock;

use bytes::Bytes;
use poem::endpoint::make_sync;
use poem::{Response, Route, get};

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(super::openapi()));
static PAGE: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(super::service().swagger_ui_html()));

/// Adds the routes of the OpenAPI document and, if enabled, of the page that shows it.
pub(super) fn routes(route: Route, shows_page: bool) -> Route {
    let route = route.at("/openapi.json", get(fixed("application/json; charset=utf-8", DOCUMENT.clone())));
    if !shows_page {
        return route;
    }
    let page = || get(fixed("text/html; charset=utf-8", PAGE.clone()));
    route.at("/docs", page()).at("/docs/", page())
}

fn fixed(content_type: &'static str, bytes: Bytes) -> impl poem::Endpoint<Output = Response> {
    make_sync(move |_| Response::builder().content_type(content_type).body(bytes.clone()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use poem::http::{StatusCode, Uri};
    use poem::{Endpoint, Request};

    use super::*;

    async fn asked(route: &Route, path: &'static str) -> Response {
        route.get_response(Request::builder().uri(Uri::from_static(path)).finish()).await
    }

    #[tokio::test]
    async fn every_answer_is_the_same_memory() {
        let route = routes(Route::new(), true);
        for path in ["/docs", "/docs/", "/openapi.json"] {
            let (first, second) = (asked(&route, path).await, asked(&route, path).await);
            assert_eq!(first.status(), StatusCode::OK, "{path}");
            let (first, second) = (first.into_body().into_bytes().await, second.into_body().into_bytes().await);
            assert_eq!(first.unwrap().as_ptr(), second.unwrap().as_ptr(), "{path}");
        }
    }

    #[tokio::test]
    async fn the_page_can_be_switched_off_and_the_document_stays() {
        let route = routes(Route::new(), false);
        let status = async |path| asked(&route, path).await.status();
        assert_eq!(status("/docs").await, StatusCode::NOT_FOUND);
        assert_eq!(status("/docs/").await, StatusCode::NOT_FOUND);
        assert_eq!(status("/openapi.json").await, StatusCode::OK);
    }
}
