//! Settles calls whose result of the dialling does not come: a webhook may be lost, and the end of a call alone does not
//! say whether anybody talked. Twilio knows the leg to the owner's phone, and its status and duration decide.

use std::time::Duration;

use chrono::TimeDelta;
use futures::{StreamExt, stream};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::adapters::outage;
use crate::adapters::postgres::Store;
use crate::adapters::twilio::{Account, LegFound, TwilioClient};
use crate::businesses::{AccountError, Accounts};
use crate::domain::call::{Call, CallInput, LegReport};
use crate::engine::{ConversationStore, Engine, EngineError, Publish};
use crate::store::{StoreError, Stored};
use crate::trace::Trace;

const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// How many calls are taken in one round.
const BATCH: i64 = 50;
/// How many are asked about at once.
const MAX_CONCURRENCY: usize = 8;
/// If Twilio cannot be asked for this long after a call rang, it counts as missed: a customer who was answered may get a
/// needless text, and no call is forgotten.
const NOT_PROVABLE: TimeDelta = TimeDelta::hours(1);

/// The calls that are not settled.
pub trait UnsettledCalls: ConversationStore {
    /// Takes overdue calls for a while; see [`Store::claim_unsettled_calls`].
    fn claim_unsettled_calls(&self, limit: i64) -> impl Future<Output = Stored<Vec<Call>>> + Send;
    /// Leaves a call as it is; see [`Store::leave_unsettled`].
    fn leave_unsettled(&self, call_id: Uuid) -> impl Future<Output = Stored<()>> + Send;
}

impl UnsettledCalls for Store {
    async fn claim_unsettled_calls(&self, limit: i64) -> Stored<Vec<Call>> {
        self.claim_unsettled_calls(limit).await
    }
    async fn leave_unsettled(&self, call_id: Uuid) -> Stored<()> {
        self.leave_unsettled(call_id).await
    }
}

/// The part of Twilio that knows the legs of calls.
pub trait CallLegs: Send + Sync + 'static {
    /// The leg to the owner's phone; see [`TwilioClient::find_leg`].
    fn find_leg(&self, account: &Account, call_sid: &str) -> impl Future<Output = LegFound> + Send;
}

impl CallLegs for TwilioClient {
    async fn find_leg(&self, account: &Account, call_sid: &str) -> LegFound {
        self.find_leg(account, call_sid).await
    }
}

/// Why a call could not be settled now.
#[derive(Debug, thiserror::Error)]
enum SettleError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Settles calls by asking Twilio.
pub struct CallSettler<R, P, T> {
    pub engine: Engine<R, P>,
    pub accounts: Accounts<R>,
    pub twilio: T,
}

/// Settles calls until `shutdown`. Several workers may do it at once: each call is taken by one.
pub async fn settle_calls<R: UnsettledCalls, P: Publish, T: CallLegs>(
    settler: CallSettler<R, P, T>,
    shutdown: CancellationToken,
) {
    let settling = async {
        loop {
            if let Err(error) = settler.round().await
                && outage::missing(&error).is_none()
            {
                tracing::warn!(%error, "calls could not be settled; retrying");
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    };
    shutdown.run_until_cancelled(settling).await;
}

impl<R: UnsettledCalls, P: Publish, T: CallLegs> CallSettler<R, P, T> {
    async fn round(&self) -> Result<(), SettleError> {
        let calls = self.engine.store().claim_unsettled_calls(BATCH).await?;
        let settled = stream::iter(calls).map(|call| self.settle(call)).buffer_unordered(MAX_CONCURRENCY);
        // One that fails is taken again, and holds up no other.
        let failed: Vec<SettleError> = settled.filter_map(|settled| async { settled.err() }).collect().await;
        failed.into_iter().next().map_or(Ok(()), Err)
    }

    async fn settle(&self, call: Call) -> Result<(), SettleError> {
        let business = self.engine.business_cache().by_id(&call.business_id).await.map_err(EngineError::from)?;
        let Some(business) = business else {
            // The business was deleted while the call rang.
            return Ok(self.engine.store().leave_unsettled(call.id).await?);
        };
        let now = self.engine.now();
        let (leg_status, duration_seconds) = match self.find_leg(&call).await? {
            LegFound::Ended { status, duration_seconds } => (Some(status), Some(duration_seconds)),
            LegFound::Nothing | LegFound::Refused => (None, None),
            LegFound::UnderWay => return Ok(()),
            LegFound::Unanswered { reason, .. } if now < call.created_at + NOT_PROVABLE => {
                tracing::debug!(reason, call.sid = call.call_sid, "Twilio does not say how a call ended; asking again");
                return Ok(());
            }
            LegFound::Unanswered { .. } => (None, None),
        };
        let report = LegReport { call_sid: call.call_sid.clone(), leg_status, duration_seconds, asked_at: now };
        let input_id = format!("call_settled:{}", call.call_sid);
        self.engine.apply_call(&business, &input_id, None, Trace::start(), &CallInput::Asked(report)).await?;
        Ok(())
    }

    async fn find_leg(&self, call: &Call) -> Result<LegFound, SettleError> {
        match self.accounts.of_call(call).await {
            Ok(account) => Ok(self.twilio.find_leg(&account, &call.call_sid).await),
            Err(AccountError::Store(error)) => Err(error.into()),
            // Without its token, Twilio cannot be asked.
            Err(_) => Ok(LegFound::Refused),
        }
    }
}
