//! The rows of a batch besides its conversations: new ones by one statement for all tables, updates by one for messages.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Written;
use crate::adapters::postgres::audit::NewAnalysis;
use crate::adapters::postgres::{StoreError, audit, day_use, emergency_verdicts, opt_outs, owner_texts};
use crate::domain::call::Call;
use crate::domain::conversation::{
    CodeChange, Conversation, Decision, Media, MessageUpdate, NewMessage, Pairing, WindowRecord,
};
use crate::domain::sms_segments;
use crate::store::{Commit, Committed, OutboxRow};

/// Writes everything of a batch whose conversations are written.
pub(super) async fn write(tx: &mut PgConnection, batch: &[&Commit<'_>]) -> Result<Written, StoreError> {
    let missed = update_messages(tx, batch).await?;
    let inserted = insert_records(tx, batch).await?;
    let mut refused = Vec::new();
    for (place, commit) in batch.iter().enumerate() {
        let Some(decision) = commit.decision else { continue };
        if !decision.messages.iter().all(|message| inserted.messages.contains(&message.id)) {
            // The input was pruned from the inbox, but its message exists: a dead letter replayed very late.
            refused.push((place, Committed::Seen { outbox_keys: vec![decision.conversation.id], same_body: false }));
        } else if decision.message_updates.iter().any(|update| missed.contains(&update.id)) {
            refused.push((place, Committed::Conflict));
        } else if let Some(pairing) = &decision.paired
            && !write_pairing(tx, pairing).await?
        {
            refused.push((place, Committed::Conflict));
        }
    }
    let mut calls: Vec<(usize, &Call)> =
        batch.iter().enumerate().filter_map(|(place, commit)| Some((place, commit.call?))).collect();
    calls.sort_by_key(|(_, call)| call.id);
    for (place, call) in calls {
        if !write_call(tx, call).await? {
            refused.push((place, Committed::CallConflict));
        }
    }
    refused.extend(write_codes(tx, batch).await?);
    if !refused.is_empty() {
        return Ok(Written::Refused(refused));
    }
    let analyses: Vec<NewAnalysis<'_>> = decisions(batch)
        .filter_map(|(commit, decision)| {
            let (conversation_id, at) = (decision.conversation.id, commit.at);
            decision.analysis.as_ref().map(|analysis| NewAnalysis { conversation_id, analysis, at })
        })
        .collect();
    audit::write_analyses(tx, &analyses).await?;
    let mut by_customer = batch.to_vec();
    by_customer.sort_by_key(|commit| customer(commit));
    for commit in by_customer {
        if let Some(decision) = commit.decision {
            write_rare(tx, decision).await?;
        }
        if let Some(entry) = commit.ledger {
            opt_outs::write_entry(tx, entry, commit.at).await?;
        }
    }
    // The last lock, and the shortest: others of the business wait for it.
    let refused = day_use::write(tx, batch).await?;
    if !refused.is_empty() {
        return Ok(Written::Refused(refused.into_iter().map(|place| (place, Committed::Conflict)).collect()));
    }
    let mut outbox_ids = inserted.outbox_ids.into_iter();
    let done = |commit: &&Commit<'_>| Committed::Done {
        outbox_ids: outbox_ids.by_ref().take(commit.outbox.len()).collect(),
        behind: commit.outbox_keys().into_iter().filter(|key| inserted.behind.contains(key)).collect(),
    };
    Ok(Written::All(batch.iter().map(done).collect()))
}

/// The business and the customer that an input is of: whose opt-out it may change.
fn customer<'a>(commit: &Commit<'a>) -> Option<(&'a str, &'a str)> {
    let entry = commit.ledger.map(|entry| (&entry.business_id, &entry.customer));
    let (business_id, customer) = entry.or_else(|| {
        let conversation = &commit.decision?.conversation;
        Some((&conversation.business_id, &conversation.customer_phone))
    })?;
    Some((business_id, customer.as_str()))
}

fn decisions<'a>(batch: &'a [&'a Commit<'a>]) -> impl Iterator<Item = (&'a Commit<'a>, &'a Decision)> {
    batch.iter().filter_map(|commit| Some((*commit, commit.decision?)))
}

