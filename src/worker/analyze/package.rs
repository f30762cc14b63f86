//! The question that a closed window is: the conversation as DispatchBot is to see it.

use std::sync::Arc;

use crate::adapters::dispatchbot::{Question, Said, Sender};
use crate::domain::business::Profile;
use crate::domain::conversation::{Answering, Conversation, MessageKind, MessageStatus};
use crate::engine::AnalyzeTask;
use crate::store::Message;

/// The question of a window. Messages that did not go out are omitted, because the customer has
/// not read them, and so are those that the customer did not write.
pub(super) fn question(
    (conversation, answering): (&Conversation, &Answering),
    business: &Arc<Profile>,
    messages: &[Message],
    task: &AnalyzeTask,
) -> Question {
    // A window that resumes another holds its messages, too.
    let in_window = |m: &Message| m.window_id.is_some_and(|id| id == task.window_id || answering.resumed.contains(id));
    let said = messages.iter().filter(|m| was_said(m)).map(|m| said(m, in_window(m)));
    Question {
        conversation_id: conversation.id,
        window_id: task.window_id,
        priority: task.priority,
        customer: conversation.customer_phone.clone(),
        business_phone: conversation.business_phone.clone(),
        business: Arc::clone(business),
        messages: with_something_to_answer(said.collect()),
    }
}

fn was_said(message: &Message) -> bool {
    let did_not_go_out =
        matches!(message.status, MessageStatus::Superseded | MessageStatus::Failed | MessageStatus::Undelivered);
    !did_not_go_out && !message.kind.is_automatic()
}

fn said(message: &Message, in_window: bool) -> Said {
    Said {
        sender: match (message.sender_type.as_str(), message.kind) {
            ("customer", _) => Sender::Customer,
            ("user", _) => Sender::Person,
            (_, MessageKind::Reply) => Sender::Ai,
            _ => Sender::Service,
        },
        body: message.body.clone(),
        media: message.media.clone(),
        sent_at: message.created_at,
        in_window,
    }
}

/// A window without messages, because a takeover opened it, is about what the customer wrote since they were last
/// answered.
fn with_something_to_answer(mut messages: Vec<Said>) -> Vec<Said> {
    if !messages.iter().any(|said| said.in_window) {
        let unanswered = messages.iter_mut().rev().take_while(|said| said.sender == Sender::Customer);
        unanswered.for_each(|said| said.in_window = true);
    }
    messages
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn of(senders: &[(Sender, bool)]) -> Vec<bool> {
        let said = |(sender, in_window): &(Sender, bool)| Said {
            sender: *sender,
            body: String::new(),
            media: Vec::new(),
            sent_at: DateTime::UNIX_EPOCH,
            in_window: *in_window,
        };
        with_something_to_answer(senders.iter().map(said).collect()).iter().map(|said| said.in_window).collect()
    }

    #[test]
    fn a_window_is_about_its_own_messages_or_about_what_is_unanswered() {
        use Sender::{Ai, Customer};
        assert_eq!(of(&[(Customer, false), (Customer, true)]), [false, true]);
        assert_eq!(
            of(&[(Customer, false), (Ai, false), (Customer, false), (Customer, false)]),
            [false, false, true, true]
        );
        assert_eq!(of(&[(Customer, false), (Ai, false)]), [false, false]);
    }
}
