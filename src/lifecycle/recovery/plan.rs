//! Reads Twilio's lists, and decides what has to be done.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{CLOCK_SKEW, Gap, OVERLAP, Recoverer, RecoveryError};
use crate::adapters::postgres::{Doubtful, PendingMessage};
use crate::adapters::twilio::{Account, LegFound, ListedCall, ListedMessage, call_is_over};
use crate::domain::alert_pace::is_bundle;
use crate::domain::business::{Profile, Signer};
use crate::domain::call::{LegReport, RecoveredCall};
use crate::domain::conversation::{ALERT, DeliveryStatus, InboundSms, MessageKind, RecoveredSms, RecoveredText};
use crate::domain::emergency;
use crate::domain::phone::{self, PhoneNumber};
use crate::domain::phones::code;
use crate::store::Message;

/// What was found, and what is to be done.
#[derive(Debug, Default)]
pub struct Plan {
    /// What the database does not have, oldest first.
    pub found: Vec<Found>,
    /// Messages that the database has, whose delivery was reported since.
    pub reported: Vec<(Message, ListedMessage)>,
    /// Messages that were to be sent when the database was saved.
    pub pending: Vec<(PendingMessage, Fate)>,
    /// Conversations in which something was under way when the database was saved.
    pub doubtful: Vec<Doubtful>,
    /// Messages of conversations, which the database has, and Twilio's list of SMS under other ids.
    of_conversations: HashSet<Uuid>,
    /// Alerts that Twilio has sent in the gap.
    pub(super) alerts: Vec<Alert>,
    pub left_out: LeftOut,
}

/// What Twilio has and the database does not.
#[derive(Debug)]
pub enum Found {
    Text { business: Arc<Profile>, text: RecoveredText },
    Sent { business: Arc<Profile>, sms: RecoveredSms },
    Call { business: Arc<Profile>, call: RecoveredCall },
}

impl Found {
    pub fn at(&self) -> DateTime<Utc> {
        match self {
            Self::Text { text, .. } => text.sms.received_at,
            Self::Sent { sms, .. } => sms.sent_at,
            Self::Call { call, .. } => call.began_at,
        }
    }
}

/// What becomes of a message that was to be sent when the database was saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Twilio has it.
    WasSent { twilio_sid: String },
    /// Twilio does not have it, and it is still wanted: an alert, or a message of a person.
    IsSent,
    /// Twilio does not have it. A person answers instead.
    IsHeldBack,
    /// It may have been sent together with other alerts.
    Unknown,
}

impl Fate {
    fn twilio_sid(&self) -> Option<&str> {
        match self {
            Self::WasSent { twilio_sid } => Some(twilio_sid),
            Self::IsSent | Self::IsHeldBack | Self::Unknown => None,
        }
    }
}

/// How many messages and calls of Twilio's lists belong to no conversation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// To or from numbers that no business has.
    pub unknown_numbers: usize,
    /// Between a business and its own people, or from a sender that cannot be answered.
    pub own_side: usize,
    /// Calls that are not over.
    pub under_way: usize,
}

/// An alert that Twilio has sent.
#[derive(Debug)]
pub(super) struct Alert {
    from: String,
    to: PhoneNumber,
    body: String,
    at: DateTime<Utc>,
}

/// Twilio's lists of one account.
struct Lists {
    account: Account,
    /// The account, unless it is the main one.
    own_account: Option<String>,
    messages: Vec<ListedMessage>,
    calls: Vec<ListedCall>,
}

impl Recoverer {
    /// What has to be done about the gap, if the database was restored at `restored_at`.
    ///
    /// # Errors
    /// If PostgreSQL or Twilio does not answer.
    pub async fn plan(&self, gap: Gap, restored_at: DateTime<Utc>) -> Result<Plan, RecoveryError> {
        let from = gap.since - OVERLAP;
        let mut plan = Plan { doubtful: self.store().doubtful_conversations().await?, ..Plan::default() };
        let lists = self.lists(from).await?;
        let sids: Vec<String> = lists.iter().flat_map(|list| &list.messages).map(|m| m.sid.clone()).collect();
        let known: HashSet<String> = self.store().known_messages(&sids).await?.into_iter().collect();
        for list in &lists {
            for (place, message) in list.messages.iter().enumerate().filter(|(_, m)| m.date_created <= gap.until) {
                self.message(&mut plan, list, message, place, known.contains(&message.sid)).await?;
            }
        }
        for found in &mut plan.found {
            if let Found::Text { business, text } = found {
                let sms = &text.sms;
                text.is_alerted = plan.alerts.iter().any(|alert| {
                    alert.is_about(business, &sms.business_phone, &sms.customer)
                        && alert.at >= sms.received_at - CLOCK_SKEW
                });
            }
        }
        self.calls(&mut plan, &lists, gap, restored_at).await?;
        plan.pending = self.pending(restored_at).await?;
        let was_sent: HashSet<&str> = plan.pending.iter().filter_map(|(_, fate)| fate.twilio_sid()).collect();
        plan.found
            .retain(|found| !matches!(found, Found::Sent { sms, .. } if was_sent.contains(sms.twilio_sid.as_str())));
        // Stable: what has the same time keeps the order of Twilio's list.
        plan.found.sort_by_key(Found::at);
        Ok(plan)
    }

