//! Webhooks → conversations and calls.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::bundled_alerts::report_bundled;
use super::code_text::{CodeText, Taken};
use super::detect_emergency::{ScannedWebhook, detect_emergency};
use super::event_time::is_followed;
use super::owner_texts::OwnSideText;
use super::participants::resolved;
use super::probe::probed;
use super::too_early::{OutageClock, TooEarly};
use super::{Adapters, Handler, Source, WorkerDeps, handler};
use crate::adapters::jetstream::{JetStream, Publisher};
use crate::adapters::postgres::Store;
use crate::adapters::twilio;
use crate::businesses::CallOwner;
use crate::domain::business::Profile;
use crate::domain::call::{Acceptance, CallInput, DialReport, EndReport, Ringing};
use crate::domain::conversation::{DeliveryStatus, InboundSms, Input, MessageKind, MessageReport, RingReport};
use crate::domain::emergency::Reading;
use crate::domain::phone::{self, PhoneNumber};
use crate::engine::{self, Applied, CallReport, ConversationStore, Engine, Happening, Publish, Target};
use crate::stream::{DeadReason, DeliveryStreamExt, FailureReason, Metadata, SettleSummary};
use crate::telemetry::Metrics;
use crate::trace::Trace;
use crate::webhook::probe::is_to_probe;
use crate::webhook::{Inbound, Webhook, WebhookKind};

/// How many webhooks are processed at once.
const MAX_CONCURRENCY: usize = 48;
const UNKNOWN_NUMBER: DeadReason = DeadReason::new("unknown_number");
const NOT_ANSWERABLE: DeadReason = DeadReason::new("sender_not_answerable");
const OTHER_BODY: DeadReason = DeadReason::new("other_body");
const UNKNOWN_CALL: DeadReason = DeadReason::new("unknown_call");
const NO_RECORD: &str = "the report is about a call that has no record";
const UNKNOWN_MESSAGE: DeadReason = DeadReason::new("unknown_message");
const UNKNOWN_STATUS: DeadReason = DeadReason::new("unknown_status");

/// Webhooks, in order for each call, customer and message.
pub fn webhooks<N: Adapters>(
    parts: &WorkerDeps<N>,
    shutdown: CancellationToken,
) -> impl Future<Output = SettleSummary> + Send + use<N> {
    let business_cache = parts.engine.business_cache().clone();
    let apply = Arc::new(handler(&Arc::new(ApplyWebhook::new(parts)), shutdown.clone()));
    let sms_sender = Arc::clone(&parts.sms_sender);
    let hear = move |inbound| {
        let (business_cache, apply, sms_sender) = (business_cache.clone(), Arc::clone(&apply), Arc::clone(&sms_sender));
        async move {
            let inbound = resolved(&sms_sender, inbound).await?;
            apply(detect_emergency(&business_cache, inbound).await?).await
        }
    };
    parts
        .jetstream
        .deliveries("NMC_INBOUND", "conversations", shutdown)
        .decode::<Inbound>()
        .keyed(MAX_CONCURRENCY, |inbound| inbound.webhook.key(), hear)
        .dead_letter(Arc::clone(&parts.dead), parts.dead.max_deliveries())
        .settle()
}

/// Applies a webhook through the engine.
pub struct ApplyWebhook<R = Store, P = Publisher, S = JetStream> {
    pub(super) engine: Engine<R, P>,
    source: S,
    metrics: Metrics,
    outage_clock: OutageClock,
}

impl<R: ConversationStore, P: Publish, S: Source> ApplyWebhook<R, P, S> {
    pub fn new<N: Adapters<Store = R, Publisher = P, Source = S>>(parts: &WorkerDeps<N>) -> Self {
        let source = parts.jetstream.clone();
        Self { engine: parts.engine.clone(), source, metrics: parts.metrics.clone(), outage_clock: OutageClock::new() }
    }

    fn too_early(&self, metadata: &Metadata) -> TooEarly<'_> {
        TooEarly { delivery_count: metadata.delivery_count, outage_clock: &self.outage_clock }
    }
}

