//! What workers read every few seconds, for `/metrics`.

use chrono::{DateTime, Utc};

use super::{Store, StoreError};

/// One reading of everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readings {
    /// Effects that are not published yet; at most 100,000.
    pub outbox_waiting: i64,
    /// Emergencies between 5 minutes and 24 hours old that no person has reacted to.
    pub emergencies_unacknowledged: i64,
    /// Dead letters that have been put back.
    pub letters_put_back: i64,
    /// Of each business that has any.
    pub unanswered: Vec<UnansweredOf>,
}

/// How many customers of a business have waited for an answer for at least …
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnansweredOf {
    pub business_id: String,
    pub one_minute: i64,
    pub two_minutes: i64,
    pub five_minutes: i64,
    pub quarter_of_an_hour: i64,
}

impl Store {
    /// Reads everything at once. The dead letters are those that came since `letters_since`.
    ///
    /// A customer is unanswered while a window of an open conversation has no answer that Twilio accepted. The fallback
    /// and the emergency text are written where a person is told that there is no answer, and every window that is
    /// handed over is closed.
    pub async fn readings(&self, letters_since: DateTime<Utc>) -> Result<Readings, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT o.waiting AS "outbox_waiting!", e.unacknowledged AS "emergencies_unacknowledged!",
                      l.put_back AS "letters_put_back!", u.business_id AS "business_id?",
                      u.one_minute AS "one_minute?", u.two_minutes AS "two_minutes?",
                      u.five_minutes AS "five_minutes?", u.quarter_of_an_hour AS "quarter_of_an_hour?"
               FROM (
                 SELECT count(*) AS waiting FROM (SELECT FROM outbox WHERE published_at IS NULL LIMIT 100000) waiting_rows
               ) o
               CROSS JOIN (
                 SELECT count(*) AS unacknowledged
                 FROM conversations c
                 CROSS JOIN LATERAL (SELECT (c.rules_state->'memory'->>'emergency_at')::timestamptz AS at) seen
                 WHERE c.emergency_detected AND c.last_activity > now() - interval '25 hours' AND c.ownership <> 'user'
                   AND seen.at BETWEEN now() - interval '24 hours' AND now() - interval '5 minutes'
                   AND NOT EXISTS (SELECT FROM audit a
                                   WHERE a.conversation_id = c.id AND a.actor = 'user' AND a.at >= seen.at)
               ) e
               CROSS JOIN (
                 SELECT count(*) AS put_back FROM dead_letter_replays
                 WHERE outcome = 'put_back' AND dead_since >= $1
               ) l
               LEFT JOIN (
                 SELECT business_id, count(*) AS one_minute,
                        count(*) FILTER (WHERE since <= now() - interval '2 minutes') AS two_minutes,
                        count(*) FILTER (WHERE since <= now() - interval '5 minutes') AS five_minutes,
                        count(*) FILTER (WHERE since <= now() - interval '15 minutes') AS quarter_of_an_hour
                 FROM (
                   SELECT c.business_id, min(w.opened_at) AS since
                   FROM windows w JOIN conversations c ON c.id = w.conversation_id
                   WHERE w.state IN ('open', 'claimed') AND w.opened_at <= now() - interval '1 minute'
                     AND c.status <> 'completed' AND c.ownership <> 'user'
                     AND NOT EXISTS (SELECT FROM messages m
                                     WHERE m.conversation_id = w.conversation_id AND m.in_reply_to_window = w.id
                                       AND m.kind IN ('fallback', 'emergency'))
                   GROUP BY c.id, c.business_id
                 ) conversations_waiting
                 GROUP BY business_id
               ) u ON true"#,
            letters_since
        )
        .fetch_all(&self.pool)
        .await?;
        let mut readings = Readings::default();
        for row in rows {
            readings.outbox_waiting = row.outbox_waiting;
            readings.emergencies_unacknowledged = row.emergencies_unacknowledged;
            readings.letters_put_back = row.letters_put_back;
            readings.unanswered.extend(row.business_id.map(|business_id| UnansweredOf {
                business_id,
                one_minute: row.one_minute.unwrap_or_default(),
                two_minutes: row.two_minutes.unwrap_or_default(),
                five_minutes: row.five_minutes.unwrap_or_default(),
                quarter_of_an_hour: row.quarter_of_an_hour.unwrap_or_default(),
            }));
        }
        Ok(readings)
    }

    /// How many connections are idle, how many are used, and how many there may be.
    pub fn connections(&self) -> (u32, u32, u32) {
        let pools = [&self.pool, &self.by_key, &self.reserved];
        let idle = pools.iter().map(|pool| u32::try_from(pool.num_idle()).unwrap_or(u32::MAX)).sum::<u32>();
        let open = pools.iter().map(|pool| pool.size()).sum::<u32>();
        let most = pools.iter().map(|pool| pool.options().get_max_connections()).sum();
        (idle, open.saturating_sub(idle), most)
    }
}
