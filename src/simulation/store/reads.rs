//! What the engine and analysis read: twins of the queries in `src/adapters/postgres/`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{MessageRow, SimDraining, SimStore, commit, outbox};
use crate::businesses::Records;
use crate::domain::call::Call;
use crate::domain::channel::Channel;
use crate::domain::conversation::pairing::WITHIN;
use crate::domain::conversation::{Conversation, MessageKind, MessageStatus, Status, UnpairedText};
use crate::domain::day_limits::DayUse;
use crate::domain::owner::Plan;
use crate::domain::phone::PhoneNumber;
use crate::engine::ConversationStore;
use crate::simulation::planted::Planted;
use crate::store::{
    BundledAlert, CodeAnswer, Commit, Committed, Facts, FactsOf, Locks, Message, Overdue, OwnerText, OwnerView,
    Participant, ParticipantOf, Parties, PhoneAnswer, ReleasedConversation, SeenInput, StoreError, TextOf,
};
use crate::worker::analyze::AnalysisStore;
use crate::worker::settle_calls::UnsettledCalls;

fn seconds(seconds: f64) -> TimeDelta {
    TimeDelta::milliseconds((seconds * 1_000.0) as i64)
}

impl Records for SimStore {
    async fn conversation(&self, id: Uuid) -> Result<Option<Conversation>, StoreError> {
        self.ask("read conversation", |state, _| state.db.conversation(id).cloned()).await
    }

    async fn message(&self, id: Uuid) -> Result<Option<Message>, StoreError> {
        self.ask("read message", |state, _| state.db.message(id).map(|row| row.message.clone())).await
    }

    async fn message_by_sid(&self, twilio_sid: &str) -> Result<Option<Message>, StoreError> {
        self.ask("read message", |state, _| {
            let mut rows = state.db.messages.iter();
            let by_sid = rows.find(|row| row.message.twilio_sid.as_deref() == Some(twilio_sid));
            by_sid.map(|row| row.message.clone())
        })
        .await
    }

    async fn participant(&self, of: ParticipantOf<'_>) -> Result<Option<Participant>, StoreError> {
        let ParticipantOf { account_sid, conversation_sid, participant_sid } = of;
        self.ask("read participant", |state, _| {
            let mut known = state.db.participants.iter().map(|row| &row.participant);
            let is_it = |known: &&Participant| {
                known.sid.as_deref() == Some(participant_sid)
                    && (&*known.conversation_sid, &*known.account_sid) == (conversation_sid, account_sid)
            };
            known.find(is_it).cloned()
        })
        .await
    }

    async fn call(&self, call_sid: &str) -> Result<Option<Call>, StoreError> {
        self.ask("read call", |state, _| state.db.calls.iter().find(|call| call.call_sid == call_sid).cloned()).await
    }
}

impl UnsettledCalls for SimStore {
    async fn claim_unsettled_calls(&self, limit: i64) -> Result<Vec<Call>, StoreError> {
        self.ask("claim calls", |state, now| {
            let overdue = |call: &&mut Call| call.settle_at.is_some_and(|at| at < now);
            let mut calls: Vec<&mut Call> = state.db.calls.iter_mut().filter(overdue).collect();
            calls.sort_by_key(|call| call.settle_at);
            let claim = |call: &mut Call| {
                let pause = (now - call.created_at) / 4;
                call.settle_at = Some(now + pause.clamp(TimeDelta::seconds(10), TimeDelta::minutes(5)));
                call.clone()
            };
            calls.into_iter().take(usize::try_from(limit).unwrap()).map(claim).collect()
        })
        .await
    }

    async fn leave_unsettled(&self, call_id: Uuid) -> Result<(), StoreError> {
        self.ask("leave call", |state, _| {
            state.db.calls.iter_mut().filter(|call| call.id == call_id).for_each(|call| call.settle_at = None);
        })
        .await
    }
}

impl ConversationStore for SimStore {
    type OutboxBatch = SimDraining;

