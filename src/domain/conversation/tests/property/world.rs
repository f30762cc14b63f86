//! An in-memory model of the world around the rules: the engine with its inbox and its transaction, the timer, the
//! sweeper, and a queue of pending jobs. Twilio and the senders are in `sending`, the guarantees in `guarantees`.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::rc::Rc;

use super::super::{answer, business, customer};
use super::guarantees::{Broken, ConversationRecord, WindowHistory};
use super::readings;
use super::scenario::{Bot, Happens, Post, Ring, Says, Scenario, Step, Task, Timer};
use super::sending::{Listed, Row};
use super::*;

/// The sweeper checks this long after a timer was missed: 3 s, plus one round of the sweeper.
const SWEEP_AFTER_MS: i64 = 3_500;
/// The time until a wrong clock is corrected.
const CLOCK_RIGHT_AFTER_MS: i64 = 15_000;
/// A run with more jobs is an endless loop.
const MOST_JOBS: usize = 20_000;
/// DispatchBot's timeout in ms, for a window and for an emergency.
const BOT_MS: (i64, i64) = (3_400, 1_600);

/// A defect that is planted in the model, to check that the guarantees detect it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    Nothing,
    /// The claim does not check the hard epoch.
    NoHardFence,
    /// The claim does not check the epoch.
    NoFence,
    /// The claim does not check the opt-out ledger.
    NoLedger,
    /// The claim does not check whether the business still has the number.
    NoOwner,
    /// A timer that fires too early is not rearmed, and there is no sweeper.
    NoRearm,
    /// A repeated input is applied again.
    NoInbox,
    /// A lost answer of Twilio is treated as a rejection.
    NoReconciling,
}

/// An input of the engine, with the id by which it detects duplicates.
pub struct ScannedWebhook {
    pub target: Target,
    pub id: String,
    pub told: Told,
}

#[derive(Debug, Clone, Copy)]
pub enum Target {
    Open,
    Conversation(usize),
}

pub enum Told {
    Input(Input),
    Report { message: usize, report: MessageReport },
}

/// A pending job.
pub enum Job {
    Fire { conversation: usize, arm: Option<u32> },
    Sweep { conversation: usize },
    Analyze { conversation: usize, window: Uuid, priority: Priority },
    Tell(Rc<ScannedWebhook>),
    Send { message: usize },
    Outcome { message: usize, claim: u32, post: Post },
    HeldBack { message: usize },
    Callback { message: usize, sid: String, status: DeliveryStatus },
    ClockRight,
}

struct Pending {
    at: i64,
    sequence: u64,
    job: Job,
}

