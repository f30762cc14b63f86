//! Sends the codes that confirm phones.
//!
//! Reads from `phone_codes`; sends through Twilio. Every worker runs it. Each code is sent at most once: its row is
//! reserved before the POST, and reserved again only if Twilio certainly did not process it. If that is unknown, the
//! code is not sent again, but its answer counts.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::adapters::postgres::{CodeOutcome, CodeToSend, Store};
use crate::adapters::twilio::{OutgoingSms, SendOutcome, TwilioClient};
use crate::businesses::Accounts;
use crate::config::Rate;
use crate::domain::phones::code;
use crate::store::StoreError;

const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// The most segments that such a text has; its slot in the sender's rate is reserved for this many.
const SEGMENTS: u32 = 2;
/// The delay before the next attempt, if Twilio did not process the message.
const TRY_AGAIN: Duration = Duration::from_secs(5);
/// How long Twilio may keep a code in its queue.
const VALIDITY: Duration = Duration::from_secs(60 * 60);

pub struct CodeSender {
    pub store: Store,
    pub accounts: Accounts,
    pub twilio: TwilioClient,
    /// Segments per sender number.
    pub send_rate: Rate,
}

/// Sends until `shutdown`; a send in progress is completed.
pub async fn send_codes(sender: CodeSender, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(POLL_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        while !shutdown.is_cancelled() {
            match sender.turn().await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::debug!(%error, "confirmation codes cannot be sent now; retrying");
                    break;
                }
            }
        }
    }
}

impl CodeSender {
    /// One step; `false` if there is nothing to do.
    async fn turn(&self) -> Result<bool, StoreError> {
        let reserved = self.store.reserve_code_slot(self.send_rate.interval() * SEGMENTS).await?;
        let code = code::make();
        let Some(to_send) = self.store.code_to_send(&code).await? else { return Ok(reserved) };
        let outcome = self.send(&to_send, &code).await;
        tracing::info!(business_id = to_send.business_id, ?outcome, "tried to send a confirmation code to a phone");
        self.store.code_sent(to_send.id, outcome).await?;
        Ok(true)
    }

    async fn send(&self, to_send: &CodeToSend, code: &str) -> CodeOutcome {
        if to_send.opted_out {
            return CodeOutcome::NotSent;
        }
        let account = match self.accounts.of(&to_send.business_id).await {
            Ok(account) => account,
            Err(error) => {
                tracing::debug!(%error, "the Twilio account for a confirmation code could not be looked up; retrying");
                return CodeOutcome::Again { after: TRY_AGAIN };
            }
        };
        let sms = OutgoingSms {
            to: to_send.phone.clone(),
            from: to_send.sender.clone(),
            body: code::text(&to_send.business_name, code),
            // No callback is needed: the phone's answer shows what happened to the code.
            status_callback: String::new(),
            validity: VALIDITY,
        };
        match self.twilio.send(&account, &sms).await {
            SendOutcome::Accepted { .. } => CodeOutcome::Sent,
            SendOutcome::Rejected { .. } => CodeOutcome::NotSent,
            SendOutcome::NotProcessed { retry_after, .. } => {
                CodeOutcome::Again { after: retry_after.unwrap_or_default().max(TRY_AGAIN) }
            }
            SendOutcome::Unknown { .. } => CodeOutcome::Unknown,
        }
    }
}
