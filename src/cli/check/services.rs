//! Twilio, DispatchBot, and the URL at which Twilio reaches us.

use std::time::Duration;

use chrono::TimeDelta;

use super::clock::{MOST, Reading};
use super::finding::{Finding, Subject};
use crate::adapters::dispatchbot::{DispatchBotClient, Reached};
use crate::adapters::postgres::Store;
use crate::adapters::twilio::{Account, Proof, TwilioClient};
use crate::cli::probe;
use crate::config::{PublicUrl, Secret};
use crate::health::{Look, State};
use crate::outage::Service;

pub(super) async fn twilio(client: &TwilioClient, account: &Account, patience: Duration) -> Finding {
    let subject = Subject::Twilio;
    match client.prove(account, patience).await {
        Proof::Confirmed => Finding::good(subject, "the auth token belongs to the account"),
        Proof::Refused => {
            let advice = "correct TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN";
            Finding::wrong(subject, "the auth token is not that of the account", advice)
        }
        Proof::Away { reason } => Finding::wrong(
            subject,
            format!("no answer: {reason}"),
            "check the way to TWILIO_API_URL, and Twilio's status page",
        ),
    }
}

/// Compares our clock with PostgreSQL's and Twilio's, as far as they can be read.
pub(super) async fn clock(store: &Store, twilio: &TwilioClient, patience: Duration) -> Finding {
    let ours = async {
        // A connection may have to be made first, which takes longer than the reading.
        super::within(patience, store.server_time()).await?;
        super::within(patience, Reading::of(TimeDelta::zero(), store.server_time())).await
    };
    let (postgres, twilio) = tokio::join!(ours, Reading::of(TimeDelta::seconds(1), twilio.server_time(patience)));
    let read: Vec<(&str, Reading)> = [("PostgreSQL", postgres), ("Twilio", twilio)]
        .into_iter()
        .filter_map(|(name, read)| Some((name, read.ok()?)))
        .collect();
    let subject = Subject::Clock;
    if read.is_empty() {
        return Finding::unchecked(subject, "neither PostgreSQL nor Twilio says what time it is");
    }
    let skews: Vec<String> = read.iter().map(|(name, reading)| words(name, reading)).collect();
    if read.iter().any(|(_, reading)| reading.is_off()) {
        return Finding::wrong(
            subject,
            skews.join(", "),
            "let NTP set the clocks of all machines (chrony, systemd-timesyncd)",
        );
    }
    Finding::good(subject, skews.join(", "))
}

fn words(name: &str, reading: &Reading) -> String {
    let skew = reading.skew().num_milliseconds();
    match skew {
        _ if !reading.is_off() => format!("within {} s of {name}'s", MOST.num_seconds()),
        1.. => format!("{skew} ms ahead of {name}'s"),
        _ => format!("{} ms behind {name}'s", -skew),
    }
}

pub(super) async fn callback_url(client: &reqwest::Client, url: &PublicUrl, token: &Secret) -> Finding {
    let subject = Subject::CallbackUrl;
    match probe::is_reached(client.clone(), url, token.clone()).await {
        Ok(()) => Finding::good(subject, format!("{} reaches this service, and its signatures agree", url.as_str())),
        Err(error) => {
            let advice =
                "an edge must run, the proxy lead there, and NMC_PUBLIC_URL and TWILIO_AUTH_TOKEN be those of the edge";
            Finding::wrong(subject, format!("{}: {error}", url.as_str()), advice)
        }
    }
}

pub(super) async fn dispatchbot(client: &DispatchBotClient, patience: Duration) -> Finding {
    let subject = Subject::DispatchBot;
    match client.reach(patience).await {
        Reached::Accepted => Finding::good(subject, "it answers, and accepts our key"),
        Reached::KeyRefused => Finding::wrong(subject, "it refuses our key", "correct DISPATCHBOT_API_KEY"),
        Reached::Away { reason } => {
            Finding::wrong(subject, reason, "correct DISPATCHBOT_URL, or find out why DispatchBot does not answer")
        }
    }
}

/// What workers have noticed of Twilio and DispatchBot, as `/health` shows it.
pub(super) fn noticed(look: &Look) -> [Finding; 2] {
    let found = |service| look.states.iter().find(|(found, _)| *found == service).and_then(|(_, state)| *state);
    let judged = |subject, service, good: &str, wrong: &str, advice: &str| match found(service) {
        None => Finding::unchecked(subject, "PostgreSQL does not answer"),
        Some(State::Healthy) => Finding::good(subject, good),
        Some(_) => Finding::wrong(subject, wrong, advice),
    };
    [
        judged(
            Subject::Sends,
            Service::Twilio,
            "no SMS waits for Twilio",
            "SMS wait for Twilio",
            "see docs/runbook.md, customer_unanswered",
        ),
        judged(
            Subject::Answers,
            Service::DispatchBot,
            "the newest answer of DispatchBot could be used",
            "DispatchBot had no answer for the newest window",
            "see docs/runbook.md, ai_service_degradation",
        ),
    ]
}
