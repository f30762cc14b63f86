//! Twilio and the network to it: accepts, rejects, is busy, hangs, or takes a message without answering; lists its
//! messages a little late; and reports on them in any order, twice, or not at all.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::edge;
use super::planted::Planted;
use super::scheduler::{Group, WORLD};
use super::weather::Fault;
use super::world::World;
use crate::adapters::twilio::{
    Account, Binding, LegFound, ListError, ListedMessage, OpenedConversation, OutgoingCall, OutgoingMessage,
    OutgoingSms, SendOutcome,
};
use crate::webhook::{Webhook, ladder};
use crate::worker::ring::CallGateway;
use crate::worker::send::SmsGateway;
use crate::worker::settle_calls::CallLegs;

/// The timeout of the client.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A request may hang this long before it is carried out, and an accepted message may be missing from the list this
/// long. Both together stay below the 30 s after which absence counts as proven.
const HANGS_MS: u64 = 8_000;
const LISTED_AFTER_MS: u64 = 8_000;

/// The state of Twilio.
#[derive(Default)]
pub struct Network {
    pub accepted: Vec<Accepted>,
    /// The legs to the owner's phone, by the call.
    pub legs: BTreeMap<String, Leg>,
    /// How many calls it has placed to people in emergencies.
    rung: u64,
}

/// A leg, and when it ends.
pub struct Leg {
    /// By a person.
    pub is_answered: bool,
    /// By a person or a voicemail.
    pub is_connected: bool,
    pub ends_ms: u64,
}

/// A message that Twilio has accepted.
pub struct Accepted {
    sid: String,
    to: String,
    from: String,
    body: String,
    at: DateTime<Utc>,
    listed_from_ms: u64,
}

/// What Twilio will do with a request.
#[derive(Clone, Copy)]
enum Fate {
    Accept { after_ms: u64, answered: bool },
    Refuse { code: u32 },
    Busy { retry_after: Option<Duration> },
    Vanish,
}

/// The Twilio client of a process.
#[derive(Clone)]
pub struct SimTwilio {
    pub world: World,
    pub group: Group,
}

impl SimTwilio {
    fn fate(&self) -> Fate {
        let mut state = self.world.lock();
        let weather = &mut state.weather;
        let after_ms = 5 + weather.below(60);
        if !weather.strikes(Fault::Send) {
            return Fate::Accept { after_ms, answered: true };
        }
        match weather.below(10) {
            0..3 => Fate::Accept { after_ms, answered: false },
            3..5 => Fate::Accept { after_ms: weather.below(HANGS_MS), answered: weather.chance(50) },
            5..7 => Fate::Vanish,
            7 => Fate::Busy { retry_after: weather.chance(50).then(|| weather.between(100, 3_000)) },
            8 => Fate::Busy { retry_after: None },
            _ => Fate::Refuse { code: weather.one_of(&[21_610, 21_614, 30_007]) },
        }
    }

    /// Twilio accepts the message, even if nobody waits for the answer any more.
    fn accept(&self, sms: &OutgoingSms) -> String {
        let (now, ms) = (self.world.now(), self.world.ms());
        let message_id: Uuid = sms.status_callback.rsplit('=').next().unwrap().parse().unwrap();
        let mut state = self.world.lock();
        let state = &mut *state;
        let sid = format!("SM{:032x}", state.network.accepted.len() + 1);
        let listed_from_ms = if state.weather.is_foul() { ms + state.weather.below(LISTED_AFTER_MS) } else { ms };
        state.network.accepted.push(Accepted {
            sid: sid.clone(),
            to: sms.to.clone(),
            from: sms.from.clone(),
            body: sms.body.clone(),
            at: now,
            listed_from_ms,
        });
        state.trace.note(ms, WORLD, "Twilio accepts", state.network.accepted.len() as u64, || message_id.to_string());
        state.ledger.accepted(&state.db, message_id);
        let last = if state.weather.chance(10) { ("undelivered", Some(30_003)) } else { ("delivered", None) };
        for (status, error_code) in [("sent", None), last] {
            // A callback may never come.
            if !state.weather.is_foul() || !state.weather.chance(15) {
                let after = state.weather.between(10, 3_000);
                state.under_way += 1;
                self.report(after, &sid, message_id, status, error_code);
            }
        }
        sid
    }

