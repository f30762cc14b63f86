//! By which of Twilio's APIs texts come and go.

use crate::text_enum;

text_enum! {
    /// An API of Twilio that carries texts.
    pub enum Channel {
        /// Programmable Messaging: single SMS.
        Messaging = "messaging",
        /// Conversations, in which a text is a message of a conversation that Twilio keeps.
        Conversations = "conversations",
    }
}

impl Channel {
    /// The API by which a message came or went, by Twilio's id of it: `IM…` is a message of a conversation, `SM…` and `MM…`
    /// are those of Programmable Messaging.
    pub fn of_sid(message_sid: &str) -> Self {
        if message_sid.starts_with("IM") { Self::Conversations } else { Self::Messaging }
    }
}
