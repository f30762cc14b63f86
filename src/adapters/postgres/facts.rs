//! What the rules need to know besides a conversation, read for a whole batch of inputs.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Store, StoreError};
use crate::domain::phone::PhoneNumber;
use crate::store::{Facts, FactsOf};

impl Store {
    /// What is known for each of these inputs, in order. A row that cannot be parsed is an error of its input.
    pub async fn facts(&self, wanted: &[FactsOf<'_>]) -> Result<Vec<Result<Facts, StoreError>>, StoreError> {
        let opt_outs = self.opt_outs(wanted).await?;
        let of_others = self.of_other_businesses(wanted).await?;
        let day_use = self.day_use(wanted).await?;
        let ids: Vec<Uuid> = wanted.iter().filter_map(|wanted| wanted.message_id).collect();
        let mut messages = if ids.is_empty() { HashMap::new() } else { self.messages_by_id(&ids).await? };
        let mut facts = Vec::with_capacity(wanted.len());
        for (place, wanted) in wanted.iter().enumerate() {
            let customer = wanted.customer;
            let missed_call_sms_at = match wanted.missed_call {
                true => self.missed_call_sms_at(wanted.business_id, customer).await?,
                false => None,
            };
            let other_business = match of_others.contains(&place) {
                true => self.other_business(wanted.business_id, customer, wanted.conversation_id).await?,
                false => None,
            };
            let opted_out_at = opt_outs.get(&place).copied();
            let other_conversations = match wanted.other_conversations {
                true => self.other_conversations(wanted.business_id, customer, wanted.conversation_id).await?,
                false => Vec::new(),
            };
            let message = wanted.message_id.and_then(|id| messages.remove(&id)).transpose();
            let day = wanted.day.map(|day| (wanted.business_id.to_owned(), day));
            let day_use = day.and_then(|day| day_use.get(&day).copied()).unwrap_or_default();
            facts.push(message.map(|message| Facts {
                opted_out_at,
                missed_call_sms_at,
                other_business,
                other_conversations,
                day_use,
                message,
            }));
        }
        Ok(facts)
    }

    /// The ids of the open conversations of a business and a customer other than this one, in order.
    pub async fn other_conversations(
        &self,
        business_id: &str,
        customer: &PhoneNumber,
        than: Option<Uuid>,
    ) -> Result<Vec<Uuid>, StoreError> {
        Ok(sqlx::query_scalar!(
            "SELECT id FROM conversations
             WHERE business_id = $1 AND customer_phone = $2 AND status <> 'completed' AND id IS DISTINCT FROM $3
             ORDER BY id",
            business_id,
            customer.as_str(),
            than
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// When customers opted out of a business's texts, by the place of the input.
    async fn opt_outs(&self, wanted: &[FactsOf<'_>]) -> Result<HashMap<usize, DateTime<Utc>>, StoreError> {
        let (businesses, customers) = pairs(wanted);
        let rows = sqlx::query!(
            r#"SELECT w.place AS "place!", since AS "since!"
               FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w (business_id, customer, place)
                 CROSS JOIN LATERAL (SELECT greatest(
                   (SELECT opted_out_at FROM opt_outs o WHERE o.business_id = w.business_id AND customer_phone = w.customer),
                   (SELECT opted_out_at FROM erased_opt_outs o
                    WHERE o.business_id = w.business_id AND o.customer = customer_hash(w.business_id, w.customer))
                 ) AS since) known
               WHERE since IS NOT NULL"#,
            &businesses as _,
            &customers as _
        )
        .fetch_all(&self.by_key)
        .await?;
        Ok(rows.into_iter().map(|row| (place(row.place), row.since)).collect())
    }

    /// The places of the inputs whose customer has a number of another business, of those that ask for it.
    async fn of_other_businesses(&self, wanted: &[FactsOf<'_>]) -> Result<HashSet<usize>, StoreError> {
        if !wanted.iter().any(|wanted| wanted.other_business) {
            return Ok(HashSet::new());
        }
        let (businesses, customers) = pairs(wanted);
        let asked: Vec<bool> = wanted.iter().map(|wanted| wanted.other_business).collect();
        let places = sqlx::query_scalar!(
            r#"SELECT w.place AS "place!"
               FROM unnest($1::text[], $2::text[], $3::bool[]) WITH ORDINALITY AS w (business_id, customer, asked, place)
                 JOIN business_numbers n ON n.phone = w.customer AND n.business_id <> w.business_id
               WHERE w.asked AND n.verified <> 'no'"#,
            &businesses as _,
            &customers as _,
            &asked
        )
        .fetch_all(&self.by_key)
        .await?;
        Ok(places.into_iter().map(place).collect())
    }
}

fn pairs<'a>(wanted: &[FactsOf<'a>]) -> (Vec<&'a str>, Vec<&'a str>) {
    wanted.iter().map(|wanted| (wanted.business_id, wanted.customer.as_str())).unzip()
}

/// The place of an input from its ordinality, which begins with 1.
fn place(ordinality: i64) -> usize {
    usize::try_from(ordinality - 1).unwrap_or_default()
}
