//! Simulators of Twilio and DispatchBot in this process; their credentials are valid only here.

use std::sync::Arc;

use super::screen::{Screen, Tag};
use super::settings::{ACCOUNT_SID, AUTH_TOKEN, DISPATCHBOT_KEY};
use crate::dispatchbot::{DispatchBotOptions, DispatchBotSim};
use crate::twilio::{TwilioOptions, TwilioSim};

/// Both simulators, running.
pub(super) struct Simulators {
    pub(super) twilio: Arc<TwilioSim>,
    pub(super) dispatchbot: Arc<DispatchBotSim>,
}

impl Simulators {
    pub(super) async fn start(screen: &Screen) -> anyhow::Result<Self> {
        let twilio = TwilioSim::start(TwilioOptions {
            account_sid: ACCOUNT_SID.to_owned(),
            auth_token: AUTH_TOKEN.to_owned(),
            ..TwilioOptions::default()
        });
        let dispatchbot = DispatchBotSim::start(DispatchBotOptions {
            api_key: DISPATCHBOT_KEY.to_owned(),
            ..DispatchBotOptions::default()
        });
        let (twilio, dispatchbot) = tokio::try_join!(twilio, dispatchbot)?;
        screen.line(Tag::Start, &format!("Twilio is simulated at {}", twilio.base_url()), "");
        screen.line(Tag::Start, &format!("DispatchBot is simulated at {}", dispatchbot.base_url()), "");
        Ok(Self { twilio: Arc::new(twilio), dispatchbot: Arc::new(dispatchbot) })
    }

    /// Stops both; remaining handles get no answers.
    pub(super) async fn stop(self) {
        self.twilio.down().await;
        self.dispatchbot.down().await;
    }
}