/// Writes the codes that conversations get or give back; returns the inputs whose code another conversation has.
async fn write_codes(tx: &mut PgConnection, batch: &[&Commit<'_>]) -> Result<Vec<(usize, Committed)>, StoreError> {
    let changes = batch.iter().enumerate().filter_map(|(place, commit)| {
        let decision = commit.decision?;
        Some((place, &decision.conversation, decision.code?))
    });
    let mut changes: Vec<_> = changes.collect();
    changes.sort_by_key(|(_, conversation, change)| {
        let code = if let CodeChange::Taken(code) = change { Some(*code) } else { None };
        (&conversation.business_id, code, conversation.id)
    });
    let mut refused = Vec::new();
    for (place, conversation, change) in changes {
        if !owner_texts::write_code(tx, &conversation.business_id, conversation.id, change).await? {
            refused.push((place, Committed::Conflict));
        }
    }
    Ok(refused)
}

/// Pairs a text with the message that it is already, which gets the earlier time; `false` if either is paired already.
async fn write_pairing(tx: &mut PgConnection, pairing: &Pairing) -> Result<bool, StoreError> {
    let Pairing { message_id, twilio_sid, received_at } = pairing;
    let paired = sqlx::query!(
        "WITH paired AS (
           INSERT INTO paired_texts (twilio_sid, message_id)
           SELECT $1, id FROM messages WHERE id = $2 AND direction = 'inbound'
             AND NOT EXISTS (SELECT 1 FROM messages WHERE twilio_sid = $1)
           ON CONFLICT DO NOTHING RETURNING message_id
         )
         UPDATE messages m SET created_at = least(m.created_at, $3) FROM paired WHERE m.id = paired.message_id",
        twilio_sid,
        message_id,
        received_at
    )
    .execute(tx)
    .await?;
    Ok(paired.rows_affected() == 1)
}

/// What most decisions do not have.
async fn write_rare(tx: &mut PgConnection, decision: &Decision) -> Result<(), StoreError> {
    for message in &decision.messages {
        if let Some(verdict) = &message.verdict {
            emergency_verdicts::write(tx, &decision.conversation, message.id, verdict, message.created_at).await?;
        }
    }
    if let Some(change) = &decision.ledger {
        let Conversation { business_id, customer_phone, .. } = &decision.conversation;
        opt_outs::write(tx, business_id, customer_phone, change).await?;
    }
    if let Some(by) = &decision.false_alarm {
        emergency_verdicts::mark_false_alarm(tx, &decision.conversation, by).await?;
    }
    Ok(())
}

/// Updates messages, locked by their ids as the slots do; returns those that did not have the expected status. A message that is only to be held back
/// (`expected` is `None`) may have been sent already, which is no conflict.
async fn update_messages(tx: &mut PgConnection, batch: &[&Commit<'_>]) -> Result<HashSet<Uuid>, StoreError> {
    #[derive(Serialize)]
    struct Update<'a> {
        id: Uuid,
        status: &'static str,
        twilio_sid: Option<&'a str>,
        error_code: Option<i32>,
        segments: Option<i32>,
        expected: &'static str,
    }
    let mut missed = HashSet::new();
    let mut left: Vec<&MessageUpdate> = decisions(batch).flat_map(|(_, decision)| &decision.message_updates).collect();
    // Several updates of one message are made one after the other.
    while !left.is_empty() {
        let mut ids = HashSet::new();
        let (now, later): (Vec<_>, Vec<_>) = left.into_iter().partition(|update| ids.insert(update.id));
        left = later;
        let row = |update: &MessageUpdate| {
            json(Update {
                id: update.id,
                status: update.status.as_str(),
                twilio_sid: update.twilio_sid.as_deref(),
                error_code: update.error_code,
                segments: update.segments,
                expected: update.expected.map_or("queued", |status| status.as_str()),
            })
        };
        let ids: Vec<Uuid> = ids.into_iter().collect();
        let rows: Value = now.iter().copied().map(row).collect();
        let done: Vec<Uuid> = sqlx::query_scalar!(
            r#"WITH locked AS (SELECT id FROM messages WHERE id = ANY($2) ORDER BY id FOR NO KEY UPDATE)
               UPDATE messages m
               SET status = r.status, twilio_sid = coalesce(r.twilio_sid, m.twilio_sid),
                 error_code = coalesce(r.error_code, m.error_code), segments = coalesce(r.segments, m.segments),
                 claim = NULL, lease_until = NULL
               FROM locked JOIN jsonb_to_recordset($1)
                 AS r(id uuid, status text, twilio_sid text, error_code int, segments int, expected text) USING (id)
               WHERE m.id = ANY($2) AND m.id = r.id AND m.status = r.expected
               RETURNING m.id"#,
            rows,
            &ids
        )
        .fetch_all(&mut *tx)
        .await?;
        let is_missed = |update: &&MessageUpdate| update.expected.is_some() && !done.contains(&update.id);
        missed.extend(now.into_iter().filter(is_missed).map(|update| update.id));
    }
    Ok(missed)
}

