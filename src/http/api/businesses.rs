//! `/businesses`: the App Server's data about each business.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use poem_openapi::param::{Header, Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};
use serde_json::{Map, Value, json};

use super::after_hours::{AfterHours, OwnerQuietHours};
use super::auth::{Reader, Writer};
use super::body::Body;
use super::dispatchbot::{self, OwnDispatchBot};
use super::failure::Failure;
use super::forward_to::OneOrMore;
use super::page::Page;
use super::phones::{self, Beside, NumberState, PendingPhone, ordinary};
use super::twilio_account::{self, TwilioAccount};
use super::validation::{Problems, default_limit};
use super::{EdgeData, Group};
use crate::adapters::postgres::{BusinessRecord, BusinessWrite};
use crate::domain::business::{OwnSide, Profile, Trade};
use crate::domain::business_policy::{AiDisclosure, BusinessPolicy};
use crate::domain::call::Ring;
use crate::domain::conversation::{self, TextsOfLanguage};
use crate::domain::emergency::{self, Language};
use crate::domain::hours::{WEEKDAYS, is_time};
use crate::domain::owner::OwnerSms;
use crate::domain::phone::PhoneNumber;
use crate::domain::quiet_hours::QuietHours;
use crate::domain::sms_segments::MAX_BODY_CHARS;
use crate::http::Edge;
use crate::http::problem::{Code, Problem};
use crate::store::StoreError;
use crate::webhook::probe;

const MAX_NAME: usize = 200;
/// What stands before an answer has to leave room for it.
const MAX_DISCLOSURE: usize = 320;
/// The most bytes of a document as it is stored. Its copy in the business snapshot, with a token, is one message of NATS,
/// of at most 1 MB.
const MAX_DOCUMENT: usize = 512 * 1024;

/// A business's own texts in Spanish, for customers who write in it. Each text that is omitted has a default.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none, deny_unknown_fields)]
struct SpanishTemplates {
    /// The SMS to a customer after a missed call, as in English.
    missed_call: Option<String>,
    /// The SMS to a customer if DispatchBot has no usable answer, as in English.
    fallback: Option<String>,
    /// The SMS to a customer in an emergency if DispatchBot has no usable answer in time, as in English.
    emergency: Option<String>,
    /// What says that an AI writes, as in English.
    ai_disclosure: Option<String>,
}

/// A business's own texts. Each text that is omitted has a default. Typographic signs are replaced by plain ones where that
/// saves SMS segments.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
struct Templates {
    /// The SMS to a customer after a missed call, at most 1,600 characters. `{opt_out}` in it stands for the sentence that
    /// says how to opt out. The default begins with `Hi! I missed your call` and ends with `{opt_out}`.
    missed_call: Option<String>,
    /// The SMS to a customer if DispatchBot has no usable answer, at most 1,600 characters.
    fallback: Option<String>,
    /// The SMS to a customer in an emergency if DispatchBot has no usable answer in time, at most 1,600 characters.
    emergency: Option<String>,
    /// What stands before the AI's first text in a conversation, at most 320 characters: it must say that an AI writes. See
    /// `policy.ai_disclosure`. Default: `This is the AI assistant of`, and the business's name.
    ai_disclosure: Option<String>,
    /// The same texts in Spanish.
    es: Option<SpanishTemplates>,
}

