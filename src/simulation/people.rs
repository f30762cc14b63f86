//! Customers and the owner: the seed decides what they do, and when.

use std::time::Duration;

use tokio::sync::oneshot;
use uuid::Uuid;

use super::edge;
use super::scheduler::WORLD;
use super::store::SimStore;
use super::twilio::Leg;
use super::worker;
use super::world::World;
use crate::adapters::postgres::BusinessRecord;
use crate::domain::business::{Profile, Trade};
use crate::domain::business_policy::BusinessPolicy;
use crate::domain::conversation::{Conversation, Input, Ownership, Status};
use crate::domain::hours::DailyHours;
use crate::domain::owner::OwnerSms;
use crate::domain::phone::PhoneNumber;
use crate::engine::{Applied, ai_sends_finished};
use crate::telemetry::Metrics;
use crate::trace::Trace;
use crate::webhook::Webhook;
use crate::worker::{AlertAnswered, answer_alert};

/// Where people keep customers waiting: when the AI gets a conversation back, counted from what a person did last.
const RETURN_AFTER: Duration = Duration::from_secs(300);
/// How long people act.
pub const ACTS_MS: u64 = 40_000;
pub const BUSINESS_PHONE: &str = "+15555551111";
const OWNER: &str = "+15555550001";
const CONTACT: &str = "+15555550002";

/// Stores the business in the tables.
pub fn open_business(world: &World) {
    let profile = Profile {
        id: "b1".to_owned(),
        name: "Joe's Plumbing".to_owned(),
        user_id: "u1".to_owned(),
        phone_numbers: vec![BUSINESS_PHONE.parse().unwrap()],
        forward_to: OWNER.parse::<PhoneNumber>().unwrap().into(),
        timezone: "America/New_York".to_owned(),
        trade: Trade::Plumbing,
        business_hours: serde_json::json!({}),
        job_estimates: serde_json::json!([]),
        user_settings: serde_json::json!({}),
        calendar: serde_json::json!([]),
        templates: Default::default(),
        policy: policy(world),
        emergency_contacts: vec![CONTACT.parse().unwrap()],
        twilio_account_sid: None,
        never_text: Default::default(),
        dispatchbot_key: None,
        own_side: Default::default(),
    };
    let now = world.now();
    let mut state = world.lock();
    state.db.put_business(&profile, now);
    if state.weather.chance(80) {
        state.db.confirmed.insert(("b1".to_owned(), CONTACT.parse().unwrap()));
    }
}

fn is_limited(business: &BusinessRecord) -> bool {
    business.profile.get("policy").is_some_and(|policy| policy.get("day_texts").is_some())
}

/// Where people keep customers waiting, the owner is reminded soon, and the AI gets the conversation back.
fn policy(world: &World) -> BusinessPolicy {
    let limits = limits(world);
    if !world.lock().lets_wait {
        return limits;
    }
    let remind_after = Some("1m".parse().unwrap());
    let return_to_ai_after = Some(format!("{}s", RETURN_AFTER.as_secs()).parse().unwrap());
    let idle_after = Some("1h".parse().unwrap());
    BusinessPolicy { remind_after, return_to_ai_after, idle_after, ..limits }
}

/// In some runs limits of the day are soon reached.
fn limits(world: &World) -> BusinessPolicy {
    let mut state = world.lock();
    let voice_ladder = state.weather.chance(60).then_some(true);
    let owner_sms = state.weather.chance(50).then_some(OwnerSms::All);
    // It is three o'clock: some owners get up while customers write.
    let owner_quiet_hours = state.weather.chance(30).then(|| DailyHours::new("02:00", "03:01").unwrap());
    let of_owner = BusinessPolicy { voice_ladder, owner_sms, owner_quiet_hours, ..BusinessPolicy::default() };
    if state.weather.chance(70) {
        return of_owner;
    }
    let mut most = || Some(u32::try_from(state.weather.below(4)).unwrap());
    BusinessPolicy { day_texts: most(), day_new_numbers: most(), day_ai: most(), day_alerts: most(), ..of_owner }
}