    /// The lists of the main account, and of those of businesses.
    async fn lists(&self, since: DateTime<Utc>) -> Result<Vec<Lists>, RecoveryError> {
        let mut accounts = vec![(self.accounts.main(), None)];
        let mut seen: HashSet<String> = HashSet::from([accounts[0].0.sid.clone()]);
        for business in self.store().all_businesses().await? {
            let Some(sid) = business.twilio_account_sid.filter(|sid| !self.without.contains(sid)) else { continue };
            if !seen.contains(&sid) {
                let account = self.accounts.of(&business.id).await;
                let of_account =
                    |source| RecoveryError::Account { sid: sid.clone(), business_id: business.id.clone(), source };
                accounts.push((account.map_err(of_account)?, Some(sid.clone())));
                seen.insert(sid);
            }
        }
        let mut lists = Vec::with_capacity(accounts.len());
        for (account, own_account) in accounts {
            let of_list = |source| RecoveryError::List { sid: account.sid.clone(), source };
            let messages = self.twilio.messages_since(&account, since).await.map_err(of_list)?;
            let calls = self.twilio.calls_since(&account, since).await.map_err(of_list)?;
            lists.push(Lists { account, own_account, messages, calls });
        }
        Ok(lists)
    }

    /// The business of a number, if the account of the list may speak for it.
    async fn business(&self, list: &Lists, number: &PhoneNumber) -> Result<Option<Arc<Profile>>, RecoveryError> {
        let signer = Signer { own_account: list.own_account.clone(), signed_for: Vec::new() };
        Ok(self.engine.business_cache().of_number(number, &signer).await?)
    }

    async fn message(
        &self,
        plan: &mut Plan,
        list: &Lists,
        message: &ListedMessage,
        place: usize,
        is_known: bool,
    ) -> Result<(), RecoveryError> {
        let is_inbound = message.direction == "inbound";
        if is_known {
            if !is_inbound
                && let Some(stored) = self.store().message_by_any_sid(&message.sid).await?
                && !stored.status.is_terminal()
            {
                plan.reported.push((stored, message.clone()));
            }
            return Ok(());
        }
        let (ours, theirs) = if is_inbound { (&message.to, &message.from) } else { (&message.from, &message.to) };
        let business = match ours.parse::<PhoneNumber>() {
            Ok(number) => self.business(list, &number).await?.map(|business| (number, business)),
            Err(_) => None,
        };
        let Some((business_phone, business)) = business else {
            plan.left_out.unknown_numbers += 1;
            return Ok(());
        };
        let Some(customer) = phone::caller(theirs).filter(|customer| !business.is_own_side(customer)) else {
            if !is_inbound && let Ok(to) = message.to.parse() {
                let (from, body, at) = (message.from.clone(), message.body.clone(), message.date_created);
                plan.alerts.push(Alert { from, to, body, at });
            }
            plan.left_out.own_side += 1;
            return Ok(());
        };
        if list.is_about_a_code(message, theirs) {
            plan.left_out.own_side += 1;
            return Ok(());
        }
        if self.is_of_conversation(plan, message, (&business_phone, &customer)).await? {
            return Ok(());
        }
        let place = i64::try_from(place).unwrap_or(i64::MAX);
        let (twilio_sid, own_account, body) = (message.sid.clone(), list.own_account.clone(), message.body.clone());
        plan.found.push(if is_inbound {
            let reading = emergency::read(&body, Some(business.trade.as_str()), &business.emergencies().phrases());
            let sms = InboundSms {
                twilio_sid,
                customer,
                business_phone,
                own_account,
                body,
                media: Vec::new(),
                opt_out_type: None,
                reading,
                received_at: message.date_created,
                stream_sequence: place,
                is_followed: false,
            };
            Found::Text { business, text: RecoveredText { sms, is_alerted: false } }
        } else {
            let status = DeliveryStatus::from_twilio(&message.status).unwrap_or(DeliveryStatus::Accepted);
            let sent_at = message.date_created;
            let sms = RecoveredSms { twilio_sid, customer, business_phone, own_account, body, status, sent_at, place };
            Found::Sent { business, sms }
        });
        Ok(())
    }