/// A business's own settings of this service. DispatchBot does not see them. For what is omitted, the service's own
/// settings apply.
#[derive(Debug, Clone, Object)]
#[oai(rename = "BusinessPolicy", skip_serializing_if_is_none, deny_unknown_fields)]
struct Policy {
    /// A conversation without a call, a message or a command for this time ends with the outcome `idle`; the customer's
    /// next call or text begins a new one. From 1s to 365d, such as `72h`; default: `NMC_IDLE_AFTER`.
    idle_after: Option<String>,
    /// The regions whose callers get the missed-call text, by their ISO 3166-1 codes, such as `["US", "CA"]`. Default: the
    /// region of the number that was called. Calls from elsewhere are recorded, and `conversation.needs_attention` has the
    /// reason `region`. A number whose region is not known counts as one of the business's own.
    regions: Option<Vec<String>>,
    /// Whether callers get the missed-call text whose number the carriers could not confirm (STIR/SHAKEN failed). If
    /// `false`, `conversation.needs_attention` has the reason `unverified_caller`. Default: `true`.
    text_unverified: Option<bool>,
    /// How many texts the service may write to customers in a day, after missed calls and as answers; at most 1,000,000. A
    /// day is that of `timezone`. Beyond it, messages are kept, windows are handed over, and
    /// `conversation.needs_attention` has the reason `limit`. Danger to life is never limited. Default: `NMC_DAY_TEXTS`.
    #[oai(validator(minimum(value = "0"), maximum(value = "1000000")))]
    day_texts: Option<i64>,
    /// The same for numbers that the service texts for the first time. Default: `NMC_DAY_NEW_NUMBERS`.
    #[oai(validator(minimum(value = "0"), maximum(value = "1000000")))]
    day_new_numbers: Option<i64>,
    /// The same for requests to DispatchBot. Default: `NMC_DAY_AI`.
    #[oai(validator(minimum(value = "0"), maximum(value = "1000000")))]
    day_ai: Option<i64>,
    /// The same for emergency alerts to the owner and the contacts, apart from those about a danger to life. Default:
    /// `NMC_DAY_ALERTS`.
    #[oai(validator(minimum(value = "0"), maximum(value = "1000000")))]
    day_alerts: Option<i64>,
    /// The domains to which an answer of DispatchBot may link, such as `["example.com"]`, with all of their subdomains; a
    /// mail address there counts as a link. An answer with another link is not sent, and
    /// `conversation.needs_attention` has the reason `link_not_allowed`. At most 20. Default: none.
    #[oai(validator(max_items = 20))]
    links: Option<Vec<String>>,
    /// How many SMS segments an answer of DispatchBot may have, without the words of `templates.ai_disclosure`. A longer one is not sent, and
    /// `conversation.needs_attention` has the reason `answer_too_long`. Default: 3.
    #[oai(validator(minimum(value = "1"), maximum(value = "10")))]
    max_segments: Option<i64>,
    /// Whether the AI's first text in a conversation says that an AI writes, in the words of `templates.ai_disclosure`:
    /// `always`, or `off`. The words do not count for `max_segments`, but the whole text has at most 1,600 characters, and
    /// a sign outside GSM-7 in them makes it UCS-2. Default: `always`.
    ai_disclosure: Option<String>,
    /// A DispatchBot that the business has itself. Without it the service's is asked.
    dispatchbot: Option<OwnDispatchBot>,
    /// Whether people are called in an emergency, beside the SMS: the owner's phone (the first of `forward_to`) at once,
    /// then those of `emergency_contacts` that have answered a code or an alert once, one after the other, in two rounds, until one of them presses 1. Contacts that
    /// have not answered are sent a code. At most 6 calls an hour to a phone. Default: `false`.
    voice_ladder: Option<bool>,
    /// The API of Twilio by which texts to customers go: `messaging` (single SMS), or `conversations` (messages of a Twilio
    /// Conversation of the two numbers). Texts of customers are taken by both. Default: `messaging`.
    channel: Option<String>,
    /// Whether a phone that answers a forwarded call is first asked to press 1. Only a call that is taken so counts as
    /// answered; the caller hears ringing meanwhile. A voicemail, a phone that is silent and a rejected call are missed calls,
    /// with their text. Default: `false`.
    screening: Option<bool>,
    /// In which order the phones of `forward_to` ring: `in_turn`. All at once is not offered: with `screening`, the first
    /// voicemail would take the call from the others. Default: `in_turn`.
    ring: Option<String>,
    /// The language in which a screened phone is asked to press 1: `en` or `es`. Default: `en`.
    owner_language: Option<String>,
    /// Which texts of customers the owner's phone gets by SMS: `off` (none), `emergencies` (only alerts), or `all` (each
    /// text, with what the AI will do about it; the owner answers by texting back). With `off`, of the owner's own texts only
    /// the answer to an alert is read. Alerts of emergencies are sent in any case. Default: `emergencies`.
    owner_sms: Option<String>,
    /// What is different outside `business_hours`. Default: nothing.
    after_hours: Option<AfterHours>,
    /// When the owner gets no text, except about an emergency: such as `{"start": "21:00", "end": "08:00"}`, in the
    /// business's time zone. A reminder waits until they are over. Default: none.
    owner_quiet_hours: Option<OwnerQuietHours>,
    /// When a person owns the conversation, has done nothing in it for this time and a customer has waited for as long, the
    /// owner is reminded once by SMS, and `conversation.needs_attention` has the reason `person_silent`. From 1m to 24h, or
    /// `off`. Default: `10m`.
    remind_after: Option<String>,
    /// When a person owns the conversation, has done nothing in it for this time and a customer waits, the AI gets it back:
    /// `conversation.released` has `by: timer`. The customer has waited for `NMC_WINDOW_HOLD` by then. From 5m to 168h.
    /// Default: never.
    return_to_ai_after: Option<String>,
}

