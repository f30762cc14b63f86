//! Checks the tokens of businesses' own Twilio accounts that were added while Twilio was unreachable.
//!
//! Reads the accounts from the store and writes back Twilio's answer. An account counts once Twilio has confirmed its
//! token.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::adapters::outage;
use crate::adapters::postgres::{Store, UnprovenAccount};
use crate::adapters::twilio::{Account, Proof, TwilioClient};
use crate::businesses::{Accounts, BusinessCache};
use crate::store::StoreError;

const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// The longest pause while Twilio does not answer; pauses double up to it.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long Twilio may take to answer.
const PROOF_TIMEOUT: Duration = Duration::from_secs(5);
/// How many accounts are checked in one round.
const BATCH: i64 = 100;

/// The result of a round.
enum Round {
    /// All waiting accounts were checked.
    Done,
    /// Twilio did not answer.
    TwilioAway,
}

/// Checks accounts until `shutdown`. Several workers may do it at once: Twilio gives the same answer.
pub async fn prove_accounts(
    store: Store,
    accounts: Accounts,
    twilio: TwilioClient,
    business_cache: BusinessCache,
    shutdown: CancellationToken,
) {
    let proving = async {
        let mut pause = POLL_INTERVAL;
        loop {
            pause = match prove_some(&store, &accounts, &twilio, &business_cache).await {
                Ok(Round::Done) => POLL_INTERVAL,
                Ok(Round::TwilioAway) => (pause * 2).min(LONGEST_PAUSE),
                Err(error) => {
                    if outage::missing(&error).is_none() {
                        tracing::warn!(%error, "Twilio accounts could not be checked; retrying");
                    }
                    POLL_INTERVAL
                }
            };
            tokio::time::sleep(pause).await;
        }
    };
    shutdown.run_until_cancelled(proving).await;
}

async fn prove_some(
    store: &Store,
    accounts: &Accounts,
    twilio: &TwilioClient,
    business_cache: &BusinessCache,
) -> Result<Round, StoreError> {
    for unproven in store.unproven_accounts(BATCH).await? {
        let UnprovenAccount { business_id, account_sid, sealed } = &unproven;
        let token = match accounts.token(business_id, sealed) {
            Ok(token) => token,
            Err(error) => {
                tracing::debug!(%error, "a Twilio account cannot be checked: its token cannot be decrypted");
                continue;
            }
        };
        let changed = match twilio.prove(&Account { sid: account_sid.clone(), token }, PROOF_TIMEOUT).await {
            Proof::Confirmed => store.account_is_proven(&unproven).await?,
            Proof::Refused => {
                tracing::warn!(business.id = %business_id, "Twilio rejects the auth token of a business's own account");
                store.account_is_refused(&unproven).await?
            }
            Proof::Away { reason } => {
                tracing::debug!(reason, "Twilio neither confirmed nor rejected an auth token; retrying");
                return Ok(Round::TwilioAway);
            }
        };
        if changed {
            business_cache.forget_all();
        }
    }
    Ok(Round::Done)
}