    /// Whether a message in the list came or went by a conversation: the database has it by another id. One to one.
    async fn is_of_conversation(
        &self,
        plan: &mut Plan,
        message: &ListedMessage,
        parties: (&PhoneNumber, &PhoneNumber),
    ) -> Result<bool, RecoveryError> {
        let (is_inbound, at) = (message.direction == "inbound", message.date_created);
        let known = self.store().messages_of_conversations(parties, is_inbound, &message.body, at).await?;
        Ok(known.into_iter().any(|id| plan.of_conversations.insert(id)))
    }

    /// Calls that the database does not have, or does not know the end of.
    async fn calls(
        &self,
        plan: &mut Plan,
        lists: &[Lists],
        gap: Gap,
        restored_at: DateTime<Utc>,
    ) -> Result<(), RecoveryError> {
        let came_in = |list| Lists::calls_until(list, gap.until).map(move |call| (list, call));
        let came_in: Vec<(&Lists, &ListedCall)> = lists.iter().flat_map(came_in).collect();
        let sids: Vec<String> = came_in.iter().map(|(_, call)| call.sid.clone()).collect();
        let settled: HashSet<String> = self.store().settled_calls(&sids).await?.into_iter().collect();
        let listed: HashSet<&str> = sids.iter().map(String::as_str).collect();
        for (list, call) in came_in.into_iter().filter(|(_, call)| !settled.contains(&call.sid)) {
            let business = match call.to.parse::<PhoneNumber>() {
                Ok(number) => self.business(list, &number).await?.map(|business| (number, business)),
                Err(_) => None,
            };
            let Some((business_phone, business)) = business else {
                plan.left_out.unknown_numbers += 1;
                continue;
            };
            let Some(leg) = self.leg(&list.account, &call.sid, &call.status).await? else {
                plan.left_out.under_way += 1;
                continue;
            };
            let began_at = call.began_at().unwrap_or(gap.until);
            let (customer, own_account) = (phone::caller(&call.from), list.own_account.clone());
            let call = RecoveredCall { leg, customer, business_phone, own_account, began_at };
            plan.found.push(Found::Call { business, call });
        }
        // Older ones that rang.
        for sid in self.store().ringing_calls(restored_at).await? {
            let Some(call) = self.store().call(&sid).await?.filter(|_| !listed.contains(sid.as_str())) else {
                continue;
            };
            let Some(business) = self.engine.business_cache().by_id(&call.business_id).await? else { continue };
            let Ok(account) = self.accounts.of_call(&call).await else { continue };
            let Some(leg) = self.leg(&account, &sid, "no_result").await? else {
                plan.left_out.under_way += 1;
                continue;
            };
            let (customer, business_phone) = (call.customer_phone, call.business_phone);
            let (own_account, began_at) = (call.own_account, call.created_at);
            let call = RecoveredCall { leg, customer, business_phone, own_account, began_at };
            plan.found.push(Found::Call { business, call });
        }
        Ok(())
    }

    /// How the leg to the owner's phone ended; `None` if the call is not over.
    async fn leg(
        &self,
        account: &Account,
        call_sid: &str,
        call_status: &str,
    ) -> Result<Option<LegReport>, RecoveryError> {
        let (status, duration_seconds) = match self.twilio.find_leg(account, call_sid).await {
            LegFound::Ended { status, duration_seconds } => (status, Some(duration_seconds)),
            LegFound::UnderWay => return Ok(None),
            LegFound::Nothing | LegFound::Refused if !call_is_over(call_status) => return Ok(None),
            // `completed` without a leg was answered by nobody.
            LegFound::Nothing | LegFound::Refused => (call_status.to_owned(), None),
            LegFound::Unanswered { reason, .. } => {
                return Err(RecoveryError::Call { call_sid: call_sid.to_owned(), reason });
            }
        };
        let (call_sid, asked_at) = (call_sid.to_owned(), self.engine.now());
        Ok(Some(LegReport { call_sid, leg_status: Some(status), duration_seconds, asked_at }))
    }