/// A business: its numbers and phones, and the data that DispatchBot needs for its answers.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
struct Business {
    /// The business's id: 1 to 64 letters, digits, dots, hyphens or underscores. Optional in a request; if present, it
    /// must equal the id in the path.
    id: Option<String>,
    /// The name by which customers know the business, at most 200 characters.
    name: String,
    /// The id of the business's owner in the App Server, at most 200 characters.
    user_id: String,
    /// The numbers that customers call and text: at least 1, at most 100. A key without the scope `numbers` may remove
    /// numbers, but not add any.
    phone_numbers: Vec<String>,
    /// The phone to which calls are forwarded, or a list of 1 to 5 that ring one after the other, each for
    /// `NMC_DIAL_TIMEOUT`, until one answers; the first is the owner's. It must not be a number from which calls would come
    /// back, such as one of `phone_numbers`, nor one that costs more than an ordinary call, such as a premium-rate or
    /// satellite number. A new phone from a key without the scope `numbers` is first listed in `pending_phones`.
    forward_to: OneOrMore,
    /// The business's time zone, as an IANA name such as `America/New_York`.
    timezone: String,
    /// The business's trade: `plumbing`, `electrical`, `hvac`, `locksmith` or `garage_door`.
    trade: String,
    /// The business hours by day of the week, such as `{"monday": {"start": "08:00", "end": "18:00"}, "sunday": null}`.
    /// A day has null, one span, or a list of spans. `holidays` has dates instead of days: `{"2026-12-25": null}`.
    /// Passed to DispatchBot. An answer with an appointment outside the hours is not sent, but in an emergency.
    business_hours: Option<Value>,
    /// Price ranges for kinds of jobs, such as `{"job_type": "drain_cleaning", "min": 120, "max": 250}`. Passed to
    /// DispatchBot. An answer with a price outside the ranges is not sent.
    job_estimates: Option<Vec<Value>>,
    /// The owner's settings. They are passed to DispatchBot unchanged, and this service uses three of them itself:
    /// - `confidence_threshold`: an answer with a lower confidence is not sent. A number from 0 to 1; default 0.5.
    /// - `quiet_hours`: hours in the business's time zone, such as
    ///   `{"start": "21:00", "end": "08:00", "missed_call": true}`. With `missed_call` set to `true`, the missed-call
    ///   text waits until they end; an answer to a customer never waits. Default: none.
    /// - `emergencies`: such as `{"accepted": true, "added": ["pump is off"], "muted": ["flood lights"]}`: whether the
    ///   business accepts emergencies, additional phrases that count as an emergency, and phrases that do not count as
    ///   one. Danger to life is always an emergency.
    user_settings: Option<Value>,
    /// The owner's calendar. Passed to DispatchBot. Entries with `starts_at` and `ends_at` (or `start`, `start_time`,
    /// `end`, `end_time`, or `date` for a whole day, or for the day of times such as `14:30`) take that time: an answer
    /// with an appointment then is not sent, unless the entry's `customer_phone` is that of the customer. Times are RFC
    /// 3339, local, seconds since 1970, or the objects of Google's and Microsoft's calendars. An entry without an end or
    /// `duration_minutes` takes an hour; one that is cancelled, declined or free (`status`) takes no time.
    calendar: Option<Vec<Value>>,
    /// The business's own texts.
    templates: Option<Templates>,
    /// The business's own settings of this service.
    policy: Option<Policy>,
    /// Phones that get an SMS about an emergency after the owner's, one after the other in this order, until a person
    /// takes over. Numbers that cost more than an ordinary call are not allowed. New phones from a key without the
    /// scope `numbers` are first listed in `pending_phones`.
    emergency_contacts: Option<Vec<String>>,
    /// The business's own Twilio account. Omit it to use the service's account.
    twilio: Option<TwilioAccount>,
    /// The business's numbers, with the result of the number verification at Twilio.
    #[oai(read_only)]
    numbers: Option<Vec<NumberState>>,
    /// New phones for `forward_to` or `emergency_contacts` from a key without the scope `numbers`. Each takes effect
    /// once the phone has answered a code sent by SMS. Until then, those two fields show the phones that are in effect.
    #[oai(read_only)]
    pending_phones: Option<Vec<PendingPhone>>,
    /// Since when the owner is away, by the text `OFF` from their phone: the AI waits for no person, and only emergencies
    /// reach the phone. Absent while the owner is not away.
    #[oai(read_only)]
    owner_off_since: Option<DateTime<Utc>>,
    /// Phones of the owner and the contacts that have texted `STOP` to the business: alerts no longer reach them. Each gets
    /// them again after it has texted `START`.
    #[oai(read_only)]
    opted_out_phones: Option<Vec<String>>,
    /// When the business was created.
    #[oai(read_only)]
    created_at: Option<DateTime<Utc>>,
    /// When the business was last replaced.
    #[oai(read_only)]
    updated_at: Option<DateTime<Utc>>,
}

