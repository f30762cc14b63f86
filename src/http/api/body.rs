//! A JSON body that is checked against its schema before it is parsed: all fields that are missing or have the wrong
//! type are reported together.

use poem::{FromRequest, Request, RequestBody};
use poem_openapi::error::ContentTypeError;
use poem_openapi::payload::{Json, ParsePayload, Payload};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::ParseFromJSON;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde_json::Value;

use super::validation::Problems;
use crate::http::problem::Problem;

/// Larger bodies are refused.
const MAX_BODY: usize = 1024 * 1024;

/// A JSON body of type `T`; the same as [`Json`] in the OpenAPI document.
pub(super) struct Body<T>(pub(super) T);

impl<'a, T: ParseFromJSON> ApiExtractor<'a> for Body<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        <Json<T> as Payload>::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content = vec![MetaMediaType {
            content_type: <Json<T> as Payload>::CONTENT_TYPE,
            schema: <Json<T> as Payload>::schema_ref(),
        }];
        Some(MetaRequest { description: None, content, required: <Json<T> as ParsePayload>::IS_REQUIRED })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<Self::ParamType>,
    ) -> poem::Result<Self> {
        match request.content_type() {
            Some(content_type) if <Json<T> as Payload>::check_content_type(content_type) => {}
            Some(other) => return Err(ContentTypeError::NotSupported { content_type: other.to_owned() }.into()),
            None => return Err(ContentTypeError::ExpectContentType.into()),
        }
        let body = <poem::Body as FromRequest>::from_request(request, body).await?.into_bytes_limit(MAX_BODY).await?;
        let value = serde_json::from_slice(&body).map_err(|error| wrong("body", format!("must be JSON: {error}")))?;
        let mut registry = Registry::new();
        T::register(&mut registry);
        let mut problems = Problems::default();
        let mut checked = Checked { registry: &registry, problems: &mut problems, places: Vec::new() };
        checked.value("", &value, &T::schema_ref());
        let places = checked.places;
        problems.into_result()?;
        let parsed = T::parse_from_json(Some(value)).map_err(|error| unparsed(&error.into_message(), &places))?;
        Ok(Self(parsed))
    }
}

fn wrong(field: &str, reason: String) -> Problem {
    Problem::invalid([(field.to_owned(), reason)])
}

/// What is wrong with a body that fits its schema: a field that its type does not have, which the error names.
fn unparsed(message: &str, places: &[(String, String)]) -> Problem {
    let quoted = |begin: &str, end: char| {
        let (_, rest) = message.split_once(begin)?;
        Some(rest.split_once(end)?.0)
    };
    let path = quoted("failed to parse \"", '"').and_then(|of| places.iter().find(|(name, _)| name == of));
    match (path, quoted("unknown field `", '`')) {
        (Some((_, path)), Some(field)) if path.is_empty() => wrong(field, "is not a field that this has".to_owned()),
        (Some((_, path)), Some(field)) => wrong(&format!("{path}.{field}"), "is not a field that this has".to_owned()),
        _ => wrong("body", message.to_owned()),
    }
}

/// Checks a value against its schema.
struct Checked<'a> {
    registry: &'a Registry,
    problems: &'a mut Problems,
    /// The names of types, and the paths of their values.
    places: Vec<(String, String)>,
}

impl Checked<'_> {
    fn value(&mut self, path: &str, value: &Value, schema: &MetaSchemaRef) {
        let schema = match schema {
            MetaSchemaRef::Inline(schema) => Some(schema.as_ref()),
            MetaSchemaRef::Reference(name) => {
                self.places.push((name.clone(), path.to_owned()));
                self.registry.schemas.get(name)
            }
        };
        let Some(schema) = schema else { return };
        // If a field adds a description to its type, its schema is an `allOf` with the type first.
        for part in &schema.all_of {
            self.value(path, value, part);
        }
        if !schema.any_of.is_empty() {
            self.one_of(path, value, &schema.any_of);
        }
        match (schema.ty, value) {
            ("integer", Value::Number(number)) if !(number.is_i64() || number.is_u64()) => {
                self.problems.add(path, "must be an integer");
            }
            ("string", Value::String(_)) | ("boolean", Value::Bool(_)) | ("", _) => {}
            ("number" | "integer", Value::Number(number)) => {
                let value = number.as_f64().unwrap_or(f64::NAN);
                let (least, most) = (schema.minimum.unwrap_or(f64::MIN), schema.maximum.unwrap_or(f64::MAX));
                if !(least..=most).contains(&value) {
                    self.problems.add(path, format!("must be from {least} to {most}"));
                }
            }
            ("array", Value::Array(items)) => {
                for (n, item) in items.iter().enumerate() {
                    if let Some(of) = &schema.items {
                        self.value(&format!("{path}[{n}]"), item, of);
                    }
                }
            }
            ("object", Value::Object(_)) => self.fields(path, value, schema),
            (wanted, _) => {
                let article = if wanted.starts_with(['a', 'o', 'i']) { "an" } else { "a" };
                self.problems.add(if path.is_empty() { "body" } else { path }, format!("must be {article} {wanted}"));
            }
        }
    }

    /// A value that may have one of several types. If it has the JSON type of one of them, that one says what is wrong.
    fn one_of(&mut self, path: &str, value: &Value, types: &[MetaSchemaRef]) {
        let of = |schema: &MetaSchemaRef| match schema {
            MetaSchemaRef::Inline(schema) => schema.ty,
            MetaSchemaRef::Reference(_) => "object",
        };
        let named = match value {
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
            Value::Bool(_) => "boolean",
            _ => "number",
        };
        match types.iter().find(|schema| of(schema) == named) {
            Some(schema) => self.value(path, value, schema),
            None => {
                let names: Vec<_> = types.iter().map(of).collect();
                self.problems.add(path, format!("must be of the type {}", names.join(" or ")));
            }
        }
    }

    fn fields(&mut self, path: &str, value: &Value, schema: &MetaSchema) {
        for (name, of) in &schema.properties {
            let path = if path.is_empty() { (*name).to_owned() } else { format!("{path}.{name}") };
            match value.get(name) {
                Some(Value::Null) | None if schema.required.contains(name) => self.problems.add(path, "is missing"),
                Some(Value::Null) | None => {}
                Some(field) => self.value(&path, field, of),
            }
        }
    }
}
