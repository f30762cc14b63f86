//! `/dead-letters`: what could not be processed, and again.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use poem_openapi::param::{Header, Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};

use super::auth::{Caller, Reader, Writer};
use super::body::Body;
use super::failure::Failure;
use super::validation::{Problems, default_limit};
use super::{EdgeData, Group, cursor};
use crate::adapters::postgres::ReplayRow;
use crate::dead_letters::{self, DeadLettersError, Kept, Letter, LetterFilter, Order, Replayed};
use crate::http::Edge;
use crate::http::problem::Problem;

/// How many letters one request may name.
const MOST_IDS: usize = 1_000;
/// How many letters one request queues, unless it says otherwise.
const DEFAULT_MOST: u32 = 1_000;
/// How many letters one request may queue.
const MOST: u32 = 100_000;

/// What a letter holds: `text`, or `base64` where it is no text.
#[derive(Debug, Object)]
struct LetterPayload {
    /// As text.
    text: Option<String>,
    /// To the byte, where it is no text.
    base64: Option<String>,
}

/// An earlier time that the same was put aside.
#[derive(Debug, Object)]
struct LetterBefore {
    /// The letter that it was then.
    id: i64,
    /// Why it could not be processed, in a word.
    reason: String,
    /// The last error.
    detail: String,
    /// How often it had been tried.
    delivery_count: i64,
    /// When it was first tried.
    first_seen: DateTime<Utc>,
    /// When it was put aside.
    dead_since: DateTime<Utc>,
}

/// A time that a letter was to be put back.
#[derive(Debug, Object)]
struct LetterReplay {
    /// Who asked.
    asked_by: String,
    /// When.
    asked_at: DateTime<Utc>,
    /// `queued`, `put_back` or `unusable`.
    outcome: String,
    /// The subject that it was put back to, or why it could not be.
    detail: Option<String>,
    /// When it was done with.
    done_at: Option<DateTime<Utc>>,
}

/// What could not be processed.
#[derive(Debug, Object)]
struct DeadLetter {
    /// Its sequence in NMC_DEAD.
    id: i64,
    /// `waiting`, `queued` or `replayed`.
    status: String,
    /// Why it could not be processed, in a word, such as `unknown_number` or `exhausted`.
    reason: String,
    /// The same in particular, the last error included.
    detail: String,
    /// Whose it is, as far as it is known.
    business_id: Option<String>,
    /// The subject that it was published on.
    subject: String,
    /// Its place in its stream; 0 where it never was in one.
    stream_sequence: i64,
    /// How often it was tried.
    delivery_count: i64,
    /// When it was first tried.
    first_seen: DateTime<Utc>,
    /// When it was put aside.
    dead_since: DateTime<Utc>,
    /// Its headers.
    headers: BTreeMap<String, String>,
    /// What it holds.
    payload: LetterPayload,
    /// The letter that it was before it was put back; none where it is the first.
    replay_of: Option<i64>,
    /// Each time before that the same was put aside, the newest first; told where one letter is asked for.
    history: Vec<LetterBefore>,
    /// Each time that it was to be put back, in order.
    replays: Vec<LetterReplay>,
}

/// A page of dead letters, newest first.
#[derive(Debug, Object)]
struct DeadLetterList {
    /// The letters.
    dead_letters: Vec<DeadLetter>,
    /// Leads to the next page; none on the last. A page with a filter may hold fewer than asked for, and still lead on.
    next_cursor: Option<String>,
}

/// What became of a replay.
#[derive(Debug, Object)]
struct ReplayOutcome {
    /// `put_back`: it is processed as if it had just come. `before`: it had been put back before, and was not again.
    /// `unusable`: it cannot be put back.
    outcome: String,
    /// The letter as it stands.
    dead_letter: DeadLetter,
}