/// A page of businesses, ordered by id.
#[derive(Debug, Object)]
struct BusinessList {
    /// The businesses.
    businesses: Vec<Business>,
    /// The `cursor` of the next page. Null on the last page.
    next_cursor: Option<String>,
}

/// The response to a deleted business.
#[derive(ApiResponse)]
enum Deleted {
    /// The business was deleted.
    #[oai(status = 204)]
    Gone,
}

pub(super) struct BusinessesApi;

#[OpenApi(tag = "Group::Businesses")]
impl BusinessesApi {
    /// Creates or replaces a business.
    ///
    /// The request contains the whole business: an optional field that is omitted is reset to its default. If fields
    /// are invalid, `details` names all of them, and nothing is stored.
    #[oai(path = "/businesses/:business_id", method = "put", operation_id = "put_business")]
    async fn put_business(
        &self,
        edge: EdgeData<'_>,
        key: Writer,
        /// A unique value that you choose, 1 to 255 visible ASCII characters. For one day, the same request with the
        /// same value has no further effect and gets the same response, with the header `Idempotency-Replayed: true`.
        /// The answer is 409 for a different request with the same value, or while the first request is in progress.
        /// Responses with 401, 403, 429 or 5xx are not repeated: the request is then carried out again.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        /// The business's id, chosen by the App Server.
        business_id: Path<String>,
        business: Body<Business>,
    ) -> Result<Json<Business>, Failure> {
        key.0.sees(&business_id, "business")?;
        let account = business.0.twilio.clone();
        let own = business.0.policy.as_ref().and_then(|policy| policy.dispatchbot.as_ref());
        let dispatchbot_key = own.and_then(OwnDispatchBot::api_key).map(str::to_owned);
        let profile = validated(&business_id, business.0, &edge)?;
        let may_manage_numbers = key.0.manages_numbers();
        if !may_manage_numbers {
            phones::within_scope(&edge, &profile, account.as_ref(), dispatchbot_key.is_some()).await?;
        }
        let dispatchbot_key = dispatchbot::choose_key(&edge, &profile, dispatchbot_key.as_deref()).await?;
        let (account, next_token) = twilio_account::choose(&edge, &business_id, account.as_ref()).await?;
        let document = serde_json::to_value(&profile).unwrap_or_default();
        let bytes = stored_bytes(&document);
        if bytes > MAX_DOCUMENT {
            let why =
                format!("the business has {bytes} bytes as it would be stored; at most {MAX_DOCUMENT} are allowed");
            return Err(Problem::new(Code::PayloadTooLarge, why).into());
        }
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
            dispatchbot_key: dispatchbot_key.write(),
            next_token: next_token.write(),
        };
        let record = edge.store.put_business(&write).await?;
        edge.business_cache.forget_all();
        let mut beside = Beside::read(&edge, [&record]).await?;
        Ok(Json(shown(record, &mut beside)?))
    }

    /// Returns a business.
    #[oai(path = "/businesses/:business_id", method = "get", operation_id = "get_business")]
    async fn get_business(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// The business's id, chosen by the App Server.
        business_id: Path<String>,
    ) -> Result<Json<Business>, Failure> {
        key.0.sees(&business_id, "business")?;
        let record = edge.store.business(&business_id).await?.ok_or_else(|| Problem::not_found("business"))?;
        let mut beside = Beside::read(&edge, [&record]).await?;
        Ok(Json(shown(record, &mut beside)?))
    }

    /// Deletes a business.
    ///
    /// Its numbers are released and may be added to another business. Its conversations remain.
    #[oai(path = "/businesses/:business_id", method = "delete", operation_id = "delete_business")]
    async fn delete_business(
        &self,
        edge: EdgeData<'_>,
        key: Writer,
        /// A unique value that you choose, 1 to 255 visible ASCII characters. For one day, the same request with the
        /// same value has no further effect and gets the same response, with the header `Idempotency-Replayed: true`.
        /// The answer is 409 for a different request with the same value, or while the first request is in progress.
        /// Responses with 401, 403, 429 or 5xx are not repeated: the request is then carried out again.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        /// The business's id, chosen by the App Server.
        business_id: Path<String>,
    ) -> Result<Deleted, Failure> {
        key.0.sees(&business_id, "business")?;
        let deleted = edge.store.delete_business(&business_id).await?;
        edge.business_cache.forget_all();
        if deleted { Ok(Deleted::Gone) } else { Err(Problem::not_found("business").into()) }
    }

    /// Lists businesses, ordered by id.
    #[oai(path = "/businesses", method = "get", operation_id = "list_businesses")]
    async fn list_businesses(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// The maximum number of items on a page, from 1 to 200. Default: 50.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<u32>,
        /// The `next_cursor` of the previous page. Omit it for the first page.
        cursor: Query<Option<String>>,
    ) -> Result<Page<BusinessList>, Failure> {
        let found = edge.store.businesses(key.0.businesses(), cursor.0.as_deref(), i64::from(limit.0) + 1).await?;
        let (found, next_cursor) = super::cursor::page(found, limit.0 as usize, |record| record.id.clone());
        let mut beside = Beside::read(&edge, &found).await?;
        let businesses = found.into_iter().map(|record| shown(record, &mut beside)).collect::<Result<_, _>>()?;
        Ok(Page(BusinessList { businesses, next_cursor }))
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
        templates: Some(profile.templates.into()),
        policy: Some(profile.policy.into()),
        emergency_contacts: Some(profile.emergency_contacts.into_iter().map(String::from).collect()),
        twilio,
        owner_off_since: record.owner_off_since,
        opted_out_phones: Some(record.opted_out_phones).filter(|phones| !phones.is_empty()),
        created_at: Some(record.created_at),
        updated_at: Some(record.updated_at),
    })
}

