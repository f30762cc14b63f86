//! A page of a list, as JSON.

use poem::{IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::payload::{Json, Payload};
use poem_openapi::registry::{MetaResponses, MetaSchemaRef, Registry};
use poem_openapi::types::ToJSON;

/// Like [`Json`], for the page of a list, which may have some hundred rows. It is written by the `Display` of `serde_json`, whose code is
/// compiled in `serde_json` and optimized in every profile; `Json` instantiates a generic serializer in this crate
/// instead. Without optimization that took half of the time of a list (`make performance`).
pub(super) struct Page<T>(pub T);

impl<T: ToJSON> Payload for Page<T> {
    const CONTENT_TYPE: &'static str = Json::<T>::CONTENT_TYPE;

    fn schema_ref() -> MetaSchemaRef {
        Json::<T>::schema_ref()
    }

    fn register(registry: &mut Registry) {
        <Json<T> as Payload>::register(registry);
    }
}

impl<T: ToJSON> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        let body = self.0.to_json().unwrap_or_default().to_string();
        Response::builder().content_type(Self::CONTENT_TYPE).body(body)
    }
}

impl<T: ToJSON> ApiResponse for Page<T> {
    fn meta() -> MetaResponses {
        Json::<T>::meta()
    }

    fn register(registry: &mut Registry) {
        <Json<T> as ApiResponse>::register(registry);
    }
}