impl PartialEq for Pending {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Pending {}

impl PartialOrd for Pending {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pending {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

/// The timer of one conversation.
#[derive(Default)]
struct Armed {
    /// Distinguishes the current arm from those it replaced.
    arm: u32,
    sweeping: bool,
}

/// Settings that are the same in all runs.
pub struct Settings {
    pub policy: Policy,
    pub business: crate::domain::conversation::Business,
    /// Whether the customer's number is another business's.
    pub other_business: bool,
}

impl Settings {
    /// The times of the contract, and a limit of AI replies that is low enough to be reached.
    pub fn new() -> Self {
        let mut talk = Talk::new();
        talk.policy.ai_max_replies = 4;
        talk.policy.ai_max_period = Duration::from_secs(600);
        // Some pauses between two steps are longer.
        talk.policy.idle_after = Duration::from_secs(1_200);
        talk.business.policy.ai_disclosure = None;
        talk.business.policy.voice_ladder = Some(true);
        talk.business.alert_numbers =
            ["+12125550001", "+12125550002", "+12125550003"].map(|number| number.parse().unwrap()).to_vec();
        talk.business.remind_to = talk.business.alert_numbers.first().cloned();
        Self { policy: talk.policy, business: talk.business, other_business: false }
    }
}

/// One customer, one number of a business, and everything between them.
pub struct World<'a> {
    pub settings: &'a Settings,
    pub planted: Planted,
    pub punctual: bool,
    plans: &'a Scenario,
    used: [usize; 5],
    /// Milliseconds since the start, by the correct clock.
    pub clock: i64,
    /// The error of the workers' clock.
    pub skew: i64,
    pub stepped: bool,
    queue: BinaryHeap<Reverse<Pending>>,
    sequence: u64,
    fires: u32,
    pub inputs: u32,
    inbox: HashSet<String>,
    heard: Vec<Rc<ScannedWebhook>>,
    pub conversations: Vec<Conversation>,
    timers: Vec<Armed>,
    pub ledger: Option<DateTime<Utc>>,
    /// What the business has used of its day, which does not end in a run.
    pub day_use: DayUse,
    /// When the newest opt-in and the newest opt-out were sent.
    pub newest_in: Option<DateTime<Utc>>,
    pub newest_out: Option<DateTime<Utc>>,
    /// Whether a carrier refused a message because the customer has opted out.
    pub refused: bool,
    /// Whether the business has its number. While it does not, the customer's texts and calls go to another business.
    pub has_number: bool,
    pub rows: Vec<Row>,
    pub listed: Vec<Listed>,
    pub windows: Vec<WindowHistory>,
    pub records: Vec<ConversationRecord>,
    pub missed_call_texts: Vec<DateTime<Utc>>,
    /// The customer's texts that were processed, by Twilio's id.
    pub kept: HashSet<String>,
    pub texts: u32,
}

impl<'a> World<'a> {
    pub fn new(settings: &'a Settings, plans: &'a Scenario, punctual: bool, planted: Planted) -> Self {
        Self {
            settings,
            planted,
            punctual,
            plans,
            used: [0; 5],
            clock: 0,
            skew: 0,
            stepped: false,
            queue: BinaryHeap::new(),
            sequence: 0,
            fires: 0,
            inputs: 0,
            inbox: HashSet::new(),
            heard: Vec::new(),
            conversations: Vec::new(),
            timers: Vec::new(),
            ledger: None,
            day_use: DayUse::default(),
            newest_in: None,
            newest_out: None,
            refused: false,
            has_number: true,
            rows: Vec::new(),
            listed: Vec::new(),
            windows: Vec::new(),
            records: Vec::new(),
            missed_call_texts: Vec::new(),
            kept: HashSet::new(),
            texts: 0,
        }
    }

    /// Plays the steps, runs all pending jobs, and checks the final state.
    pub fn play(mut self) -> Result<(), Broken> {
        for step in &self.plans.steps {
            self.run_until(self.clock + step.after_ms)?;
            self.step(step)?;
        }
        self.used = [usize::MAX; 5]; // from here on everything behaves well
        self.run_until(i64::MAX)?;
        self.all_is_settled()
    }

    /// The time by the workers' clock.
    pub fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_800_000_000_000 + self.clock + self.skew).unwrap()
    }

    fn run_until(&mut self, end: i64) -> Result<(), Broken> {
        let mut done = 0;
        while self.queue.peek().is_some_and(|Reverse(next)| next.at <= end) {
            let Some(Reverse(next)) = self.queue.pop() else { break };
            self.clock = self.clock.max(next.at);
            self.run(next.job)?;
            done += 1;
            if done > MOST_JOBS {
                return Err("what is under way never comes to an end".into());
            }
        }
        if end != i64::MAX {
            self.clock = end;
        }
        Ok(())
    }

    pub fn later(&mut self, after_ms: i64, job: Job) {
        self.sequence += 1;
        self.queue.push(Reverse(Pending { at: self.clock + after_ms.max(0), sequence: self.sequence, job }));
    }

    fn next_plan<T: Copy>(&mut self, of: usize, plans: &[T], ordinary: T) -> T {
        let plan = plans.get(self.used[of]).copied().unwrap_or(ordinary);
        self.used[of] = self.used[of].saturating_add(1);
        plan
    }

    fn next_bot(&mut self) -> Bot {
        self.next_plan(1, &self.plans.bot, Bot::WELL)
    }

    pub fn next_post(&mut self) -> Post {
        self.next_plan(2, &self.plans.posts, Post::WELL)
    }

