//! The guarantees (docs/design.md, Guarantees), checked from outside the rules: by what people did and what reached
//! Twilio, not by the fields that the rules keep for this purpose.

use super::readings;
use super::reminders::{Reminded, returns};
use super::sending::Row;
use super::waiting::Asked;
use super::world::World;
use super::*;
use crate::domain::conversation::words::OptWord;
use crate::domain::day_limits::Limit;

/// A description of a violated guarantee.
pub type Broken = String;

/// The maximum delay if everything works: a lost timer until the sweeper finds it, DispatchBot's timeout, the send.
const SLACK: TimeDelta = TimeDelta::milliseconds(4_600 + 3_400 + 1_500 + 500);
/// Another emergency text within this time belongs to the same emergency.
const SAME_EMERGENCY: TimeDelta = TimeDelta::minutes(30);
/// The maximum time to answer an emergency: DispatchBot's timeout and the send.
const EMERGENCY_SLACK: TimeDelta = TimeDelta::milliseconds(1_600 + 1_500 + 500);

/// The history of a window.
pub struct WindowHistory {
    pub id: Uuid,
    conversation: usize,
    state: WindowState,
    opened_at: DateTime<Utc>,
    /// When it was claimed, by the clock and by the number of the input.
    claimed_at: DateTime<Utc>,
    pub claimed: u32,
    emergency: bool,
    settled_at: DateTime<Utc>,
    successor: Option<Uuid>,
    /// A person owns it, a person was notified, or the customer wants no answer.
    excused: bool,
    /// How many answers to it Twilio has accepted.
    taken: u32,
}

/// The history of a conversation.
#[derive(Default)]
pub struct ConversationRecord {
    events: i64,
    /// A person owns it, by what people did.
    owned: bool,
    /// The number of the last input that silences the AI.
    silenced: u32,
    /// The number of the last text that needs an answer.
    wanted: u32,
    /// The number of the last text that may be an opt-out.
    doubted: u32,
    replies: Vec<DateTime<Utc>>,
    fallback_at: Option<DateTime<Utc>>,
    alerted: Vec<PhoneNumber>,
    /// All alerts, and those of the current emergency.
    alerts: Vec<(PhoneNumber, DateTime<Utc>)>,
    answerable: Vec<(PhoneNumber, DateTime<Utc>)>,
    /// When an emergency was last reported, since the conversation was last opened.
    emergency_at: Option<DateTime<Utc>>,
    /// When the last safety notice was sent, since the conversation was last opened.
    notice_at: Option<DateTime<Utc>>,
    /// The emergency was reported as gas.
    gas: bool,
    /// A person has handled that emergency.
    seen_to: bool,
    /// A limit stopped its alerts.
    beyond_limit: bool,
    /// A person has taken over, since the conversation was last opened.
    in_hand: bool,
    /// The customer's texts that may be answered, since the last end, talk or opt-out.
    pub asked: Vec<Asked>,
    /// Whether people are called about the current emergency, and whether it is said that nobody took it.
    called: bool,
    unanswered: bool,
    /// When the owner's phone last got a relay of it, since it was last opened.
    relayed_at: Option<DateTime<Utc>>,
    /// Whether somebody has taken it since, or ended it.
    taken: bool,
    /// What was done about the customer's waiting.
    pub reminded: Reminded,
}

/// The texts of a customer are relayed at most once in this time.
const RELAYED_EVERY: TimeDelta = TimeDelta::seconds(10);

fn holds(condition: bool, otherwise: impl FnOnce() -> Broken) -> Result<(), Broken> {
    if condition { Ok(()) } else { Err(otherwise()) }
}

fn tells(decision: &Decision, event_type: EventType) -> bool {
    decision.effects.iter().any(|effect| matches!(effect, Effect::Emit(event) if event.data.event_type() == event_type))
}