impl<R: ConversationStore, P: Publish, S: Source> Handler<ScannedWebhook> for ApplyWebhook<R, P, S> {
    async fn run(&self, heard: ScannedWebhook, metadata: Arc<Metadata>) -> Result<(), FailureReason> {
        let ScannedWebhook { inbound, business, reading } = heard;
        let trace = Trace::current_or(metadata.traceparent());
        let early = self.too_early(&metadata);
        match &inbound.webhook {
            Webhook::Call { .. } | Webhook::CallStatus { .. } | Webhook::Screen { .. } => {
                self.call(&inbound, trace, early).await
            }
            Webhook::Sms { .. } => self.sms(&inbound, business, reading, trace, &metadata).await,
            Webhook::MessageStatus { .. } => self.message_status(&inbound, trace, early).await,
            Webhook::LadderDigit { .. } | Webhook::LadderStatus { .. } => self.ladder(&inbound, trace, early).await,
            // A message whose participant is known is an SMS by now; the rest concerns only Twilio's conversation.
            Webhook::Conversation { .. } => Ok(()),
        }
    }
}

impl<R: ConversationStore, P: Publish, S: Source> ApplyWebhook<R, P, S> {
    async fn call(&self, inbound: &Inbound, trace: Trace, early: TooEarly<'_>) -> Result<(), FailureReason> {
        let report = call_input(inbound).ok_or_else(|| dead(UNKNOWN_NUMBER, "To is not a phone number"))?;
        let owner = self.engine.business_cache().of_call(report.call_sid(), report.business_phone(), &inbound.signer);
        let business = match owner.await.map_err(|e| early.retry(e))? {
            CallOwner::Business(business) => business,
            CallOwner::Nobody => return Ok(()), // the edge has rejected and counted it, and NMC_INBOUND keeps it
            CallOwner::NoRecord => return Err(early.again(UNKNOWN_CALL, NO_RECORD)),
        };
        let (id, body_hash) = (&inbound.input_id, Some(inbound.body_hash.as_str()));
        match self.engine.apply_call(&business, id, body_hash, trace, &report).await.map_err(|e| early.retry(e))? {
            CallReport::Done => Ok(()),
            CallReport::Before { same_body } => self.same(same_body, WebhookKind::Call),
            CallReport::NotYet => Err(early.again(UNKNOWN_CALL, NO_RECORD)),
        }
    }

    async fn sms(
        &self,
        inbound: &Inbound,
        business: Option<Arc<Profile>>,
        reading: Reading,
        trace: Trace,
        metadata: &Metadata,
    ) -> Result<(), FailureReason> {
        let Webhook::Sms { message_sid, from, to, body, media, opt_out_type } = &inbound.webhook else { return Ok(()) };
        let early = self.too_early(metadata);
        if is_to_probe(to, &inbound.signer) {
            let event = probed(message_sid, inbound.received_at, &trace, self.engine.now());
            let emitted = self.engine.emit(&inbound.input_id, &inbound.body_hash, event).await;
            return emitted.map(drop).map_err(|e| early.retry(e));
        }
        let Ok(business_phone) = to.parse::<PhoneNumber>() else {
            return Err(dead(UNKNOWN_NUMBER, "To is not a phone number"));
        };
        let Some(business) = business else {
            self.metrics.unknown_number(WebhookKind::Sms);
            return Err(dead(UNKNOWN_NUMBER, "no business owns the number"));
        };
        let Some(customer) = phone::caller(from) else {
            return Err(dead(NOT_ANSWERABLE, "the sender is a short code, a name, or a withheld number"));
        };
        let text = CodeText { business: &business, customer: &customer, message_sid, body, opt_out_type };
        let taken = text.taken(&self.engine, &reading).await.map_err(|e| early.retry(e))?;
        if taken == Taken::AsAnswer {
            return Ok(());
        }
        if taken == Taken::No
            && let Some(phone) = business.own_phone(&customer)
        {
            let own = OwnSideText {
                inbound,
                business: &business,
                phone,
                business_phone: &business_phone,
                body,
                has_media: !media.is_empty(),
                opt_out_type: opt_out_type.as_deref(),
                trace: &trace,
                early,
            };
            // Boxed: it is rare, and the future of every webhook would have room for it.
            return Box::pin(self.own_side(&own)).await;
        }
        let happening = Happening::Input(Input::SmsReceived(InboundSms {
            twilio_sid: message_sid.clone(),
            customer: customer.clone(),
            business_phone: business_phone.clone(),
            own_account: inbound.signer.own_account.clone(),
            body: body.clone(),
            media: media.clone(),
            opt_out_type: opt_out_type.clone(),
            reading,
            received_at: inbound.received_at,
            stream_sequence: i64::try_from(metadata.stream_sequence).unwrap_or(i64::MAX),
            is_followed: is_followed(&self.engine, &self.source, inbound).await,
        }));
        let target = Target::Open { business_phone, customer_phone: customer, business };
        match self.engine.apply(input(inbound, trace, target, happening)).await.map_err(|e| early.retry(e))? {
            Applied::Before { same_body } => {
                if same_body {
                    let arrived = self.engine.store().backdate_arrival(message_sid, inbound.received_at);
                    arrived.await.map_err(|e| early.retry(e))?;
                }
                self.same(same_body, WebhookKind::Sms)
            }
            Applied::Now(_) | Applied::Nothing { .. } => Ok(()),
        }
    }

