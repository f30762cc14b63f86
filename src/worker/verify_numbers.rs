//! Asks Twilio, one number at a time, whether the numbers of businesses are in their accounts.
//!
//! Reads from `business_numbers` and writes back Twilio's answer, with an event if it differs from what was known.
//! Every worker runs it: a number's next look-up is postponed before Twilio is asked, so that no other worker asks too.
//! No call or text waits for it.

use std::time::Duration;

use chrono::Utc;
use tokio_util::sync::CancellationToken;

use crate::adapters::jetstream::subjects;
use crate::adapters::postgres::{NumberLook, Store};
use crate::adapters::twilio::{NumberFound, TwilioClient};
use crate::businesses::Accounts;
use crate::domain::conversation::{Envelope, EventData, NumberVerifiedData, derive_id};
use crate::domain::phones::Verified;
use crate::engine::{Outbox, OutboxError, cloud_event};
use crate::store::{OutboxRow, StoreError};
use crate::telemetry::Metrics;
use crate::trace::Trace;

/// A worker asks for one number per interval.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// While one worker asks for a number, no other worker does for this long: longer than Twilio may take.
const LEASE: Duration = Duration::from_secs(60);
/// How long an answer is valid before Twilio is asked again: numbers are bought and given back.
const YES_HOLDS: Duration = Duration::from_secs(7 * 24 * 3_600);
const NO_HOLDS: Duration = Duration::from_secs(24 * 3_600);
/// The pauses while Twilio does not answer: they double, from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3_600);
/// How many rounds there are between counts of the numbers in each state.
const COUNT_EVERY: u32 = 5;

pub struct Verifier {
    pub store: Store,
    pub accounts: Accounts,
    pub twilio: TwilioClient,
    pub outbox: Outbox,
    pub metrics: Metrics,
    /// Whether Twilio is asked at all.
    pub asks: bool,
}

/// A service is unavailable: the work continues later.
#[derive(Debug, thiserror::Error)]
enum VerifyError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Outbox(#[from] OutboxError),
}

/// Asks until `shutdown`.
pub async fn verify(verifier: Verifier, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(POLL_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut turn = 0_u32;
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        let counts = turn.is_multiple_of(COUNT_EVERY);
        turn = turn.wrapping_add(1);
        let round = async {
            if verifier.asks {
                verifier.look().await?;
            }
            if counts { verifier.count().await } else { Ok(()) }
        };
        if let Some(Err(error)) = shutdown.run_until_cancelled(round).await {
            tracing::debug!(%error, "numbers cannot be verified now; retrying");
        }
    }
}

impl Verifier {
    async fn count(&self) -> Result<(), VerifyError> {
        let counts = self.store.count_numbers().await?;
        for verified in Verified::ALL {
            let count = counts.iter().find(|(of, _)| of == verified).map_or(0, |(_, count)| *count);
            self.metrics.business_numbers(*verified, count);
        }
        Ok(())
    }

    async fn look(&self) -> Result<(), VerifyError> {
        let Some(look) = self.store.number_to_look_up(LEASE).await? else { return Ok(()) };
        let found = match self.accounts.of(&look.business_id).await {
            Ok(account) => self.twilio.find_number(&account, &look.phone).await,
            Err(error) => NumberFound::Unanswered { retry_after: None, reason: error.to_string() },
        };
        let pause = pause(look.unanswered_looks);
        match found {
            NumberFound::Yes => self.found(&look, Verified::Yes, YES_HOLDS).await,
            NumberFound::No => self.found(&look, Verified::No, NO_HOLDS).await,
            // The known answer came from an account that Twilio refuses now, so it is no longer valid.
            NumberFound::Refused if look.verified != Verified::Unknown => {
                self.found(&look, Verified::Unknown, FIRST_PAUSE).await
            }
            NumberFound::Refused => Ok(self.store.number_not_looked_up(&look, pause).await?),
            NumberFound::Unanswered { retry_after, reason } => {
                let business_id = &look.business_id;
                tracing::debug!(business_id, reason, "Twilio did not answer a number verification; retrying");
                Ok(self.store.number_not_looked_up(&look, retry_after.unwrap_or_default().max(pause)).await?)
            }
        }
    }

    async fn found(&self, look: &NumberLook, found: Verified, holds: Duration) -> Result<(), VerifyError> {
        let told = is_news(look.verified, found).then(|| event(look, found));
        let kept = self.store.number_looked_up(look, found, holds, told.as_ref()).await?;
        if let Some(told) = told.filter(|_| kept) {
            tracing::info!(business_id = look.business_id, verified = %found, "the verification of a number changed");
            self.outbox.drain(told.key).await?;
        }
        Ok(())
    }
}

/// That a number is in its account is expected; any other change is reported.
fn is_news(before: Verified, found: Verified) -> bool {
    before != found && (before, found) != (Verified::Unknown, Verified::Yes)
}

fn pause(unanswered_looks: i32) -> Duration {
    let doubled = 2_u32.saturating_pow(u32::try_from(unanswered_looks).unwrap_or_default().min(20));
    FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE)
}

/// The envelope of docs/contract.md, without a conversation. The id is derived from the sequence of the change among
/// those of this number, so every worker creates the same one.
fn event(look: &NumberLook, found: Verified) -> OutboxRow {
    let data = EventData::NumberVerified(NumberVerifiedData {
        phone: look.phone.clone(),
        verified: found.to_string(),
        before: look.verified.to_string(),
    });
    let event_type = data.event_type().as_str();
    let scope = derive_id(&look.business_id, &look.phone, "number", 0);
    let sequence = look.changes + 1;
    let event_id = derive_id(&scope.to_string(), event_type, "change", usize::try_from(sequence).unwrap_or_default());
    let now = Utc::now();
    let payload = Envelope {
        event_id,
        event_type: data.event_type(),
        occurred_at: now,
        sequence,
        business_id: Some(&look.business_id),
        user_id: Some(&look.user_id),
        conversation_id: None,
        customer_phone: None,
        data: &data,
    };
    OutboxRow {
        key: scope,
        subject: subjects::event(event_type, None),
        message_id: Some(event_id.to_string()),
        headers: cloud_event(event_id, event_type, &look.business_id, now, &Trace::start()),
        payload: serde_json::to_value(payload).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::as_expected(Verified::Unknown, Verified::Yes, false)]
    #[case::claimed(Verified::Unknown, Verified::No, true)]
    #[case::given_up(Verified::Yes, Verified::No, true)]
    #[case::bought(Verified::No, Verified::Yes, true)]
    #[case::not_said_any_more(Verified::Yes, Verified::Unknown, true)]
    #[case::as_before(Verified::No, Verified::No, false)]
    fn what_is_not_as_expected_is_told(#[case] before: Verified, #[case] found: Verified, #[case] told: bool) {
        assert_eq!(is_news(before, found), told);
    }

    #[rstest]
    #[case(0, 10)]
    #[case(3, 80)]
    #[case(60, 24 * 3_600)]
    #[case(-1, 10)]
    fn pauses_double_up_to_a_day(#[case] looks: i32, #[case] seconds: u64) {
        assert_eq!(pause(looks), Duration::from_secs(seconds));
    }
}