/// What the owner does by text, one text after the other.
async fn owner_texts(world: &World, count: u64) {
    let gives_back = world.lock().ledger.gives_back_by_text;
    for number in 0..count {
        let after = world.lock().weather.between(500, 2 * ACTS_MS / (count + 1));
        tokio::time::sleep(after).await;
        let (kind, code) = {
            let mut state = world.lock();
            let codes = state.db.conversations.iter().filter_map(|c| c.memory.relay.code);
            let codes: Vec<String> = codes.map(|code| code.to_string()).collect();
            let at = state.weather.below(1 + codes.len() as u64);
            (state.weather.below(14), codes.get(usize::try_from(at).unwrap()).cloned())
        };
        let with_code = |word: &str| code.as_ref().map_or_else(|| word.to_owned(), |code| format!("{word} {code}"));
        let body = match kind {
            0..4 => with_code("TAKE"),
            4 if gives_back => with_code("AI"),
            5 if gives_back => with_code("DONE"),
            6 => "LIST".to_owned(),
            7 => if number % 2 == 0 { "OFF" } else { "ON" }.to_owned(),
            8 => if number % 2 == 0 { "STOP" } else { "START" }.to_owned(),
            _ => {
                let words = format!("I will be there at {number}");
                code.map_or_else(|| words.clone(), |code| format!("{code} {words}"))
            }
        };
        world.note(WORLD, "the owner writes", number, || body.clone());
        texts(world, OWNER, format!("SMowner{number}"), &body).await;
    }
}

/// Starts the actions of customers and the owner.
pub fn begin(world: &World, metrics: &Metrics) {
    let is_limited = world.lock().db.businesses.values().any(is_limited);
    // Where they share little, more of them want it at the same time.
    let customers = match world.lock().weather.chance(40) {
        _ if is_limited => 4,
        true => 1,
        false => 2,
    };
    let there = world.clone();
    let count = {
        let mut state = world.lock();
        state.ledger.gives_back_by_text = state.weather.chance(30);
        state.weather.below(5)
    };
    world.later(Duration::ZERO, async move { owner_texts(&there, count).await });
    for customer in 0..customers {
        let phone = format!("+1212555{:04}", 1_000 + customer);
        let (acts, commands) = {
            let mut state = world.lock();
            (1 + state.weather.below(6), state.weather.below(5))
        };
        let mut at = Duration::ZERO;
        for act in 0..acts {
            // In bursts, as people write.
            at = {
                let mut state = world.lock();
                let in_a_row = act > 0 && state.weather.chance(60);
                let acts_ms = if is_limited { ACTS_MS / 4 } else { ACTS_MS };
                if in_a_row { at + state.weather.between(0, 3_000) } else { state.weather.between(0, acts_ms) }
            };
            let after = at;
            let (there, phone) = (world.clone(), phone.clone());
            world.later(after, async move { customer_acts(&there, &phone, customer * 100 + act).await });
        }
        let (there, metrics) = (world.clone(), metrics.clone());
        let (there_too, metrics_too) = (world.clone(), metrics.clone());
        world.later(Duration::ZERO, async move { owner_acts(&there, &phone, commands, &metrics).await });
        world.later(Duration::ZERO, async move { answers_alerts(&there_too, customer, &metrics_too).await });
    }
}

async fn customer_acts(world: &World, phone: &str, number: u64) {
    let kind = world.lock().weather.below(20);
    match kind {
        0..3 => calls(world, phone, number).await,
        3 => writes(world, phone, number, "The basement is flooding!").await,
        4 => writes(world, phone, number, "I smell gas").await,
        5 => writes(world, phone, number, "STOP").await,
        6 => writes(world, phone, number, "START").await,
        7 => writes(world, phone, number, "stop it").await,
        8 => writes(world, phone, number, "I smell gas, don't text me, call me").await,
        9 => writes(world, phone, number, "Emphasized “If you smell gas, leave now. Reply STOP to end”").await,
        _ => {
            let words = format!("My sink is blocked, {number}");
            writes(world, phone, number, &words).await;
        }
    }
}

