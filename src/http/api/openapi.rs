//! Completes the OpenAPI document beyond what the types say, and answers methods that a path does not support.
//!
//! The types name every possible error; here each operation keeps only those it can return. Optional fields are
//! nullable, headers report what is left of the rate limit, and each object and parameter gets its example from
//! `examples.json`.

use std::collections::HashMap;

use poem::endpoint::{BoxEndpoint, make_sync};
use poem::http::{HeaderValue, Method, header};
use poem::{EndpointExt, IntoResponse, Response};
use poem_openapi::OpenApi;
use poem_openapi::registry::{
    MetaApi, MetaHeader, MetaOperation, MetaPath, MetaResponse, MetaSchema, MetaSchemaRef, Registry,
};
use serde_json::Value;

use crate::http::problem::{Code, Problem};

/// Examples by object and by parameter.
const EXAMPLES: &str = include_str!("examples.json");

/// Methods that are refused with an `Allow` header if a path does not support them; an unknown method is refused
/// without it.
const METHODS: [&str; 10] = ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "QUERY"];

/// These operations, with complete descriptions.
pub(super) struct Told<T>(pub(super) T);

impl<T: OpenApi> OpenApi for Told<T> {
    fn meta() -> Vec<MetaApi> {
        let examples = Examples::read();
        let mut paths: Vec<MetaPath> = Vec::new();
        for path in T::meta().into_iter().flat_map(|api| api.paths) {
            // Two groups may share a path, but it must appear once in the document: JSON parsers keep only one of two
            // equal keys.
            match paths.iter_mut().find(|known| known.path == path.path) {
                Some(known) => known.operations.extend(path.operations),
                None => paths.push(path),
            }
        }
        for path in &mut paths {
            for operation in &mut path.operations {
                complete(operation, &path.path, &examples);
            }
        }
        vec![MetaApi { paths }]
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
        let examples = Examples::read();
        for (name, schema) in &mut registry.schemas {
            schema.example = examples.of("objects", name);
            let required = schema.required.clone();
            for (field, of) in &mut schema.properties {
                let example = schema.example.as_ref().and_then(|example| example.get(*field)).cloned();
                *of = property(of.clone(), !required.contains(field), example);
            }
        }
    }

