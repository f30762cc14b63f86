//! Counts calls, answers and bookings per day, for `GET /figures`.
//!
//! What a missed call led to is in its entry of the audit record, which names its text; so is a booking.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Store, StoreError};

/// Which figures to count: those between the first and the last of these moments, in the days that the moments separate.
#[derive(Debug, Clone)]
pub struct FiguresOf {
    /// The beginning of each day, and the end of the last.
    pub bounds: Vec<DateTime<Utc>>,
    /// Only those of these businesses; `None` means all.
    pub business_ids: Option<Vec<String>>,
    /// Within this time after a call a text counts as prompt.
    pub prompt: TimeDelta,
}

impl FiguresOf {
    fn first(&self) -> DateTime<Utc> {
        self.bounds.first().copied().unwrap_or_default()
    }

    fn last(&self) -> DateTime<Utc> {
        self.bounds.last().copied().unwrap_or_default()
    }
}

/// Calls of a day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallFigures {
    /// The number of the day, from 1.
    pub day: i32,
    /// All that rang.
    pub calls: i64,
    /// Those that the owner answered.
    pub answered: i64,
    /// Those that nobody answered.
    pub missed: i64,
    /// The missed ones after which a text was written.
    pub to_text_back: i64,
    /// Those whose text Twilio accepted in time.
    pub texted_in_time: i64,
}

/// Conversations that began on a day, or on any of the days.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AnswerFigures {
    /// The number of the day, from 1; `None` for all days together.
    pub day: Option<i32>,
    /// Those in which the customer wrote.
    pub conversations: i64,
    /// Those whose first answer is the AI's.
    pub ai: i64,
    /// Those whose first answer is a person's.
    pub user: i64,
    /// Those without an answer, but with a text that says that somebody will answer.
    pub fallback: i64,
    /// The median time to the first answer, in seconds.
    pub median: Option<f64>,
    /// The time to the first answer that nine of ten did not exceed, in seconds.
    pub p90: Option<f64>,
}

impl Store {
    /// The calls of each day that has any.
    pub async fn call_figures(&self, of: &FiguresOf) -> Result<Vec<CallFigures>, StoreError> {
        Ok(sqlx::query_as!(
            CallFigures,
            r#"SELECT width_bucket(c.created_at, $1::timestamptz[]) AS "day!",
                 count(*) AS "calls!",
                 count(*) FILTER (WHERE c.status = 'answered') AS "answered!",
                 count(*) FILTER (WHERE c.status = 'missed') AS "missed!",
                 count(text.id) AS "to_text_back!",
                 count(text.id) FILTER (WHERE text.twilio_sid IS NOT NULL
                   AND text.attempted_at <= coalesce(c.ended_at, c.created_at) + make_interval(secs => $5)) AS "texted_in_time!"
               FROM calls c
               LEFT JOIN LATERAL (
                 SELECT m.id, m.twilio_sid, m.attempted_at
                 FROM audit a
                 CROSS JOIN LATERAL jsonb_array_elements(a.data -> 'messages') AS written
                 JOIN messages m ON m.id = (written ->> 'id')::uuid
                 WHERE a.action = 'call_missed' AND a.data ->> 'call_sid' = c.call_sid AND m.kind = 'missed_call'
                 LIMIT 1
               ) text ON c.status = 'missed'
               WHERE c.created_at >= $2 AND c.created_at < $3 AND ($4::text[] IS NULL OR c.business_id = ANY($4))
               GROUP BY 1"#,
            &of.bounds[..],
            of.first(),
            of.last(),
            of.business_ids.as_deref(),
            of.prompt.as_seconds_f64()
        )
        .fetch_all(&mut *self.list().await?)
        .await?)
    }

    /// The conversations that began on each day that has any, and on all days together.
    pub async fn answer_figures(&self, of: &FiguresOf) -> Result<Vec<AnswerFigures>, StoreError> {
        Ok(sqlx::query_as!(
            AnswerFigures,
            r#"WITH begun AS MATERIALIZED (
                 SELECT c.id, width_bucket(c.created_at, $1::timestamptz[]) AS day, wrote.at AS wrote_at
                 FROM conversations c
                 CROSS JOIN LATERAL (
                   SELECT m.created_at AS at FROM messages m WHERE m.conversation_id = c.id AND m.kind = 'customer'
                   ORDER BY m.created_at, m.stream_sequence, m.id LIMIT 1
                 ) wrote
                 WHERE c.last_activity >= $2 AND c.created_at >= $2 AND c.created_at < $3 AND NOT c.own_side
                   AND ($4::text[] IS NULL OR c.business_id = ANY($4))
               ), answered AS (
                 SELECT b.day, answer.kind,
                   extract(epoch FROM greatest(answer.attempted_at - b.wrote_at, interval '0'))::float8 AS seconds,
                   answer.kind IS NULL AND EXISTS (
                     SELECT 1 FROM messages m
                     WHERE m.conversation_id = b.id AND m.kind IN ('fallback', 'emergency', 'taken') AND m.twilio_sid IS NOT NULL
                   ) AS is_fallback
                 FROM begun b
                 LEFT JOIN LATERAL (
                   SELECT m.kind, m.attempted_at FROM messages m
                   WHERE m.conversation_id = b.id AND m.kind IN ('reply', 'user') AND m.twilio_sid IS NOT NULL
                     AND m.created_at >= b.wrote_at
                   ORDER BY m.created_at, m.stream_sequence, m.id LIMIT 1
                 ) answer ON true
               )
               SELECT day AS "day?",
                 count(*) AS "conversations!",
                 count(*) FILTER (WHERE kind = 'reply') AS "ai!",
                 count(*) FILTER (WHERE kind = 'user') AS "user!",
                 count(*) FILTER (WHERE is_fallback) AS "fallback!",
                 percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS median,
                 percentile_cont(0.9) WITHIN GROUP (ORDER BY seconds) AS p90
               FROM answered
               GROUP BY GROUPING SETS ((day), ())"#,
            &of.bounds[..],
            of.first(),
            of.last(),
            of.business_ids.as_deref()
        )
        .fetch_all(&mut *self.list().await?)
        .await?)
    }

    /// How many appointments were requested on each day that has any.
    pub async fn booking_figures(&self, of: &FiguresOf) -> Result<Vec<(i32, i64)>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT width_bucket(at, $1::timestamptz[]) AS "day!", count(*) AS "bookings!"
               FROM audit
               WHERE at >= $2 AND at < $3 AND data -> 'events' ? 'appointment.requested'
                 AND ($4::text[] IS NULL OR business_id = ANY($4))
               GROUP BY 1"#,
            &of.bounds[..],
            of.first(),
            of.last(),
            of.business_ids.as_deref()
        )
        .fetch_all(&mut *self.list().await?)
        .await?;
        Ok(rows.into_iter().map(|row| (row.day, row.bookings)).collect())
    }
}