/// Returns the document to store, or everything that is wrong with the request.
fn validated(id: &str, business: Business, edge: &Edge) -> Result<Profile, Problem> {
    let mut problems = Problems::default();
    let tokens_can_be_kept = edge.cipher.is_some();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if id.is_empty() || id.len() > 64 || !id.chars().all(plain) {
        problems.add("business_id", "must be 1 to 64 letters, digits, dots, hyphens or underscores");
    }
    if business.id.as_deref().is_some_and(|named| named != id) {
        problems.add("id", "must equal the id in the path");
    }
    problems.name("name", &business.name, MAX_NAME);
    problems.name("user_id", &business.user_id, MAX_NAME);
    if business.phone_numbers.is_empty() {
        problems.add("phone_numbers", "must contain at least one number");
    }
    let phone_numbers: Vec<PhoneNumber> = problems.parsed_each("phone_numbers", &business.phone_numbers);
    if phone_numbers.iter().any(|number| number.as_str() == probe::NUMBER) {
        problems.add("phone_numbers", format!("{} is kept for probes", probe::NUMBER));
    }
    let contacts =
        problems.parsed_each("emergency_contacts", business.emergency_contacts.as_deref().unwrap_or_default());
    ordinary(&mut problems, "emergency_contacts", &contacts);
    let forward_to = business.forward_to.validated(&mut problems, &phone_numbers);
    if business.timezone.parse::<chrono_tz::Tz>().is_err() {
        problems.add("timezone", "must be an IANA time zone, such as America/New_York");
    }
    let trade: Option<Trade> = problems.parsed("trade", Some(&business.trade));
    hours(&mut problems, business.business_hours.as_ref());
    settings(&mut problems, business.user_settings.as_ref(), &business.timezone);
    let templates = templates(&mut problems, business.templates);
    let policy = policy(&mut problems, business.policy.as_ref(), edge);
    dispatchbot::validate_address(&mut problems, edge, &policy, business.user_settings.as_ref());
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
        policy,
        emergency_contacts: contacts,
        twilio_account_sid: None,     // stored in columns of the table
        never_text: Arc::default(),   // stored in a table of its own
        dispatchbot_key: None,        // stored in a column of its own
        own_side: OwnSide::default(), // stored beside the document
    })
}