async fn writes(world: &World, phone: &str, number: u64, body: &str) {
    world.note(WORLD, "a customer writes", number, || body.to_owned());
    texts(world, phone, format!("SMin{number}"), body).await;
}

async fn texts(world: &World, phone: &str, message_sid: String, body: &str) {
    let webhook = Webhook::Sms {
        message_sid: message_sid.clone(),
        from: phone.to_owned(),
        to: BUSINESS_PHONE.to_owned(),
        body: body.to_owned(),
        media: Vec::new(),
        opt_out_type: None,
    };
    edge::webhook(world, format!("sms:{message_sid}"), webhook).await;
}

/// The webhooks of a call may arrive in any order, and the result of the dialling not at all: Twilio reports it once. Some
/// calls are screened: then a person presses a key, which a voicemail does not.
async fn calls(world: &World, phone: &str, number: u64) {
    let call_sid = format!("CA{number}");
    world.note(WORLD, "a customer calls", number, String::new);
    let is_screened = world.lock().weather.chance(40);
    let rings = Webhook::Call {
        call_sid: call_sid.clone(),
        from: phone.to_owned(),
        to: BUSINESS_PHONE.to_owned(),
        call_status: Some("ringing".to_owned()),
        forwarded_from: None,
        not_dialled: None,
        stir_verstat: None,
        phones: None,
        screened: is_screened,
    };
    let over = match rings.clone() {
        Webhook::Call { call_sid, from, to, .. } => Webhook::Call {
            call_sid,
            from,
            to,
            call_status: Some("completed".to_owned()),
            forwarded_from: None,
            not_dialled: None,
            stir_verstat: None,
            phones: None,
            screened: false,
        },
        other => other,
    };
    let ms = world.ms();
    let (is_connected, names_numbers, first, lasts, reports) = {
        let mut state = world.lock();
        let (is_answered, names_numbers) = (state.weather.chance(25), state.weather.chance(50));
        let first = state.weather.between(0, 1_000);
        let lasts = if is_answered { state.weather.between(0, 15_000) } else { state.weather.between(0, 1_500) };
        let of_end = state.weather.chance(30).then(|| lasts + state.weather.between(0, 3_000));
        let of_dial = state.weather.chance(85).then(|| lasts + state.weather.between(0, 3_000));
        let ends_ms = ms + u64::try_from(lasts.as_millis()).unwrap();
        // A voicemail answers, and only with screening it is known for one.
        let is_voicemail = is_screened && !is_answered && state.weather.chance(50);
        let (is_connected, tells_bridged) = (is_answered || is_voicemail, state.weather.chance(70));
        state.network.legs.insert(call_sid.clone(), Leg { is_answered, is_connected, ends_ms });
        let key = (is_screened && is_answered).then(|| first.max(state.weather.between(0, 1_000)));
        let bridged = (is_screened && tells_bridged).then_some(is_answered);
        (is_connected, names_numbers, first, lasts, (of_end, of_dial, key, bridged))
    };
    let (of_end, of_dial, of_key, bridged) = reports;
    let dialled = Webhook::CallStatus {
        call_sid: call_sid.clone(),
        from: names_numbers.then(|| phone.to_owned()),
        to: names_numbers.then(|| BUSINESS_PHONE.to_owned()),
        dial_status: if is_connected { "completed" } else { "no-answer" }.to_owned(),
        is_call_status: false,
        bridged,
        screened: is_screened,
        duration_seconds: is_connected.then(|| i32::try_from(lasts.as_secs()).unwrap()),
    };
    let key = Webhook::Screen { call_sid: call_sid.clone(), attempt: 1, digits: "1".to_owned() };
    let webhooks = [
        (Some(first), format!("call:{call_sid}:ringing"), rings),
        (of_end, format!("call:{call_sid}:completed"), over),
        (of_key, format!("screen:{call_sid}:1"), key),
        (of_dial, format!("call_status:{call_sid}"), dialled),
    ];
    for (after, id, webhook) in webhooks {
        let Some(after) = after else { continue };
        let there = world.clone();
        world.later(after, async move { edge::webhook(&there, id, webhook).await });
    }
}

