//! The owner's phone: what it writes is understood, and it is left alone when it wants that.

use chrono::{DateTime, TimeDelta, Utc};

use super::{CLOCK_SKEW, Ledger};
use crate::domain::conversation::{Decision, MessageKind, NewMessage, Ownership, Status};
use crate::domain::owner::texts::TAKEN;
use crate::simulation::store::{MessageRow, Tables};

/// For this long, a worker may not have heard that the owner wants no relays: it keeps a business for two seconds, and may wait
/// for its turn to send, or for PostgreSQL, after it has looked.
const UNHEARD: TimeDelta = TimeDelta::seconds(30);

impl Ledger {
    /// What a text of the owner has changed is what its answer is about.
    pub(super) fn owner_is_answered(&mut self, input_id: &str, decision: &Decision) {
        let id = decision.conversation.id;
        let Some(text) = input_id.strip_suffix(":notice") else {
            self.carried_out.insert(input_id.to_owned(), id);
            return;
        };
        let changed = self.carried_out.get(text).copied();
        self.holds(changed.is_none_or(|changed| changed == id), || {
            format!("{text} was carried out in {changed:?}, and its answer is about {id}")
        });
    }

    /// The owner's words reach one customer, once, and the right one; and a takeover is acknowledged only where there is one.
    pub(super) fn owner_is_understood(
        &mut self,
        db: &Tables,
        input_id: &str,
        decision: &Decision,
        message: &NewMessage,
    ) {
        let conversation = &decision.conversation;
        if message.kind == MessageKind::OwnerNotice && message.body.starts_with(TAKEN) {
            let owned = conversation.ownership == Ownership::User && conversation.status != Status::Completed;
            let excepted = self.gives_back || self.gives_back_by_text;
            self.holds(owned || excepted, || format!("{:?}, but nobody owns it", message.body));
        }
        if message.kind != MessageKind::User || !input_id.starts_with("sms:SMowner") {
            return;
        }
        let before = self.owner_words.insert(input_id.to_owned(), conversation.id);
        self.holds(before.is_none(), || format!("{:?} of the owner is sent twice", message.body));
        let planned = db.owner_texts.get(input_id).and_then(|row| row.plan.conversation());
        self.holds(planned == Some(conversation.id), || {
            format!("{:?} of the owner goes to {}, and was for {planned:?}", message.body, conversation.id)
        });
    }

    /// The owner has said OFF or STOP, or the opposite.
    pub(super) fn notes_whether_the_owner_is_away(&mut self, db: &Tables, now: DateTime<Utc>) {
        let since = self.owner_away_since.unwrap_or(now);
        self.owner_away_since = db.is_owner_away().then_some(since);
    }

    /// A relay that waits for the end of the owner's quiet hours waits for it, and none is sent to an owner who is away.
    pub(super) fn owner_is_left_alone(&mut self, db: &Tables, row: &MessageRow, now: DateTime<Utc>) {
        self.notes_whether_the_owner_is_away(db, now);
        if row.message.kind != MessageKind::Relay {
            return;
        }
        let (id, away) = (row.message.id, self.owner_away_since);
        let is_day = row.not_before.is_none_or(|not_before| not_before <= now + CLOCK_SKEW);
        self.holds(is_day, || format!("the relay {id} is sent in the owner's quiet hours"));
        let is_wanted = away.is_none_or(|since| now < since + UNHEARD);
        self.holds(is_wanted, || format!("the relay {id} is sent to an owner who is away since {away:?}"));
    }
}
