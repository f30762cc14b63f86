//! `/dead-letters`: messages that could not be processed, and their replay.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use poem_openapi::param::{Header, Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};

use super::auth::{Caller, Reader, Writer};
use super::body::Body;
use super::failure::Failure;
use super::page::Page;
use super::validation::{Problems, default_limit};
use super::{EdgeData, Group, cursor};
use crate::adapters::postgres::ReplayRow;
use crate::dead_letters::{self, DeadLettersError, Kept, Letter, LetterFilter, Order, Replayed};
use crate::http::Edge;
use crate::http::problem::Problem;

/// Maximum number of letters that one request may name.
const MOST_IDS: usize = 1_000;
/// How many letters one request queues by default.
const DEFAULT_MOST: u32 = 1_000;
/// Maximum number of letters that one request may queue.
const MOST: u32 = 100_000;

/// The content of a dead letter. Exactly one of the two fields is set.
#[derive(Debug, Object)]
struct LetterPayload {
    /// The content, if it is text.
    text: Option<String>,
    /// The content in Base64, if it is not text.
    base64: Option<String>,
}

/// An earlier dead letter of the same message.
#[derive(Debug, Object)]
struct LetterBefore {
    /// The id of the earlier dead letter.
    id: i64,
    /// Why the message could not be processed, as a short word.
    reason: String,
    /// The details, including the last error.
    detail: String,
    /// How many times processing was tried.
    delivery_count: i64,
    /// When processing was first tried.
    first_seen: DateTime<Utc>,
    /// When the message became a dead letter.
    dead_since: DateTime<Utc>,
}

/// A replay of a dead letter that was requested.
#[derive(Debug, Object)]
struct LetterReplay {
    /// Who requested the replay.
    asked_by: String,
    /// When the replay was requested.
    asked_at: DateTime<Utc>,
    /// The outcome: `queued`, `put_back` or `unusable`.
    outcome: String,
    /// The subject to which the message was published again, or why it could not be.
    detail: Option<String>,
    /// When the replay was finished. Null while it is queued.
    done_at: Option<DateTime<Utc>>,
}

/// A message that could not be processed.
#[derive(Debug, Object)]
struct DeadLetter {
    /// The id of the dead letter: its sequence in the stream NMC_DEAD.
    id: i64,
    /// The status: `waiting`, `queued` for a replay, or `replayed`.
    status: String,
    /// Why the message could not be processed, as a short word such as `unknown_number` or `exhausted`.
    reason: String,
    /// The details, including the last error.
    detail: String,
    /// The id of the business to which the message belongs. Null if it is not known.
    business_id: Option<String>,
    /// The subject on which the message was published.
    subject: String,
    /// The message's sequence in its stream. 0 if it never was in a stream.
    stream_sequence: i64,
    /// How many times processing was tried.
    delivery_count: i64,
    /// When processing was first tried.
    first_seen: DateTime<Utc>,
    /// When the message became a dead letter.
    dead_since: DateTime<Utc>,
    /// The headers of the message.
    headers: BTreeMap<String, String>,
    /// The content of the message.
    payload: LetterPayload,
    /// The id of the dead letter whose replay failed and became this one. Null if it is the first.
    replay_of: Option<i64>,
    /// The earlier dead letters of the same message, newest first. Empty in lists.
    history: Vec<LetterBefore>,
    /// The replays that were requested, in order.
    replays: Vec<LetterReplay>,
}

/// A page of dead letters, newest first.
#[derive(Debug, Object)]
struct DeadLetterList {
    /// The dead letters.
    dead_letters: Vec<DeadLetter>,
    /// The `cursor` of the next page. Null on the last page. With a filter, a page may hold fewer items than `limit`
    /// although there is a next page.
    next_cursor: Option<String>,
}

/// The result of a replay.
#[derive(Debug, Object)]
struct ReplayOutcome {
    /// The outcome:
    /// - `put_back`: the message was published again and is processed like a new one.
    /// - `before`: it was replayed before, and was not replayed again.
    /// - `unusable`: it cannot be replayed.
    outcome: String,
    /// The dead letter after the replay.
    dead_letter: DeadLetter,
}

/// Which dead letters to replay: those that are waiting and match all the given fields. At least one of `ids`,
/// `reason`, `business_id`, `subject` and `all` is required.
#[derive(Debug, Object)]
struct ReplayRequest {
    /// The ids of the dead letters, at most 1,000.
    ids: Option<Vec<i64>>,
    /// Only dead letters with this reason.
    reason: Option<String>,
    /// Only dead letters of this business.
    business_id: Option<String>,
    /// Only dead letters whose subject begins with this text.
    subject: Option<String>,
    /// Set to `true` to replay all dead letters. Required if no other filter is given.
    all: Option<bool>,
    /// The maximum number of dead letters to queue, from 1 to 100,000; the oldest are queued first. Default: 1,000.
    max: Option<u32>,
}