/// What was inserted.
struct Inserted {
    messages: HashSet<Uuid>,
    /// The ids of all outbox rows, in the order of the batch.
    outbox_ids: Vec<i64>,
    /// The outbox keys for which older rows wait.
    behind: HashSet<Uuid>,
}

#[derive(Serialize)]
struct MessageRow<'a> {
    id: Uuid,
    /// A message to anyone other than the customer is about the conversation, not in it.
    conversation_id: Option<Uuid>,
    subject_conversation_id: Uuid,
    recipient: Option<&'a str>,
    direction: &'static str,
    sender_type: &'static str,
    user_id: Option<&'a str>,
    kind: &'static str,
    body: &'a str,
    media: &'a [Media],
    twilio_sid: Option<&'a str>,
    status: &'static str,
    window_id: Option<Uuid>,
    in_reply_to_window: Option<Uuid>,
    created_at: DateTime<Utc>,
    stream_sequence: i64,
    not_before: Option<DateTime<Utc>>,
    fence_epoch: Option<i64>,
    fence_hard_epoch: Option<i64>,
    fence_exempt_at: Option<DateTime<Utc>>,
    segments: Option<i32>,
    bundle_line: Option<&'a str>,
    is_recovered: bool,
}

impl<'a> MessageRow<'a> {
    fn of(conversation_id: Uuid, message: &'a NewMessage) -> Self {
        Self {
            id: message.id,
            conversation_id: message.recipient.is_none().then_some(conversation_id),
            subject_conversation_id: conversation_id,
            recipient: message.recipient.as_ref().map(|phone| phone.as_str()),
            direction: if message.kind.is_inbound() { "inbound" } else { "outbound" },
            sender_type: message.kind.sender_type(),
            user_id: message.user_id.as_deref(),
            kind: message.kind.as_str(),
            body: &message.body,
            media: &message.media,
            twilio_sid: message.twilio_sid.as_deref(),
            status: message.status.as_str(),
            window_id: message.window_id,
            in_reply_to_window: message.in_reply_to_window,
            created_at: message.created_at,
            stream_sequence: message.stream_sequence,
            not_before: message.not_before,
            fence_epoch: message.fence.map(|fence| fence.epoch),
            fence_hard_epoch: message.fence.map(|fence| fence.hard_epoch),
            fence_exempt_at: message.fence.map(|fence| fence.exempt_at),
            segments: i32::try_from(sms_segments::count(&message.body)).ok(),
            bundle_line: message.bundle_line.as_deref(),
            is_recovered: message.is_recovered,
        }
    }
}

#[derive(Serialize)]
struct WindowRow {
    id: Uuid,
    conversation_id: Uuid,
    state: &'static str,
    opened_at: DateTime<Utc>,
    reason: &'static str,
}

impl WindowRow {
    fn of(conversation_id: Uuid, window: &WindowRecord) -> Self {
        let (state, reason) = (window.state.as_str(), window.reason.as_str());
        Self { id: window.id, conversation_id, state, opened_at: window.opened_at, reason }
    }
}