/// What the owner does, one action after the other.
async fn owner_acts(world: &World, phone: &str, commands: u64, metrics: &Metrics) {
    for number in 0..commands {
        let after = world.lock().weather.between(500, 2 * ACTS_MS / (commands + 1));
        tokio::time::sleep(after).await;
        let Some(conversation) = newest(world, phone) else { continue };
        let command = {
            let owned = conversation.ownership == Ownership::User;
            let mut state = world.lock();
            match state.weather.below(if owned { 10 } else { 6 }) {
                0..3 => Command::TakeOver,
                3 => Command::Reply,
                4 => Command::Complete,
                5 => Command::FalseAlarm,
                _ => Command::Release,
            }
        };
        carry_out(world, conversation.id, command, number, metrics).await;
    }
    if world.lock().lets_wait {
        acts_at_the_last_moment(world, phone, commands, metrics).await;
    }
}

/// Some owners act at about the moment at which the AI gets the conversation back.
async fn acts_at_the_last_moment(world: &World, phone: &str, number: u64, metrics: &Metrics) {
    let command = {
        let mut state = world.lock();
        [Command::Reply, Command::Release, Command::FalseAlarm, Command::Complete][state.weather.below(4) as usize]
    };
    let Some(conversation) = newest(world, phone) else { return };
    let due = conversation.memory.spell.and_then(|spell| spell.return_at);
    let Some(wait) = due.and_then(|due| (due - world.now()).to_std().ok()) else { return };
    let later = world.lock().weather.between(0, 6_000);
    tokio::time::sleep(wait + later).await;
    carry_out(world, conversation.id, command, number, metrics).await;
}

/// The owner or the contact answers `1` to an alert, if there was one.
async fn answers_alerts(world: &World, customer: u64, metrics: &Metrics) {
    let times = world.lock().weather.below(3);
    for number in 0..times {
        let (after, phone) = {
            let mut state = world.lock();
            (state.weather.between(1_000, ACTS_MS), if state.weather.chance(50) { OWNER } else { CONTACT })
        };
        tokio::time::sleep(after).await;
        answers(world, phone, format!("sms:SMone{}", customer * 10 + number), metrics).await;
    }
}

/// If the worker that processes the text dies, another one does it again.
async fn answers(world: &World, phone: &'static str, input_id: String, metrics: &Metrics) {
    let received_at = world.now();
    for _ in 0..8 {
        world.note(WORLD, "an alert is answered", 0, || format!("{phone} {input_id}"));
        let (tell, told) = oneshot::channel();
        let group = world.group();
        let (there, input_id, metrics) = (world.clone(), input_id.clone(), metrics.clone());
        world.spawner.spawn(group, async move {
            let engine = worker::engine(&there, group, &metrics);
            let Ok(Some(business)) = engine.business_cache().by_id("b1").await else { return drop(tell) };
            let (phone, trace) = (phone.parse().unwrap(), Trace::from_header(Some(edge::TRACE)));
            let Ok(answered) = answer_alert(&engine, &business, &phone, received_at, &input_id, &trace).await else {
                return drop(tell);
            };
            let taken = match answered {
                AlertAnswered::Taken(conversation) => {
                    let store = SimStore { world: there.clone(), group };
                    let Ok(finished) = ai_sends_finished(&store, conversation.id).await else { return drop(tell) };
                    Some((conversation.id, !finished))
                }
                AlertAnswered::ByAnother(..) | AlertAnswered::Nothing => None,
            };
            let _ = tell.send(taken);
        });
        let patience = world.lock().weather.between(2_000, 40_000);
        if let Ok(Ok(taken)) = tokio::time::timeout(patience, told).await {
            let mut state = world.lock();
            let state = &mut *state;
            if let Some((id, in_flight)) = taken
                && !state.ledger.is_being_given_back(id)
                && state
                    .db
                    .conversation(id)
                    .is_some_and(|c| c.ownership == Ownership::User && c.status != Status::Completed)
            {
                state.ledger.taken_over(&state.db, id, in_flight);
            }
            return;
        }
        let again = world.lock().weather.between(50, 1_000);
        tokio::time::sleep(again).await;
    }
}

