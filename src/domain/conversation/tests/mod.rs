//! The rules, as case tables, on a conversation that the tests drive step by step with an explicit time.

mod after_hours;
mod alert_taken;
mod alerts;
mod answers;
mod deliveries;
mod disclosures;
mod emergencies;
mod endings;
mod fence;
mod idle;
mod ladder;
mod landlines;
mod limits;
mod never_text;
mod openings;
mod opting;
mod other_business;
mod ownership;
mod pairing;
mod property;
mod relays;
mod reminders;
mod seen;
mod silence;
mod waiting;
mod windows;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::*;
use crate::domain::appointment_check::Schedule;
use crate::domain::business_policy::{AiDisclosure, BusinessPolicy};
use crate::domain::day_limits::{DayLimits, DayUse};
use crate::domain::phone::PhoneNumber;

/// A conversation and its time.
struct Talk {
    policy: Policy,
    business: Business,
    state: Option<Conversation>,
    now: DateTime<Utc>,
    /// The state of the opt-out ledger.
    opted_out_at: Option<DateTime<Utc>>,
    /// When the last missed-call text was sent, from any number of the business.
    missed_call_sms_at: Option<DateTime<Utc>>,
    /// Whether the business may write to the customer.
    may_write: bool,
    /// Set if the customer is another business.
    other_business: Option<OtherBusiness>,
    /// What else is open between the two.
    other_conversations: Vec<Uuid>,
    unpaired_texts: Vec<super::UnpairedText>,
    codes_in_use: Vec<crate::domain::owner::Code>,
    /// What the business has used today.
    day_use: DayUse,
    inputs: u32,
    /// The newest decision.
    last: Option<Decision>,
    /// Every outgoing message, as stored.
    sent: Vec<SentMessage>,
}

impl Talk {
    /// Hold 60 s, quiet 2 s, max 90 s, as in the contract.
    fn new() -> Self {
        Self {
            policy: Policy {
                hold: Duration::from_secs(60),
                quiet: Duration::from_secs(2),
                max: Duration::from_secs(90),
                ai_max_replies: 30,
                ai_max_period: Duration::from_secs(3600),
                fallback_every: Duration::from_secs(1800),
                missed_call_cooldown: Duration::from_secs(1800),
                reopen_within: Duration::from_secs(24 * 3600),
                idle_after: Duration::from_secs(72 * 3600),
                alert_every: Duration::from_secs(60),
                dial_timeout: Duration::from_secs(20),
                call_result_wait: Duration::from_secs(15),
                day_limits: DayLimits { texts: 1_000, new_numbers: 1_000, ai: 1_000, alerts: 1_000 },
                public_url: "https://nmc.example".into(),
            },
            business: Business {
                id: "b1".into(),
                name: "Joe's Plumbing".into(),
                user_id: "u1".into(),
                templates: Templates::default(),
                confidence_threshold: 0.5,
                phone_numbers: vec![business()],
                price_ranges: Vec::new(),
                schedule: Schedule::default(),
                zone: chrono_tz::Tz::UTC,
                // The tests compare what is said; `disclosures` has what stands before it.
                policy: BusinessPolicy { ai_disclosure: Some(AiDisclosure::Off), ..BusinessPolicy::default() },
                never_text: Arc::default(),
                quiet_hours: None,
                alert_numbers: Vec::new(),
                accepts_emergencies: true,
                relay_to: None,
                owner_is_off: false,
                remind_to: None,
            },
            state: None,
            now: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
            opted_out_at: None,
            missed_call_sms_at: None,
            may_write: true,
            other_business: None,
            other_conversations: Vec::new(),
            unpaired_texts: Vec::new(),
            codes_in_use: Vec::new(),
            day_use: DayUse::default(),
            inputs: 0,
            last: None,
            sent: Vec::new(),
        }
    }

