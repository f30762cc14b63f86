//! `GET …/Messages.json` and `GET …/Messages/{Sid}.json`.

use std::sync::Arc;

use chrono::{DateTime, Days, NaiveDate, SubsecRound, Utc};
use poem::http::header;
use poem::web::{Data, Json, Path};
use poem::{Request, handler};
use serde_json::{Value, json};
use url::form_urlencoded::{Serializer, parse};

use super::check::authorize;
use super::error::ApiError;
use super::faults::Endpoint;
use super::header_text;
use super::message::SentMessage;
use super::state::State;
use crate::sim::lock;

const DEFAULT_PAGE_SIZE: usize = 50;
const MAX_PAGE_SIZE: usize = 1000;

/// The query of a list request.
#[derive(Default)]
struct Query {
    to: Option<String>,
    from: Option<String>,
    sent_on: Option<String>,
    sent_from: Option<String>,
    sent_until: Option<String>,
    page: usize,
    page_size: Option<usize>,
    /// The SID after which the page starts, so that new messages do not shift the page.
    after: Option<String>,
}

impl Query {
    fn parse(query: &str) -> Self {
        let mut parsed = Self::default();
        for (key, value) in parse(query.as_bytes()).into_owned().filter(|(_, value)| !value.is_empty()) {
            match key.as_str() {
                "To" => parsed.to = Some(value),
                "From" => parsed.from = Some(value),
                "DateSent" => parsed.sent_on = Some(value),
                "DateSent>" => parsed.sent_from = Some(value),
                "DateSent<" => parsed.sent_until = Some(value),
                "Page" => parsed.page = value.parse().unwrap_or_default(),
                "PageSize" => parsed.page_size = value.parse().ok(),
                "PageToken" => parsed.after = value.strip_prefix("PA").map(str::to_owned),
                _ => {}
            }
        }
        parsed
    }

    fn page_size(&self) -> usize {
        self.page_size.unwrap_or(DEFAULT_PAGE_SIZE).clamp(1, MAX_PAGE_SIZE)
    }

    fn matches(&self, message: &SentMessage) -> bool {
        let sent = message.sent_at.unwrap_or(message.accepted_at).trunc_subsecs(0);
        let equal = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        let from = |bound: &Option<String>| first_moment(bound).is_none_or(|bound| sent >= bound);
        let until = |bound: &Option<String>| last_moment(bound).is_none_or(|bound| sent <= bound);
        equal(&self.to, &message.to)
            && equal(&self.from, &message.from)
            && from(&self.sent_from)
            && until(&self.sent_until)
            && from(&self.sent_on)
            && until(&self.sent_on)
    }
}

/// The lower bound: the start of a date, or a time to the second; anything else does not filter.
pub(super) fn first_moment(bound: &Option<String>) -> Option<DateTime<Utc>> {
    let bound = bound.as_deref()?;
    match bound.parse::<NaiveDate>() {
        Ok(date) => Some(date.and_time(chrono::NaiveTime::MIN).and_utc()),
        Err(_) => DateTime::parse_from_rfc3339(bound).ok().map(|time| time.to_utc().trunc_subsecs(0)),
    }
}

/// The upper bound: the end of a date, or a time.
fn last_moment(bound: &Option<String>) -> Option<DateTime<Utc>> {
    let first = first_moment(bound)?;
    let whole_day = bound.as_deref()?.parse::<NaiveDate>().is_ok();
    if whole_day { Some(first.checked_add_days(Days::new(1))? - chrono::TimeDelta::seconds(1)) } else { Some(first) }
}

#[handler]
pub(super) async fn list(
    request: &Request,
    Path(account): Path<String>,
    Data(state): Data<&Arc<State>>,
) -> Result<Json<Value>, ApiError> {
    authorize(state, &account, header_text(request, header::AUTHORIZATION).as_deref())?;
    let query = request.uri().query().unwrap_or_default();
    let parsed = Query::parse(query);
    let number = parsed.to.clone().unwrap_or_default();
    if let Some(refusal) = state.take_refusal(Endpoint::List, &number) {
        state.count(format!("list_fault_{}", refusal.status));
        return Err(refusal.into());
    }
    state.count("listed");
    let mut received = lock(&state.received).clone();
    received.extend(lock(&state.conversations.carried).iter().cloned());
    Ok(Json(page(&state.messages.shared(), &received, &account, query, &parsed)))
}