fn newest(world: &World, phone: &str) -> Option<Conversation> {
    let state = world.lock();
    let theirs = state.db.conversations.iter().filter(|c| c.customer_phone.as_str() == phone);
    theirs.max_by_key(|c| (c.status != Status::Completed, c.created_at)).cloned()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    TakeOver,
    Reply,
    Release,
    Complete,
    FalseAlarm,
}

impl Command {
    fn input(self) -> Input {
        let user_id = "joe".to_owned();
        match self {
            Self::TakeOver => Input::UserTookOver { user_id, reason: "I know her".to_owned() },
            Self::Reply => Input::UserReplied { user_id, body: "I will come by.".to_owned() },
            Self::Release => Input::Released { user_id },
            Self::Complete => Input::Completed { user_id, outcome: "done".to_owned(), summary: None },
            Self::FalseAlarm => Input::FalseAlarm { user_id },
        }
    }
}

/// A command through an edge: if it does not answer, or not soon, the command is repeated under the same key.
async fn carry_out(world: &World, id: Uuid, command: Command, number: u64, metrics: &Metrics) {
    if matches!(command, Command::Release | Command::Complete) {
        world.lock().ledger.gives_back(id);
        repeat(world, id, command, number, metrics).await;
        world.lock().ledger.gave_back(id);
    } else {
        repeat(world, id, command, number, metrics).await;
    }
}

async fn repeat(world: &World, id: Uuid, command: Command, number: u64, metrics: &Metrics) {
    let input_id = format!("{command:?}:{id}:{number}");
    for _ in 0..8 {
        world.note(WORLD, "the owner", number, || format!("{command:?} {id}"));
        let (tell, told) = oneshot::channel();
        // A new process each time: with a cold cache, as after a start, or if another process is asked.
        let group = world.group();
        let (there, input_id, metrics) = (world.clone(), input_id.clone(), metrics.clone());
        world.spawner.spawn(group, async move {
            let engine = worker::engine(&there, group, &metrics);
            let Ok(applied) = engine.command(id, &input_id, command.input()).await else { return drop(tell) };
            let refused = match applied {
                // The conversation is over.
                Applied::Nothing { status: Some(Status::Completed) } => true,
                // The customer wants no texts.
                Applied::Nothing { .. } => command == Command::Reply,
                Applied::Now(_) | Applied::Before { .. } => false,
            };
            if refused {
                let _ = tell.send(None);
                return;
            }
            let in_flight = match command {
                Command::TakeOver | Command::Reply => {
                    let store = SimStore { world: there.clone(), group };
                    let Ok(finished) = ai_sends_finished(&store, id).await else { return drop(tell) };
                    !finished
                }
                _ => false,
            };
            // Possibly nobody waits for it any more.
            let _ = tell.send(Some(in_flight));
        });
        let patience = {
            let mut state = world.lock();
            if state.weather.chance(30) { state.weather.between(5, 500) } else { state.weather.between(2_000, 40_000) }
        };
        if let Ok(Ok(answer)) = tokio::time::timeout(patience, told).await {
            if let Some(in_flight) = answer {
                answered(world, id, command, number, in_flight);
            }
            return;
        }
        let again = world.lock().weather.between(50, 1_000);
        tokio::time::sleep(again).await;
    }
}

fn answered(world: &World, id: Uuid, command: Command, number: u64, in_flight: bool) {
    let ms = world.ms();
    let mut state = world.lock();
    let state = &mut *state;
    state.trace.note(ms, WORLD, "the owner is answered", number, || format!("{command:?}, in flight {in_flight}"));
    let owned = state.db.conversation(id).is_some_and(|c| c.status != Status::Completed);
    let out = state.db.conversation(id).is_some_and(|c| state.db.is_opted_out(c));
    match command {
        Command::TakeOver if owned => state.ledger.taken_over(&state.db, id, in_flight),
        // If nothing may be sent, a reply is refused and takes nothing over.
        Command::Reply if owned && !out => state.ledger.taken_over(&state.db, id, in_flight),
        _ => {}
    }
}