/// Which letters are to be put back: those named, or those that wait and meet what is said. One of `ids`, `reason`,
/// `business_id`, `subject` and `all` has to be there.
#[derive(Debug, Object)]
struct ReplayRequest {
    /// These, 1,000 at the most.
    ids: Option<Vec<i64>>,
    /// Those with this reason.
    reason: Option<String>,
    /// This business's.
    business_id: Option<String>,
    /// Those whose subject begins so.
    subject: Option<String>,
    /// All of them.
    all: Option<bool>,
    /// How many at the most, the oldest first: 1 to 100,000, 1,000 unless said otherwise.
    max: Option<u32>,
}

/// They are put back in their turn.
#[derive(Debug, Object)]
struct Queued {
    /// How many were queued now. Those queued or put back before are not among them.
    queued: u64,
    /// How fast they are put back: `NMC_REPLAY_RATE`.
    rate: String,
}

/// It will be done.
#[derive(ApiResponse)]
enum Accepted {
    /// They are queued, and put back in their turn.
    #[oai(status = 202)]
    Queued(Json<Queued>),
}

pub(super) struct DeadLettersApi;

#[OpenApi(tag = "Group::DeadLetters")]
impl DeadLettersApi {
    /// What could not be processed, newest first. A key for some businesses sees theirs; letters that belong to none are
    /// for keys that see all.
    #[oai(path = "/dead-letters", method = "get", operation_id = "list_dead_letters")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the request")]
    async fn list_dead_letters(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// Only those with this reason.
        reason: Query<Option<String>>,
        /// Only this business's.
        business_id: Query<Option<String>>,
        /// Only those whose subject begins so.
        subject: Query<Option<String>>,
        /// Only those that stand here: `waiting`, `queued` or `replayed`.
        status: Query<Option<String>>,
        /// How many, at the most.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<u32>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<DeadLetterList>, Failure> {
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
        Ok(Json(DeadLetterList { dead_letters, next_cursor: page.next.map(|id| id.to_string()) }))
    }

    /// One dead letter, with its history.
    #[oai(path = "/dead-letters/:id", method = "get", operation_id = "get_dead_letter")]
    async fn get_dead_letter(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// The letter's id.
        id: Path<String>,
    ) -> Result<Json<DeadLetter>, Failure> {
        let letter = load_authorized(&key.0, &edge, &id).await?;
        Ok(Json(in_full(&edge, letter).await?))
    }

    /// Puts a letter back to where it came from, at once: it is processed as if it had just come, and whatever of it had
    /// been processed before is not again. A letter is put back once; what fails again comes back as a new letter.
    #[oai(path = "/dead-letters/:id/replay", method = "post", operation_id = "replay_dead_letter")]
    async fn replay_dead_letter(
        &self,
        edge: EdgeData<'_>,
        key: Writer,
        /// The same request again, with the same key, changes nothing more and gets the same answer, for a day.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        /// The letter's id.
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

    /// Queues letters to be put back in their turn, the oldest first, no faster than `NMC_REPLAY_RATE`.
    #[oai(path = "/dead-letters/replay", method = "post", operation_id = "replay_dead_letters")]
    async fn replay_dead_letters(
        &self,
        edge: EdgeData<'_>,
        key: Writer,
        /// The same request again, with the same key, changes nothing more and gets the same answer, for a day.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        request: Body<ReplayRequest>,
    ) -> Result<Accepted, Failure> {
        let ReplayRequest { ids, reason, business_id, subject, all, max } = request.0;
        let mut problems = Problems::default();
        if ids.is_none() && reason.is_none() && business_id.is_none() && subject.is_none() && all != Some(true) {
            problems.add("all", "must be true where neither ids, reason, business_id nor subject is said");
        }
        if ids.as_ref().is_some_and(|ids| ids.len() > MOST_IDS) {
            problems.add("ids", format!("must not be more than {MOST_IDS}"));
        }
        let most = max.unwrap_or(DEFAULT_MOST);
        if !(1..=MOST).contains(&most) {
            problems.add("max", format!("must be 1 to {MOST}"));
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

/// The letter, if it is there and this key may see it.
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
