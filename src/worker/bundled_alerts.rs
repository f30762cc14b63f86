//! What becomes of a bundle of alerts becomes of each alert in it.

use crate::domain::conversation::MessageReport;
use crate::engine::{ConversationStore, Engine, EngineError, Happening, Input, Publish, Target};
use crate::store::BundledAlert;
use crate::trace::Trace;
use uuid::Uuid;

/// If a report says that a message was lost, reports the same of the alerts that were sent as part of it, so that the next
/// person is told. May be repeated.
///
/// # Errors
/// When a service is unavailable: some of them may not be reported yet.
pub async fn report_bundled<R: ConversationStore, P: Publish>(
    engine: &Engine<R, P>,
    carrier: Uuid,
    report: &MessageReport,
    trace: &Trace,
) -> Result<(), EngineError> {
    let Some(lost) = lost(report) else { return Ok(()) };
    for BundledAlert { id, conversation_id } in engine.store().bundled_alerts(carrier).await? {
        let happening = Happening::Message { id, report: lost.clone() };
        let (id, target) = (format!("sms:{id}:lost_with:{carrier}"), Target::Id(conversation_id));
        engine.apply(Input { id, body_hash: None, trace: trace.clone(), target, happening }).await?;
    }
    Ok(())
}

/// The report without Twilio's id, which only one message can have.
fn lost(report: &MessageReport) -> Option<MessageReport> {
    use crate::domain::conversation::DeliveryStatus::{Failed, Undelivered};
    match report {
        MessageReport::Accepted { .. } => None,
        MessageReport::Delivery { status: Failed | Undelivered, error_code, why, .. } => {
            Some(MessageReport::Rejected { code: *error_code, why: why.clone().unwrap_or_default() })
        }
        MessageReport::Delivery { .. } => None,
        MessageReport::Rejected { .. } => Some(report.clone()),
        MessageReport::Superseded | MessageReport::Expired | MessageReport::Unknown => {
            Some(MessageReport::Rejected { code: None, why: "the alerts sent with it were lost".to_owned() })
        }
    }
}