    async fn commit(
        &self,
        batch: &[Commit<'_>],
        published: &[i64],
        locks: Locks,
    ) -> Result<Vec<Committed>, StoreError> {
        commit::commit(self, batch, published, locks).await
    }

    async fn seen(&self, input_ids: &[&str]) -> Result<HashMap<String, SeenInput>, StoreError> {
        self.ask("read inbox", |state, _| {
            let seen = input_ids.iter().filter_map(|id| Some(((*id).to_owned(), commit::seen(&state.db, id)?)));
            seen.collect()
        })
        .await
    }

    async fn conversations_by_id(
        &self,
        ids: &[Uuid],
    ) -> Result<HashMap<Uuid, Result<Conversation, StoreError>>, StoreError> {
        self.ask("read conversations", |state, _| {
            ids.iter().filter_map(|id| Some((*id, Ok(state.db.conversation(*id)?.clone())))).collect()
        })
        .await
    }

    async fn conversations_of_parties(
        &self,
        parties: &[Parties],
    ) -> Result<HashMap<Parties, Result<Conversation, StoreError>>, StoreError> {
        self.ask("read conversations of parties", |state, _| {
            let newest = |wanted: &Parties| {
                let of_theirs = state.db.conversations.iter().filter(|c| Parties::of_conversation(c) == *wanted);
                of_theirs.max_by_key(|c| (c.status != Status::Completed, c.created_at, c.id)).cloned()
            };
            parties.iter().filter_map(|wanted| Some((wanted.clone(), Ok(newest(wanted)?)))).collect()
        })
        .await
    }

    async fn facts(&self, wanted: &[FactsOf<'_>]) -> Result<Vec<Result<Facts, StoreError>>, StoreError> {
        let ledger = self.ask("read ledger", |state, _| {
            let opted_out_at = |wanted: &FactsOf<'_>| state.db.opted_out_at(wanted.business_id, wanted.customer);
            wanted.iter().map(opted_out_at).collect::<Vec<_>>()
        });
        let ledger = ledger.await?;
        let messages = self.ask("read messages", |state, _| {
            let message = |id: Uuid| state.db.message(id).map(|row| row.message.clone());
            wanted.iter().map(|wanted| wanted.message_id.and_then(message)).collect::<Vec<_>>()
        });
        let messages = messages.await?;
        let mut facts = Vec::new();
        for ((wanted, opted_out_at), message) in wanted.iter().zip(ledger).zip(messages) {
            let missed_call_sms_at = match wanted.missed_call {
                true => self.missed_call_sms_at(wanted).await?,
                false => None,
            };
            let other_business = match wanted.other_business {
                true => self.ask("read other business", |state, _| state.db.other_business(wanted)).await?,
                false => None,
            };
            let other_conversations = match wanted.other_conversations {
                true => self.ask("read other conversations", |state, _| state.db.other_conversations(wanted)).await?,
                false => Vec::new(),
            };
            let unpaired_texts = match wanted.text {
                Some(text) => self.unpaired_texts(wanted, text).await?,
                None => Vec::new(),
            };
            let day_use = match wanted.day {
                Some(day) => self.ask("read day use", |state, _| state.db.day_use_of(wanted.business_id, day)).await?,
                None => DayUse::default(),
            };
            let codes_in_use = match wanted.codes {
                true => {
                    let codes = self.ask("read codes", |state, now| state.db.codes_in_use(wanted.business_id, now));
                    Some(codes.await?)
                }
                false => None,
            };
            facts.push(Ok(Facts {
                opted_out_at,
                codes_in_use,
                missed_call_sms_at,
                other_business,
                other_conversations,
                unpaired_texts,
                day_use,
                message,
            }));
        }
        Ok(facts)
    }

    async fn waiting_payloads(&self, subject: &str) -> Result<Vec<Vec<u8>>, StoreError> {
        let group = self.group;
        self.ask("read waiting webhooks", |state, now| {
            state.ledger.looks(group, subject, now);
            let of_subject = state.kept.iter().filter(|kept| kept.0 == subject);
            let forgotten = state.planted == Planted::WaitingForgotten;
            of_subject.filter(|_| !forgotten).map(|kept| kept.1.to_vec()).collect()
        })
        .await
    }

    async fn backdate_arrival(&self, twilio_sid: &str, at: DateTime<Utc>) -> Result<(), StoreError> {
        self.ask("write arrival", |state, _| {
            if state.planted == Planted::ArrivalForgotten {
                return;
            }
            let is_copy = |row: &&mut MessageRow| {
                row.message.twilio_sid.as_deref() == Some(twilio_sid) && row.message.kind.is_inbound()
            };
            state
                .db
                .messages
                .iter_mut()
                .filter(is_copy)
                .for_each(|row| row.message.created_at = row.message.created_at.min(at));
        })
        .await
    }

    /// No phone is asked for a code.
    async fn phone_answered(&self, _answer: &CodeAnswer<'_>) -> Result<PhoneAnswer, StoreError> {
        self.ask("read codes", |_, _| PhoneAnswer::NotAsked).await
    }

    async fn owner_view(&self, text: &OwnerText<'_>, now: DateTime<Utc>) -> Result<OwnerView, StoreError> {
        let view = self.ask("read owner's text", |state, _| {
            let view = state.db.owner_view(text, now);
            let plan = view.plan.filter(|_| state.planted != Planted::OwnerPlanForgotten);
            OwnerView { plan, ..view }
        });
        view.await
    }

    async fn keep_owner_plan(&self, text: &OwnerText<'_>, plan: Plan, now: DateTime<Utc>) -> Result<Plan, StoreError> {
        self.ask("keep owner's plan", |state, _| {
            if state.planted == Planted::OwnerPlanForgotten {
                state.db.owner_texts.remove(text.input_id);
            }
            state.db.keep_owner_plan(text, plan, now)
        })
        .await
    }

    async fn set_owner_off(&self, business_id: &str, is_off: bool, at: DateTime<Utc>) -> Result<(), StoreError> {
        self.ask("write owner off", |state, _| state.db.set_owner_off(business_id, is_off, at)).await
    }

    async fn add_never_text(&self, business_id: &str, phone: &PhoneNumber) -> Result<bool, StoreError> {
        self.ask("write never text", |state, _| state.db.add_never_text(business_id, phone.as_str())).await
    }

    async fn drain(&self, key: Uuid) -> Result<SimDraining, StoreError> {
        outbox::drain(self, key).await
    }

    async fn has_waiting_effects(&self, key: Uuid) -> Result<bool, StoreError> {
        self.ask("look for effects", |state, _| {
            state.db.outbox.iter().any(|effect| effect.key == key && !effect.is_published)
        })
        .await
    }

    async fn ai_messages_under_way(&self, conversation_id: Uuid) -> Result<i64, StoreError> {
        self.ask("count claims", |state, _| {
            if state.planted == Planted::TakeoverDoesNotWait {
                return 0;
            }
            let claimed = state.db.messages.iter().filter(|row| {
                row.recipient.is_none()
                    && row.message.conversation_id == conversation_id
                    && row.message.sender_type == "ai"
                    && row.message.status == MessageStatus::Sending
            });
            i64::try_from(claimed.count()).unwrap()
        })
        .await
    }
    async fn alerted_conversations(
        &self,
        business_id: &str,
        phone: &PhoneNumber,
        since: DateTime<Utc>,
    ) -> Result<Vec<Uuid>, StoreError> {
        self.ask("read alerts", |state, _| {
            let mut newest: BTreeMap<Uuid, DateTime<Utc>> = BTreeMap::new();
            let is_alert = |row: &&MessageRow| {
                row.message.kind == MessageKind::Alert
                    && row.recipient.as_ref() == Some(phone)
                    && row.message.created_at > since
            };
            for MessageRow { message, .. } in state.db.messages.iter().filter(is_alert) {
                let is_theirs =
                    state.db.conversation(message.conversation_id).is_some_and(|c| c.business_id == business_id);
                if is_theirs {
                    let at = newest.entry(message.conversation_id).or_insert(message.created_at);
                    *at = message.created_at.max(*at);
                }
            }
            let mut newest: Vec<(Uuid, DateTime<Utc>)> = newest.into_iter().collect();
            newest.sort_by_key(|(id, at)| (Reverse(*at), *id));
            newest.into_iter().map(|(id, _)| id).take(50).collect()
        })
        .await
    }

    async fn confirm_phone(&self, business_id: &str, phone: &PhoneNumber) -> Result<(), StoreError> {
        let phone = (business_id.to_owned(), phone.clone());
        self.ask("confirm phone", |state, _| {
            state.db.confirmed.insert(phone);
        })
        .await
    }

    async fn bundled_alerts(&self, carrier: Uuid) -> Result<Vec<BundledAlert>, StoreError> {
        self.ask("read bundled alerts", |state, _| {
            let members = state.db.messages.iter().filter(|row| row.bundled_into == Some(carrier));
            let mut members: Vec<BundledAlert> = members
                .map(|row| BundledAlert { id: row.message.id, conversation_id: row.message.conversation_id })
                .collect();
            members.sort_by_key(|alert| alert.id);
            members
        })
        .await
    }

    async fn stale_outbox_keys(&self, older_than_seconds: f64, limit: i64) -> Result<Vec<Uuid>, StoreError> {
        self.ask("sweep outbox", |state, now| {
            let before = now - seconds(older_than_seconds);
            let mut keys = Vec::new();
            for effect in state.db.outbox.iter().filter(|e| !e.is_published && e.created_at < before) {
                if !keys.contains(&effect.key) {
                    keys.push(effect.key);
                }
            }
            keys.truncate(usize::try_from(limit).unwrap());
            keys
        })
        .await
    }

    async fn overdue_windows(&self, by_seconds: f64, limit: i64) -> Result<Vec<Overdue>, StoreError> {
        self.ask("sweep windows", |state, now| {
            let before = now - seconds(by_seconds);
            let look = |c: &Conversation| c.next_look().into_iter().chain(c.memory.idle_at).min();
            let looks = state.db.conversations.iter().filter_map(|c| Some((c.id, look(c)?)));
            let mut overdue: Vec<Overdue> = looks
                .filter(|(_, deadline)| *deadline < before)
                .map(|(conversation_id, deadline)| Overdue { conversation_id, deadline })
                .collect();
            overdue.sort_by_key(|overdue| overdue.deadline);
            overdue.truncate(usize::try_from(limit).unwrap());
            overdue
        })
        .await
    }

    async fn conversations_of_released_numbers(&self, limit: i64) -> Result<Vec<ReleasedConversation>, StoreError> {
        self.ask("sweep released numbers", |state, _| {
            let mut released = state.db.conversations_of_released_numbers();
            released.truncate(usize::try_from(limit).unwrap());
            released
        })
        .await
    }

    async fn forget_released_numbers(&self) -> Result<u64, StoreError> {
        self.ask("forget released numbers", |state, now| state.db.forget_released_numbers(now)).await
    }

    async fn prune(&self, inbox_days: i32) -> Result<u64, StoreError> {
        self.ask("prune", |state, now| {
            let before = now - TimeDelta::days(inbox_days.into());
            let rows = state.db.inbox.len();
            state.db.inbox.retain(|_, row| row.created_at >= before);
            (rows - state.db.inbox.len()) as u64
        })
        .await
    }

    /// Answers to requests are not kept here.
    async fn prune_idempotency(&self) -> Result<u64, StoreError> {
        self.ask("prune", |_, _| 0).await
    }
}

impl SimStore {
    async fn unpaired_texts(&self, wanted: &FactsOf<'_>, text: TextOf<'_>) -> Result<Vec<UnpairedText>, StoreError> {
        self.ask("read unpaired texts", |state, _| {
            let db = &state.db;
            let is_theirs = |c: &Conversation| {
                c.business_id == wanted.business_id
                    && c.customer_phone == *wanted.customer
                    && c.business_phone == *text.business_phone
            };
            let mut takes_part = db.participants.iter().map(|row| &*row.participant.customer_phone);
            if !takes_part.any(|phone| phone == wanted.customer.as_str()) {
                return Vec::new();
            }
            let may_be_it = |message: &Message| {
                message.kind.is_inbound()
                    && (message.created_at - text.received_at).abs() <= WITHIN
                    && db.conversation(message.conversation_id).is_some_and(is_theirs)
                    && !db.paired_texts.values().any(|id| *id == message.id)
            };
            let messages = db.messages.iter().map(|row| &row.message).filter(|message| may_be_it(message));
            let unpaired = messages.filter_map(|message| {
                let twilio_sid = message.twilio_sid.clone()?;
                let (message_id, body, received_at) = (message.id, message.body.clone(), message.created_at);
                let is_other = Channel::of_sid(&twilio_sid) != text.channel;
                is_other.then_some(UnpairedText { message_id, twilio_sid, body, received_at })
            });
            let mut unpaired: Vec<UnpairedText> = unpaired.collect();
            unpaired.sort_by_key(|text| (text.received_at, text.message_id));
            unpaired
        })
        .await
    }

    async fn missed_call_sms_at(&self, wanted: &FactsOf<'_>) -> Result<Option<DateTime<Utc>>, StoreError> {
        self.ask("read missed-call texts", |state, _| {
            let db = &state.db;
            let texts = db.messages.iter().filter(|row| row.message.kind == MessageKind::MissedCall);
            let is_theirs =
                |c: &Conversation| c.customer_phone == *wanted.customer && c.business_id == wanted.business_id;
            let to_them = texts.filter(|row| db.conversation(row.message.conversation_id).is_some_and(is_theirs));
            to_them.map(|row| row.message.created_at).max()
        })
        .await
    }
}

impl AnalysisStore for SimStore {
    async fn newest_messages(&self, conversation_id: Uuid, limit: i64) -> Result<Vec<Message>, StoreError> {
        self.ask("read messages", |state, _| {
            let mut rows: Vec<_> = state
                .db
                .messages
                .iter()
                .filter(|row| row.recipient.is_none() && row.message.conversation_id == conversation_id)
                .collect();
            rows.sort_by_key(|row| (row.message.created_at, row.stream_sequence, row.message.id));
            let skipped = rows.len().saturating_sub(usize::try_from(limit).unwrap());
            rows.into_iter().skip(skipped).map(|row| row.message.clone()).collect()
        })
        .await
    }
}
