//! `/businesses`: what the App Server keeps here of each business.

use chrono::{DateTime, Utc};
use poem_openapi::param::{Header, Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};
use serde_json::{Map, Value, json};

use super::auth::{Reader, Writer};
use super::body::Body;
use super::failure::Failure;
use super::phones::{self, Beside, NumberState, PendingPhone, ordinary};
use super::twilio_account::{self, TwilioAccount};
use super::validation::{Problems, default_limit};
use super::{EdgeData, Group};
use crate::adapters::postgres::{BusinessRecord, BusinessWrite, StoreError};
use crate::domain::business::{Profile, Trade};
use crate::domain::phone::PhoneNumber;
use crate::domain::quiet_hours::QuietHours;
use crate::domain::{conversation, emergency};
use crate::http::problem::Problem;

const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
/// Twilio refuses longer texts.
const MAX_TEMPLATE: usize = 1_600;
const MAX_NAME: usize = 200;

/// A business's own texts; each has a default.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
struct Templates {
    /// Sent when a call was missed; by default it begins `Hi! I missed your call`.
    missed_call: Option<String>,
    /// Sent when DispatchBot has no answer.
    fallback: Option<String>,
    /// Sent in an emergency when DispatchBot has no answer in time.
    emergency: Option<String>,
}

/// A business, and all that AI and forwarding need of it.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
struct Business {
    /// Its id; in a request the path's, if at all.
    id: Option<String>,
    /// What customers know it by.
    name: String,
    /// Its owner.
    user_id: String,
    /// The numbers that customers call and write to, 100 at most. A key without the scope `numbers` may leave some out, and
    /// adds none.
    phone_numbers: Vec<String>,
    /// Where calls are forwarded to. Not a number from which they would come back, and none that costs more than a call.
    forward_to: String,
    /// IANA name of its time zone.
    timezone: String,
    /// `plumbing`, `electrical`, `hvac`, `locksmith` or `garage_door`.
    trade: String,
    /// By day of the week: `{"monday": {"start": "08:00", "end": "18:00"}, "sunday": null}`; several spans as a list. Under
    /// `holidays` by date: `{"2026-12-25": null}`. Handed to DispatchBot.
    business_hours: Option<Value>,
    /// What jobs cost; handed to DispatchBot.
    job_estimates: Option<Vec<Value>>,
    /// The owner's settings; handed to DispatchBot. `confidence_threshold` (0 to 1, default 0.5), `quiet_hours`
    /// (`{"start": "21:00", "end": "08:00", "missed_call": true}`, default none) and `emergencies` (`{"accepted": true,
    /// "added": ["pump is off"], "muted": ["flood lights"]}`: whether it takes any, and phrases of its own that count, or
    /// do not) are ours too. Danger to life is always an emergency.
    user_settings: Option<Value>,
    /// The owner's calendar; handed to DispatchBot.
    calendar: Option<Vec<Value>>,
    /// Its own texts.
    templates: Option<Templates>,
    /// Who is told of an emergency when the owner does not answer.
    emergency_contacts: Option<Vec<String>>,
    /// Its own Twilio account, where it brings one.
    twilio: Option<TwilioAccount>,
    /// Its numbers, each with what Twilio says of it.
    #[oai(read_only)]
    numbers: Option<Vec<NumberState>>,
    /// Phones that a key without the scope `numbers` has put as `forward_to` or among `emergency_contacts`. They count once
    /// they have answered a code by SMS; until then the document has what counts.
    #[oai(read_only)]
    pending_phones: Option<Vec<PendingPhone>>,
    /// When it was first put.
    #[oai(read_only)]
    created_at: Option<DateTime<Utc>>,
    /// When it was last put.
    #[oai(read_only)]
    updated_at: Option<DateTime<Utc>>,
}

/// A page of businesses, by id.
#[derive(Debug, Object)]
struct BusinessList {
    /// The businesses.
    businesses: Vec<Business>,
    /// Leads to the next page; none on the last.
    next_cursor: Option<String>,
}

/// It is gone.
#[derive(ApiResponse)]
enum Deleted {
    /// It is gone.
    #[oai(status = 204)]
    Gone,
}

pub(super) struct BusinessesApi;

#[OpenApi(tag = "Group::Businesses")]
impl BusinessesApi {
    /// Keeps a business, as a whole.
    #[oai(path = "/businesses/:business_id", method = "put", operation_id = "put_business")]
    async fn put_business(
        &self,
        edge: EdgeData<'_>,
        key: Writer,
        /// The same request again, with the same key, changes nothing more and gets the same answer, for a day.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        /// The business's id, as the App Server has chosen it.
        business_id: Path<String>,
        business: Body<Business>,
    ) -> Result<Json<Business>, Failure> {
        key.0.sees(&business_id, "business")?;
        let account = business.0.twilio.clone();
        let profile = validated(&business_id, business.0, edge.cipher.is_some())?;
        let may_manage_numbers = key.0.manages_numbers();
        if !may_manage_numbers {
            phones::within_scope(&edge, &profile, account.as_ref()).await?;
        }
        let account = twilio_account::choose(&edge, &business_id, account.as_ref()).await?;
        let document = serde_json::to_value(&profile).unwrap_or_default();
        let write = BusinessWrite {
            id: &business_id,
            name: &profile.name,
            user_id: &profile.user_id,
            forward_to: &profile.forward_to,
            phone_numbers: &profile.phone_numbers,
            emergency_contacts: &profile.emergency_contacts,
            may_manage_numbers,
            profile: &document,
            account: account.write(),
        };
        let record = edge.store.put_business(&write).await?;
        edge.business_cache.forget_all();
        let mut beside = Beside::read(&edge, [&record]).await?;
        Ok(Json(shown(record, &mut beside)?))
    }

