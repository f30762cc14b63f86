//! `nevermisscall twilio`: how the numbers of all businesses are set up at Twilio, and how they should be.

mod check;
mod configure;
mod inventory;
mod saved;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::{Args, Subcommand};

use crate::adapters::http_client;
use crate::adapters::postgres::Store;
use crate::adapters::twilio::{MessagingClient, TwilioClient};
use crate::businesses::{Accounts, BusinessSnapshot};
use crate::config::{Config, PublicUrl};
use crate::domain::business::Profile;
use crate::domain::number_setup::Urls;
use crate::domain::phone::PhoneNumber;
use crate::secrets::TokenCipher;
use crate::webhook::WebhookKind;

use check::CheckCommand;
use configure::ConfigureCommand;

/// How long Twilio may take for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, Subcommand)]
pub(super) enum TwilioCommand {
    /// Set the webhooks of all numbers; exit 1 if a number is not, or would not be, as it should be.
    ///
    /// Shows what it would change, unless --apply is given. What a TwiML app, a SIP trunk or a Messaging Service handles is
    /// shown, and left alone.
    Configure(ConfigureCommand),
    /// Check accounts, numbers, what they can do and their registration, one line each; exit 1 if something is wrong.
    Check(CheckCommand),
}

/// Which numbers, and how they should be.
#[derive(Debug, Clone, Args)]
struct Selection {
    /// Only the numbers of this business; may be repeated.
    #[arg(long = "business", value_name = "ID")]
    businesses: Vec<String>,
    /// Only this number; may be repeated.
    #[arg(long = "number", value_name = "NUMBER")]
    numbers: Vec<PhoneNumber>,
    /// The base URL of another edge, for when NMC_PUBLIC_URL does not answer. The default is NMC_PUBLIC_URL: Twilio then
    /// tries once more.
    #[arg(long, value_name = "URL")]
    fallback_url: Option<PublicUrl>,
}

impl Selection {
    fn is_narrow(&self) -> bool {
        !self.businesses.is_empty() || !self.numbers.is_empty()
    }

    /// Whether a number of a business is meant.
    fn includes(&self, business_id: &str, phone: &str) -> bool {
        (self.businesses.is_empty() || self.businesses.iter().any(|id| id == business_id))
            && (self.numbers.is_empty() || self.numbers.iter().any(|number| number.as_str() == phone))
    }

    /// Refuses businesses and numbers that there are not: nothing would be done about them, and nobody told.
    fn check(&self, businesses: &[Profile]) -> anyhow::Result<()> {
        for id in &self.businesses {
            ensure!(businesses.iter().any(|business| business.id == *id), "--business {id}: there is no such business");
        }
        for number in &self.numbers {
            let has = |business: &Profile| business.has_number(number) && self.includes(&business.id, number.as_str());
            ensure!(businesses.iter().any(has), "--number {number}: no business that is meant has it");
        }
        Ok(())
    }
}

/// Everything that is needed besides the arguments.
struct Access {
    store: Store,
    accounts: Accounts,
    twilio: TwilioClient,
    messaging: MessagingClient,
    public_url: PublicUrl,
}

impl Access {
    fn of(config: &Config) -> anyhow::Result<Self> {
        let http = http_client::build().context("HTTP client")?;
        let store = Store::lazy(config.database_url.expose()).context("DATABASE_URL")?;
        let cipher = TokenCipher::of_keys(config.token_key.as_ref(), config.token_key_other.as_ref());
        let accounts = Accounts::new(store.clone(), BusinessSnapshot::default(), config.twilio.clone(), cipher);
        Ok(Self {
            accounts,
            store,
            twilio: TwilioClient::new(http.clone(), config.twilio.api_url.clone(), TIMEOUT),
            messaging: MessagingClient::new(http, config.twilio.messaging_url.clone(), TIMEOUT),
            public_url: config.public_url.clone(),
        })
    }

    /// The URLs to which Twilio must post.
    fn urls(&self, fallback: Option<&PublicUrl>) -> Urls {
        let fallback = fallback.unwrap_or(&self.public_url);
        Urls {
            call: self.public_url.join(WebhookKind::Call.path()),
            sms: self.public_url.join(WebhookKind::Sms.path()),
            call_fallback: fallback.join(WebhookKind::Call.path()),
            sms_fallback: fallback.join(WebhookKind::Sms.path()),
        }
    }
}

pub(super) async fn run(config: &Config, command: TwilioCommand) -> anyhow::Result<ExitCode> {
    let access = Access::of(config)?;
    let is_well = match command {
        TwilioCommand::Configure(command) => configure::run(&access, &command).await?,
        TwilioCommand::Check(command) => check::run(&access, &command).await?,
    };
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