    async fn message_status(&self, inbound: &Inbound, trace: Trace, early: TooEarly<'_>) -> Result<(), FailureReason> {
        let Webhook::MessageStatus { message_sid, message_id, status, error_code } = &inbound.webhook else {
            return Ok(());
        };
        self.metrics.delivery(status);
        let Some(reported) = DeliveryStatus::from_twilio(status) else {
            return Err(dead(UNKNOWN_STATUS, "Twilio does not document this MessageStatus"));
        };
        let business_cache = self.engine.business_cache();
        let message = business_cache.reported_message(message_sid, *message_id).await.map_err(|e| early.retry(e))?;
        let Some(message) = message else {
            return Err(early.again(UNKNOWN_MESSAGE, "the report is about a message that has no record"));
        };
        let (id, signer) = (message.conversation_id, &inbound.signer);
        let may_report = signer.own_account.is_none()
            || business_cache.of_conversation(id, signer).await.map_err(|e| early.retry(e))?.is_some();
        if !may_report {
            return Err(dead(UNKNOWN_MESSAGE, "signed by another account than the one that sent the message"));
        }
        let report = MessageReport::Delivery {
            twilio_sid: message_sid.clone(),
            status: reported,
            error_code: *error_code,
            why: error_code.and_then(twilio::explain).map(str::to_owned),
        };
        let happening = Happening::Message { id: message.id, report: report.clone() };
        let target = Target::Id(message.conversation_id);
        let input = input(inbound, trace.clone(), target, happening);
        let applied = self.engine.apply(input).await.map_err(|e| early.retry(e))?;
        if message.kind == MessageKind::Alert {
            let reported = report_bundled(&self.engine, message.id, &report, &trace).await;
            reported.map_err(|e| early.retry(e))?;
        }
        match applied {
            Applied::Before { same_body } => self.same(same_body, WebhookKind::MessageStatus),
            Applied::Now(_) | Applied::Nothing { .. } => Ok(()),
        }
    }

