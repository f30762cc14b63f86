//! What the sweeper finds.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// A conversation whose timer, for its window or an alert, should have fired.
#[derive(Debug, Clone, Copy)]
pub struct Overdue {
    /// The id of the conversation.
    pub conversation_id: Uuid,
    /// When its timer was due.
    pub deadline: DateTime<Utc>,
}

/// An open conversation of a number that its business has given up.
#[derive(Debug, Clone, Copy)]
pub struct ReleasedConversation {
    /// The id of the conversation.
    pub conversation_id: Uuid,
    /// When the business gave up the number.
    pub released_at: DateTime<Utc>,
}
