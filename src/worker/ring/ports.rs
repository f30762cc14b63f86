//! What calls in an emergency need from PostgreSQL and Twilio, and what they must guarantee.

use uuid::Uuid;

use crate::adapters::postgres::Store;
use crate::adapters::twilio::{Account, OutgoingCall, SendOutcome, TwilioClient};
use crate::store::{RingRequest, RingTurn, Stored};

/// The calls to be placed. Each method is one atomic step.
pub trait RingStore: Send + Sync + 'static {
    /// Claims a call, if the conversation waits for it and it is its turn; see [`Store::ring_turn`].
    fn ring_turn(&self, request: &RingRequest<'_>) -> impl Future<Output = Stored<RingTurn>> + Send;
    /// Records that Twilio has accepted a call; see [`Store::ring_placed`].
    fn ring_placed(&self, call_id: Uuid, call_sid: &str) -> impl Future<Output = Stored<()>> + Send;
    /// Gives up a claim; see [`Store::release_ring`].
    fn release_ring(&self, call_id: Uuid, claim: Uuid, counts: bool) -> impl Future<Output = Stored<()>> + Send;
}

/// The part of Twilio that places calls.
pub trait CallGateway: Send + Sync + 'static {
    /// One request without a retry; an outcome is reported as known only if it is; see [`TwilioClient::place_call`].
    fn place_call(&self, account: &Account, call: &OutgoingCall) -> impl Future<Output = SendOutcome> + Send;
}

impl RingStore for Store {
    async fn ring_turn(&self, request: &RingRequest<'_>) -> Stored<RingTurn> {
        self.ring_turn(request).await
    }
    async fn ring_placed(&self, call_id: Uuid, call_sid: &str) -> Stored<()> {
        self.ring_placed(call_id, call_sid).await
    }
    async fn release_ring(&self, call_id: Uuid, claim: Uuid, counts: bool) -> Stored<()> {
        self.release_ring(call_id, claim, counts).await
    }
}

impl CallGateway for TwilioClient {
    async fn place_call(&self, account: &Account, call: &OutgoingCall) -> SendOutcome {
        self.place_call(account, call).await
    }
}