    fn step(&mut self, step: &Step) -> Result<(), Broken> {
        let newest = self.conversations.len().checked_sub(1);
        let command = |input| newest.map(|n| (Target::Conversation(n), input));
        let user_id = "u1".to_owned();
        let told = match step.what {
            Happens::Text { .. } | Happens::Emergency { .. } | Happens::Word { .. } | Happens::MissedCall
                if !self.has_number =>
            {
                None
            }
            Happens::NumberLeaves { noticed_after_ms } => {
                self.number_leaves(noticed_after_ms);
                None
            }
            Happens::NumberReturns => {
                self.has_number = true;
                None
            }
            Happens::Text { held_up_ms, copy_after_ms } => {
                return self.text("my sink is blocked", held_up_ms, copy_after_ms);
            }
            Happens::Emergency { held_up_ms, copy_after_ms } => {
                let told = if self.texts.is_multiple_of(2) { "the basement is flooding" } else { "I smell gas" };
                return self.text(told, held_up_ms, copy_after_ms);
            }
            Happens::Word { word, held_up_ms } => return self.text(word, held_up_ms, None),
            Happens::MissedCall => Some((Target::Open, self.missed_call())),
            Happens::TakeOver => command(Input::UserTookOver { user_id, reason: "mine".into() }),
            Happens::TakeOverOlder => newest
                .and_then(|n| n.checked_sub(1))
                .map(|n| (Target::Conversation(n), Input::UserTookOver { user_id, reason: "mine".into() })),
            Happens::Reply => {
                let body = format!("I am on my way ({})", self.inputs);
                command(Input::UserReplied { user_id, body })
            }
            Happens::Release => command(Input::Released { user_id }),
            Happens::FalseAlarm => command(Input::FalseAlarm { user_id }),
            Happens::AlertTaken { place, via } => {
                let phone = self.settings.business.alert_numbers[place].clone();
                command(Input::AlertTaken { phone, via, at: self.now() })
            }
            Happens::Complete => command(Input::Completed { user_id, outcome: "done".into(), summary: None }),
            Happens::OptOut => command(Input::OptOutRecorded { user_id, source: OptOutSource::Phone, note: None }),
            Happens::OptIn => command(Input::OptOutLifted { user_id, proof: "a form".into() }),
            Happens::Again(n) => {
                let again = n.checked_rem(self.heard.len()).map(|n| Rc::clone(&self.heard[n]));
                return again.map_or(Ok(()), |heard| self.apply(&heard));
            }
            Happens::Fires => command(Input::WindowDue { complete_until: Some(self.now()) }),
            Happens::TimerLost => {
                if let Some(armed) = self.timers.last_mut() {
                    armed.arm += 1;
                }
                None
            }
            Happens::ClockStep { ms } => {
                self.skew = ms;
                self.stepped = true;
                self.later(CLOCK_RIGHT_AFTER_MS, Job::ClockRight);
                None
            }
        };
        let Some((target, input)) = told else { return Ok(()) };
        let id = format!("step-{}", self.inputs);
        self.hear(target, id, Told::Input(input)).map(drop)
    }

    fn text(&mut self, body: &str, held_up_ms: i64, copy_after_ms: Option<i64>) -> Result<(), Broken> {
        self.texts += 1;
        let sid = format!("SM-in-{}", self.texts);
        let sms = InboundSms {
            twilio_sid: sid.clone(),
            customer: customer(),
            business_phone: business(),
            own_account: None,
            body: body.into(),
            media: Vec::new(),
            opt_out_type: None,
            reading: readings::emergency(body),
            received_at: self.now() - TimeDelta::milliseconds(held_up_ms),
            stream_sequence: i64::from(self.texts),
            is_followed: false,
        };
        let heard = self.hear(Target::Open, sid, Told::Input(Input::SmsReceived(sms)))?;
        if let Some(after_ms) = copy_after_ms {
            self.later(after_ms, Job::Tell(heard));
        }
        Ok(())
    }

    /// Models the sweeper's check for released numbers.
    fn number_leaves(&mut self, noticed_after_ms: i64) {
        self.has_number = false;
        for n in 0..self.conversations.len() {
            if self.conversations[n].status != Status::Completed {
                let (target, id) = (Target::Conversation(n), format!("released-{n}-{}", self.inputs));
                let heard = ScannedWebhook { target, id, told: Told::Input(Input::NumberReleased) };
                self.later(noticed_after_ms, Job::Tell(Rc::new(heard)));
            }
        }
    }

    fn missed_call(&self) -> Input {
        let call_sid = format!("CA{}", self.inputs);
        Input::CallMissed(MissedCall {
            call_id: call_id(&call_sid),
            call_sid,
            dial_status: "no-answer".into(),
            customer: customer(),
            business_phone: business(),
            own_account: None,
            verification_failed: false,
            recovered: false,
        })
    }

