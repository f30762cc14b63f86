//! The rows about a customer, table by table, as an export has them: in full, but for secrets and other people's data.

use serde_json::Value;
use sqlx::PgConnection;

use super::{Store, StoreError};
use crate::domain::phone::PhoneNumber;
use crate::store::Kept;

/// A row about a customer.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptRow {
    /// Orders the rows of a table.
    pub key: String,
    /// The columns.
    pub data: Value,
}

/// A part of the rows of one table.
#[derive(Debug, Clone, Copy)]
pub struct KeptPage<'a> {
    pub customer: &'a PhoneNumber,
    /// Only rows of these businesses; `None` means all.
    pub business_ids: Option<&'a [String]>,
    /// Only rows after the one with this key.
    pub after: Option<&'a str>,
    /// How many at most.
    pub limit: i64,
}

impl Store {
    /// The rows about a customer in a table, ordered by their keys. A place that is not a table has none.
    ///
    /// # Errors
    /// If PostgreSQL is unavailable.
    pub async fn kept(&self, kept: Kept, page: KeptPage<'_>) -> Result<Vec<KeptRow>, StoreError> {
        let mut tx = self.list().await?;
        let connection = &mut *tx;
        Ok(match kept {
            Kept::Conversations | Kept::Calls | Kept::OptOuts | Kept::ErasedOptOuts | Kept::NeverText => {
                of_number(connection, kept, page).await?
            }
            Kept::Messages
            | Kept::Windows
            | Kept::WindowSteps
            | Kept::Analyses
            | Kept::EmergencyVerdicts
            | Kept::Audit => of_conversations(connection, kept, page).await?,
            Kept::Outbox
            | Kept::Idempotency
            | Kept::PhoneCodes
            | Kept::WantedPhones
            | Kept::ConfirmedPhones
            | Kept::OwnerTexts
            | Kept::TwilioParticipants => of_others(connection, kept, page).await?,
            Kept::DeadLetters | Kept::EventLog => Vec::new(),
        })
    }
}

/// The page of what a statement selects: `key` and `data`, with `$1` for the number and `$2` for the businesses.
macro_rules! page {
    ($connection:expr, $page:expr, $select:literal) => {
        page!($connection, $page, $select, "")
    };
    // Only rows of the customer's conversations, by this condition.
    ($connection:expr, $page:expr, $select:literal, of_conversations) => {
        page!(
            $connection,
            $page,
            $select,
            " IN (SELECT id FROM conversations WHERE customer_phone = $1 AND ($2::text[] IS NULL OR business_id = ANY($2)))"
        )
    };
    ($connection:expr, $page:expr, $select:literal, $condition:literal) => {
        sqlx::query_as!(
            KeptRow,
            r#"SELECT key AS "key!", data AS "data!" FROM ("# + $select + $condition + r#") AS kept
               WHERE $3::text IS NULL OR key > $3 ORDER BY key LIMIT $4"#,
            $page.customer.as_str(),
            $page.business_ids,
            $page.after,
            $page.limit
        )
        .fetch_all($connection)
        .await
    };
}

/// What has the customer's number, or its hash.
async fn of_number(connection: &mut PgConnection, kept: Kept, page: KeptPage<'_>) -> sqlx::Result<Vec<KeptRow>> {
    match kept {
        Kept::Conversations => page!(
            connection,
            page,
            "SELECT t.id::text AS key, to_jsonb(t) AS data FROM conversations t
             WHERE customer_phone = $1 AND ($2::text[] IS NULL OR business_id = ANY($2))"
        ),
        Kept::Calls => page!(
            connection,
            page,
            "SELECT t.id::text AS key, to_jsonb(t) AS data FROM calls t
             WHERE customer_phone = $1 AND ($2::text[] IS NULL OR business_id = ANY($2))"
        ),
        Kept::OptOuts => page!(
            connection,
            page,
            "SELECT t.id::text AS key, to_jsonb(t) AS data FROM opt_outs t
             WHERE customer_phone = $1 AND ($2::text[] IS NULL OR business_id = ANY($2))"
        ),
        Kept::ErasedOptOuts => page!(
            connection,
            page,
            "SELECT t.id::text AS key, to_jsonb(t) AS data FROM erased_opt_outs t
             WHERE customer = customer_hash(business_id, $1) AND ($2::text[] IS NULL OR business_id = ANY($2))"
        ),
        _ => page!(
            connection,
            page,
            "SELECT t.business_id AS key, to_jsonb(t) AS data FROM never_text t
             WHERE phone = $1 AND ($2::text[] IS NULL OR business_id = ANY($2))"
        ),
    }
}

