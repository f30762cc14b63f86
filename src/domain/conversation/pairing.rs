//! One text that arrives by both APIs of Twilio, as an SMS webhook and as a message of a conversation, is one message.
//!
//! Twilio does not say which two belong together. So a text is paired with one that has the same numbers and words, came by
//! the other API within a minute, and is not paired yet: one to one, so that two equal texts by one API stay two.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::decision::Draft;
use super::input::{InboundSms, Input, RecoveredText};
use super::state::Conversation;
use super::words::{OptWord, opt_word};
use crate::domain::channel::Channel;

/// How far apart the two may arrive at the edge.
pub const WITHIN: TimeDelta = TimeDelta::seconds(60);

/// A text that the same customer has sent to the same number, and that is not paired yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnpairedText {
    /// The id of its message.
    pub message_id: Uuid,
    pub twilio_sid: String,
    pub body: String,
    pub received_at: DateTime<Utc>,
}

/// The second arrival of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairing {
    /// The message that the text is already.
    pub message_id: Uuid,
    /// Twilio's id of the text by the other API.
    pub twilio_sid: String,
    /// When the edge received it by the other API. The earlier time counts for the order.
    pub received_at: DateTime<Utc>,
}

/// The message that a text is already, if it came by the other API before: the oldest that fits.
///
/// A text in which Twilio itself saw an opt-out is not paired, unless its words alone say the same. Only the SMS webhook says
/// so (`OptOutType`), and a copy by the other API may have been decided on without it.
pub fn find(sms: &InboundSms, unpaired: &[UnpairedText]) -> Option<Pairing> {
    if sms.opt_out_type.is_some() && !is_in_its_words(sms) {
        return None;
    }
    let fits = |text: &&UnpairedText| {
        Channel::of_sid(&text.twilio_sid) != Channel::of_sid(&sms.twilio_sid)
            && text.body == sms.body
            && (text.received_at - sms.received_at).abs() <= WITHIN
    };
    let first = unpaired.iter().filter(fits).min_by_key(|text| (text.received_at, text.message_id))?;
    let (twilio_sid, received_at) = (sms.twilio_sid.clone(), sms.received_at);
    Some(Pairing { message_id: first.message_id, twilio_sid, received_at })
}

/// Whether the words of a text say what Twilio saw in it.
fn is_in_its_words(sms: &InboundSms) -> bool {
    let words = |said_by_twilio| opt_word(&sms.body, said_by_twilio, false);
    matches!(
        (words(sms.opt_out_type.as_deref()), words(None)),
        (Some(OptWord::Out { .. }), Some(OptWord::Out { .. }))
            | (Some(OptWord::In), Some(OptWord::In))
            | (Some(OptWord::Help), Some(OptWord::Help))
    )
}

/// The text of an input that may be a second arrival.
pub fn text_of(input: &Input) -> Option<&InboundSms> {
    match input {
        Input::SmsReceived(sms) | Input::TextRecovered(RecoveredText { sms, .. }) => Some(sms),
        _ => None,
    }
}

/// Decides on a second arrival: it is recorded, and changes nothing else. A text before it may have left the timer to it.
pub(super) fn second<'a>(
    conversation: &Conversation,
    sms: &InboundSms,
    pairing: Pairing,
    input_id: &'a str,
    now: DateTime<Utc>,
) -> Draft<'a> {
    let mut draft = Draft::new(conversation.clone(), false, input_id, now);
    draft.state().memory.newest_text = draft.state().memory.newest_text.max(sms.stream_sequence);
    draft.rearm();
    draft.pair(pairing);
    draft
}