/// The dead letters that were queued for replay.
#[derive(Debug, Object)]
struct Queued {
    /// How many dead letters this request queued. Those that were queued or replayed before are not counted.
    queued: u64,
    /// The rate at which they are replayed, such as `10/s`: the setting `NMC_REPLAY_RATE`.
    rate: String,
}

/// The response to queued dead letters.
#[derive(ApiResponse)]
enum Accepted {
    /// The dead letters were queued and will be replayed.
    #[oai(status = 202)]
    Queued(Json<Queued>),
}

pub(super) struct DeadLettersApi;

#[OpenApi(tag = "Group::DeadLetters")]
impl DeadLettersApi {
    /// Lists messages that could not be processed, newest first.
    ///
    /// A key for certain businesses sees only theirs. Dead letters that belong to no business are visible only to keys
    /// for all businesses.
    #[oai(path = "/dead-letters", method = "get", operation_id = "list_dead_letters")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the request")]
    async fn list_dead_letters(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// Return only dead letters with this reason.
        reason: Query<Option<String>>,
        /// Return only dead letters of this business.
        business_id: Query<Option<String>>,
        /// Return only dead letters whose subject begins with this text.
        subject: Query<Option<String>>,
        /// Return only dead letters with this status: `waiting`, `queued` or `replayed`.
        status: Query<Option<String>>,
        /// The maximum number of items on a page, from 1 to 200. Default: 50.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<u32>,
        /// The `next_cursor` of the previous page. Omit it for the first page.
        cursor: Query<Option<String>>,
    ) -> Result<Page<DeadLetterList>, Failure> {
        let mut problems = Problems::default();
        let status = problems.parsed("status", status.0.as_deref());
        problems.into_result()?;
        let after = match cursor.0 {
            Some(cursor) => Some(cursor.parse::<u64>().map_err(|_| cursor::unusable("cursor"))?),
            None => None,
        };
        let filter = LetterFilter {
            business_ids: key.0.businesses().map(<[_]>::to_vec),
            business_id: business_id.0,
            reason: reason.0,
            subject: subject.0,
            status,
        };
        let page = edge.letters.find(&filter, Order::NewestFirst, after, limit.0 as usize).await?;
        let dead_letters = page.letters.into_iter().map(|letter| told(letter, Vec::new())).collect();
        Ok(Page(DeadLetterList { dead_letters, next_cursor: page.next.map(|id| id.to_string()) }))
    }

    /// Returns a dead letter with its history.
    #[oai(path = "/dead-letters/:id", method = "get", operation_id = "get_dead_letter")]
    async fn get_dead_letter(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// The id of the dead letter.
        id: Path<String>,
    ) -> Result<Json<DeadLetter>, Failure> {
        let letter = load_authorized(&key.0, &edge, &id).await?;
        Ok(Json(in_full(&edge, letter).await?))
    }

    /// Replays a dead letter at once.
    ///
    /// The message is published again to the subject it came from, and processed like a new one. What had already been
    /// processed of it is not processed again. A dead letter is replayed at most once; if the message fails again, it
    /// becomes a new dead letter.
    #[oai(path = "/dead-letters/:id/replay", method = "post", operation_id = "replay_dead_letter")]
    async fn replay_dead_letter(
        &self,
        edge: EdgeData<'_>,
        key: Writer,
        /// A unique value that you choose, 1 to 255 visible ASCII characters. For one day, the same request with the
        /// same value has no further effect and gets the same response, with the header `Idempotency-Replayed: true`.
        /// The answer is 409 for a different request with the same value, or while the first request is in progress.
        /// Responses with 401, 403, 429 or 5xx are not repeated: the request is then carried out again.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        /// The id of the dead letter.
        id: Path<String>,
    ) -> Result<Json<ReplayOutcome>, Failure> {
        let letter = load_authorized(&key.0, &edge, &id).await?;
        let replayed = edge.letters.replay(&letter, &key.0.name(&edge).await?).await?;
        let outcome = match replayed {
            Replayed::PutBack { .. } => "put_back",
            Replayed::Before => "before",
            Replayed::Unusable { .. } => "unusable",
        };
        let letter = load_authorized(&key.0, &edge, &id).await?;
        Ok(Json(ReplayOutcome { outcome: outcome.to_owned(), dead_letter: in_full(&edge, letter).await? }))
    }

