//! Calls in an emergency: twin of `src/adapters/postgres/ladder_calls.rs`.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{SimStore, Tables};
use crate::domain::phone::PhoneNumber;
use crate::simulation::planted::Planted;
use crate::store::{BETWEEN_CALLS, CALLS_PER_HOUR, MOST_RINGS, RingRequest, RingTurn, StoreError};
use crate::worker::ring::RingStore;

/// A row of `ladder_calls`.
pub struct RingRow {
    id: Uuid,
    phone: PhoneNumber,
    attempts: i32,
    attempted_at: DateTime<Utc>,
    claim: Option<Uuid>,
    lease_until: Option<DateTime<Utc>>,
    call_sid: Option<String>,
}

/// A row of `call_slots`.
#[derive(Clone, Copy)]
pub struct CallSlot {
    next_free_at: DateTime<Utc>,
    life_waits_until: Option<DateTime<Utc>>,
}

fn between() -> TimeDelta {
    TimeDelta::from_std(BETWEEN_CALLS).unwrap()
}

fn turn(db: &mut Tables, request: &RingRequest<'_>, claim: Uuid, is_fenced: bool, now: DateTime<Utc>) -> RingTurn {
    let Some(conversation) = db.conversation(request.conversation_id).cloned() else { return RingTurn::Stale };
    let is_waited_for = conversation.memory.ladder.as_ref().is_some_and(|ladder| ladder.call == Some(request.call_id));
    let before = db.rings.iter().find(|row| row.id == request.call_id);
    match before {
        Some(RingRow { call_sid: Some(call_sid), .. }) => return RingTurn::Placed { call_sid: call_sid.clone() },
        _ if is_fenced && !is_waited_for => return RingTurn::Stale,
        Some(row) if row.lease_until > Some(now) => return RingTurn::Taken,
        Some(row) if row.attempts >= MOST_RINGS => return RingTurn::Refused("unknown"),
        _ => {}
    }
    let phone = (request.business_id.to_owned(), request.phone.clone());
    if !request.is_owner && !db.confirmed.contains(&phone) {
        return RingTurn::Refused("not_confirmed");
    }
    let has_number = db.has_number(&conversation.business_id, &conversation.business_phone);
    if !has_number || (request.is_main && conversation.own_account.is_some()) {
        return RingTurn::Refused("may_not_call");
    }
    if let Some(not_now) = pace(db, request, now) {
        return not_now;
    }
    let lease_until = Some(now + TimeDelta::from_std(request.lease).unwrap());
    match db.rings.iter_mut().find(|row| row.id == request.call_id) {
        Some(row) => {
            row.attempts += 1;
            (row.attempted_at, row.claim, row.lease_until) = (now, Some(claim), lease_until);
        }
        None => db.rings.push(RingRow {
            id: request.call_id,
            phone: request.phone.clone(),
            attempts: 1,
            attempted_at: now,
            claim: Some(claim),
            lease_until,
            call_sid: None,
        }),
    }
    let slot = db.call_slots.get_mut(request.account_sid).unwrap();
    slot.next_free_at = now + between();
    if request.about_life {
        slot.life_waits_until = None;
    }
    RingTurn::Ours { claim, from: conversation.business_phone }
}

fn pace(db: &mut Tables, request: &RingRequest<'_>, now: DateTime<Utc>) -> Option<RingTurn> {
    let fresh = CallSlot { next_free_at: now, life_waits_until: None };
    let slot = *db.call_slots.entry(request.account_sid.to_owned()).or_insert(fresh);
    let recent =
        |row: &&super::ring::RingRow| row.phone == *request.phone && row.attempted_at > now - TimeDelta::hours(1);
    let calls: i64 = db.rings.iter().filter(recent).map(|row| i64::from(row.attempts)).sum();
    if calls >= CALLS_PER_HOUR {
        return Some(RingTurn::Refused("capped"));
    }
    let life_waits = slot.life_waits_until.filter(|_| !request.about_life).unwrap_or(now);
    if slot.next_free_at > now && request.about_life {
        db.call_slots.get_mut(request.account_sid)?.life_waits_until = Some(slot.next_free_at + between());
    }
    let wait = slot.next_free_at.max(life_waits) - now;
    (wait > TimeDelta::zero()).then(|| RingTurn::Wait(wait.to_std().unwrap()))
}

impl RingStore for SimStore {
    async fn ring_turn(&self, request: &RingRequest<'_>) -> Result<RingTurn, StoreError> {
        self.ask("ring turn", |state, now| {
            let is_fenced = state.planted != Planted::RingsAfterTaken;
            let claim = Uuid::from_u128(u128::from(state.trace.events) + 1);
            let turn = turn(&mut state.db, request, claim, is_fenced, now);
            state.ledger.ring_turn(request.call_id, request.conversation_id, &turn);
            turn
        })
        .await
    }

    async fn ring_placed(&self, call_id: Uuid, call_sid: &str) -> Result<(), StoreError> {
        let call_sid = call_sid.to_owned();
        self.ask("ring placed", |state, _| {
            if let Some(row) = state.db.rings.iter_mut().find(|row| row.id == call_id) {
                (row.call_sid, row.lease_until) = (Some(call_sid), None);
            }
        })
        .await
    }

    async fn release_ring(&self, call_id: Uuid, claim: Uuid, counts: bool) -> Result<(), StoreError> {
        self.ask("release ring", |state, _| {
            let is_it = |row: &&mut RingRow| row.id == call_id && row.claim == Some(claim) && row.call_sid.is_none();
            if let Some(row) = state.db.rings.iter_mut().find(is_it) {
                row.attempts -= i32::from(!counts);
                (row.claim, row.lease_until) = (None, None);
            }
        })
        .await
    }
}
