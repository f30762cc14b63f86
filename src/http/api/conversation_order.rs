//! The orders of the list of conversations, each with its own cursors.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::cursor;
use crate::domain::conversation::Conversation;
use crate::http::problem::Problem;
use crate::text_enum;

/// Begins a position in the list of those that wait.
const WAITING: &str = "waiting:";

text_enum! {
    /// The order of a list of conversations.
    pub enum Order {
        /// Newest activity first.
        Activity = "activity",
        /// Those that wait longest first.
        Waiting = "waiting",
        /// Open emergencies, newest activity first.
        Emergencies = "emergencies",
    }
}

impl Order {
    /// The position after a conversation.
    pub(super) fn after(self, c: &Conversation) -> String {
        let at = match self {
            Self::Activity | Self::Emergencies => Some(c.last_activity),
            Self::Waiting => c.waiting_since,
        };
        self.position(at.unwrap_or_default(), c.id)
    }

    fn position(self, at: DateTime<Utc>, id: Uuid) -> String {
        let position = cursor::encode(at, id);
        match self {
            Self::Activity | Self::Emergencies => position,
            Self::Waiting => cursor::encode_text(&format!("{WAITING}{position}")),
        }
    }

    /// The position that a cursor of this order encodes.
    pub(super) fn decode(self, cursor: &str) -> Result<(DateTime<Utc>, Uuid), Problem> {
        match self {
            Self::Activity | Self::Emergencies => cursor::decode(cursor),
            Self::Waiting => {
                let position = cursor::decode_text(cursor);
                let position = position.as_deref().and_then(|position| position.strip_prefix(WAITING));
                cursor::decode(position.ok_or_else(|| cursor::unusable("cursor"))?)
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_for_its_own_order() {
        let at = DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap();
        let id = Uuid::from_u128(7);
        let waiting = Order::Waiting.position(at, id);
        assert_eq!(Order::Waiting.decode(&waiting).unwrap(), (at, id));
        assert_eq!(Order::Activity.decode(&Order::Activity.position(at, id)).unwrap(), (at, id));
        assert!(Order::Activity.decode(&waiting).is_err());
        assert!(Order::Waiting.decode(&Order::Activity.position(at, id)).is_err());
    }
}