    /// Queues dead letters for replay, oldest first.
    ///
    /// They are replayed no faster than `NMC_REPLAY_RATE`, so that new messages are not delayed.
    #[oai(path = "/dead-letters/replay", method = "post", operation_id = "replay_dead_letters")]
    async fn replay_dead_letters(
        &self,
        edge: EdgeData<'_>,
        key: Writer,
        /// A unique value that you choose, 1 to 255 visible ASCII characters. For one day, the same request with the
        /// same value has no further effect and gets the same response, with the header `Idempotency-Replayed: true`.
        /// The answer is 409 for a different request with the same value, or while the first request is in progress.
        /// Responses with 401, 403, 429 or 5xx are not repeated: the request is then carried out again.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        request: Body<ReplayRequest>,
    ) -> Result<Accepted, Failure> {
        let ReplayRequest { ids, reason, business_id, subject, all, max } = request.0;
        let mut problems = Problems::default();
        if ids.is_none() && reason.is_none() && business_id.is_none() && subject.is_none() && all != Some(true) {
            problems.add("all", "must be true if ids, reason, business_id and subject are all omitted");
        }
        if ids.as_ref().is_some_and(|ids| ids.len() > MOST_IDS) {
            problems.add("ids", format!("must not contain more than {MOST_IDS} ids"));
        }
        let most = max.unwrap_or(DEFAULT_MOST);
        if !(1..=MOST).contains(&most) {
            problems.add("max", format!("must be from 1 to {MOST}"));
        }
        problems.into_result()?;
        let business_ids = key.0.businesses().map(<[_]>::to_vec);
        let filter = LetterFilter { business_ids, business_id, reason, subject, status: None };
        let asked_by = key.0.name(&edge).await?;
        let queued = match ids {
            Some(ids) => {
                let ids: Vec<u64> = ids.into_iter().filter_map(|id| id.try_into().ok()).take(most as usize).collect();
                edge.letters.queue_these(&ids, &filter, &asked_by).await?
            }
            None => edge.letters.queue(&filter, most as usize, &asked_by).await?,
        };
        Ok(Accepted::Queued(Json(Queued { queued, rate: edge.replay_rate.to_string() })))
    }
}

/// Returns the letter if it exists and the key may see it.
async fn load_authorized(caller: &Caller, edge: &Edge, id: &str) -> Result<Letter, Failure> {
    let nothing = || Problem::not_found("dead letter");
    let id: i64 = id.parse().map_err(|_| nothing())?;
    let id = u64::try_from(id).map_err(|_| nothing())?;
    let letter = edge.letters.get(id).await?.ok_or_else(nothing)?;
    match &letter.body.business_id {
        Some(business_id) => caller.sees(business_id, "dead letter")?,
        None if caller.businesses().is_some() => return Err(nothing().into()),
        None => {}
    }
    Ok(letter)
}

async fn in_full(edge: &Edge, letter: Letter) -> Result<DeadLetter, Failure> {
    let history = edge.letters.history(&letter).await?;
    Ok(told(letter, history))
}

fn told(letter: Letter, history: Vec<Letter>) -> DeadLetter {
    let (status, replay_of) = (letter.status(), letter.replay_of());
    let body = letter.body;
    let payload = match body.payload {
        Kept::Text(text) => LetterPayload { text: Some(text), base64: None },
        Kept::Base64(base64) => LetterPayload { text: None, base64: Some(base64) },
    };
    DeadLetter {
        id: signed(letter.id),
        status: status.to_string(),
        reason: body.reason,
        detail: body.detail,
        business_id: body.business_id,
        subject: body.subject,
        stream_sequence: signed(body.stream_sequence),
        delivery_count: signed(body.delivery_count),
        first_seen: body.first_seen,
        dead_since: letter.dead_since,
        headers: body.headers,
        payload,
        replay_of: replay_of.map(signed),
        history: history.into_iter().map(LetterBefore::from).collect(),
        replays: letter.replays.into_iter().map(LetterReplay::from).collect(),
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl From<Letter> for LetterBefore {
    fn from(letter: Letter) -> Self {
        Self {
            id: signed(letter.id),
            reason: letter.body.reason,
            detail: letter.body.detail,
            delivery_count: signed(letter.body.delivery_count),
            first_seen: letter.body.first_seen,
            dead_since: letter.dead_since,
        }
    }
}

impl From<ReplayRow> for LetterReplay {
    fn from(row: ReplayRow) -> Self {
        Self {
            asked_by: row.asked_by,
            asked_at: row.asked_at,
            outcome: row.outcome,
            detail: row.detail,
            done_at: row.done_at,
        }
    }
}

impl From<DeadLettersError> for Failure {
    fn from(error: dead_letters::DeadLettersError) -> Self {
        match error {
            DeadLettersError::Store(error) => error.into(),
            error => Problem::unavailable(&error).into(),
        }
    }
}