    /// What becomes of the messages that were to be sent.
    async fn pending(&self, restored_at: DateTime<Utc>) -> Result<Vec<(PendingMessage, Fate)>, RecoveryError> {
        let mut taken: HashSet<String> = HashSet::new();
        let mut read: HashMap<(String, String, String), Vec<ListedMessage>> = HashMap::new();
        let mut pending = Vec::new();
        for message in self.store().pending_messages(restored_at).await? {
            let sid = message.account_sid.as_deref();
            let account = match self.accounts.tried(&message.business_id, sid).await {
                Ok(account) if !self.without.contains(&account.sid) => account,
                // Twilio cannot be asked: it may have the message.
                Ok(_) => {
                    pending.push((message, Fate::Unknown));
                    continue;
                }
                Err(source) => {
                    let (sid, business_id) = (sid.unwrap_or("?").to_owned(), message.business_id.clone());
                    return Err(RecoveryError::Account { sid, business_id, source });
                }
            };
            let key = (account.sid.clone(), message.from.clone(), message.to.clone());
            if !read.contains_key(&key) {
                let since = message.created_at - CLOCK_SKEW;
                let listed = self.twilio.list_sent(&account, &message.to, &message.from, since).await;
                let listed = listed.map_err(|source| RecoveryError::List { sid: account.sid.clone(), source })?;
                let sids: Vec<String> = listed.iter().map(|listed| listed.sid.clone()).collect();
                let adopted = self.store().adopted(&sids).await?;
                let mut free: Vec<_> = listed.into_iter().filter(|listed| !adopted.contains(&listed.sid)).collect();
                free.sort_by_key(|listed| listed.date_created);
                read.insert(key.clone(), free);
            }
            let free = read.get(&key).map(Vec::as_slice).unwrap_or_default();
            let fate = fate(&message, free, &taken);
            if let Fate::WasSent { twilio_sid } = &fate {
                taken.insert(twilio_sid.clone());
            }
            pending.push((message, fate));
        }
        Ok(pending)
    }
}

fn fate(message: &PendingMessage, listed: &[ListedMessage], taken: &HashSet<String>) -> Fate {
    let since = message.created_at - CLOCK_SKEW;
    let mut alike = listed.iter().filter(|listed| {
        // Alerts may be bundled: one text then names several customers.
        let is_bundle = message.kind == MessageKind::Alert && listed.body.contains(&message.customer);
        listed.direction != "inbound" && listed.date_created >= since && (listed.body == message.body || is_bundle)
    });
    let is_there = alike.clone().next().is_some();
    match alike.find(|listed| !taken.contains(&listed.sid)) {
        Some(listed) => Fate::WasSent { twilio_sid: listed.sid.clone() },
        None if is_there && message.kind == MessageKind::Alert => Fate::Unknown,
        // A relay or a notice of before the restore would confuse; a person's words and alerts would be missed.
        None if matches!(message.kind, MessageKind::Alert | MessageKind::User) => Fate::IsSent,
        None => Fate::IsHeldBack,
    }
}

impl Lists {
    /// Calls that came in, until a time.
    fn calls_until(&self, until: DateTime<Utc>) -> impl Iterator<Item = &ListedCall> {
        let came_in = self.calls.iter().filter(|call| call.direction == "inbound");
        came_in.filter(move |call| call.began_at().is_none_or(|at| at <= until))
    }

    /// Whether a message asks a phone for a code, or is the phone's answer.
    fn is_about_a_code(&self, message: &ListedMessage, phone: &str) -> bool {
        let asks = |asked: &ListedMessage| asked.to == phone && code::is_ours(&asked.body);
        asks(message) || code::is_all(&message.body) && self.messages.iter().any(asks)
    }
}

impl Alert {
    /// Whether it went to the business's people, from this number, and names the customer.
    pub(super) fn is_about(&self, business: &Profile, from: &PhoneNumber, customer: &PhoneNumber) -> bool {
        let numbers = business.for_rules().alert_numbers;
        self.from == from.as_str()
            && numbers.contains(&self.to)
            && self.body.contains(customer.as_str())
            && (self.body.starts_with(ALERT) || is_bundle(&self.body))
    }

    pub(super) fn to(&self) -> &PhoneNumber {
        &self.to
    }
}
