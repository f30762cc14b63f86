//! Detects forwarding loops: a phone of the owner forwards unanswered calls to the number that made it ring, and we would
//! dial it for ever.
//!
//! Calls of this edge are kept in memory, those of other edges in the table of calls. In doubt a call is dialled: a
//! loop costs money, but a call that the owner never receives costs a customer.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::adapters::postgres::{RecentCall, Store};
use crate::domain::business::Profile;
use crate::domain::call::CallStatus;
use crate::domain::phone::{self, PhoneNumber};
use crate::webhook::NotDialled;

/// Calls of one caller within this time may be the same call in a loop.
const WITHIN: TimeDelta = TimeDelta::seconds(30);
/// Maximum number of calls of one caller that are dialled at once; a person may call again.
const DIALLED: usize = 2;
/// Short, because the caller hears silence meanwhile.
const LOOK_UP_TIMEOUT: Duration = Duration::from_millis(250);
/// More callers than ring at one edge within [`WITHIN`]. If there are more, calls older than that are removed, and
/// further callers are not recorded.
const MOST_CALLERS: usize = 10_000;

pub struct Ring<'a> {
    pub call_sid: &'a str,
    /// `From`, as received.
    pub from: &'a str,
    /// The number that is called.
    pub to: &'a PhoneNumber,
    /// `ForwardedFrom`, as received.
    pub forwarded_from: Option<&'a str>,
    pub at: DateTime<Utc>,
}

/// A call that this edge has answered.
#[derive(Debug, Clone)]
struct Seen {
    call_sid: String,
    at: DateTime<Utc>,
    not_dialled: Option<NotDialled>,
    ended: bool,
}

/// By the called number and the caller.
type Callers = HashMap<(PhoneNumber, PhoneNumber), Vec<Seen>>;

/// Calls that ring at this edge or rang recently.
#[derive(Default)]
pub struct Ringing {
    callers: Mutex<Callers>,
}

impl Ringing {
    /// Returns why a call is not put through, or `None` if it is.
    pub async fn judge(&self, store: &Store, business: &Profile, ring: &Ring<'_>) -> Option<NotDialled> {
        let caller = phone::caller(ring.from);
        // Twilio repeats a request if our answer was lost: it gets the same answer.
        if let Some(seen) = caller.as_ref().and_then(|caller| self.seen(ring, caller)) {
            return seen.not_dialled;
        }
        let is_own = |from: &str| business.forward_to.iter().any(|own| phone::is_same_number(own, from));
        let by_owner = ring.forwarded_from.is_some_and(is_own);
        let not_dialled = match &caller {
            _ if by_owner => Some(NotDialled::ForwardedByOwner),
            Some(caller) => self.comes_back(store, ring, caller).await.then_some(NotDialled::Loop),
            // Callers who withhold their number cannot be distinguished.
            None => None,
        };
        if let Some(caller) = caller {
            self.note(ring, caller, not_dialled);
        }
        not_dialled
    }

    /// Records that a dialled call has ended.
    pub fn ended(&self, call_sid: &str) {
        for seen in self.lock().values_mut().flatten().filter(|seen| seen.call_sid == call_sid) {
            seen.ended = true;
        }
    }

    async fn comes_back(&self, store: &Store, ring: &Ring<'_>, caller: &PhoneNumber) -> bool {
        let looked_up = store.recent_calls(ring.to, caller, ring.at - WITHIN);
        match tokio::time::timeout(LOOK_UP_TIMEOUT, looked_up).await {
            Ok(Ok(recorded)) => under_way(&self.of(ring, caller), &recorded, ring) >= DIALLED,
            // Calls that ended at other edges are not known here.
            Ok(Err(_)) | Err(_) => false,
        }
    }

    fn seen(&self, ring: &Ring<'_>, caller: &PhoneNumber) -> Option<Seen> {
        self.of(ring, caller).into_iter().find(|seen| seen.call_sid == ring.call_sid)
    }