/// What belongs to the customer's conversations.
async fn of_conversations(connection: &mut PgConnection, kept: Kept, page: KeptPage<'_>) -> sqlx::Result<Vec<KeptRow>> {
    match kept {
        // The text of a bundle of alerts names other customers, too; this customer's part is in `bundle_line`. So does what a
        // phone of the own side was told about several of them.
        Kept::Messages => page!(
            connection,
            page,
            r#"SELECT t.id::text AS key, to_jsonb(t) || '{"body": null}' AS data
               FROM messages t JOIN conversations own ON own.id = t.subject_conversation_id
               WHERE own.own_side AND own.customer_phone <> $1 AND position($1 IN t.body) > 0
                 AND ($2::text[] IS NULL OR own.business_id = ANY($2))
               UNION ALL
               SELECT t.id::text AS key,
                 CASE WHEN EXISTS (SELECT 1 FROM messages b WHERE b.bundled_into = t.id)
                   THEN to_jsonb(t) || '{"body": null}' ELSE to_jsonb(t) END AS data
               FROM messages t WHERE subject_conversation_id"#,
            of_conversations
        ),
        Kept::Windows => page!(
            connection,
            page,
            "SELECT t.id::text AS key, to_jsonb(t) AS data FROM windows t WHERE conversation_id",
            of_conversations
        ),
        Kept::WindowSteps => page!(
            connection,
            page,
            "SELECT lpad(t.id::text, 20, '0') AS key, to_jsonb(t) AS data FROM window_steps t WHERE conversation_id",
            of_conversations
        ),
        Kept::Analyses => page!(
            connection,
            page,
            "SELECT lpad(t.id::text, 20, '0') AS key, to_jsonb(t) AS data FROM analyses t WHERE conversation_id",
            of_conversations
        ),
        Kept::EmergencyVerdicts => page!(
            connection,
            page,
            "SELECT t.message_id::text AS key, to_jsonb(t) AS data FROM emergency_verdicts t WHERE conversation_id",
            of_conversations
        ),
        _ => page!(
            connection,
            page,
            "SELECT lpad(t.id::text, 20, '0') AS key, to_jsonb(t) AS data FROM audit t
             WHERE t.conversation_id IS NULL AND t.data ->> 'customer' = encode(customer_hash(t.business_id, $1), 'hex')
               AND ($2::text[] IS NULL OR t.business_id = ANY($2))
             UNION ALL
             SELECT lpad(t.id::text, 20, '0') AS key, to_jsonb(t) AS data FROM audit t WHERE t.conversation_id",
            of_conversations
        ),
    }
}

/// What names the customer in other ways. An answer for a repeated request is found by what it says.
async fn of_others(connection: &mut PgConnection, kept: Kept, page: KeptPage<'_>) -> sqlx::Result<Vec<KeptRow>> {
    match kept {
        Kept::Outbox => page!(
            connection,
            page,
            "SELECT lpad(t.id::text, 20, '0') AS key, to_jsonb(t) AS data FROM outbox t
             WHERE t.key IN (SELECT id FROM calls WHERE customer_phone = $1
                             AND ($2::text[] IS NULL OR business_id = ANY($2)))
                OR t.key",
            of_conversations
        ),
        Kept::PhoneCodes => page!(
            connection,
            page,
            "SELECT t.id::text AS key, to_jsonb(t) - 'code_hash' AS data FROM phone_codes t
             WHERE phone = $1 AND ($2::text[] IS NULL OR business_id = ANY($2))"
        ),
        // The other phones of the row are other people's.
        Kept::WantedPhones => page!(
            connection,
            page,
            "SELECT t.business_id AS key, jsonb_build_object('business_id', t.business_id, 'put_at', t.put_at,
               'is_forward_to', t.forward_to IS NOT DISTINCT FROM $1 OR $1 = ANY(coalesce(t.forward_to_next, '{}')),
               'is_emergency_contact', $1 = ANY(coalesce(t.emergency_contacts, '{}'))) AS data
             FROM wanted_phones t
             WHERE (t.forward_to = $1 OR $1 = ANY(t.forward_to_next) OR $1 = ANY(t.emergency_contacts))
               AND ($2::text[] IS NULL OR t.business_id = ANY($2))"
        ),
        Kept::ConfirmedPhones => page!(
            connection,
            page,
            "SELECT t.business_id AS key, to_jsonb(t) AS data FROM confirmed_phones t
             WHERE phone = $1 AND ($2::text[] IS NULL OR business_id = ANY($2))"
        ),
        // The phone that wrote is another person's.
        Kept::OwnerTexts => page!(
            connection,
            page,
            "SELECT t.input_id AS key, to_jsonb(t) - 'words_hash' - 'phone' AS data FROM owner_texts t
             WHERE (t.phone = $1 AND ($2::text[] IS NULL OR t.business_id = ANY($2)))
                OR (t.plan ->> 'conversation')::uuid",
            of_conversations
        ),
        // They have no business; it is the one that has the number.
        Kept::TwilioParticipants => page!(
            connection,
            page,
            "SELECT t.conversation_sid || ' ' || t.business_phone AS key, to_jsonb(t) AS data FROM twilio_participants t
             WHERE customer_phone = $1
               AND ($2::text[] IS NULL OR EXISTS (SELECT 1 FROM business_numbers n
                                                  WHERE n.phone = t.business_phone AND n.business_id = ANY($2)))"
        ),
        _ => page!(
            connection,
            page,
            r#"SELECT encode(t.key, 'hex') AS key,
                 jsonb_build_object('status', t.status, 'body', t.body, 'claimed_at', t.claimed_at) AS data
               FROM idempotency t
               WHERE EXISTS (SELECT 1 FROM conversations c
                             WHERE c.customer_phone = $1 AND ($2::text[] IS NULL OR c.business_id = ANY($2))
                               AND position(c.id::text IN t.body) > 0)
                  OR (position(ltrim($1, '+') IN t.body) > 0
                      AND ($2::text[] IS NULL
                           OR EXISTS (SELECT 1 FROM unnest($2) AS b (id) WHERE position('"' || b.id || '"' IN t.body) > 0)))"#
        ),
    }
}
