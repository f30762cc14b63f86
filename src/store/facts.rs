//! What the rules need to know, and of whom.

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use super::Message;
use crate::domain::channel::Channel;
use crate::domain::conversation::{Conversation, OtherBusiness, UnpairedText};
use crate::domain::day_limits::DayUse;
use crate::domain::owner::Code;
use crate::domain::phone::PhoneNumber;

/// The two sides of a conversation: at most one open conversation has the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Parties {
    /// The id of the business.
    pub business_id: String,
    /// The business's number.
    pub business_phone: String,
    /// The customer's number.
    pub customer_phone: String,
}

impl Parties {
    /// The parties of a conversation between a business, by one of its numbers, and a customer.
    pub fn of(business_id: &str, business_phone: &PhoneNumber, customer_phone: &PhoneNumber) -> Self {
        Self {
            business_id: business_id.to_owned(),
            business_phone: business_phone.to_string(),
            customer_phone: customer_phone.to_string(),
        }
    }

    /// The parties of this conversation.
    pub fn of_conversation(conversation: &Conversation) -> Self {
        Self::of(&conversation.business_id, &conversation.business_phone, &conversation.customer_phone)
    }
}

/// What is asked for an input.
#[derive(Debug, Clone, Copy)]
pub struct FactsOf<'a> {
    /// The business.
    pub business_id: &'a str,
    /// The customer.
    pub customer: &'a PhoneNumber,
    /// Their conversation, if there is one.
    pub conversation_id: Option<Uuid>,
    /// The message that is reported on, if one is.
    pub message_id: Option<Uuid>,
    /// Whether to find out when the customer last got a missed-call text.
    pub missed_call: bool,
    /// Whether to find out if the customer's number belongs to another business.
    pub other_business: bool,
    /// Whether to find out what else is open between the two.
    pub other_conversations: bool,
    /// The text that arrived, of which to find out whether it came by Twilio's other API before.
    pub text: Option<TextOf<'a>>,
    /// The day of which to find out what the business has used, if any.
    pub day: Option<NaiveDate>,
    /// Whether the conversation may get a code, so that those in use matter.
    pub codes: bool,
}

impl<'a> FactsOf<'a> {
    /// Asks for what is always known, and nothing else.
    pub fn of(business_id: &'a str, customer: &'a PhoneNumber) -> Self {
        Self {
            business_id,
            customer,
            conversation_id: None,
            message_id: None,
            missed_call: false,
            other_business: false,
            other_conversations: false,
            text: None,
            day: None,
            codes: false,
        }
    }
}

/// A text that arrived.
#[derive(Debug, Clone, Copy)]
pub struct TextOf<'a> {
    /// The number that it was sent to.
    pub business_phone: &'a PhoneNumber,
    /// The API of Twilio by which it came.
    pub channel: Channel,
    /// When the edge received it.
    pub received_at: DateTime<Utc>,
}

/// What is known.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// When the customer opted out of the business's texts, by the opt-out ledger; `None` if they have not.
    pub opted_out_at: Option<DateTime<Utc>>,
    /// When the customer last got a missed-call text; see
    /// [`Store::missed_call_sms_at`](crate::adapters::postgres::Store::missed_call_sms_at).
    pub missed_call_sms_at: Option<DateTime<Utc>>,
    /// Set if the customer's number belongs to another business; see
    /// [`Store::other_business`](crate::adapters::postgres::Store::other_business).
    pub other_business: Option<OtherBusiness>,
    /// What else is open between the two, ordered by id; see
    /// [`Store::other_conversations`](crate::adapters::postgres::Store::other_conversations).
    pub other_conversations: Vec<Uuid>,
    /// The customer's texts to the same number that came by the other API within a minute of the text, before or after it,
    /// and are not paired yet, the oldest first.
    pub unpaired_texts: Vec<UnpairedText>,
    /// What the business has used that day.
    pub day_use: DayUse,
    /// The codes that it may not get, if they were asked for.
    pub codes_in_use: Option<Vec<Code>>,
    /// The message that is reported on.
    pub message: Option<Message>,
}
