//! Lists by pages, as Twilio's APIs other than 2010-04-01 have them.

use poem::Request;
use serde_json::{Value, json};
use url::form_urlencoded::{Serializer, parse};

use super::list::parameter;

const DEFAULT_PAGE_SIZE: usize = 50;

/// The page of a list that the request asks for, with at most `max_size` items. Its `meta` names whole URLs, which keep the
/// rest of the request's query.
pub(super) fn page(base: &str, request: &Request, key: &str, items: &[Value], max_size: usize) -> Value {
    let raw = request.uri().query().unwrap_or_default();
    let number = |name| parameter(raw, name).and_then(|number| number.parse::<usize>().ok());
    let size = number("PageSize").unwrap_or(DEFAULT_PAGE_SIZE).clamp(1, max_size);
    let page = number("Page").unwrap_or_default();
    let start = page.saturating_mul(size).min(items.len());
    let end = (start + size).min(items.len());
    let url = |page: usize| {
        let mut query = Serializer::new(String::new());
        query.extend_pairs(parse(raw.as_bytes()).filter(|(key, _)| !matches!(&**key, "Page" | "PageSize")));
        query.append_pair("PageSize", &size.to_string()).append_pair("Page", &page.to_string());
        format!("{base}{}?{}", request.uri().path(), query.finish())
    };
    json!({
        key: &items[start..end],
        "meta": {
            "first_page_url": url(0),
            "key": key,
            "next_page_url": (end < items.len()).then(|| url(page + 1)),
            "page": page,
            "page_size": size,
            "previous_page_url": page.checked_sub(1).map(url),
            "url": url(page),
        },
    })
}
