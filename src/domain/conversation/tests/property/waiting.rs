//! `waiting_since` is set exactly while a text of the customer that may be answered has no answer, to the time of the
//! earliest. Checked by what was sent, not by what the rules remember of it.

use super::guarantees::Broken;
use super::sending::Row;
use super::world::World;
use super::*;

/// A text that may be answered.
pub struct Asked {
    /// The number of its input.
    place: u32,
    received_at: DateTime<Utc>,
}

impl World<'_> {
    /// Checks it after a decision.
    pub fn waits_while_there_is_no_answer(
        &mut self,
        at: usize,
        input: &Input,
        decision: &Decision,
    ) -> Result<(), Broken> {
        let (place, now) = (self.inputs, self.now());
        let is_asked = decision.messages.iter().any(|message| message.window_id.is_some());
        let state = &decision.conversation;
        let is_over = state.status == Status::Completed || self.ledger.is_some();
        let asked = &mut self.records[at].asked;
        match input {
            Input::SmsReceived(sms) if is_asked => asked.push(Asked { place, received_at: sms.received_at.min(now) }),
            Input::CallAnswered(_) => asked.clear(),
            _ => {}
        }
        if is_over {
            asked.clear();
        }
        // An opt-out ends the wait in all conversations of the customer, also in those that hear of it later.
        if self.ledger.is_some() {
            self.records.iter_mut().for_each(|record| record.asked.clear());
        }
        let unanswered = self.records[at].asked.iter().filter(|asked| !self.is_answered(at, asked));
        let since = unanswered.map(|asked| asked.received_at).min();
        if state.waiting_since == since {
            return Ok(());
        }
        Err(format!("the customer waits since {since:?}, and the conversation says {:?}", state.waiting_since))
    }

    fn is_answered(&self, at: usize, asked: &Asked) -> bool {
        self.rows.iter().filter(|row| row.conversation == at).any(|row| match row.kind {
            MessageKind::User => row.since > asked.place && may_arrive(row),
            MessageKind::Reply => self.knows_of(row, asked) && row.status.is_accepted() && may_arrive(row),
            _ => false,
        })
    }

    /// Whether a reply was decided on when its window held the text, or a window after it.
    fn knows_of(&self, reply: &Row, asked: &Asked) -> bool {
        let mut windows = self.windows.iter();
        windows.any(|window| Some(window.id) == reply.in_reply_to_window && window.claimed >= asked.place)
    }
}

fn may_arrive(row: &Row) -> bool {
    use MessageStatus::{Failed, Superseded, Undelivered, Unknown};
    !matches!(row.status, Failed | Undelivered | Unknown | Superseded)
}