    /// One business.
    #[oai(path = "/businesses/:business_id", method = "get", operation_id = "get_business")]
    async fn get_business(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// The business's id, as the App Server has chosen it.
        business_id: Path<String>,
    ) -> Result<Json<Business>, Failure> {
        key.0.sees(&business_id, "business")?;
        let record = edge.store.business(&business_id).await?.ok_or_else(|| Problem::not_found("business"))?;
        let mut beside = Beside::read(&edge, [&record]).await?;
        Ok(Json(shown(record, &mut beside)?))
    }

    /// Forgets a business and gives its numbers back; its conversations stay.
    #[oai(path = "/businesses/:business_id", method = "delete", operation_id = "delete_business")]
    async fn delete_business(
        &self,
        edge: EdgeData<'_>,
        key: Writer,
        /// The same request again, with the same key, changes nothing more and gets the same answer, for a day.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        /// The business's id, as the App Server has chosen it.
        business_id: Path<String>,
    ) -> Result<Deleted, Failure> {
        key.0.sees(&business_id, "business")?;
        let deleted = edge.store.delete_business(&business_id).await?;
        edge.business_cache.forget_all();
        if deleted { Ok(Deleted::Gone) } else { Err(Problem::not_found("business").into()) }
    }

    /// Businesses, by id.
    #[oai(path = "/businesses", method = "get", operation_id = "list_businesses")]
    async fn list_businesses(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// How many, at the most.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<u32>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<BusinessList>, Failure> {
        let found = edge.store.businesses(key.0.businesses(), cursor.0.as_deref(), i64::from(limit.0) + 1).await?;
        let (found, next_cursor) = super::cursor::page(found, limit.0 as usize, |record| record.id.clone());
        let mut beside = Beside::read(&edge, &found).await?;
        let businesses = found.into_iter().map(|record| shown(record, &mut beside)).collect::<Result<_, _>>()?;
        Ok(Json(BusinessList { businesses, next_cursor }))
    }
}

fn shown(record: BusinessRecord, beside: &mut Beside) -> Result<Business, StoreError> {
    let twilio = TwilioAccount::shown(&record);
    let profile: Profile =
        serde_json::from_value(record.profile).map_err(|e| StoreError::corrupt("businesses", &record.id, e))?;
    let list = |value: Value| value.as_array().cloned();
    let (numbers, pending_phones) = beside.of(&record.id);
    Ok(Business {
        numbers: Some(numbers),
        pending_phones: Some(pending_phones),
        id: Some(record.id),
        name: profile.name,
        user_id: profile.user_id,
        phone_numbers: profile.phone_numbers.into_iter().map(String::from).collect(),
        forward_to: profile.forward_to.into(),
        timezone: profile.timezone,
        trade: profile.trade.to_string(),
        business_hours: Some(profile.business_hours),
        job_estimates: list(profile.job_estimates),
        user_settings: Some(profile.user_settings),
        calendar: list(profile.calendar),
        templates: Some(Templates {
            missed_call: profile.templates.missed_call,
            fallback: profile.templates.fallback,
            emergency: profile.templates.emergency,
        }),
        emergency_contacts: Some(profile.emergency_contacts.into_iter().map(String::from).collect()),
        twilio,
        created_at: Some(record.created_at),
        updated_at: Some(record.updated_at),
    })
}