    /// The key that was pressed in a call to a person of the business, or its end.
    async fn ladder(&self, inbound: &Inbound, trace: Trace, early: TooEarly<'_>) -> Result<(), FailureReason> {
        let (call_id, conversation_id, report) = match &inbound.webhook {
            Webhook::LadderDigit { call_id, conversation_id, digit, .. } => match digit.as_str() {
                "1" => (*call_id, *conversation_id, RingReport::Took { at: inbound.received_at }),
                "2" => (*call_id, *conversation_id, RingReport::Passed),
                _ => return Ok(()),
            },
            Webhook::LadderStatus { call_id, conversation_id, status, .. } if is_terminal(status) => {
                (*call_id, *conversation_id, RingReport::Ended { status: status.clone() })
            }
            _ => return Ok(()),
        };
        let owner = self.engine.business_cache().of_conversation(conversation_id, &inbound.signer).await;
        if owner.map_err(|e| early.retry(e))?.is_none() {
            return Err(dead(
                UNKNOWN_CALL,
                "the conversation is gone, or signed by another account than its business's",
            ));
        }
        let happening = Happening::Input(Input::RingReported { call_id, report });
        let applied = self.engine.apply(input(inbound, trace, Target::Id(conversation_id), happening)).await;
        match applied.map_err(|e| early.retry(e))? {
            Applied::Before { same_body } => self.same(same_body, inbound.webhook.kind()),
            Applied::Now(_) | Applied::Nothing { .. } => Ok(()),
        }
    }

    /// A duplicate input. If its body differs, the first one counts and this one becomes a dead letter.
    pub(super) fn same(&self, same_body: bool, kind: WebhookKind) -> Result<(), FailureReason> {
        if same_body {
            return Ok(());
        }
        self.metrics.body_conflict(kind);
        Err(dead(OTHER_BODY, "an earlier webhook had the same id and a different body"))
    }
}

pub(super) fn dead(reason: DeadReason, detail: &str) -> FailureReason {
    FailureReason::dead(reason, detail)
}

pub(super) fn input(inbound: &Inbound, trace: Trace, target: Target, happening: Happening) -> engine::Input {
    let (id, body_hash) = (inbound.input_id.clone(), Some(inbound.body_hash.clone()));
    engine::Input { id, body_hash, trace, target, happening }
}

/// The call input of a webhook; `None` if the number called is not a phone number.
fn call_input(inbound: &Inbound) -> Option<CallInput> {
    let (received_at, own_account) = (inbound.received_at, inbound.signer.own_account.clone());
    match &inbound.webhook {
        Webhook::Call { call_sid, from, to, call_status, not_dialled, stir_verstat, phones, screened, .. } => {
            let (call_sid, customer, business_phone) = (call_sid.clone(), phone::caller(from), to.parse().ok()?);
            let over = call_status.clone().filter(|status| not_dialled.is_none() && is_terminal(status));
            Some(match over {
                Some(call_status) => CallInput::Ended(EndReport {
                    call_sid,
                    customer,
                    business_phone: Some(business_phone),
                    call_status,
                    own_account,
                    received_at,
                }),
                None => CallInput::Ringing(Ringing {
                    call_sid,
                    customer,
                    business_phone,
                    not_dialled: not_dialled.map(|why| why.as_str().to_owned()),
                    phones: phones.unwrap_or(1),
                    screened: *screened,
                    stir_verstat: stir_verstat.clone(),
                    own_account,
                    received_at,
                }),
            })
        }
        Webhook::Screen { call_sid, .. } => {
            Some(CallInput::Accepted(Acceptance { call_sid: call_sid.clone(), received_at }))
        }
        Webhook::CallStatus {
            call_sid,
            from,
            to,
            dial_status,
            is_call_status,
            bridged,
            screened,
            duration_seconds,
        } => {
            let (call_sid, status) = (call_sid.clone(), dial_status.clone());
            let customer = from.as_deref().and_then(phone::caller);
            let business_phone = to.as_deref().and_then(|to| to.parse().ok());
            Some(match is_call_status {
                true => CallInput::Ended(EndReport {
                    call_sid,
                    customer,
                    business_phone,
                    call_status: status,
                    own_account,
                    received_at,
                }),
                false => CallInput::Dialled(DialReport {
                    call_sid,
                    customer,
                    business_phone,
                    dial_status: status,
                    bridged: *bridged,
                    screened: *screened,
                    duration_seconds: *duration_seconds,
                    own_account,
                    received_at,
                }),
            })
        }
        _ => None,
    }
}

/// Twilio's statuses for a call that is over.
fn is_terminal(call_status: &str) -> bool {
    matches!(call_status, "completed" | "busy" | "failed" | "no-answer" | "canceled")
}
