//! Slots: whose turn it is under the send rate of a number.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use uuid::Uuid;

use super::batched::Rows;
use super::{Store, StoreError, Stored};
use crate::domain::conversation::{MessageKind, Priority};
use crate::domain::phone::PhoneNumber;

impl Store {
    /// Reserves a slot for a message: the sender's next free time, which then advances by `cost`. All workers share it.
    pub async fn reserve_slot(
        &self,
        message_id: Uuid,
        sender: &PhoneNumber,
        cost: Duration,
    ) -> Result<DateTime<Utc>, StoreError> {
        let request = SlotRequest { message_id, sender: sender.to_string(), cost };
        self.statements.slots.one(request).await?.ok_or_else(|| sqlx::Error::RowNotFound.into())
    }

    /// Reserves a slot for a message that goes behind all others: only if the sender is free now. Otherwise nothing is
    /// reserved, and the result is when to ask again, at least 100 ms later: another message may have been faster. So nothing waits for it for longer than its own `cost`.
    pub async fn reserve_slot_behind(
        &self,
        message_id: Uuid,
        sender: &PhoneNumber,
        cost: Duration,
    ) -> Result<DateTime<Utc>, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"WITH slot AS (
                 INSERT INTO sender_slots AS s (phone, next_free_at)
                 VALUES ($2, clock_timestamp() + make_interval(secs => $3))
                 ON CONFLICT (phone) DO UPDATE SET next_free_at = clock_timestamp() + make_interval(secs => $3)
                   WHERE s.next_free_at <= clock_timestamp()
                 RETURNING next_free_at - make_interval(secs => $3) AS at
               ), reserved AS (
                 UPDATE messages m SET send_at = slot.at FROM slot WHERE m.id = $1 RETURNING m.send_at
               )
               SELECT coalesce((SELECT send_at FROM reserved),
                               greatest((SELECT next_free_at FROM sender_slots WHERE phone = $2),
                                        clock_timestamp() + interval '100 milliseconds')) AS "at!""#,
            message_id,
            sender.as_str(),
            cost.as_secs_f64()
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Reserves a slot for an urgent message: it takes the slot of the first waiting message that is not urgent, and
    /// all such messages move back by `cost`.
    pub async fn reserve_slot_ahead(
        &self,
        message_id: Uuid,
        sender: &PhoneNumber,
        cost: Duration,
    ) -> Result<DateTime<Utc>, StoreError> {
        let (in_emergencies, elsewhere) = (giving_way(true), giving_way(false));
        Ok(sqlx::query_scalar!(
            r#"WITH sender AS (
                 INSERT INTO sender_slots AS s (phone, next_free_at)
                 VALUES ($2, clock_timestamp() + make_interval(secs => $3))
                 ON CONFLICT (phone) DO UPDATE
                   SET next_free_at = greatest(s.next_free_at, clock_timestamp()) + make_interval(secs => $3)
                 RETURNING next_free_at - make_interval(secs => $3) AS last
               ), waiting AS (
                 SELECT m.id, m.send_at FROM messages m JOIN conversations c ON c.id = m.subject_conversation_id
                 WHERE c.business_phone = $2 AND m.status = 'queued' AND m.send_at > clock_timestamp()
                   AND m.kind = ANY(CASE WHEN c.emergency_detected THEN $4::text[] ELSE $5::text[] END)
               ), moved AS (
                 UPDATE messages m SET send_at = m.send_at + make_interval(secs => $3) FROM waiting WHERE m.id = waiting.id
               )
               UPDATE messages m
               SET send_at = least(sender.last, coalesce((SELECT min(send_at) FROM waiting), sender.last))
               FROM sender WHERE m.id = $1 RETURNING m.send_at AS "send_at!""#,
            message_id,
            sender.as_str(),
            cost.as_secs_f64(),
            &in_emergencies as _,
            &elsewhere as _
        )
        .fetch_one(&self.pool)
        .await?)
    }
}

/// The kinds of messages that give way to an urgent one, in a conversation with or without an emergency.
fn giving_way(in_emergency: bool) -> Vec<&'static str> {
    let kinds = MessageKind::ALL.iter().filter(|kind| kind.priority(in_emergency) == Priority::Normal);
    kinds.map(|kind| kind.as_str()).collect()
}

/// A message that wants a slot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct SlotRequest {
    message_id: Uuid,
    sender: String,
    cost: Duration,
}

/// Reserves slots, in this order for each sender.
pub(super) async fn reserve(pool: PgPool, wanted: Vec<SlotRequest>) -> Stored<Rows<SlotRequest, DateTime<Utc>>> {
    let ids: Vec<Uuid> = wanted.iter().map(|request| request.message_id).collect();
    let senders: Vec<&str> = wanted.iter().map(|request| request.sender.as_str()).collect();
    let costs: Vec<f64> = wanted.iter().map(|request| request.cost.as_secs_f64()).collect();
    let reserved = sqlx::query!(
        r#"WITH wanted AS (
             SELECT * FROM unnest($1::uuid[], $2::text[], $3::float8[]) WITH ORDINALITY AS w (message_id, sender, cost, place)
           ), slot AS (
             INSERT INTO sender_slots AS s (phone, next_free_at)
             SELECT sender, clock_timestamp() + make_interval(secs => sum(cost)) FROM wanted GROUP BY sender ORDER BY sender
             ON CONFLICT (phone) DO UPDATE
               SET next_free_at = greatest(s.next_free_at, clock_timestamp())
                 + make_interval(secs => (SELECT sum(cost) FROM wanted WHERE sender = s.phone))
             RETURNING phone, next_free_at
           ), turns AS (
             -- A sender's slots end at its next free time: each begins before its own cost and that of those behind it.
             SELECT message_id,
               next_free_at - make_interval(secs => sum(cost) OVER (PARTITION BY sender ORDER BY place DESC)) AS at
             FROM wanted JOIN slot ON slot.phone = sender
           ), locked AS (
             -- In the order in which a batch locks messages.
             SELECT id FROM messages WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE
           )
           UPDATE messages m SET send_at = turns.at FROM locked JOIN turns ON turns.message_id = locked.id
           WHERE m.id = locked.id
           RETURNING m.id, m.send_at AS "send_at!""#,
        &ids,
        &senders as _,
        &costs
    )
    .fetch_all(&pool)
    .await?;
    let at: HashMap<Uuid, DateTime<Utc>> = reserved.into_iter().map(|row| (row.id, row.send_at)).collect();
    Ok(wanted.into_iter().filter_map(|request| Some((request.clone(), Ok(*at.get(&request.message_id)?)))).collect())
}