    /// A status callback, after a delay.
    fn report(&self, after: Duration, sid: &str, message_id: Uuid, status: &str, error_code: Option<i32>) {
        let input_id = format!("message_status:{sid}:{status}");
        let (message_sid, status) = (sid.to_owned(), status.to_owned());
        let webhook = Webhook::MessageStatus { message_sid, message_id: Some(message_id), status, error_code };
        let world = self.world.clone();
        self.world.spawner.spawn(WORLD, async move {
            tokio::time::sleep(after).await;
            edge::webhook(&world, input_id, webhook).await;
            world.lock().under_way -= 1;
        });
    }
}

impl SmsGateway for SimTwilio {
    async fn send(&self, _account: &Account, sms: &OutgoingSms) -> SendOutcome {
        self.world.pause(self.group).await;
        let fate = self.fate();
        let silent = || {
            if self.world.lock().planted == Planted::RetryAfterTimeout {
                return SendOutcome::NotProcessed { retry_after: None, reason: "no answer".to_owned() };
            }
            SendOutcome::Unknown { reason: "no answer".to_owned() }
        };
        match fate {
            Fate::Accept { after_ms, answered } => {
                let (tell, told) = oneshot::channel();
                let (this, sms) = (self.clone(), sms.clone());
                // The request is carried out even if the process dies.
                self.world.later(Duration::from_millis(after_ms), async move {
                    let sid = this.accept(&sms);
                    if answered {
                        drop(tell.send(sid));
                    }
                });
                match tokio::time::timeout(TIMEOUT, told).await {
                    Ok(Ok(sid)) => SendOutcome::Accepted { sid, segments: 1, status: "queued".to_owned() },
                    _ => silent(),
                }
            }
            Fate::Vanish => {
                self.world.pause(self.group).await;
                silent()
            }
            Fate::Busy { retry_after } => SendOutcome::NotProcessed { retry_after, reason: "busy".to_owned() },
            Fate::Refuse { code } => {
                SendOutcome::Rejected { code: Some(code), message: String::new(), http_status: 400 }
            }
        }
    }

    async fn list_sent(
        &self,
        _account: &Account,
        to: &str,
        from: &str,
        since: DateTime<Utc>,
    ) -> Result<Vec<ListedMessage>, ListError> {
        let ms = self.world.ms();
        let since = since.trunc_subsecs(0);
        let listed = self.world.ask(self.group, "list messages", move |state, _| {
            let between = state.network.accepted.iter().filter(|message| message.to == to && message.from == from);
            between
                .filter(|message| message.at.trunc_subsecs(0) >= since && message.listed_from_ms <= ms)
                .map(listed)
                .collect()
        });
        listed.await.ok_or_else(|| ListError::Unreachable("no answer".to_owned()))
    }

    // No business of the simulation has chosen Conversations, and none of its customers writes by it.

    async fn binding(&self, _: &Account, _: &str, _: &str) -> Result<Option<Binding>, ListError> {
        Err(ListError::Unreachable("not simulated".to_owned()))
    }

    fn attachment_url(&self, _account_sid: &str, _service_sid: &str, _media_sid: &str) -> String {
        String::new()
    }

    async fn open_conversation(&self, _: &Account, _: &str, _: &str) -> OpenedConversation {
        OpenedConversation::Unavailable { retry_after: None, reason: "not simulated".to_owned() }
    }

    async fn post(&self, _: &Account, _: &str, _: &OutgoingMessage) -> SendOutcome {
        SendOutcome::NotProcessed { retry_after: None, reason: "not simulated".to_owned() }
    }

    async fn is_open(&self, _: &Account, _: &str) -> Result<bool, ListError> {
        Err(ListError::Unreachable("not simulated".to_owned()))
    }

    async fn posted(&self, _: &Account, _: &str, _: Uuid, _: DateTime<Utc>) -> Result<Option<String>, ListError> {
        Err(ListError::Unreachable("not simulated".to_owned()))
    }
}

