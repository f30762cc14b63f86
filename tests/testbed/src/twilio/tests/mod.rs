//! Tests of the simulator over HTTP, as the service and a shell use it.

mod messaging;
mod network;
mod numbers;
mod rest;
mod switches;

use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::sim::http_client;

const FROM: &str = "+15005550006";
const TO: &str = "+12125551234";
const LONG: Duration = Duration::from_secs(10);

fn url(sim: &TwilioSim) -> String {
    let options = TwilioOptions::default();
    format!("{}/2010-04-01/Accounts/{}/Messages.json", sim.base_url(), options.account_sid)
}

async fn send(sim: &TwilioSim, form: &[(&str, &str)]) -> reqwest::Result<reqwest::Response> {
    send_within(sim, form, LONG).await
}

async fn send_within(sim: &TwilioSim, form: &[(&str, &str)], timeout: Duration) -> reqwest::Result<reqwest::Response> {
    let options = TwilioOptions::default();
    let request = http_client(timeout)?.post(url(sim));
    let request = request.basic_auth(options.account_sid, Some(options.auth_token));
    request.form(form).send().await
}

async fn list(sim: &TwilioSim, path_and_query: &str) -> anyhow::Result<Value> {
    let options = TwilioOptions::default();
    let request = http_client(LONG)?.get(format!("{}{path_and_query}", sim.base_url()));
    let response = request.basic_auth(options.account_sid, Some(options.auth_token)).send().await?;
    Ok(response.error_for_status()?.json().await?)
}

async fn quiet_sim() -> anyhow::Result<TwilioSim> {
    TwilioSim::start(TwilioOptions::default()).await
}
