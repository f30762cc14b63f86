//! What scenarios commit: decisions of the rules on what customers and people do.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::json;
use uuid::Uuid;

use super::TestStore;
use crate::domain::business::{Profile, Trade};
use crate::domain::call::Call;
use crate::domain::conversation::{
    Answer, Context, Conversation, Decision, InboundSms, Input, LedgerChange, MessageReport, MissedCall, SentMessage,
    UnpairedText, Urgency, call_id, decide,
};
use crate::domain::day_limits::DayUse;
use crate::domain::emergency::{OwnPhrases, read};
use crate::domain::phone::PhoneNumber;
use crate::engine::ConversationStore;
use crate::simulation::policy;
use crate::store::{AuditEntry, Commit, Committed, Facts, FactsOf, LedgerEntry, Locks, OutboxRow};

pub(super) const NUMBER: &str = "+15555551111";
pub(super) const OTHER_NUMBER: &str = "+15555552222";
pub(super) const OWNER: &str = "+15555550001";
pub(super) const CUSTOMER: &str = "+12125551234";
pub(super) const NEIGHBOUR: &str = "+12125555678";

pub(super) fn phone(text: &str) -> PhoneNumber {
    text.parse().unwrap()
}

/// A business with these numbers.
pub(super) fn business(id: &str, numbers: &[&str]) -> Profile {
    Profile {
        id: id.to_owned(),
        name: "Joe's Plumbing".to_owned(),
        user_id: "u1".to_owned(),
        phone_numbers: numbers.iter().map(|number| phone(number)).collect(),
        forward_to: phone(OWNER).into(),
        timezone: "America/New_York".to_owned(),
        trade: Trade::Plumbing,
        business_hours: json!({}),
        job_estimates: json!([]),
        user_settings: json!({}),
        calendar: json!([]),
        templates: Default::default(),
        policy: Default::default(),
        emergency_contacts: Vec::new(),
        twilio_account_sid: None,
        never_text: Default::default(),
        dispatchbot_key: None,
        own_side: Default::default(),
    }
}

/// A customer of a business, and how far their conversation has come.
#[derive(Clone)]
pub(super) struct Talk {
    pub business: Profile,
    pub number: PhoneNumber,
    pub customer: PhoneNumber,
    /// The conversation as it is stored.
    pub state: Option<Conversation>,
    /// What the business has used today, as far as this decision knows.
    pub day_use: DayUse,
    /// The time of decisions.
    pub at: DateTime<Utc>,
}

/// An input that was decided on.
pub(super) struct Decided {
    pub input_id: String,
    pub body_hash: Option<String>,
    pub number_of: Option<String>,
    pub decision: Decision,
    pub call: Option<Call>,
    pub outbox: Vec<OutboxRow>,
    pub audit: AuditEntry,
    pub at: DateTime<Utc>,
    pub day: NaiveDate,
}

impl Talk {
    /// A customer of the business `b1`, which is stored.
    pub(super) async fn with(test: &impl TestStore, customer: &str) -> Self {
        let business = business("b1", &[NUMBER]);
        test.put_business(&business).await;
        Self::of(business, customer, test.now().await)
    }

    /// A customer who has not written to this business yet.
    pub(super) fn of(business: Profile, customer: &str, at: DateTime<Utc>) -> Self {
        let number = business.phone_numbers[0].clone();
        Self { business, number, customer: phone(customer), state: None, day_use: DayUse::default(), at }
    }

    /// The same, some time later.
    pub(super) fn later(&mut self, seconds: i64) -> &mut Self {
        self.at += TimeDelta::seconds(seconds);
        self
    }

    pub(super) fn conversation(&self) -> &Conversation {
        self.state.as_ref().unwrap()
    }

    /// Decides on an input; the conversation stays as it is.
    pub(super) fn decide(&self, input_id: &str, input: &Input) -> Decided {
        self.decide_beside(input_id, input, &[])
    }

