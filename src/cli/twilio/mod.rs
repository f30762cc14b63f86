//! `nevermisscall twilio`: how the numbers of all businesses are set up at Twilio, and how they should be.

mod check;
mod configure;
mod saved;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};

use crate::adapters::http_client;
use crate::adapters::postgres::Store;
use crate::adapters::twilio::{MessagingClient, TwilioClient};
use crate::businesses::at_twilio::{self, AtTwilio, InventoryError};
use crate::businesses::{Accounts, BusinessSnapshot};
use crate::config::{Config, PublicUrl};
use crate::domain::phone::PhoneNumber;
use crate::secrets::TokenCipher;

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
    fn meant(&self) -> at_twilio::Selection {
        at_twilio::Selection { businesses: self.businesses.clone(), numbers: self.numbers.clone() }
    }
}

/// Names the argument that is wrong.
fn of_argument(error: InventoryError) -> anyhow::Error {
    match &error {
        InventoryError::NoBusiness(_) => anyhow!("--business {error}"),
        InventoryError::NoNumber(_) => anyhow!("--number {error}"),
        InventoryError::Store(_) | InventoryError::Unreadable { .. } => error.into(),
    }
}

fn at_twilio(config: &Config) -> anyhow::Result<AtTwilio> {
    let http = http_client::build().context("HTTP client")?;
    let store = Store::lazy(config.database_url.expose()).context("DATABASE_URL")?;
    let cipher = TokenCipher::of_keys(config.token_key.as_ref(), config.token_key_other.as_ref());
    let accounts = Accounts::new(store.clone(), BusinessSnapshot::default(), config.twilio.clone(), cipher);
    Ok(AtTwilio {
        accounts,
        store,
        twilio: TwilioClient::new(http.clone(), config.twilio.api_url.clone(), TIMEOUT),
        messaging: MessagingClient::new(http, config.twilio.messaging_url.clone(), TIMEOUT),
        public_url: config.public_url.clone(),
    })
}

pub(super) async fn run(config: &Config, command: TwilioCommand) -> anyhow::Result<ExitCode> {
    let at_twilio = at_twilio(config)?;
    let is_well = match command {
        TwilioCommand::Configure(command) => configure::run(&at_twilio, &command).await?,
        TwilioCommand::Check(command) => check::run(&at_twilio, &command).await?,
    };
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