    fn of(&self, ring: &Ring<'_>, caller: &PhoneNumber) -> Vec<Seen> {
        self.lock().get(&(ring.to.clone(), caller.clone())).cloned().unwrap_or_default()
    }

    fn note(&self, ring: &Ring<'_>, caller: PhoneNumber, not_dialled: Option<NotDialled>) {
        let mut callers = self.lock();
        let recent = |seen: &Seen| seen.at > ring.at - WITHIN;
        if callers.len() >= MOST_CALLERS {
            callers.retain(|_, calls| calls.iter().any(recent));
        }
        if callers.len() >= MOST_CALLERS {
            return;
        }
        let calls = callers.entry((ring.to.clone(), caller)).or_default();
        calls.retain(recent);
        let call_sid = ring.call_sid.to_owned();
        calls.push(Seen { call_sid, at: ring.at, not_dialled, ended: not_dialled.is_some() });
    }

    fn lock(&self) -> MutexGuard<'_, Callers> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts the caller's other calls of the last 30 s that are being dialled: those dialled by this edge or ringing in
/// the table, without those that ended according to either.
fn under_way(seen: &[Seen], recorded: &[RecentCall], ring: &Ring<'_>) -> usize {
    let over = |sid: &str| {
        seen.iter().any(|seen| seen.call_sid == sid && seen.ended)
            || recorded.iter().any(|call| call.call_sid == sid && call.status != CallStatus::Ringing)
    };
    let here = seen.iter().filter(|seen| seen.at > ring.at - WITHIN).map(|seen| seen.call_sid.as_str());
    let mut sids: Vec<&str> = here.chain(recorded.iter().map(|call| call.call_sid.as_str())).collect();
    sids.sort_unstable();
    sids.dedup();
    sids.into_iter().filter(|sid| *sid != ring.call_sid && !over(sid)).count()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn seen(call_sid: &str, seconds: i64, ended: bool) -> Seen {
        Seen { call_sid: call_sid.to_owned(), at: at(seconds), not_dialled: None, ended }
    }

    fn recorded(call_sid: &str, status: CallStatus) -> RecentCall {
        RecentCall { call_sid: call_sid.to_owned(), status }
    }

    #[rstest]
    #[case::none(&[], &[], 0)]
    #[case::two_of_this_edge(&[seen("CA1", 0, false), seen("CA2", 5, false)], &[], 2)]
    #[case::two_of_others(&[], &[recorded("CA1", CallStatus::Ringing), recorded("CA2", CallStatus::Ringing)], 2)]
    #[case::one_of_each(&[seen("CA1", 0, false)], &[recorded("CA2", CallStatus::Ringing)], 2)]
    #[case::one_that_both_know(&[seen("CA1", 0, false)], &[recorded("CA1", CallStatus::Ringing)], 1)]
    #[case::one_that_ended_here(&[seen("CA1", 0, true)], &[recorded("CA1", CallStatus::Ringing)], 0)]
    #[case::one_that_ended_elsewhere(&[seen("CA1", 0, false)], &[recorded("CA1", CallStatus::Missed)], 0)]
    #[case::one_that_was_answered(&[], &[recorded("CA1", CallStatus::Answered)], 0)]
    #[case::this_very_one(&[], &[recorded("CA9", CallStatus::Ringing)], 0)]
    #[case::one_long_ago(&[seen("CA1", -21, false), seen("CA2", 5, false)], &[], 1)]
    fn calls_under_way_are_counted_wherever_they_are_known(
        #[case] seen: &[Seen],
        #[case] recorded: &[RecentCall],
        #[case] count: usize,
    ) {
        let to = "+15555551111".parse().unwrap();
        let ring = Ring { call_sid: "CA9", from: "+12125551234", to: &to, forwarded_from: None, at: at(9) };
        assert_eq!(under_way(seen, recorded, &ring), count);
    }
}