    fn add_routes(self, table: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {
        self.0.add_routes(table);
        for methods in table.values_mut() {
            refuse_the_others(methods);
        }
    }
}

/// An optional field is also nullable, and is null in responses.
fn property(schema: MetaSchemaRef, optional: bool, example: Option<Value>) -> MetaSchemaRef {
    match schema {
        MetaSchemaRef::Inline(mut schema) => {
            schema.nullable |= optional;
            schema.example = schema.example.or(example);
            MetaSchemaRef::Inline(schema)
        }
        reference if optional => {
            let schema = MetaSchema { all_of: vec![reference], nullable: true, ..MetaSchema::ANY };
            MetaSchemaRef::Inline(Box::new(schema))
        }
        reference => reference,
    }
}

fn complete(operation: &mut MetaOperation, path: &str, examples: &Examples) {
    let of_one_thing = path.contains('{');
    let group = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let secured = !operation.security.is_empty();
    let (body, method) = (operation.request.is_some(), operation.method.clone());
    let is_conditional = operation.params.iter().any(|param| param.name == "If-Match");
    let is_tagged = is_conditional || operation.operation_id == Some("get_conversation");
    let looks_one_up = of_one_thing || !operation.params.iter().any(|param| param.name == "limit");
    operation.responses.responses.retain(|response| match response.status {
        Some(401 | 429) => secured,
        Some(403) => secured && method != Method::GET,
        Some(404) => looks_one_up,
        // A command may conflict with the state, and any change with the `Idempotency-Key` of another request.
        Some(409) => method != Method::GET,
        Some(412) => is_conditional,
        Some(413 | 415) => body,
        _ => true,
    });
    for param in &mut operation.params {
        if let MetaSchemaRef::Inline(schema) = &mut param.schema {
            schema.example = schema.example.take().or_else(|| examples.of_parameter(group, &param.name));
        }
    }
    for response in &mut operation.responses.responses {
        if response.description.is_empty() {
            response.description = "The request succeeded.";
        }
        if secured && response.status != Some(401) {
            tell_quota(response);
        }
        if is_tagged && response.status.is_some_and(|status| status < 300) {
            tell_etag(response);
        }
    }
}

/// Adds the headers of [`quota`](super::rate_limit_headers).
fn tell_quota(response: &mut MetaResponse) {
    let mut headers = vec![
        ("RateLimit-Limit", "The number of requests that the key may make in its unit of time, by default a minute."),
        ("RateLimit-Remaining", "The number of requests that are left."),
        ("RateLimit-Reset", "The number of seconds until one more request is allowed."),
    ];
    if response.status == Some(429) {
        headers.push(("Retry-After", "The number of seconds after which to try again."));
    }
    response.headers.extend(headers.into_iter().map(|(name, description)| MetaHeader {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        required: false,
        deprecated: false,
        schema: MetaSchemaRef::Inline(Box::new(MetaSchema::new("integer"))),
    }));
    let scope = "Who counts the requests: `all` edges together, or this `edge` alone, while Redis does not answer.";
    let words = vec!["all".into(), "edge".into()];
    response.headers.push(MetaHeader {
        name: "RateLimit-Scope".to_owned(),
        description: Some(scope.to_owned()),
        required: false,
        deprecated: false,
        schema: MetaSchemaRef::Inline(Box::new(MetaSchema { enum_items: words, ..MetaSchema::new("string") })),
    });
}

/// Answers the methods that a path does not support with those that it supports.
fn refuse_the_others(methods: &mut HashMap<Method, BoxEndpoint<'static>>) {
    // GET implies HEAD.
    let takes = |method: &Method| {
        methods.contains_key(method) || (*method == Method::HEAD && methods.contains_key(&Method::GET))
    };
    let (taken, others): (Vec<_>, Vec<_>) =
        METHODS.iter().filter_map(|name| name.parse::<Method>().ok()).partition(takes);
    let allow = taken.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    for method in others {
        let allow = allow.clone();
        methods.insert(method, make_sync(move |_| refused(&allow)).boxed());
    }
}

fn refused(allow: &str) -> Response {
    let problem = Problem::new(Code::MethodNotAllowed, format!("this path supports only {allow}"));
    let mut response = problem.into_response();
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

/// Adds the header of [`tagged`](super::if_match::tagged).
fn tell_etag(response: &mut MetaResponse) {
    let description = "The ETag of the conversation, for `If-Match`: of who owns it, of what people have done in it, and of \
        the customer's messages. Delivery reports do not change it. A repeated response has none.";
    response.headers.push(MetaHeader {
        name: "ETag".to_owned(),
        description: Some(description.to_owned()),
        required: false,
        deprecated: false,
        schema: MetaSchemaRef::Inline(Box::new(MetaSchema::new("string"))),
    });
}

struct Examples(Value);

impl Examples {
    fn read() -> Self {
        Self(serde_json::from_str(EXAMPLES).unwrap_or_default())
    }

    /// A parameter name may have its own meaning in one group of paths.
    fn of_parameter(&self, group: &str, name: &str) -> Option<Value> {
        self.of("parameters", &format!("{group}.{name}")).or_else(|| self.of("parameters", name))
    }

    fn of(&self, kind: &str, name: &str) -> Option<Value> {
        self.0.get(kind)?.get(name).cloned()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn document() -> Value {
        serde_json::from_str(&crate::http::openapi()).unwrap()
    }

    #[test]
    fn every_object_has_an_example_with_its_fields() {
        for (name, schema) in document()["components"]["schemas"].as_object().unwrap() {
            let example = schema.get("example").unwrap_or_else(|| panic!("examples.json: {name} is missing"));
            for (field, _) in schema["properties"].as_object().into_iter().flatten() {
                assert!(example.get(field).is_some(), "examples.json: {name}.{field} is missing");
            }
        }
    }

    #[test]
    fn everything_is_described() {
        let document = document();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                let at = format!("{method} {path}");
                let said = |part: &Value, name: &str| part[name].as_str().is_some_and(|text| !text.is_empty());
                assert!(said(operation, "summary") && said(operation, "operationId"), "{at}");
                for param in operation["parameters"].as_array().into_iter().flatten() {
                    assert!(said(param, "description"), "{at}: {}", param["name"]);
                    assert!(!param["schema"]["example"].is_null(), "{at}: {} has no example", param["name"]);
                }
                for (status, response) in operation["responses"].as_object().unwrap() {
                    assert!(said(response, "description"), "{at}: {status}");
                }
            }
        }
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            for (field, of) in schema["properties"].as_object().into_iter().flatten() {
                let said = of.to_string().contains("\"description\"") || of["$ref"].is_string();
                assert!(said, "{name}.{field} is not described");
            }
        }
    }

    #[test]
    fn an_operation_tells_the_errors_that_it_can_give() {
        let document = document();
        let told = |path: &str, method: &str| -> Vec<String> {
            let responses = document["paths"][path][method]["responses"].as_object().unwrap();
            responses.keys().filter(|status| status.as_str() >= "400").cloned().collect()
        };
        assert_eq!(told("/conversations", "get"), ["400", "401", "429", "500", "503"]);
        assert_eq!(told("/conversations/{id}", "get"), ["400", "401", "404", "429", "500", "503"]);
        let commands = ["400", "401", "403", "404", "409", "412", "413", "415", "429", "500", "503"];
        assert_eq!(told("/conversations/{id}/takeover", "post"), commands);
        assert_eq!(told("/health", "get"), ["503"]);
    }

    #[test]
    fn a_path_is_named_once_with_all_its_methods() {
        let document = document();
        let messages = document["paths"]["/conversations/{id}/messages"].as_object().unwrap();
        assert_eq!(messages.keys().collect::<Vec<_>>(), ["get", "post"]);
    }
}