impl SimTwilio {
    /// Twilio calls the phone, even if nobody waits for the answer any more. What its holder does is the seed's choice.
    fn rings(&self, call: &OutgoingCall) -> String {
        let (call_id, conversation_id) = ladder::ids(&call.url).unwrap();
        let ms = self.world.ms();
        let mut state = self.world.lock();
        let state = &mut *state;
        state.network.rung += 1;
        state.ledger.was_asked_to_call(call_id);
        let call_sid = format!("CA{:032x}", 0xF000 + state.network.rung);
        state.trace.note(ms, WORLD, "Twilio calls", state.network.rung, || call_id.to_string());
        let digit = match state.weather.below(20) {
            0..3 => Some("1"),
            3..5 => Some("2"),
            5 => Some("7"),
            _ => None,
        };
        let status = match digit {
            Some(_) => "completed",
            None => state.weather.one_of(&["completed", "no-answer", "busy", "failed"]),
        };
        let pressed_after = state.weather.between(500, 4_000);
        let over_after = pressed_after + state.weather.between(0, 4_000);
        // Its end may never be reported.
        let is_reported = !state.weather.is_foul() || !state.weather.chance(20);
        let digit = digit.map(|digit| Webhook::LadderDigit {
            call_id,
            conversation_id,
            call_sid: call_sid.clone(),
            digit: digit.to_owned(),
        });
        let over = is_reported.then(|| Webhook::LadderStatus {
            call_id,
            conversation_id,
            call_sid: call_sid.clone(),
            status: status.to_owned(),
        });
        let webhooks = [
            (pressed_after, format!("ladder_digit:{call_sid}"), digit),
            (over_after, format!("ladder_status:{call_sid}"), over),
        ];
        for (after, input_id, webhook) in webhooks {
            let Some(webhook) = webhook else { continue };
            state.under_way += 1;
            let world = self.world.clone();
            self.world.spawner.spawn(WORLD, async move {
                tokio::time::sleep(after).await;
                edge::webhook(&world, input_id, webhook).await;
                world.lock().under_way -= 1;
            });
        }
        call_sid
    }
}

impl CallGateway for SimTwilio {
    async fn place_call(&self, _account: &Account, call: &OutgoingCall) -> SendOutcome {
        self.world.pause(self.group).await;
        let unknown = || SendOutcome::Unknown { reason: "no answer".to_owned() };
        match self.fate() {
            Fate::Accept { after_ms, answered } => {
                let (tell, told) = oneshot::channel();
                let (this, call) = (self.clone(), call.clone());
                self.world.later(Duration::from_millis(after_ms), async move {
                    let sid = this.rings(&call);
                    if answered {
                        drop(tell.send(sid));
                    }
                });
                match tokio::time::timeout(TIMEOUT, told).await {
                    Ok(Ok(sid)) => SendOutcome::Accepted { sid, segments: 1, status: "queued".to_owned() },
                    _ => unknown(),
                }
            }
            Fate::Vanish => {
                self.world.pause(self.group).await;
                unknown()
            }
            Fate::Busy { retry_after } => SendOutcome::NotProcessed { retry_after, reason: "busy".to_owned() },
            Fate::Refuse { .. } => {
                let (call_id, _) = ladder::ids(&call.url).unwrap();
                self.world.lock().ledger.was_asked_to_call(call_id);
                SendOutcome::Rejected { code: Some(21_211), message: String::new(), http_status: 400 }
            }
        }
    }
}

impl CallLegs for SimTwilio {
    async fn find_leg(&self, _account: &Account, call_sid: &str) -> LegFound {
        let ms = self.world.ms();
        let asked = self.world.ask(self.group, "list legs", move |state, _| match state.network.legs.get(call_sid) {
            None => LegFound::Nothing,
            Some(leg) if leg.ends_ms > ms => LegFound::UnderWay,
            Some(Leg { is_connected: true, .. }) => {
                LegFound::Ended { status: "completed".to_owned(), duration_seconds: 30 }
            }
            Some(_) => LegFound::Ended { status: "no-answer".to_owned(), duration_seconds: 0 },
        });
        asked.await.unwrap_or(LegFound::Unanswered { retry_after: None, reason: "no answer".to_owned() })
    }
}

fn listed(message: &Accepted) -> ListedMessage {
    ListedMessage {
        sid: message.sid.clone(),
        body: message.body.clone(),
        to: message.to.clone(),
        from: message.from.clone(),
        status: "sent".to_owned(),
        direction: "outbound-api".to_owned(),
        date_created: message.at.trunc_subsecs(0),
        date_sent: None,
    }
}