#[derive(Serialize)]
struct StepRow {
    window_id: Uuid,
    conversation_id: Uuid,
    state: &'static str,
    reason: &'static str,
    at: DateTime<Utc>,
}

#[derive(Serialize)]
struct AuditEntryRow<'a> {
    conversation_id: Uuid,
    business_id: &'a str,
    at: DateTime<Utc>,
    actor: &'static str,
    actor_id: Option<&'a str>,
    action: &'static str,
    data: &'a Value,
}

/// The rows of a batch that are only inserted, in the order of the batch.
#[derive(Default)]
struct Rows {
    messages: Vec<Value>,
    windows: Vec<Value>,
    steps: Vec<Value>,
    audit: Vec<Value>,
    outbox: Vec<Value>,
}

#[derive(Serialize)]
struct EffectRow<'a> {
    key: Uuid,
    subject: &'a str,
    message_id: Option<&'a str>,
    headers: &'a BTreeMap<String, String>,
    payload: &'a Value,
}

impl Rows {
    fn of(batch: &[&Commit<'_>]) -> Self {
        let mut rows = Self::default();
        for (commit, decision) in decisions(batch) {
            let conversation_id = decision.conversation.id;
            let messages = decision.messages.iter().map(|message| json(MessageRow::of(conversation_id, message)));
            rows.messages.extend(messages);
            rows.windows(conversation_id, decision, commit.at);
            rows.audit.extend(commit.audit.map(|entry| {
                json(AuditEntryRow {
                    conversation_id,
                    business_id: &decision.conversation.business_id,
                    at: commit.at,
                    actor: entry.actor,
                    actor_id: entry.actor_id.as_deref(),
                    action: entry.action,
                    data: &entry.data,
                })
            }));
        }
        for OutboxRow { key, subject, message_id, headers, payload } in batch.iter().flat_map(|commit| commit.outbox) {
            let message_id = message_id.as_deref();
            rows.outbox.push(json(EffectRow { key: *key, subject, message_id, headers, payload }));
        }
        rows
    }

    /// Every step of each window, and the last state of each.
    fn windows(&mut self, conversation_id: Uuid, decision: &Decision, at: DateTime<Utc>) {
        let mut windows: HashMap<Uuid, WindowRow> = HashMap::new();
        for window in &decision.windows {
            let row = WindowRow::of(conversation_id, window);
            let WindowRow { id: window_id, state, reason, .. } = row;
            self.steps.push(json(StepRow { window_id, conversation_id, state, reason, at }));
            let last = windows.entry(window_id).or_insert(row);
            (last.state, last.reason) = (state, reason);
        }
        self.windows.extend(windows.into_values().map(json));
    }
}

async fn insert_records(tx: &mut PgConnection, batch: &[&Commit<'_>]) -> Result<Inserted, StoreError> {
    let Rows { messages, windows, steps, audit, outbox } = Rows::of(batch);
    let keys: Vec<Uuid> = batch.iter().flat_map(|commit| commit.outbox.iter().map(|row| row.key)).collect();
    let row = sqlx::query!(
        r#"WITH new_messages AS (
             INSERT INTO messages (id, conversation_id, subject_conversation_id, recipient, direction, sender_type, user_id,
               kind, body, media, twilio_sid, status, window_id, in_reply_to_window, created_at, stream_sequence,
               not_before, fence_epoch, fence_hard_epoch, fence_exempt_at, segments, bundle_line, is_recovered)
             SELECT id, conversation_id, subject_conversation_id, recipient, direction, sender_type, user_id,
               kind, body, media, twilio_sid, status, window_id, in_reply_to_window, created_at, stream_sequence,
               not_before, fence_epoch, fence_hard_epoch, fence_exempt_at, segments, bundle_line, is_recovered
             FROM jsonb_populate_recordset(NULL::messages, $1)
             ON CONFLICT (twilio_sid) DO NOTHING
             RETURNING id
           ), new_windows AS (
             INSERT INTO windows (id, conversation_id, state, opened_at, reason)
             SELECT id, conversation_id, state, opened_at, reason FROM jsonb_populate_recordset(NULL::windows, $2)
             ON CONFLICT (id) DO UPDATE SET state = excluded.state, reason = excluded.reason, updated_at = now()
           ), new_steps AS (
             INSERT INTO window_steps (window_id, conversation_id, state, reason, at)
             SELECT window_id, conversation_id, state, reason, at
             FROM ROWS FROM (jsonb_populate_recordset(NULL::window_steps, $3)) WITH ORDINALITY ORDER BY ordinality
           ), new_audit AS (
             INSERT INTO audit (conversation_id, business_id, at, actor, actor_id, action, data)
             SELECT conversation_id, business_id, at, actor, actor_id, action, data
             FROM ROWS FROM (jsonb_populate_recordset(NULL::audit, $4)) WITH ORDINALITY ORDER BY ordinality
           ), new_outbox AS (
             INSERT INTO outbox (key, subject, message_id, headers, payload)
             SELECT key, subject, message_id, headers, payload
             FROM ROWS FROM (jsonb_populate_recordset(NULL::outbox, $5)) WITH ORDINALITY ORDER BY ordinality
             RETURNING id
           )
           SELECT ARRAY(SELECT id FROM new_messages) AS "messages!",
             ARRAY(SELECT id FROM new_outbox ORDER BY id) AS "outbox_ids!",
             -- A statement does not see its own rows: these are older.
             ARRAY(SELECT DISTINCT key FROM outbox
                   WHERE key = ANY($6) AND published_at IS NULL) AS "behind!""#,
        Value::Array(messages),
        Value::Array(windows),
        Value::Array(steps),
        Value::Array(audit),
        Value::Array(outbox),
        &keys
    )
    .fetch_one(tx)
    .await?;
    Ok(Inserted {
        messages: row.messages.into_iter().collect(),
        outbox_ids: row.outbox_ids,
        behind: row.behind.into_iter().collect(),
    })
}

fn json(row: impl Serialize) -> Value {
    serde_json::to_value(row).unwrap_or_default()
}

async fn write_call(tx: &mut PgConnection, call: &Call) -> Result<bool, StoreError> {
    let result = if call.version == 0 {
        sqlx::query!(
            r#"INSERT INTO calls (id, call_sid, business_id, conversation_id, customer_phone, business_phone, status,
                 dial_status, duration_seconds, created_at, ended_at, version, event_sequence, settled_by, settle_at,
                 own_account, stir_verstat, screened, accepted_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1, $12, $13, $14, $15, $16, $17, $18)
               ON CONFLICT DO NOTHING"#,
            call.id,
            call.call_sid,
            call.business_id,
            call.conversation_id,
            call.customer_phone.as_ref().map(|p| p.as_str()),
            call.business_phone.as_str(),
            call.status.as_str(),
            call.dial_status,
            call.duration_seconds,
            call.created_at,
            call.ended_at,
            call.event_sequence,
            call.settled_by.map(|by| by.as_str()),
            call.settle_at,
            call.own_account,
            call.stir_verstat,
            call.screened,
            call.accepted_at
        )
        .execute(tx)
        .await?
    } else {
        sqlx::query!(
            r#"UPDATE calls SET conversation_id = $3, status = $4, dial_status = $5, duration_seconds = $6, ended_at = $7,
                 event_sequence = $8, settled_by = $9, settle_at = $10, own_account = $11, stir_verstat = $12,
                 screened = $13, accepted_at = $14, version = version + 1
               WHERE id = $1 AND version = $2"#,
            call.id,
            call.version,
            call.conversation_id,
            call.status.as_str(),
            call.dial_status,
            call.duration_seconds,
            call.ended_at,
            call.event_sequence,
            call.settled_by.map(|by| by.as_str()),
            call.settle_at,
            call.own_account,
            call.stir_verstat,
            call.screened,
            call.accepted_at
        )
        .execute(tx)
        .await?
    };
    Ok(result.rows_affected() == 1)
}