fn page(sent: &[SentMessage], received: &[SentMessage], account: &str, raw: &str, query: &Query) -> Value {
    let now = Utc::now();
    let all = sent.iter().chain(received);
    let shown = all.filter(|message| message.account_sid == account && message.listed_from <= now);
    let mut found: Vec<_> = shown.filter(|message| query.matches(message)).collect();
    found.reverse();
    found.sort_by_key(|message| std::cmp::Reverse(message.accepted_at));
    let size = query.page_size();
    let start = match &query.after {
        Some(after) => found.iter().position(|message| message.sid == *after).map_or(found.len(), |at| at + 1),
        None => query.page * size,
    };
    let rest = found.split_off(start.min(found.len()));
    let shown = &rest[..size.min(rest.len())];
    let uri = |page: usize, after: Option<&str>| page_uri(account, "Messages.json", raw, size, page, after);
    let next = (rest.len() > shown.len()).then(|| uri(query.page + 1, shown.last().map(|last| last.sid.as_str())));
    json!({
        "end": (query.page * size + shown.len()).saturating_sub(1),
        "first_page_uri": uri(0, None),
        "messages": shown.iter().map(|message| message.resource()).collect::<Vec<_>>(),
        "next_page_uri": next,
        "page": query.page,
        "page_size": size,
        "previous_page_uri": query.page.checked_sub(1).map(|page| uri(page, None)),
        "start": query.page * size,
        "uri": format!("/2010-04-01/Accounts/{account}/Messages.json?{raw}"),
    })
}

fn page_uri(account: &str, file: &str, raw: &str, size: usize, page: usize, after: Option<&str>) -> String {
    let mut query = Serializer::new(String::new());
    query.extend_pairs(parse(raw.as_bytes()).filter(|(key, _)| !matches!(&**key, "Page" | "PageSize" | "PageToken")));
    query.append_pair("PageSize", &size.to_string()).append_pair("Page", &page.to_string());
    if let Some(after) = after {
        query.append_pair("PageToken", &format!("PA{after}"));
    }
    format!("/2010-04-01/Accounts/{account}/{file}?{}", query.finish())
}

/// A page of a list that does not change, whose items stand under `name`.
pub(super) fn one_page(account: &str, file: &str, raw: &str, name: &str, items: &[Value]) -> Value {
    let number = |name| parameter(raw, name).and_then(|number| number.parse::<usize>().ok());
    let (size, page) = (number("PageSize").unwrap_or(DEFAULT_PAGE_SIZE), number("Page").unwrap_or_default());
    let size = size.clamp(1, MAX_PAGE_SIZE);
    let start = (page * size).min(items.len());
    let end = (start + size).min(items.len());
    let next = (end < items.len()).then(|| page_uri(account, file, raw, size, page + 1, None));
    json!({
        name: &items[start..end],
        "end": end.saturating_sub(1),
        "first_page_uri": page_uri(account, file, raw, size, 0, None),
        "next_page_uri": next,
        "page": page,
        "page_size": size,
        "previous_page_uri": page.checked_sub(1).map(|page| page_uri(account, file, raw, size, page, None)),
        "start": start,
        "uri": format!("/2010-04-01/Accounts/{account}/{file}?{raw}"),
    })
}

/// A parameter of a query.
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

#[handler]
pub(super) async fn fetch(
    request: &Request,
    Path((account, file)): Path<(String, String)>,
    Data(state): Data<&Arc<State>>,
) -> Result<Json<Value>, ApiError> {
    authorize(state, &account, header_text(request, header::AUTHORIZATION).as_deref())?;
    let sid = file.strip_suffix(".json").unwrap_or(&file);
    let messages = state.messages.shared();
    let found = messages.iter().find(|message| message.sid == sid && message.account_sid == account);
    state.count(if found.is_some() { "fetched" } else { "not_found" });
    found.map(|message| Json(message.resource())).ok_or_else(|| ApiError::not_found(request.uri().path()))
}