    fn decide_beside(&self, input_id: &str, input: &Input, unpaired_texts: &[UnpairedText]) -> Decided {
        let context = Context {
            policy: &policy(),
            business: &self.business.for_rules(),
            opted_out_at: None,
            missed_call_sms_at: None,
            may_write: true,
            other_business: None,
            other_conversations: &[],
            unpaired_texts,
            codes_in_use: None,
            day_use: self.day_use,
        };
        let decision = decide(context, self.state.as_ref(), input_id, input, self.at).unwrap();
        let outbox = rows(decision.conversation.id, input_id, decision.effects.len());
        let audit = AuditEntry { actor: "service", actor_id: None, action: "wrote", data: json!({}) };
        let (input_id, at, day) = (input_id.to_owned(), self.at, self.business.for_rules().day(self.at));
        Decided { input_id, body_hash: None, number_of: None, decision, call: None, outbox, audit, at, day }
    }

    pub(super) fn text(&self, sid: &str, body: &str) -> Decided {
        self.text_beside(sid, body, &[])
    }

    /// The same, if these texts are known.
    pub(super) fn text_beside(&self, sid: &str, body: &str, unpaired: &[UnpairedText]) -> Decided {
        let sms = InboundSms {
            twilio_sid: sid.to_owned(),
            customer: self.customer.clone(),
            business_phone: self.number.clone(),
            own_account: None,
            body: body.to_owned(),
            media: Vec::new(),
            opt_out_type: None,
            reading: read(body, None, &OwnPhrases::default()),
            received_at: self.at,
            stream_sequence: 0,
            is_followed: false,
        };
        let text = self.decide_beside(&format!("sms:{sid}"), &Input::SmsReceived(sms), unpaired);
        Decided { body_hash: Some(format!("hash of {body}")), number_of: Some(self.business.id.clone()), ..text }
    }

    pub(super) fn missed_call(&self, sid: &str) -> Decided {
        let call = MissedCall {
            call_id: call_id(sid),
            call_sid: sid.to_owned(),
            dial_status: "no-answer".to_owned(),
            customer: self.customer.clone(),
            business_phone: self.number.clone(),
            own_account: None,
            verification_failed: false,
            recovered: false,
        };
        self.decide(&format!("call_status:{sid}"), &Input::CallMissed(call))
    }

    pub(super) fn reply(&self, body: &str) -> Decided {
        let input = Input::UserReplied { user_id: "joe".to_owned(), body: body.to_owned() };
        self.decide(&format!("reply:{body}:{}", self.customer), &input)
    }

    pub(super) fn complete(&self) -> Decided {
        let input = Input::Completed { user_id: "joe".to_owned(), outcome: "done".to_owned(), summary: None };
        self.decide(&format!("complete:{}:{}", self.customer, self.at), &input)
    }

    pub(super) fn report(&self, message: SentMessage, report: MessageReport) -> Decided {
        let id = format!("report:{}:{report:?}", message.id);
        self.decide(&id, &Input::MessageReported { message, report })
    }

    /// What is known besides the conversation.
    pub(super) async fn facts(&self, test: &impl TestStore) -> Facts {
        let wanted = FactsOf {
            business_id: &self.business.id,
            customer: &self.customer,
            conversation_id: self.state.as_ref().map(|conversation| conversation.id),
            message_id: None,
            missed_call: true,
            other_business: true,
            other_conversations: true,
            text: None,
            day: Some(self.business.for_rules().day(self.at)),
            codes: false,
        };
        test.store().facts(&[wanted]).await.unwrap().pop().unwrap().unwrap()
    }

    /// Commits a decision, which nothing keeps from being committed; returns the ids of its effects.
    pub(super) async fn commit(&mut self, test: &impl TestStore, decided: &Decided) -> Vec<i64> {
        let mut committed = commit(test, &[decided]).await;
        let Some(Committed::Done { outbox_ids, .. }) = committed.pop() else { panic!("not committed: {committed:?}") };
        self.state = Some(decided.after());
        outbox_ids
    }