/// The document to keep, or everything that is wrong with the request.
fn validated(id: &str, business: Business, tokens_can_be_kept: bool) -> Result<Profile, Problem> {
    let mut problems = Problems::default();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if id.is_empty() || id.len() > 64 || !id.chars().all(plain) {
        problems.add("business_id", "must be 1 to 64 letters, digits, dots, hyphens or underscores");
    }
    if business.id.as_deref().is_some_and(|named| named != id) {
        problems.add("id", "differs from the path's");
    }
    problems.text("name", &business.name, MAX_NAME);
    problems.text("user_id", &business.user_id, MAX_NAME);
    if business.phone_numbers.is_empty() {
        problems.add("phone_numbers", "must name at least one number");
    }
    let phone_numbers = phones(&mut problems, "phone_numbers", &business.phone_numbers);
    let contacts =
        phones(&mut problems, "emergency_contacts", business.emergency_contacts.as_deref().unwrap_or_default());
    ordinary(&mut problems, "emergency_contacts", &contacts);
    let forward_to: Option<PhoneNumber> = problems.parsed("forward_to", Some(&business.forward_to));
    ordinary(&mut problems, "forward_to", forward_to.as_slice());
    if forward_to.as_ref().is_some_and(|to| phone_numbers.contains(to)) {
        problems.add("forward_to", "is one of phone_numbers: the call would come back for ever");
    }
    if business.timezone.parse::<chrono_tz::Tz>().is_err() {
        problems.add("timezone", "is not an IANA time zone, like America/New_York");
    }
    let trade: Option<Trade> = problems.parsed("trade", Some(&business.trade));
    hours(&mut problems, business.business_hours.as_ref());
    settings(&mut problems, business.user_settings.as_ref(), &business.timezone);
    let templates = templates(&mut problems, business.templates);
    if let Some(account) = &business.twilio {
        account.validate(&mut problems, tokens_can_be_kept);
    }
    let (Some(forward_to), Some(trade)) = (forward_to, trade) else {
        problems.into_result()?;
        return Err(Problem::invalid([]));
    };
    problems.into_result()?;
    Ok(Profile {
        id: id.to_owned(),
        name: business.name,
        user_id: business.user_id,
        phone_numbers,
        forward_to,
        timezone: business.timezone,
        trade,
        business_hours: business.business_hours.unwrap_or_else(|| json!({})),
        job_estimates: Value::Array(business.job_estimates.unwrap_or_default()),
        user_settings: business.user_settings.unwrap_or_else(|| json!({})),
        calendar: Value::Array(business.calendar.unwrap_or_default()),
        templates,
        emergency_contacts: contacts,
        twilio_account_sid: None, // kept in columns of its own
    })
}

fn phones(problems: &mut Problems, field: &str, texts: &[String]) -> Vec<PhoneNumber> {
    let read = |(n, text): (usize, &String)| problems.parsed(&format!("{field}[{n}]"), Some(text));
    texts.iter().enumerate().filter_map(read).collect()
}

/// By day of the week, and by date for holidays: null, one span, or several.
fn hours(problems: &mut Problems, hours: Option<&Value>) {
    let empty = Map::new();
    let days = match hours {
        None => &empty,
        Some(Value::Object(days)) => days,
        Some(_) => return problems.add("business_hours", "must be an object of days"),
    };
    for (day, spans) in days {
        let field = format!("business_hours.{day}");
        match spans {
            Value::Object(dates) if day == "holidays" => {
                for (date, spans) in dates {
                    if date.parse::<chrono::NaiveDate>().is_err() {
                        problems.add(format!("{field}.{date}"), "is not a date like 2026-12-25");
                    } else if !are_spans(spans) {
                        problems.add(format!("{field}.{date}"), SPANS);
                    }
                }
            }
            _ if day == "holidays" => problems.add(field, "must be an object of dates"),
            _ if !WEEKDAYS.contains(&day.as_str()) => problems.add(field, "is not a day of the week, like monday"),
            spans if !are_spans(spans) => problems.add(field, SPANS),
            _ => {}
        }
    }
}

const SPANS: &str =
    "must be null, {\"start\": \"08:00\", \"end\": \"18:00\"}, or a list of such spans; start before end";

fn are_spans(spans: &Value) -> bool {
    let time =
        |span: &Value, name: &str| span.get(name).and_then(Value::as_str).filter(|t| is_time(t)).map(str::to_owned);
    let is_span =
        |span: &Value| matches!((time(span, "start"), time(span, "end")), (Some(start), Some(end)) if start < end);
    match spans {
        Value::Null => true,
        Value::Array(spans) => spans.iter().all(is_span),
        span => is_span(span),
    }
}

fn is_time(text: &str) -> bool {
    text.len() == 5 && (text == "24:00" || chrono::NaiveTime::parse_from_str(text, "%H:%M").is_ok())
}

fn settings(problems: &mut Problems, settings: Option<&Value>, timezone: &str) {
    let Some(settings) = settings else { return };
    if !settings.is_object() {
        return problems.add("user_settings", "must be an object");
    }
    if let Err(reason) = QuietHours::of_settings(settings, timezone) {
        problems.add("user_settings.quiet_hours", reason);
    }
    if let Err(reason) = emergency::Settings::of_settings(settings) {
        problems.add("user_settings.emergencies", reason);
    }
    if let Some(threshold) = settings.get("confidence_threshold")
        && !threshold.as_f64().is_some_and(|value| (0.0..=1.0).contains(&value))
    {
        problems.add("user_settings.confidence_threshold", "must be a number from 0 to 1");
    }
}

fn templates(problems: &mut Problems, templates: Option<Templates>) -> conversation::Templates {
    let Some(own) = templates else { return conversation::Templates::default() };
    for (name, text) in [("missed_call", &own.missed_call), ("fallback", &own.fallback), ("emergency", &own.emergency)]
    {
        if let Some(text) = text {
            problems.text(&format!("templates.{name}"), text, MAX_TEMPLATE);
        }
    }
    conversation::Templates { missed_call: own.missed_call, fallback: own.fallback, emergency: own.emergency }
}