    /// Passes an input to the engine for the first time.
    pub fn hear(&mut self, target: Target, id: String, told: Told) -> Result<Rc<ScannedWebhook>, Broken> {
        let heard = Rc::new(ScannedWebhook { target, id, told });
        self.heard.push(Rc::clone(&heard));
        self.apply(&heard)?;
        Ok(heard)
    }

    fn run(&mut self, job: Job) -> Result<(), Broken> {
        match job {
            Job::Fire { conversation, arm } => {
                if arm.is_some_and(|arm| arm != self.timers[conversation].arm) {
                    return Ok(()); // replaced, or lost
                }
                self.fires += 1;
                let id = format!("due:{}", self.fires);
                self.hear(
                    Target::Conversation(conversation),
                    id,
                    Told::Input(Input::WindowDue { complete_until: Some(self.now()) }),
                )
                .map(drop)
            }
            Job::Sweep { conversation } => {
                self.sweep(conversation);
                Ok(())
            }
            Job::Analyze { conversation, window, priority } => {
                self.analyze(conversation, window, priority);
                Ok(())
            }
            Job::ClockRight => {
                self.skew = 0;
                Ok(())
            }
            Job::Tell(heard) => self.apply(&heard),
            Job::Send { message } => self.turn_to_send(message),
            Job::Outcome { message, claim, post } => self.outcome(message, claim, post),
            Job::HeldBack { message } => self.held_back(message),
            Job::Callback { message, sid, status } => self.called_back(message, sid, status),
        }
    }

    /// Models the engine: an input that was committed before changes nothing. Otherwise decide, and commit everything
    /// in one transaction.
    pub fn apply(&mut self, heard: &ScannedWebhook) -> Result<(), Broken> {
        if self.planted != Planted::NoInbox && self.inbox.contains(&heard.id) {
            return Ok(());
        }
        let at = match heard.target {
            Target::Conversation(n) => Some(n),
            Target::Open => self.met_by_customer(),
        };
        let report;
        let input = match &heard.told {
            Told::Input(input) => input,
            Told::Report { message, report: what } => {
                report = Input::MessageReported { message: self.rows[*message].sent(), report: what.clone() };
                &report
            }
        };
        let context = Context {
            policy: &self.settings.policy,
            business: &self.settings.business,
            opted_out_at: self.ledger,
            missed_call_sms_at: self.missed_call_texts.last().copied(),
            may_write: self.has_number || matches!(heard.target, Target::Open),
            other_business: self.settings.other_business.then(|| self.other_business(at)),
            other_conversations: &[],
            unpaired_texts: &[],
            codes_in_use: Some(&[]),
            day_use: self.day_use,
        };
        let (state, now) = (at.map(|n| &self.conversations[n]), self.now());
        let ends = |state| must_end_first(context.policy, context.business, state, input, now);
        if let (Some(conversation), true) = (at, state.is_some_and(ends)) {
            let (target, id) = (Target::Conversation(conversation), format!("idle:{}", self.inputs));
            let due = Input::WindowDue { complete_until: None };
            self.apply(&ScannedWebhook { target, id, told: Told::Input(due) })?;
            return self.apply(heard);
        }
        let Some(decision) = decide(context, state, &heard.id, input, now) else { return Ok(()) };
        self.inputs += 1;
        // This would take half of the time, so it is done only sometimes.
        if self.inputs.is_multiple_of(5) && decide(context, state, &heard.id, input, now).as_ref() != Some(&decision) {
            return Err(format!("the same arguments, another decision: {input:?}"));
        }
        if !decision.changed {
            if let Some(conversation) = at {
                self.arm_timer(conversation, &decision, true);
            }
            return Ok(());
        }
        self.inbox.insert(heard.id.clone());
        // The decision may have opened another conversation.
        let conversation = at.filter(|n| self.conversations[*n].id == decision.conversation.id).unwrap_or_else(|| {
            self.records.push(ConversationRecord::default());
            self.timers.push(Armed::default());
            self.conversations.len()
        });
        self.before_commit(conversation, input, &decision)?;
        self.commit(conversation, &decision)?;
        self.after_commit(conversation, input, &decision)?;
        self.publish(conversation, &decision);
        Ok(())
    }