/// How long a document is as PostgreSQL writes it: numbers without an exponent.
fn stored_bytes(document: &Value) -> usize {
    fn in_digits(value: &Value) -> usize {
        match value {
            Value::Number(number) if number.is_f64() => {
                let in_digits = number.as_f64().map_or(0, |number| format!("{number}").len());
                in_digits.saturating_sub(number.to_string().len())
            }
            Value::Array(items) => items.iter().map(in_digits).sum(),
            Value::Object(fields) => fields.values().map(in_digits).sum(),
            _ => 0,
        }
    }
    document.to_string().len() + in_digits(document)
}

/// Checks the hours of each day of the week, and of holidays by date: null, one span, or several.
fn hours(problems: &mut Problems, hours: Option<&Value>) {
    let empty = Map::new();
    let days = match hours {
        None => &empty,
        Some(Value::Object(days)) => days,
        Some(_) => return problems.add("business_hours", "must be an object with days as keys"),
    };
    for (day, spans) in days {
        let field = format!("business_hours.{day}");
        match spans {
            Value::Object(dates) if day == "holidays" => {
                for (date, spans) in dates {
                    if date.parse::<chrono::NaiveDate>().is_err() {
                        problems.add(format!("{field}.{date}"), "must be a date, such as 2026-12-25");
                    } else if !are_spans(spans) {
                        problems.add(format!("{field}.{date}"), SPANS);
                    }
                }
            }
            _ if day == "holidays" => problems.add(field, "must be an object with dates as keys"),
            _ if !WEEKDAYS.contains(&day.as_str()) => problems.add(field, "must be a day of the week, such as monday"),
            spans if !are_spans(spans) => problems.add(field, SPANS),
            _ => {}
        }
    }
}

const SPANS: &str =
    "must be null, {\"start\": \"08:00\", \"end\": \"18:00\"}, or a list of such spans; start must be before end";

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

fn policy(problems: &mut Problems, policy: Option<&Policy>, edge: &Edge) -> BusinessPolicy {
    let Some(policy) = policy else { return BusinessPolicy::default() };
    // The bounds are checked with the schema.
    let bounded = |limit: Option<i64>| limit.and_then(|limit| u32::try_from(limit).ok());
    BusinessPolicy {
        idle_after: problems.parsed("policy.idle_after", policy.idle_after.as_deref()),
        regions: policy.regions.as_deref().map(|regions| problems.parsed_each("policy.regions", regions)),
        text_unverified: policy.text_unverified,
        day_texts: bounded(policy.day_texts),
        day_new_numbers: bounded(policy.day_new_numbers),
        day_ai: bounded(policy.day_ai),
        day_alerts: bounded(policy.day_alerts),
        links: policy.links.as_deref().map(|links| problems.parsed_each("policy.links", links)),
        max_segments: bounded(policy.max_segments),
        ai_disclosure: ai_disclosure(problems, policy.ai_disclosure.as_deref()),
        dispatchbot: policy.dispatchbot.as_ref().and_then(|own| own.validated(problems, edge)),
        voice_ladder: policy.voice_ladder,
        channel: problems.parsed("policy.channel", policy.channel.as_deref()),
        screening: policy.screening,
        ring: ring(problems, policy.ring.as_deref(), policy.screening),
        owner_language: owner_language(problems, policy.owner_language.as_deref()),
        owner_sms: owner_sms(problems, policy.owner_sms.as_deref()),
        after_hours: policy.after_hours.as_ref().map(|after| after.validated(problems)),
        owner_quiet_hours: policy.owner_quiet_hours.as_ref().and_then(|quiet| quiet.validated(problems)),
        remind_after: problems.parsed("policy.remind_after", policy.remind_after.as_deref()),
        return_to_ai_after: problems.parsed("policy.return_to_ai_after", policy.return_to_ai_after.as_deref()),
    }
}

