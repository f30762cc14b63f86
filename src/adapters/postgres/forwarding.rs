//! Checks where calls end up that are forwarded from business to business: they must not loop.

use sqlx::PgConnection;

use super::StoreError;

/// The maximum number of times that a call may be forwarded.
const MOST_HOPS: i32 = 10;
/// Advisory lock: changes of forwarding run one at a time, because two concurrent changes that close a loop together
/// would not see each other.
const ONE_AT_A_TIME: i64 = 0x6e6d_6366_6f72_7764;

/// Waits for the lock on changes of numbers and forwarding, and holds it until the end of this transaction.
pub(super) async fn lock(tx: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!("SELECT pg_advisory_xact_lock($1)", ONE_AT_A_TIME).execute(tx).await?;
    Ok(())
}

/// Why calls to a business with these numbers cannot be forwarded to `forward_to`; `None` if they can.
///
/// Only this business changes, so it is part of any loop that the change closes.
pub(super) async fn why_not(
    tx: &mut PgConnection,
    business_id: &str,
    numbers: &[String],
    forward_to: &[String],
) -> Result<Option<String>, StoreError> {
    let way = sqlx::query!(
        r#"WITH RECURSIVE way (phone, hops) AS (
             SELECT unnest($1::text[]), 1
             UNION
             SELECT next.phone, way.hops + 1 FROM way
               JOIN business_numbers n ON n.phone = way.phone JOIN businesses b ON b.id = n.business_id
               CROSS JOIN LATERAL (SELECT b.forward_to UNION SELECT jsonb_array_elements_text(b.profile -> 'forward_to_next'))
                 AS next (phone)
             WHERE way.hops <= $2 AND n.business_id <> $3 AND NOT way.phone = ANY($4)
           ) SELECT phone AS "phone!", hops AS "hops!" FROM way"#,
        forward_to,
        MOST_HOPS,
        business_id,
        numbers
    )
    .fetch_all(&mut *tx)
    .await?;
    if way.iter().any(|step| numbers.contains(&step.phone)) {
        return Ok(Some("calls would loop: forward_to leads back to this business".to_owned()));
    }
    let before = sqlx::query_scalar!(
        r#"WITH RECURSIVE up (business_id, hops) AS (
             SELECT id, 1 FROM businesses
             WHERE (forward_to = ANY($1) OR profile -> 'forward_to_next' ?| $1) AND id <> $2
             UNION
             SELECT b.id, up.hops + 1 FROM up
               JOIN business_numbers n ON n.business_id = up.business_id
               JOIN businesses b ON b.forward_to = n.phone OR b.profile -> 'forward_to_next' ? n.phone
             WHERE up.hops <= $3 AND b.id <> $2
           ) SELECT coalesce(max(hops), 0) AS "hops!" FROM up"#,
        numbers,
        business_id,
        MOST_HOPS
    )
    .fetch_one(tx)
    .await?;
    let after = way.iter().map(|step| step.hops).max().unwrap_or_default();
    let too_long = before + after > MOST_HOPS;
    Ok(too_long.then(|| format!("calls would be forwarded more than {MOST_HOPS} times between businesses")))
}
