//! Participants of Twilio's conversations, as far as they are known.

/// A participant who texts: which customer, and by which number of a business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    /// Twilio's id of the participant (`MB…`); `None` if only the conversation is known.
    pub sid: Option<String>,
    /// Twilio's id of the conversation (`CH…`).
    pub conversation_sid: String,
    /// The account that the conversation belongs to (`AC…`).
    pub account_sid: String,
    /// The number of the business (Twilio's `proxy_address`).
    pub business_phone: String,
    /// The number of the customer (Twilio's `address`).
    pub customer_phone: String,
}

/// The participant that is asked for. All three must fit: Twilio's ids come from a webhook, and the account has signed it.
#[derive(Debug, Clone, Copy)]
pub struct ParticipantOf<'a> {
    /// The account (`AC…`).
    pub account_sid: &'a str,
    /// The conversation (`CH…`).
    pub conversation_sid: &'a str,
    /// The participant (`MB…`).
    pub participant_sid: &'a str,
}