impl From<BusinessPolicy> for Policy {
    fn from(policy: BusinessPolicy) -> Self {
        Self {
            idle_after: policy.idle_after.map(String::from),
            regions: policy.regions.map(texts),
            text_unverified: policy.text_unverified,
            day_texts: policy.day_texts.map(i64::from),
            day_new_numbers: policy.day_new_numbers.map(i64::from),
            day_ai: policy.day_ai.map(i64::from),
            day_alerts: policy.day_alerts.map(i64::from),
            links: policy.links.map(texts),
            max_segments: policy.max_segments.map(i64::from),
            ai_disclosure: policy.ai_disclosure.map(|word| word.to_string()),
            dispatchbot: policy.dispatchbot.map(OwnDispatchBot::from),
            voice_ladder: policy.voice_ladder,
            channel: policy.channel.map(|channel| channel.to_string()),
            screening: policy.screening,
            ring: policy.ring.map(|order| order.to_string()),
            owner_language: policy.owner_language.map(|language| language.to_string()),
            owner_sms: policy.owner_sms.map(|word| word.to_string()),
            after_hours: policy.after_hours.map(AfterHours::from),
            owner_quiet_hours: policy.owner_quiet_hours.map(OwnerQuietHours::from),
            remind_after: policy.remind_after.map(String::from),
            return_to_ai_after: policy.return_to_ai_after.map(String::from),
        }
    }
}

fn ai_disclosure(problems: &mut Problems, word: Option<&str>) -> Option<AiDisclosure> {
    let parsed = word?.parse().ok();
    if parsed.is_none() {
        problems.add("policy.ai_disclosure", "must be always or off");
    }
    parsed
}

/// In which order phones ring. All at once would be useless with screening, and is not offered without.
fn ring(problems: &mut Problems, word: Option<&str>, screening: Option<bool>) -> Option<Ring> {
    match word? {
        "together" if screening == Some(true) => {
            let why =
                "cannot be together with policy.screening: the first voicemail would take the call from all phones";
            problems.add("policy.ring", why);
            problems.add("policy.screening", "cannot be true with policy.ring together");
        }
        "together" => problems.add("policy.ring", "must be in_turn: phones are not rung all at once"),
        word => match word.parse() {
            Ok(order) => return Some(order),
            Err(_) => problems.add("policy.ring", "must be in_turn"),
        },
    }
    None
}

fn owner_language(problems: &mut Problems, word: Option<&str>) -> Option<Language> {
    let parsed = word?.parse().ok();
    if parsed.is_none() {
        problems.add("policy.owner_language", "must be en or es");
    }
    parsed
}

fn owner_sms(problems: &mut Problems, word: Option<&str>) -> Option<OwnerSms> {
    let parsed = word?.parse().ok();
    if parsed.is_none() {
        problems.add("policy.owner_sms", "must be off, emergencies or all");
    }
    parsed
}

fn texts<T: Into<String>>(values: Vec<T>) -> Vec<String> {
    values.into_iter().map(Into::into).collect()
}

fn templates(problems: &mut Problems, templates: Option<Templates>) -> conversation::Templates {
    let Some(Templates { missed_call, fallback, emergency, ai_disclosure, es }) = templates else {
        return conversation::Templates::default();
    };
    let en = TextsOfLanguage { missed_call, fallback, emergency, ai_disclosure };
    let es = es.map(|es| TextsOfLanguage {
        missed_call: es.missed_call,
        fallback: es.fallback,
        emergency: es.emergency,
        ai_disclosure: es.ai_disclosure,
    });
    let own = conversation::Templates { en, es: es.unwrap_or_default() };
    for (of, texts) in [("templates", &own.en), ("templates.es", &own.es)] {
        for (name, text) in
            [("missed_call", &texts.missed_call), ("fallback", &texts.fallback), ("emergency", &texts.emergency)]
        {
            if let Some(text) = text {
                problems.text(&format!("{of}.{name}"), text, MAX_BODY_CHARS);
            }
        }
        if let Some(text) = &texts.ai_disclosure {
            problems.text(&format!("{of}.ai_disclosure"), text, MAX_DISCLOSURE);
        }
    }
    own
}

impl From<conversation::Templates> for Templates {
    fn from(conversation::Templates { en, es }: conversation::Templates) -> Self {
        let es = (!es.is_empty()).then_some(SpanishTemplates {
            missed_call: es.missed_call,
            fallback: es.fallback,
            emergency: es.emergency,
            ai_disclosure: es.ai_disclosure,
        });
        let ai_disclosure = en.ai_disclosure;
        Self { missed_call: en.missed_call, fallback: en.fallback, emergency: en.emergency, ai_disclosure, es }
    }
}