    /// Models `Store::other_business`.
    fn other_business(&self, at: Option<usize>) -> OtherBusiness {
        let answers = self.rows.iter().filter(|row| match row.status {
            MessageStatus::Queued => at != Some(row.conversation),
            // Without an id Twilio rejected it; with one Twilio accepted it, and it failed later.
            MessageStatus::Failed => row.twilio_sid.is_some(),
            MessageStatus::Superseded | MessageStatus::Received => false,
            _ => true,
        });
        let at = answers.filter(|row| row.kind.answers()).map(|row| row.created_at).max();
        OtherBusiness { answered_at: at }
    }

    /// The conversation that a text or a call applies to: the open one, or else the newest. Models `Engine::load`.
    fn met_by_customer(&self) -> Option<usize> {
        let open = self.conversations.iter().position(|conversation| conversation.status != Status::Completed);
        open.or_else(|| self.conversations.len().checked_sub(1))
    }

    /// Models `adapters::postgres::commit`, as far as it matters to the rules.
    fn commit(&mut self, conversation: usize, decision: &Decision) -> Result<(), Broken> {
        let mut state = decision.conversation.clone();
        state.version += 1;
        match self.conversations.get_mut(conversation) {
            Some(before) => *before = state,
            None => self.conversations.push(state),
        }
        for message in &decision.messages {
            if self.rows.iter().any(|row| row.id == message.id) {
                return Err(format!("two messages with the id {}", message.id));
            }
            self.rows.push(Row::new(conversation, message, self.inputs));
        }
        for update in &decision.message_updates {
            let row = self.rows.iter_mut().find(|row| row.id == update.id);
            let Some(row) = row else { return Err(format!("no row for {update:?}")) };
            row.update(update)?;
        }
        if !decision.spending.fits(&self.day_use) {
            return Err(format!("more than a limit of the day: {:?} after {:?}", decision.spending, self.day_use));
        }
        self.day_use.add(&decision.spending);
        match &decision.ledger {
            Some(LedgerChange::Out { at, .. }) => self.ledger = self.ledger.max(Some(*at)),
            Some(LedgerChange::In) => self.ledger = None,
            None => {}
        }
        Ok(())
    }

    fn publish(&mut self, conversation: usize, decision: &Decision) {
        for effect in &decision.effects {
            let job = match effect {
                Effect::Analyze { window_id, priority, .. } => {
                    Job::Analyze { conversation, window: *window_id, priority: *priority }
                }
                Effect::SendSms { message_id, .. } => {
                    let Some(message) = self.rows.iter().position(|row| row.id == *message_id) else { continue };
                    Job::Send { message }
                }
                Effect::Ring { call_id, .. } => {
                    self.ring(conversation, *call_id);
                    continue;
                }
                Effect::ArmTimer { .. } | Effect::Emit(_) => continue,
            };
            let plan = self.next_plan(0, &self.plans.tasks, Task::ORDINARY);
            if let Some(again) = plan.again_after_ms {
                let copy = match &job {
                    Job::Analyze { conversation, window, priority } => {
                        Job::Analyze { conversation: *conversation, window: *window, priority: *priority }
                    }
                    Job::Send { message } => Job::Send { message: *message },
                    _ => continue,
                };
                self.later(plan.after_ms + again, copy);
            }
            self.later(plan.after_ms, job);
        }
        self.arm_timer(conversation, decision, false);
    }

    /// Models `worker::ring` and the phone: what becomes of the call is reported, or not.
    fn ring(&mut self, conversation: usize, call_id: Uuid) {
        let plan = self.next_plan(4, &self.plans.rings, Ring::UNANSWERED);
        let report = |world: &mut Self, after_ms, word: &str, report| {
            let input = Told::Input(Input::RingReported { call_id, report });
            let heard = ScannedWebhook {
                target: Target::Conversation(conversation),
                id: format!("ring:{call_id}:{word}"),
                told: input,
            };
            world.later(after_ms, Job::Tell(Rc::new(heard)));
        };
        let Some(placed) = plan.placed_after_ms else {
            return report(self, 50, "refused", RingReport::NotPlaced { reason: "rejected".into() });
        };
        report(self, placed, "placed", RingReport::Placed { call_sid: "CA1".into() });
        if let Some((after_ms, digit)) = plan.digit {
            let at = self.now() + TimeDelta::milliseconds(placed + after_ms);
            let pressed = if digit == '1' { RingReport::Took { at } } else { RingReport::Passed };
            report(self, placed + after_ms, "digit", pressed);
        }
        if let Some(after_ms) = plan.over_after_ms {
            report(self, placed + after_ms, "over", RingReport::Ended { status: "no-answer".into() });
        }
    }

