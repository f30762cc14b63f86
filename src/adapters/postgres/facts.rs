//! What the rules need to know besides a conversation, read for a whole batch of inputs.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Store, StoreError};
use crate::domain::channel::Channel;
use crate::domain::conversation::UnpairedText;
use crate::domain::conversation::pairing::WITHIN;
use crate::domain::owner::Code;
use crate::domain::phone::PhoneNumber;
use crate::store::{Facts, FactsOf};

impl Store {
    /// What is known for each of these inputs, in order. A row that cannot be parsed is an error of its input.
    pub async fn facts(&self, wanted: &[FactsOf<'_>]) -> Result<Vec<Result<Facts, StoreError>>, StoreError> {
        let customers = self.customers(wanted).await?;
        let of_others = self.of_other_businesses(wanted).await?;
        let day_use = self.day_use(wanted).await?;
        let codes = self.codes(wanted).await?;
        let mut unpaired = self.unpaired_texts(wanted, &customers).await?;
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
            let opted_out_at = customers.get(&place).and_then(|customer| customer.opted_out_at);
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
                unpaired_texts: unpaired.remove(&place).unwrap_or_default(),
                day_use,
                codes_in_use: wanted.codes.then(|| codes.get(wanted.business_id).cloned().unwrap_or_default()),
                message,
            }));
        }
        Ok(facts)
    }

    /// The codes in use of the businesses that ask for them.
    async fn codes(&self, wanted: &[FactsOf<'_>]) -> Result<HashMap<String, Vec<Code>>, StoreError> {
        let businesses: Vec<&str> =
            wanted.iter().filter(|wanted| wanted.codes).map(|wanted| wanted.business_id).collect();
        let mut codes: HashMap<String, Vec<Code>> = HashMap::new();
        if businesses.is_empty() {
            return Ok(codes);
        }
        for (business_id, code) in self.codes_in_use(&businesses).await? {
            codes.entry(business_id).or_default().push(code);
        }
        Ok(codes)
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

    /// Texts of the same customers that may be the texts that arrived, by the other API, by the place of the input. Whoever
    /// takes part in no conversation of Twilio has none.
    async fn unpaired_texts(
        &self,
        wanted: &[FactsOf<'_>],
        customers: &HashMap<usize, Customer>,
    ) -> Result<HashMap<usize, Vec<UnpairedText>>, StoreError> {
        let texts = wanted.iter().enumerate().filter_map(|(place, wanted)| Some((place, wanted, wanted.text?)));
        let converses = |place: &usize| customers.get(place).is_some_and(|customer| customer.converses);
        let texts: Vec<_> = texts.filter(|(place, ..)| converses(place)).collect();
        if texts.is_empty() {
            return Ok(HashMap::new());
        }
        let (businesses, customers) = pairs(&texts.iter().map(|(_, wanted, _)| **wanted).collect::<Vec<_>>());
        let numbers: Vec<&str> = texts.iter().map(|(.., text)| text.business_phone.as_str()).collect();
        let times: Vec<DateTime<Utc>> = texts.iter().map(|(.., text)| text.received_at).collect();
        let by_conversations: Vec<bool> =
            texts.iter().map(|(.., text)| text.channel == Channel::Conversations).collect();
        let rows = sqlx::query!(
            r#"SELECT w.place AS "place!", m.id, m.twilio_sid AS "twilio_sid!", m.body, m.created_at
               FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::bool[]) WITH ORDINALITY
                   AS w (business_id, customer, number, received_at, by_conversations, place)
                 JOIN conversations c ON c.customer_phone = w.customer AND c.business_id = w.business_id
                   AND c.business_phone = w.number
                 JOIN messages m ON m.conversation_id = c.id AND m.direction = 'inbound'
                   AND m.created_at BETWEEN w.received_at - make_interval(secs => $6)
                                        AND w.received_at + make_interval(secs => $6)
               WHERE starts_with(m.twilio_sid, 'IM') <> w.by_conversations
                 AND NOT EXISTS (SELECT 1 FROM paired_texts p WHERE p.message_id = m.id)
               ORDER BY m.created_at, m.id"#,
            &businesses as _,
            &customers as _,
            &numbers as _,
            &times,
            &by_conversations,
            WITHIN.as_seconds_f64()
        )
        .fetch_all(&self.by_key)
        .await?;
        let mut unpaired: HashMap<usize, Vec<UnpairedText>> = HashMap::new();
        for row in rows {
            let (message_id, twilio_sid, body) = (row.id, row.twilio_sid, row.body);
            let text = UnpairedText { message_id, twilio_sid, body, received_at: row.created_at };
            unpaired.entry(texts[place(row.place)].0).or_default().push(text);
        }
        Ok(unpaired)
    }

    /// The customers of whom something is known, by the place of the input.
    async fn customers(&self, wanted: &[FactsOf<'_>]) -> Result<HashMap<usize, Customer>, StoreError> {
        let (businesses, customers) = pairs(wanted);
        let rows = sqlx::query!(
            r#"SELECT w.place AS "place!", since, converses AS "converses!"
               FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w (business_id, customer, place)
                 CROSS JOIN LATERAL (SELECT greatest(
                   (SELECT opted_out_at FROM opt_outs o WHERE o.business_id = w.business_id AND customer_phone = w.customer),
                   (SELECT opted_out_at FROM erased_opt_outs o
                    WHERE o.business_id = w.business_id AND o.customer = customer_hash(w.business_id, w.customer))
                 ) AS since,
                   EXISTS (SELECT 1 FROM twilio_participants p WHERE p.customer_phone = w.customer) AS converses) known
               WHERE since IS NOT NULL OR converses"#,
            &businesses as _,
            &customers as _
        )
        .fetch_all(&self.by_key)
        .await?;
        let customer = |opted_out_at, converses| Customer { opted_out_at, converses };
        Ok(rows.into_iter().map(|row| (place(row.place), customer(row.since, row.converses))).collect())
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

/// A customer, as the business knows them.
struct Customer {
    /// When they opted out of the business's texts.
    opted_out_at: Option<DateTime<Utc>>,
    /// Whether they take part in a conversation of Twilio, with whichever business.
    converses: bool,
}

fn pairs<'a>(wanted: &[FactsOf<'a>]) -> (Vec<&'a str>, Vec<&'a str>) {
    wanted.iter().map(|wanted| (wanted.business_id, wanted.customer.as_str())).unzip()
}

/// The place of an input from its ordinality, which begins with 1.
fn place(ordinality: i64) -> usize {
    usize::try_from(ordinality - 1).unwrap_or_default()
}
