//! Keeps what was found. Each step has an input id of its own, so that it is done once, however often it is repeated.

use std::sync::Arc;

use uuid::Uuid;

use super::plan::{Fate, Found, Plan};
use super::{Gap, Recoverer, RecoveryError};
use crate::adapters::postgres::{Doubtful, PendingMessage, Recovery};
use crate::domain::business::Profile;
use crate::domain::call::CallInput;
use crate::domain::conversation::{DeliveryStatus, Input, MessageReport, MessageStatus};
use crate::domain::phone::PhoneNumber;
use crate::engine::{self, EngineError, Happening, SendTask, Target};
use crate::trace::Trace;

impl Recoverer {
    /// Recovers the gap, and ends the recovery: all work may go on. Returns what was done.
    ///
    /// # Errors
    /// If a service does not answer. The recovery then has no end, and is to be repeated.
    pub async fn apply(&self, recovery: &Recovery, gap: Gap) -> Result<Plan, RecoveryError> {
        self.store().begin_recovery(recovery).await?;
        // What was sent just before the restore is in Twilio's list by then.
        let listed_by = recovery.restored_at + self.reconcile_after;
        if let Ok(wait) = (listed_by - self.engine.now()).to_std() {
            tokio::time::sleep(wait).await;
        }
        let plan = self.plan(gap, recovery.restored_at).await?;
        for found in &plan.found {
            self.keep(found).await?;
        }
        // Before anything is settled: if this is interrupted, they are still in doubt. But an emergency that was found has begun
        // its alerts.
        for doubtful in &plan.doubtful {
            self.hand_over(recovery, &plan, doubtful).await?;
        }
        for (message, fate) in &plan.pending {
            self.settle(recovery, message, fate).await?;
        }
        for (message, listed) in &plan.reported {
            let Some(status) = DeliveryStatus::from_twilio(&listed.status) else { continue };
            let report =
                MessageReport::Delivery { twilio_sid: listed.sid.clone(), status, error_code: None, why: None };
            let id = format!("message_status:{}:{}", listed.sid, listed.status);
            self.apply_report(id, message.id, message.conversation_id, report).await?;
        }
        self.store().end_recovery(recovery).await?;
        Ok(plan)
    }

    async fn keep(&self, found: &Found) -> Result<(), EngineError> {
        match found {
            Found::Text { business, text } => {
                // The id that its webhook has, should it come after all.
                let id = format!("sms:{}", text.sms.twilio_sid);
                let parties = (&text.sms.business_phone, &text.sms.customer);
                self.change(id, open(business, parties), Input::TextRecovered(text.clone())).await
            }
            Found::Sent { business, sms } => {
                let id = format!("recovered:{}", sms.twilio_sid);
                let target = open(business, (&sms.business_phone, &sms.customer));
                self.change(id, target, Input::SentRecovered(sms.clone())).await
            }
            Found::Call { business, call } => {
                let id = format!("call_settled:{}", call.leg.call_sid);
                let report = CallInput::Recovered(call.clone());
                self.engine.apply_call(business, &id, None, Trace::start(), &report).await.map(drop)
            }
        }
    }

    async fn hand_over(&self, recovery: &Recovery, plan: &Plan, doubtful: &Doubtful) -> Result<(), RecoveryError> {
        let id = format!("recovered:{}:{}", recovery.id, doubtful.conversation_id);
        let business = self.engine.business_cache().by_id(&doubtful.business_id).await?;
        let parties = doubtful.business_phone.parse().ok().zip(doubtful.customer_phone.parse().ok());
        let alerted = match (business, parties) {
            (Some(business), Some((from, customer))) => plan
                .alerts
                .iter()
                .filter(|alert| alert.is_about(&business, &from, &customer))
                .map(|alert| alert.to().clone())
                .collect(),
            _ => Vec::new(),
        };
        Ok(self.change(id, Target::Id(doubtful.conversation_id), Input::Restored { alerted }).await?)
    }

    /// Notes that a message was sent, holds it back, or has it sent.
    async fn settle(&self, recovery: &Recovery, message: &PendingMessage, fate: &Fate) -> Result<(), RecoveryError> {
        if matches!(fate, Fate::IsSent | Fate::IsHeldBack) && message.status == MessageStatus::Sending {
            self.store().queue_again(message.id, message.attempts).await?;
        }
        match fate {
            Fate::WasSent { twilio_sid } => {
                let report = MessageReport::Accepted { twilio_sid: twilio_sid.clone(), segments: None };
                self.report(message.id, message.conversation_id, "accepted", report).await?;
            }
            Fate::IsHeldBack => {
                self.report(message.id, message.conversation_id, "superseded", MessageReport::Superseded).await?;
            }
            Fate::Unknown => {
                self.report(message.id, message.conversation_id, "unknown", MessageReport::Unknown).await?;
            }
            Fate::IsSent => {
                // Its task may be lost with JetStream. A second one finds the message sent.
                let task = SendTask {
                    conversation_id: message.conversation_id,
                    message_id: message.id,
                    responds_to: message.created_at,
                    answer: None,
                    to_own_side: message.kind.is_to_own_side(),
                };
                let priority = message.kind.priority(message.in_emergency);
                self.engine.send_again(&task, priority, format!("recover:{}:{}", recovery.id, message.id)).await?;
            }
        }
        Ok(())
    }

    /// Reports the outcome of a message, as its sender would.
    async fn report(
        &self,
        message_id: Uuid,
        conversation_id: Uuid,
        word: &str,
        report: MessageReport,
    ) -> Result<(), EngineError> {
        self.apply_report(format!("sms:{message_id}:{word}"), message_id, conversation_id, report).await
    }

    async fn apply_report(
        &self,
        id: String,
        message_id: Uuid,
        conversation_id: Uuid,
        report: MessageReport,
    ) -> Result<(), EngineError> {
        let happening = Happening::Message { id: message_id, report };
        let (trace, target) = (Trace::start(), Target::Id(conversation_id));
        self.engine.apply(engine::Input { id, body_hash: None, trace, target, happening }).await.map(drop)
    }

    async fn change(&self, id: String, target: Target, input: Input) -> Result<(), EngineError> {
        let (trace, happening) = (Trace::start(), Happening::Input(input));
        self.engine.apply(engine::Input { id, body_hash: None, trace, target, happening }).await.map(drop)
    }
}

fn open(business: &Arc<Profile>, (business_phone, customer): (&PhoneNumber, &PhoneNumber)) -> Target {
    let (business_phone, customer_phone) = (business_phone.clone(), customer.clone());
    Target::Open { business_phone, customer_phone, business: Arc::clone(business) }
}