    fn context(&self) -> Context<'_> {
        Context {
            policy: &self.policy,
            business: &self.business,
            opted_out_at: self.opted_out_at,
            missed_call_sms_at: self.missed_call_sms_at,
            may_write: self.may_write,
            other_business: self.other_business,
            other_conversations: &self.other_conversations,
            unpaired_texts: &self.unpaired_texts,
            codes_in_use: Some(&self.codes_in_use),
            day_use: self.day_use,
        }
    }

    fn later(&mut self, seconds: f64) -> &mut Self {
        self.now += TimeDelta::milliseconds((seconds * 1000.0) as i64);
        self
    }

    /// Applies an input, and stores what the engine would store.
    fn apply(&mut self, input: &Input) -> &Decision {
        let ends = |state: &Conversation| must_end_first(&self.policy, &self.business, state, input, self.now);
        if self.state.as_ref().is_some_and(ends) {
            self.due();
        }
        self.inputs += 1;
        let id = format!("input-{}", self.inputs);
        let context = self.context();
        let decision = decide(context, self.state.as_ref(), &id, input, self.now).unwrap();
        assert_eq!(Some(&decision), decide(context, self.state.as_ref(), &id, input, self.now).as_ref(), "not pure");
        for message in decision.messages.iter().filter(|m| m.kind != MessageKind::Customer) {
            self.sent.push(SentMessage {
                id: message.id,
                status: message.status,
                kind: message.kind,
                twilio_sid: None,
                in_reply_to_window: message.in_reply_to_window,
                created_at: message.created_at,
            });
        }
        for update in &decision.message_updates {
            let row = self.sent.iter_mut().find(|row| row.id == update.id).unwrap();
            if update.expected.is_some_and(|expected| expected == row.status)
                || (update.expected.is_none() && row.status == MessageStatus::Queued)
            {
                row.status = update.status;
            }
        }
        assert!(decision.spending.fits(&self.day_use));
        self.day_use.add(&decision.spending);
        match &decision.ledger {
            Some(LedgerChange::Out { at, .. }) => self.opted_out_at = self.opted_out_at.max(Some(*at)),
            Some(LedgerChange::In) => self.opted_out_at = None,
            None => {}
        }
        let mut state = decision.conversation.clone();
        state.version += i64::from(decision.changed);
        self.state = Some(state);
        self.last = Some(decision);
        self.last.as_ref().unwrap()
    }

    fn call_missed(&mut self) -> &Decision {
        let call = MissedCall {
            call_id: call_id("CA1"),
            call_sid: "CA1".into(),
            dial_status: "no-answer".into(),
            customer: customer(),
            business_phone: business(),
            own_account: None,
            verification_failed: false,
            recovered: false,
        };
        self.apply(&Input::CallMissed(call))
    }

    fn call_answered(&mut self) -> &Decision {
        let call = AnsweredCall { call_sid: "CA2".into(), customer: customer(), business_phone: business() };
        self.apply(&Input::CallAnswered(call))
    }

    fn text(&mut self, body: &str) -> &Decision {
        let received_at = self.now;
        self.text_stamped(body, received_at)
    }

    fn text_stamped(&mut self, body: &str, received_at: DateTime<Utc>) -> &Decision {
        let sms = self.sms(body, received_at);
        self.apply(&Input::SmsReceived(sms))
    }

    fn sms(&self, body: &str, received_at: DateTime<Utc>) -> InboundSms {
        InboundSms {
            twilio_sid: format!("SM{}", self.inputs),
            customer: customer(),
            business_phone: business(),
            own_account: None,
            body: body.into(),
            media: Vec::new(),
            opt_out_type: None,
            reading: crate::domain::emergency::read(body, None, &crate::domain::emergency::OwnPhrases::default()),
            received_at,
            stream_sequence: i64::from(self.inputs),
            is_followed: false,
        }
    }

    fn due(&mut self) -> &Decision {
        self.apply(&Input::WindowDue { complete_until: Some(self.now) })
    }

    /// Waits for the open window's deadline, and lets the timer fire.
    fn close_window(&mut self) -> Uuid {
        let window = self.state().window.clone().unwrap();
        self.now = self.now.max(window.deadline.unwrap());
        self.due();
        window.id
    }

    fn answered(&mut self, window_id: Uuid, text: &str) -> &Decision {
        self.apply(&Input::AnalysisReady { window_id, answer: answer(text) })
    }

    fn report(&mut self, message: usize, report: MessageReport) -> &Decision {
        let message = self.sent[message].clone();
        self.apply(&Input::MessageReported { message, report })
    }

    fn state(&self) -> &Conversation {
        self.state.as_ref().unwrap()
    }

    fn start(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    /// Seconds from the start to the open window's deadline.
    fn deadline(&self) -> Option<f64> {
        let deadline = self.state().window.as_ref()?.deadline?;
        Some((deadline - self.start()).as_seconds_f64())
    }
}

fn customer() -> PhoneNumber {
    "+12125551234".parse().unwrap()
}

fn business() -> PhoneNumber {
    "+15555551111".parse().unwrap()
}

fn answer(text: &str) -> Answer {
    Answer {
        job_type: Some("drain_cleaning".into()),
        urgency: Urgency::Normal,
        emergency_detected: false,
        text: text.into(),
        confidence: Some(0.9),
        appointment: None,
        complete: false,
        outcome: None,
        summary: None,
        prices: Vec::new(),
        is_escalated: false,
        follow_up_minutes: None,
    }
}

fn accepted() -> MessageReport {
    MessageReport::Accepted { twilio_sid: "SMx".into(), segments: Some(1) }
}

/// The types of the events that a decision emits, in order.
fn events(decision: &Decision) -> Vec<&'static str> {
    decision
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Emit(event) => Some(event.data.event_type().as_str()),
            _ => None,
        })
        .collect()
}

/// The data of the only event of this type.
fn event_data(decision: &Decision, event_type: EventType) -> serde_json::Value {
    let mut found = decision.effects.iter().filter_map(|effect| match effect {
        Effect::Emit(event) if event.data.event_type() == event_type => serde_json::to_value(&event.data).ok(),
        _ => None,
    });
    let data = found.next().expect("the event");
    assert!(found.next().is_none(), "{event_type} is emitted twice");
    data
}

fn is_sent(decision: &Decision) -> bool {
    decision.effects.iter().any(|effect| matches!(effect, Effect::SendSms { .. }))
}

fn is_analyzed(decision: &Decision) -> bool {
    decision.effects.iter().any(|effect| matches!(effect, Effect::Analyze { .. }))
}

/// The states and reasons of the windows that a decision changes.
fn windows(decision: &Decision) -> Vec<(WindowState, &str)> {
    decision.windows.iter().map(|window| (window.state, window.reason.as_str())).collect()
}

/// Whether a decision only records what DispatchBot answered.
fn is_dropped(decision: &Decision) -> bool {
    let analysis = decision.analysis.as_ref().is_some_and(|analysis| analysis.drop_reason.is_some());
    analysis && decision.messages.is_empty() && decision.windows.is_empty() && decision.effects.is_empty()
}
