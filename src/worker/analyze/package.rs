//! The conversation as it is sent to DispatchBot (docs/contract.md, section 4).

use crate::adapters::dispatchbot::{AnalyzeRequest, BusinessProfile, Media, SenderType, WindowMessage};
use crate::domain::business::Profile;
use crate::domain::conversation::{Conversation, MessageStatus, Priority};
use crate::engine::AnalyzeTask;
use crate::store::Message;

/// The request for a window. Messages that did not go out are omitted, because the customer has
/// not read them, and so are those that the customer did not write.
pub(super) fn request(
    conversation: &Conversation,
    business: &Profile,
    messages: &[Message],
    task: &AnalyzeTask,
) -> AnalyzeRequest {
    let emergency = task.priority == Priority::Urgent;
    AnalyzeRequest {
        conversation_id: conversation.id,
        window_id: task.window_id,
        priority: task.priority,
        bypass_timer: emergency,
        messages: messages.iter().filter(|m| was_said(m)).map(shown).collect(),
        customer_phone: conversation.customer_phone.to_string(),
        business: BusinessProfile {
            id: business.id.clone(),
            name: business.name.clone(),
            trade: business.trade.to_string(),
            timezone: business.timezone.clone(),
        },
        user_settings: business.user_settings.clone(),
        business_settings: business.user_settings.clone(),
        business_hours: business.business_hours.clone(),
        job_estimates: business.job_estimates.clone(),
        calendar: business.calendar.clone(),
    }
}

fn was_said(message: &Message) -> bool {
    let did_not_go_out =
        matches!(message.status, MessageStatus::Superseded | MessageStatus::Failed | MessageStatus::Undelivered);
    !did_not_go_out && !message.kind.is_automatic()
}

fn shown(message: &Message) -> WindowMessage {
    WindowMessage {
        sender_type: match message.sender_type.as_str() {
            "customer" => SenderType::Customer,
            "user" => SenderType::User,
            _ => SenderType::Ai,
        },
        body: message.body.clone(),
        media: message
            .media
            .iter()
            .map(|m| Media { url: m.url.clone(), content_type: m.content_type.clone() })
            .collect(),
        sent_at: message.created_at,
    }
}
