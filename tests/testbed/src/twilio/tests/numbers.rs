//! Tests of which account has which numbers.

use serde_json::Value;

use super::*;
use crate::sim::Rule;

async fn ask(sim: &TwilioSim, account: &str, token: &str, number: &str) -> anyhow::Result<(u16, Value)> {
    let number = number.replace('+', "%2B");
    let url =
        format!("{}/2010-04-01/Accounts/{account}/IncomingPhoneNumbers.json?PhoneNumber={number}", sim.base_url());
    let response = http_client(LONG)?.get(url).basic_auth(account, Some(token)).send().await?;
    Ok((response.status().as_u16(), response.json().await?))
}

#[tokio::test]
async fn every_account_has_every_number_until_it_is_said_otherwise() -> anyhow::Result<()> {
    let sim = quiet_sim().await?;
    let TwilioOptions { account_sid, auth_token, .. } = TwilioOptions::default();
    let (status, found) = ask(&sim, &account_sid, &auth_token, "+15555551111").await?;
    assert_eq!((status, &found["incoming_phone_numbers"][0]["phone_number"]), (200, &"+15555551111".into()));
    sim.change_numbers(|numbers| {
        numbers.of_nobody.insert("+12125551234".to_owned());
    });
    let (_, found) = ask(&sim, &account_sid, &auth_token, "+12125551234").await?;
    assert_eq!(found["incoming_phone_numbers"], serde_json::json!([]));
    sim.change_numbers(|numbers| {
        drop(numbers.of_account.insert(account_sid.clone(), ["+15555551112".to_owned()].into()))
    });
    let (_, found) = ask(&sim, &account_sid, &auth_token, "+15555551111").await?;
    assert_eq!(found["incoming_phone_numbers"], serde_json::json!([]));
    assert_eq!(ask(&sim, &account_sid, "another", "+15555551112").await?.0, 401);
    sim.add_rule(Rule::next(1, Fault::RespondToNumbers(Refusal::status(503))));
    assert_eq!(ask(&sim, &account_sid, &auth_token, "+15555551112").await?.0, 503);
    assert_eq!(ask(&sim, &account_sid, &auth_token, "+15555551112").await?.0, 200);
    Ok(())
}