impl World<'_> {
    /// Records what the input means, before the decision of the rules is checked.
    pub fn before_commit(&mut self, at: usize, input: &Input, decision: &Decision) -> Result<(), Broken> {
        let before = self.conversations.get(at);
        let completed = before.is_some_and(|conversation| conversation.status == Status::Completed);
        let (ledger, place, now) = (self.ledger, self.inputs, self.now());
        let record = &mut self.records[at];
        let mut silence = |owned: bool| {
            record.silenced = place;
            record.owned = owned;
            record.in_hand |= owned;
            record.seen_to |= owned;
            record.taken |= owned;
        };
        match input {
            Input::UserTookOver { .. } if !completed => silence(true),
            Input::UserReplied { .. } if !completed && ledger.is_none() => silence(true),
            Input::RingReported { report: RingReport::Took { .. }, .. } if tells(decision, EventType::UserTaken) => {
                silence(true);
            }
            Input::AlertTaken { phone, .. } => return self.takes_the_emergency(at, phone, completed, decision),
            Input::Completed { .. } if !completed => {
                record.silenced = place;
                (record.in_hand, record.seen_to, record.taken) = (true, true, true);
            }
            // Nobody can write in it any more: unanswered messages are handed over by the event.
            Input::NumberReleased if !completed => {
                record.silenced = place;
                (record.seen_to, record.taken) = (true, true);
            }
            // What was unanswered is handed over.
            Input::WindowDue { .. } if !completed && decision.conversation.status == Status::Completed => {
                record.silenced = place;
                (record.owned, record.seen_to, record.taken) = (false, true, true);
            }
            Input::CallAnswered(_) if !completed => {
                record.silenced = place;
                record.seen_to = true;
            }
            Input::Released { .. } if !completed => record.owned = false,
            Input::WindowDue { .. } if returns(decision) => record.owned = false,
            // A person's record is the newest word, whatever the clocks say.
            Input::OptOutRecorded { .. } => {
                record.silenced = place;
                self.newest_out = self.newest_out.max(self.newest_in).max(Some(now));
            }
            Input::OptOutLifted { .. } => self.newest_in = self.newest_in.max(self.newest_out).max(Some(now)),
            // The next emergency is a new one, and no more alerts are required for this one.
            Input::FalseAlarm { .. } => {
                (record.emergency_at, record.notice_at) = (None, None);
                record.taken = true;
            }
            Input::MessageReported {
                report:
                    MessageReport::Rejected { code: Some(21_610), .. }
                    | MessageReport::Delivery { error_code: Some(21_610), .. },
                message,
            } if !message.kind.is_to_own_side() && !message.status.is_terminal() => {
                if before.is_none_or(|before| before.memory.opted_in_at <= Some(message.created_at)) {
                    record.silenced = place;
                }
                self.refused = true;
            }
            Input::SmsReceived(sms) => {
                holds(self.kept.insert(sms.twilio_sid.clone()), || format!("{} is kept twice", sms.twilio_sid))?;
                if completed {
                    // The conversation is reopened, or another one is opened.
                    (record.owned, record.in_hand) = (false, false);
                    (record.emergency_at, record.notice_at) = (None, None);
                    record.relayed_at = None;
                }
                let was_out = ledger.is_some_and(|at| at <= sms.received_at);
                let word = readings::word(&sms.body, was_out);
                let said_at = Some(sms.received_at.min(now));
                match word {
                    Some(OptWord::Out { .. }) => {
                        if self.newest_in <= said_at {
                            record.silenced = place;
                        }
                        self.newest_out = self.newest_out.max(said_at);
                    }
                    Some(OptWord::In) => self.newest_in = self.newest_in.max(said_at),
                    Some(OptWord::Doubtful) if ledger.is_none() => record.doubted = place,
                    _ => {}
                }
                if word.is_none() && ledger.is_none() {
                    record.wanted = place;
                }
                return self.is_kept(sms, word, decision);
            }
            _ => {}
        }
        Ok(())
    }

    /// Nobody is called once somebody has the emergency, and calls that nobody answered are told of.
    fn calls_fit(&mut self, at: usize, decision: &Decision) -> Result<(), Broken> {
        let rings: Vec<&PhoneNumber> = decision
            .effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Ring { phone, .. } => Some(phone),
                _ => None,
            })
            .collect();
        holds(rings.len() <= 1, || "two people are called at once".into())?;
        let unanswered = tells(decision, EventType::EmergencyUnanswered);
        let now = self.now();
        let record = &mut self.records[at];
        for phone in rings {
            holds(!record.taken, || format!("{phone} is called after somebody took it"))?;
            record.called = true;
            // Who is called may answer by SMS.
            record.alerts.push((phone.clone(), now));
        }
        record.unanswered |= unanswered;
        Ok(())
    }

    /// Who answers an alert within half an hour has the emergency, unless somebody has it already, and the customer is
    /// informed. Nobody else has.
    fn takes_the_emergency(
        &mut self,
        at: usize,
        phone: &PhoneNumber,
        completed: bool,
        decision: &Decision,
    ) -> Result<(), Broken> {
        let (now, place, stepped) = (self.now(), self.inputs, self.stepped);
        let takes = tells(decision, EventType::UserTaken);
        let record = &mut self.records[at];
        let within = |alerts: &[(PhoneNumber, DateTime<Utc>)], minutes| {
            alerts.iter().any(|(told, at)| told == phone && now < *at + TimeDelta::minutes(minutes))
        };
        let must = !completed && record.emergency_at.is_some() && !record.seen_to && within(&record.answerable, 30);
        holds(stepped || takes || !must, || format!("{phone} was alerted and answers, and does not have it"))?;
        // An alert may be half an hour on its way.
        holds(stepped || !takes || within(&record.alerts, 60), || format!("{phone} has it, and was not alerted"))?;
        let is_informed = decision.messages.iter().any(|message| message.kind == MessageKind::Taken);
        let may_be = self.ledger.is_none() && self.has_number;
        holds(is_informed == (takes && may_be), || format!("the customer is informed: {is_informed}"))?;
        let record = &mut self.records[at];
        if takes {
            (record.silenced, record.owned, record.in_hand, record.seen_to) = (place, true, true, true);
            record.taken = true;
        }
        Ok(())
    }

    /// A text that needs an answer is in one window, any other text in none. If it must not be answered, a person is
    /// notified. An opt-out in a text does not hide an emergency in it.
    fn is_kept(&self, sms: &InboundSms, word: Option<OptWord>, decision: &Decision) -> Result<(), Broken> {
        let doubtful = word == Some(OptWord::Doubtful);
        let is_word = word.is_some() && !doubtful;
        let [message] = decision.messages.iter().filter(|m| m.kind == MessageKind::Customer).collect::<Vec<_>>()[..]
        else {
            return Err(format!("{:?} is not one message", sms.body));
        };
        let has_window = message.window_id.is_some();
        holds(has_window != (is_word || self.ledger.is_some()), || {
            format!("{:?} in a window: {has_window}", sms.body)
        })?;
        let unanswered =
            (!is_word && self.ledger.is_some()) || doubtful || word == Some(OptWord::Out { by: "sentence" });
        // An older keyword that arrives late has no effect.
        let counts = word.is_none() || doubtful || self.newest_in <= Some(sms.received_at.min(self.now()));
        if unanswered && counts {
            holds(tells(decision, EventType::NeedsAttention), || "nobody is told of who has opted out".into())?;
        }
        if let Some(verdict) = sms.reading.verdict() {
            let now = self.now();
            let memory = &decision.conversation.memory;
            let known = memory.emergency_at.is_some_and(|at| at == now || now < at + SAME_EMERGENCY);
            let is_told = tells(decision, EventType::EmergencyDetected);
            let life = verdict.life_safety.is_none_or(|danger| memory.dangers.contains(&danger));
            holds(is_told || (known && life), || format!("{:?}, and nobody is told", sms.body))?;
            let alert = decision.messages.iter().find(|message| message.kind == MessageKind::Alert);
            // If a person owns the conversation, it is up to them.
            let owned = decision.conversation.ownership == Ownership::User;
            let silent = decision.conversation.opted_out || (doubtful && !owned);
            holds(alert.is_none_or(|alert| !silent || alert.body.contains("NOT")), || {
                format!("{:?}, and the alert does not say what the customer was not told", sms.body)
            })?;
        }
        if doubtful && self.ledger.is_none() {
            let handed_over =
                |record: &WindowRecord| Some(record.id) == message.window_id && record.state == WindowState::HandedOver;
            holds(decision.ledger.is_none(), || format!("{:?} is entered into the ledger", sms.body))?;
            return holds(decision.windows.iter().any(handed_over), || format!("{:?} is left open", sms.body));
        }
        let open = decision.conversation.window.as_ref().map(|window| window.id);
        let answering = decision.conversation.answering.as_ref().map(|answering| answering.window_id);
        let handed_over = decision
            .windows
            .iter()
            .any(|window| Some(window.id) == message.window_id && window.state == WindowState::HandedOver);
        holds(!has_window || message.window_id == open || message.window_id == answering || handed_over, || {
            "a message is in a window that is neither open nor being answered, nor a person's".into()
        })
    }

    /// Checks what must hold after every decision.
    pub fn after_commit(&mut self, at: usize, input: &Input, decision: &Decision) -> Result<(), Broken> {
        for effect in &decision.effects {
            let Effect::Emit(event) = effect else { continue };
            self.records[at].events += 1;
            holds(event.sequence == self.records[at].events, || format!("event {} is out of place", event.sequence))?;
        }
        let owned =
            decision.conversation.ownership == Ownership::User && decision.conversation.status != Status::Completed;
        holds(decision.conversation.status == Status::Completed || owned == self.records[at].owned, || {
            format!("owned by a person: {owned}, after {input:?}")
        })?;
        for record in &decision.windows {
            self.window_moves(at, record, decision)?;
        }
        // The customer's newest keyword counts, whatever the order of arrival. A carrier's refusal is independent of
        // keywords.
        if self.newest_in != self.newest_out {
            let out = self.newest_out > self.newest_in;
            let heard = self.ledger.is_some() == out || (self.refused && !out);
            holds(heard, || format!("wants no texts: {out}, by the ledger: {:?}", self.ledger))?;
        }
        self.windows_are_where_the_conversation_says(at)?;
        self.waits_while_there_is_no_answer(at, input, decision)?;
        self.nobody_is_forgotten(at, input, decision)?;
        if tells(decision, EventType::EmergencyDetected) {
            let (now, stepped) = (self.now(), self.stepped);
            let record = &mut self.records[at];
            let gas = decision.effects.iter().any(|effect| {
                matches!(effect, Effect::Emit(event)
                    if matches!(&event.data, EventData::EmergencyDetected(data) if data.life_safety == Some(crate::domain::emergency::LifeSafety::Gas)))
            });
            let is_new = record.emergency_at.replace(now).is_none_or(|at| now >= at + SAME_EMERGENCY);
            let gas_before = record.gas;
            record.gas = gas || (gas_before && !is_new);
            holds(stepped || is_new || (gas && !gas_before), || "an emergency is told of twice".into())?;
            record.alerted.clear();
            record.answerable.clear();
            record.seen_to = record.owned;
            record.beyond_limit = false;
            (record.called, record.unanswered, record.taken) = (false, false, false);
        }
        self.calls_fit(at, decision)?;
        self.records[at].beyond_limit |= decision.stopped_by.contains(&Limit::Alerts);
        let about_the_notice =
            matches!(input, Input::MessageReported { message, .. } if message.kind == MessageKind::Notice);
        // The others learn who took it. With a call that is placed, its phone gets its alert.
        let is_about_who_took_it = match input {
            Input::AlertTaken { .. } => true,
            Input::RingReported { report, .. } => !matches!(report, RingReport::Placed { .. }),
            _ => false,
        };
        for message in &decision.messages {
            if let (Some(number), false) = (&message.recipient, is_about_who_took_it) {
                let now = self.now();
                self.records[at].alerts.push((number.clone(), now));
            }
            self.discloses_once(at, message)?;
            // If the customer did not get the notice, those who got an alert get another one.
            if !((about_the_notice || is_about_who_took_it) && message.kind == MessageKind::Alert) {
                self.may_be_written(at, message, decision.conversation.status == Status::Completed)?;
            }
        }
        Ok(())
    }

    fn window_moves(&mut self, at: usize, record: &WindowRecord, decision: &Decision) -> Result<(), Broken> {
        let now = self.now();
        let Some(place) = self.windows.iter().position(|window| window.id == record.id) else {
            holds(record.state == WindowState::Open, || format!("a window begins {}", record.state))?;
            self.windows.push(WindowHistory {
                id: record.id,
                conversation: at,
                state: record.state,
                opened_at: record.opened_at,
                claimed_at: now,
                claimed: 0,
                emergency: false,
                settled_at: now,
                successor: None,
                excused: false,
                taken: 0,
            });
            return Ok(());
        };
        let person = self.records[at].in_hand && self.records[at].silenced >= self.windows[place].claimed
            || self.records[at].owned;
        let silenced = self.records[at].silenced == self.inputs || self.ledger.is_some();
        let told = tells(decision, EventType::NeedsAttention);
        let window = &mut self.windows[place];
        let was = window.state;
        match record.state {
            WindowState::Open => return Err("a window opens twice".into()),
            WindowState::Claimed => {
                holds(was == WindowState::Open, || format!("a window is claimed that is {was}"))?;
                window.opened_at = record.opened_at; // a release counts anew
                window.claimed_at = now;
                window.claimed = self.inputs;
                window.emergency = decision
                    .effects
                    .iter()
                    .any(|effect| matches!(effect, Effect::Analyze { priority: Priority::Urgent, .. }));
            }
            WindowState::Answered => {
                holds(was != WindowState::Open, || "a window is answered that was never claimed".into())?;
                holds(window.taken == 1, || format!("a window is answered, and Twilio has {} of it", window.taken))?;
            }
            WindowState::Superseded => {
                // It had only another window's messages, and the answer to that window was sent.
                let had_its_answer = record.reason == WindowReason::SentAfterAll
                    && decision.windows.iter().any(|other| other.state == WindowState::Answered);
                holds(was == WindowState::Claimed || (was == WindowState::Open && had_its_answer), || {
                    format!("a window is superseded that is {was}")
                })?;
                let state = &decision.conversation;
                window.successor = state.window.as_ref().map(|open| open.id).or_else(|| {
                    state.answering.as_ref().map(|a| a.window_id).filter(|answering| *answering != record.id)
                });
                window.excused = person || silenced || told || had_its_answer;
                holds(window.successor.is_some() || window.excused, || {
                    format!("a window is superseded ({}), and nobody answers", record.reason)
                })?;
            }
            WindowState::HandedOver | WindowState::Unknown => {
                window.excused = true;
                holds(person || silenced || told, || format!("handed over ({}), and nobody knows", record.reason))?;
            }
        }
        window.state = record.state;
        window.settled_at = now;
        Ok(())
    }

    /// Checks that the conversation knows all its open and claimed windows.
    fn windows_are_where_the_conversation_says(&self, at: usize) -> Result<(), Broken> {
        let state = &self.conversations[at];
        let open = state.window.as_ref().map(|window| window.id);
        let answering = state.answering.as_ref().map(|answering| answering.window_id);
        for window in self.windows.iter().filter(|window| window.conversation == at) {
            let (is_open, is_claimed) = (window.state == WindowState::Open, window.state == WindowState::Claimed);
            holds(is_open == (open == Some(window.id)) && is_claimed == (answering == Some(window.id)), || {
                format!("a window is {}, and the conversation knows of {open:?} and {answering:?}", window.state)
            })?;
        }
        Ok(())
    }

    /// An answer of the AI says that an AI writes exactly if none before it has reached the customer, as far as is known;
    /// what we wrote ourselves does not.
    fn discloses_once(&self, at: usize, message: &NewMessage) -> Result<(), Broken> {
        let Some(row) = self.rows.iter().find(|row| row.id == message.id) else { return Ok(()) };
        if row.kind != MessageKind::Reply {
            return holds(!row.discloses, || format!("a {} says that it is the AI's", row.kind));
        }
        let is_told = |row: &Row| {
            let arrives = matches!(row.status, MessageStatus::Sent | MessageStatus::Delivered);
            row.conversation == at && row.discloses && arrives
        };
        let is_known = self.rows.iter().any(is_told);
        holds(row.discloses != is_known, || {
            format!("it says that an AI writes: {}, and did before: {is_known}", row.discloses)
        })
    }

    /// The first answer of the AI that Twilio gets in a conversation says that an AI writes.
    fn has_disclosed(&self, message: usize) -> Result<(), Broken> {
        let row = &self.rows[message];
        let mut earlier = self.rows.iter().filter(|other| other.conversation == row.conversation && other.taken > 0);
        let is_told = row.discloses || row.kind != MessageKind::Reply || earlier.any(|other| other.discloses);
        holds(is_told, || format!("the {} {} goes out, and nobody said that an AI writes", row.kind, row.id))
    }

    /// Checks the limits on automatic messages.
    fn may_be_written(&mut self, at: usize, message: &NewMessage, decision_ends: bool) -> Result<(), Broken> {
        let (now, policy, stepped) = (self.now(), &self.settings.policy, self.stepped);
        let emergency = message
            .in_reply_to_window
            .and_then(|id| self.windows.iter().find(|window| window.id == id))
            .is_some_and(|window| window.emergency);
        let record = &mut self.records[at];
        match message.kind {
            // An emergency is answered regardless of the number of earlier replies.
            MessageKind::Reply if !emergency => {
                record.replies.retain(|at| *at > now - policy.ai_max_period);
                record.replies.push(now);
                holds(stepped || record.replies.len() <= policy.ai_max_replies, || "AI_MAX is exceeded".into())
            }
            MessageKind::Fallback => {
                let before = record.fallback_at.replace(now);
                holds(stepped || before.is_none_or(|at| now >= at + policy.fallback_every), || {
                    "two fallback texts".into()
                })
            }
            MessageKind::MissedCall => {
                let before = self.missed_call_texts.last().copied();
                self.missed_call_texts.push(now);
                holds(stepped || before.is_none_or(|at| now >= at + policy.missed_call_cooldown), || {
                    "two missed-call texts within the cool-down".into()
                })
            }
            MessageKind::Relay => {
                holds(message.recipient == self.settings.business.relay_to, || "a relay to somebody else".into())?;
                let goes_at = message.not_before.unwrap_or(now);
                let may_go =
                    self.conversations[at].emergency_detected || self.settings.business.owner_may_be_texted(goes_at);
                holds(may_go, || "a relay in the owner's quiet hours".into())?;
                let before = record.relayed_at.replace(now);
                holds(stepped || decision_ends || before.is_none_or(|at| now >= at + RELAYED_EVERY), || {
                    "two relays within ten seconds".into()
                })
            }
            MessageKind::Notice => {
                let before = record.notice_at.replace(now);
                holds(!record.owned, || "a notice while a person owns the conversation".into())?;
                holds(stepped || before.is_none_or(|at| now >= at + SAME_EMERGENCY), || "two notices".into())
            }
            MessageKind::Alert => {
                let Some(number) = &message.recipient else { return Err("an alert to nobody".into()) };
                holds(!record.alerted.contains(number), || format!("{number} is told twice"))?;
                let first = record.alerted.is_empty();
                record.alerted.push(number.clone());
                record.answerable.push((number.clone(), now));
                holds(first || !record.owned, || format!("{number} is told after somebody took over"))
            }
            _ => Ok(()),
        }
    }

    /// Checks what must hold when an outgoing message is claimed: from then on Twilio may have it.
    pub fn may_be_claimed(&self, message: usize) -> Result<(), Broken> {
        let row = &self.rows[message];
        let about = || format!("the {} {}", row.kind, row.id);
        holds(self.has_number, || format!("{} goes out from a number that the business has given up", about()))?;
        if row.kind.is_to_own_side() {
            return Ok(());
        }
        holds(self.ledger.is_none(), || format!("{} goes to one who has opted out", about()))?;
        if row.kind == MessageKind::User {
            return Ok(());
        }
        let record = &self.records[row.conversation];
        let is_theirs = row.kind == MessageKind::Taken;
        holds(!record.owned || is_theirs, || format!("{} goes out while a person owns the conversation", about()))?;
        // Another takeover of an owned conversation changes nothing, and a person still has it.
        holds(is_theirs || record.silenced <= row.since, || {
            format!("{} goes out though the AI was silenced since", about())
        })?;
        let Some(id) = row.in_reply_to_window else { return Ok(()) };
        let Some(window) = self.windows.iter().find(|window| window.id == id) else {
            return Err(format!("{} answers no window", about()));
        };
        holds(window.state == WindowState::Claimed, || {
            format!("{} answers a window that is {}", about(), window.state)
        })?;
        holds(window.claimed >= record.doubted, || format!("{} goes to one who may want no texts", about()))?;
        let exempt_at = window.opened_at + self.settings.policy.max;
        let blind = record.wanted > window.claimed && !window.emergency && self.now() < exempt_at;
        holds(!blind, || format!("{} was computed without the newest text", about()))
    }

    /// Checks that another business's number gets one answer a day.
    fn may_be_answered_again(&self, message: usize) -> Result<(), Broken> {
        let row = &self.rows[message];
        if self.stepped || !self.settings.other_business || !row.kind.answers() {
            return Ok(());
        }
        let mut others = self.rows.iter().filter(|other| other.id != row.id && other.taken > 0 && other.kind.answers());
        let again = others.any(|other| (row.created_at - other.created_at).abs() < TimeDelta::hours(24));
        holds(!again, || format!("another business's number gets the {} {} as well", row.kind, row.id))
    }

    /// Twilio accepts a message.
    pub fn taken_by_twilio(&mut self, message: usize) -> Result<(), Broken> {
        let now = self.now();
        self.may_be_answered_again(message)?;
        self.has_disclosed(message)?;
        let row = &mut self.rows[message];
        row.taken += 1;
        holds(row.taken == 1, || format!("the {} {} goes out twice", row.kind, row.id))?;
        let Some(id) = row.in_reply_to_window else { return Ok(()) };
        let Some(window) = self.windows.iter_mut().find(|window| window.id == id) else { return Ok(()) };
        window.taken += 1;
        holds(window.taken == 1, || format!("window {id} is answered twice"))?;
        let limit = window.opened_at + self.settings.policy.max + SLACK;
        holds(!self.punctual || now <= limit, || format!("window {id} is answered {} late", now - limit))
    }

    /// Checks the final state, when nothing is pending.
    pub fn all_is_settled(&self) -> Result<(), Broken> {
        holds(self.kept.len() == self.texts as usize, || "a text was lost".into())?;
        for row in &self.rows {
            let under_way = matches!(row.status, MessageStatus::Queued | MessageStatus::Sending);
            holds(!under_way, || format!("the {} {} is {} for ever", row.kind, row.id, row.status))?;
            let sent = row.status.is_accepted();
            let customer = row.kind == MessageKind::Customer;
            holds(!sent || customer || row.taken == 1, || {
                format!("{} is {}, and Twilio has none", row.id, row.status)
            })?;
        }
        for window in &self.windows {
            self.was_not_left_in_silence(window)?;
        }
        self.all_were_told_of()?;
        for record in &self.records {
            let all_told = record.alerted.len() == self.settings.business.alert_numbers.len();
            holds(record.emergency_at.is_none() || record.seen_to || all_told || record.beyond_limit, || {
                format!("an emergency that nobody took in hand, and only {} were told", record.alerted.len())
            })?;
            let is_over = record.emergency_at.is_none() || record.taken || !record.called || record.unanswered;
            holds(is_over, || "people were called, and nobody is told that nobody took it".into())?;
        }
        Ok(())
    }

    /// Follows a window to the one that answered its messages.
    fn was_not_left_in_silence(&self, window: &WindowHistory) -> Result<(), Broken> {
        let owned = self.records[window.conversation].owned;
        let mut last = window;
        while let (WindowState::Superseded, Some(successor)) = (last.state, last.successor) {
            let Some(next) = self.windows.iter().find(|window| window.id == successor) else {
                return Err(format!("{successor} was to answer, and there is no such window"));
            };
            last = next;
        }
        let settled = match last.state {
            WindowState::Answered | WindowState::HandedOver | WindowState::Unknown => true,
            WindowState::Superseded => last.excused,
            WindowState::Open => owned,
            WindowState::Claimed => false,
        };
        holds(settled, || format!("a window ends {} ", last.state))?;
        if !self.punctual || last.state != WindowState::Answered {
            return Ok(());
        }
        let limit = window.opened_at + self.settings.policy.max + SLACK;
        holds(last.settled_at <= limit || self.records[window.conversation].in_hand, || {
            format!("a customer who wrote at {} was answered at {}", window.opened_at, last.settled_at)
        })?;
        // A new danger supersedes the answer to an earlier report, and counts from its own text.
        let claimed_at = if last.emergency { last.claimed_at } else { window.claimed_at };
        holds(!window.emergency || last.settled_at <= claimed_at + EMERGENCY_SLACK, || {
            format!("an emergency of {claimed_at} was answered at {}", last.settled_at)
        })
    }
}