    /// Gets the customer a queued answer to a text; returns its id.
    pub(super) async fn get_answer(&mut self, test: &impl TestStore, sid: &str) -> Uuid {
        let text = self.text(sid, "My sink is blocked");
        self.commit(test, &text).await;
        let window = self.conversation().window.clone().unwrap();
        self.at = window.deadline.unwrap();
        let due = self.decide(&format!("due:{sid}"), &Input::WindowDue { complete_until: Some(self.at) });
        self.commit(test, &due).await;
        let input = Input::AnalysisReady { window_id: window.id, answer: answer("I can be there at 8.") };
        let answered = self.decide(&format!("answer:{sid}"), &input);
        self.commit(test, &answered).await;
        answered.decision.messages[0].id
    }
}

impl Talk {
    /// Changes the ledger alone.
    pub(super) async fn change_ledger(&self, test: &impl TestStore, input_id: &str, change: LedgerChange) {
        let entry = self.ledger_entry(change);
        test.store().commit(&[self.commit_of_entry(input_id, &entry)], &[], Locks::Skip).await.unwrap();
    }

    pub(super) fn ledger_entry(&self, change: LedgerChange) -> LedgerEntry {
        let (business_id, customer) = (self.business.id.clone(), self.customer.clone());
        let audit = AuditEntry { actor: "user", actor_id: None, action: "recorded_an_opt_out", data: json!({}) };
        LedgerEntry { business_id, customer, change, audit }
    }

    pub(super) fn commit_of_entry<'a>(&self, input_id: &'a str, entry: &'a LedgerEntry) -> Commit<'a> {
        Commit {
            input_id,
            body_hash: None,
            call: None,
            number_of: None,
            decision: None,
            audit: None,
            ledger: Some(entry),
            at: self.at,
            day: self.at.date_naive(),
            outbox: &[],
        }
    }
}

impl Decided {
    pub(super) fn commit(&self) -> Commit<'_> {
        Commit {
            input_id: &self.input_id,
            body_hash: self.body_hash.as_deref(),
            call: self.call.as_ref(),
            number_of: self.number_of.as_deref(),
            decision: Some(&self.decision),
            audit: Some(&self.audit),
            ledger: None,
            at: self.at,
            day: self.day,
            outbox: &self.outbox,
        }
    }

    /// The conversation once it is committed.
    pub(super) fn after(&self) -> Conversation {
        Conversation { version: self.decision.conversation.version + 1, ..self.decision.conversation.clone() }
    }
}

/// Commits a batch that waits for nobody's locks.
pub(super) async fn commit(test: &impl TestStore, batch: &[&Decided]) -> Vec<Committed> {
    let commits: Vec<Commit<'_>> = batch.iter().map(|decided| decided.commit()).collect();
    test.store().commit(&commits, &[], Locks::Skip).await.unwrap()
}

/// Which inputs of a batch were committed, and why not the others.
pub(super) fn verdicts(committed: &[Committed]) -> Vec<&'static str> {
    let verdict = |committed: &Committed| match committed {
        Committed::Done { .. } => "done",
        Committed::Seen { same_body: true, .. } => "seen",
        Committed::Seen { same_body: false, .. } => "seen with another body",
        Committed::Conflict => "conflict",
        Committed::CallConflict => "call conflict",
        Committed::NumberMoved => "number moved",
        Committed::Locked => "locked",
    };
    committed.iter().map(verdict).collect()
}

/// As many effects of an input.
pub(super) fn rows(key: Uuid, input_id: &str, count: usize) -> Vec<OutboxRow> {
    let row = |number: usize| OutboxRow {
        key,
        subject: format!("nmc.event.test.{number}"),
        message_id: Some(format!("{input_id}:{number}")),
        headers: [("ce-subject".to_owned(), key.to_string())].into(),
        payload: json!({ "number": number }),
    };
    (1..=count).map(row).collect()
}

pub(super) fn answer(text: &str) -> Answer {
    Answer {
        job_type: None,
        urgency: Urgency::Normal,
        emergency_detected: false,
        text: text.to_owned(),
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
