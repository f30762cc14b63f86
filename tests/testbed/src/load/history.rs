//! Conversations that have ended before the run: what a service that has worked for long has in its table.

use anyhow::ensure;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::Options;
use super::stage::Stage;

/// Copies those that were prepared, each with another customer, until there are as many as the options say.
pub(super) async fn write(options: &Options, stage: &Stage) -> anyhow::Result<()> {
    let mut database = PgConnection::connect(&stage.servers.database).await?;
    let columns: String = sqlx::query_scalar(
        "SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns
         WHERE table_name = 'conversations'
           AND column_name NOT IN ('id', 'customer_phone', 'status', 'created_at', 'last_activity', 'next_timer_at', 'idle_at')",
    )
    .fetch_one(&mut database)
    .await?;
    let wanted = options.ended_conversations;
    let copies = format!(
        "INSERT INTO conversations (id, customer_phone, status, created_at, last_activity, {columns})
         SELECT gen_random_uuid(), '+1313' || lpad(n::text, 7, '0'), 'completed', now() - n * interval '1 second',
           now() - n * interval '1 second', {columns}
         FROM generate_series(0, {wanted} - 1) n
           JOIN (SELECT c.*, row_number() OVER () - 1 AS place, count(*) OVER () AS prepared FROM conversations c) c
             ON c.place = n % c.prepared"
    );
    let written = sqlx::raw_sql(AssertSqlSafe(copies)).execute(&mut database).await?.rows_affected();
    ensure!(written == u64::try_from(wanted)?, "{written} conversations were copied, not {wanted}");
    sqlx::raw_sql("VACUUM ANALYZE conversations").execute(&mut database).await?;
    Ok(())
}