    /// The timer of a conversation. A later arm replaces an earlier one. The sweeper finds missed timers.
    fn arm_timer(&mut self, conversation: usize, decision: &Decision, only_a_hint: bool) {
        for effect in &decision.effects {
            if let Effect::ArmTimer { at } = effect
                && !(only_a_hint && self.planted == Planted::NoRearm)
            {
                self.arm(conversation, *at);
            }
        }
        let next_look = self.conversations[conversation].next_look();
        if self.planted != Planted::NoRearm
            && !self.timers[conversation].sweeping
            && let Some(at) = next_look
        {
            self.timers[conversation].sweeping = true;
            self.later(self.until(at) + SWEEP_AFTER_MS, Job::Sweep { conversation });
        }
    }

    /// The time until `at` by the correct clock, which JetStream and PostgreSQL use.
    fn until(&self, at: DateTime<Utc>) -> i64 {
        at.timestamp_millis() - 1_800_000_000_000 - self.clock
    }

    fn arm(&mut self, conversation: usize, at: DateTime<Utc>) {
        let plan = self.next_plan(3, &self.plans.timers, Timer::Late(40));
        self.timers[conversation].arm += 1;
        let arm = Some(self.timers[conversation].arm);
        let due = self.until(at).max(0);
        match plan {
            Timer::Late(by) => self.later(due + by.max(20), Job::Fire { conversation, arm }),
            Timer::Early(by) => self.later((due - by).max(20), Job::Fire { conversation, arm }),
            Timer::Twice(by) => {
                self.later(due + 20, Job::Fire { conversation, arm: None });
                self.later(due + 20 + by, Job::Fire { conversation, arm: None });
            }
            Timer::Lost => {}
        }
    }

    fn sweep(&mut self, conversation: usize) {
        let Some(at) = self.conversations[conversation].next_look() else {
            self.timers[conversation].sweeping = false;
            return;
        };
        let overdue = -self.until(at);
        if overdue >= SWEEP_AFTER_MS {
            self.arm(conversation, at);
            self.later(1_000, Job::Sweep { conversation });
        } else {
            self.later(SWEEP_AFTER_MS - overdue, Job::Sweep { conversation });
        }
    }

    /// Models `worker/analyze`: a stale window is not analyzed, an analysis has a timeout, and the engine gets the
    /// result in every case.
    fn analyze(&mut self, conversation: usize, window_id: Uuid, priority: Priority) {
        let state = &self.conversations[conversation];
        let wanted = state.answering.as_ref().filter(|a| a.window_id == window_id && a.phase == Phase::Analyzing);
        let Some(answering) = wanted else { return };
        let failed = |reason| Input::AnalysisFailed { window_id, reason };
        let (after_ms, input) = if answering.epoch != state.epoch && self.now() < answering.exempt_at {
            (5, failed(AnalysisReason::Overtaken))
        } else {
            let bot = self.next_bot();
            let time = if priority == Priority::Urgent { BOT_MS.1 } else { BOT_MS.0 };
            if bot.after_ms > time {
                (time, failed(AnalysisReason::TimedOut))
            } else {
                (bot.after_ms, bot_says(bot.says, window_id).unwrap_or_else(|| failed(AnalysisReason::Unreachable)))
            }
        };
        let target = Target::Conversation(conversation);
        let heard = ScannedWebhook { target, id: format!("analysis:{window_id}"), told: Told::Input(input) };
        self.later(after_ms, Job::Tell(Rc::new(heard)));
    }
}

fn bot_says(says: Says, window_id: Uuid) -> Option<Input> {
    let mut said = answer(&format!("We can help. ({window_id})"));
    match says {
        Says::Answer => {}
        Says::Nothing => return None,
        Says::Unsure => said.confidence = Some(0.1),
        Says::Empty => said.text = "  ".into(),
        Says::Emergency => {
            said.emergency_detected = true;
            said.urgency = Urgency::Emergency;
        }
        Says::Goodbye => {
            said.complete = true;
            said.outcome = Some("scheduled".into());
        }
    }
    Some(Input::AnalysisReady { window_id, answer: said })
}
