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

#[tokio::test]
async fn a_number_is_changed_by_its_sid_with_twilios_checks() -> anyhow::Result<()> {
    let sim = quiet_sim().await?;
    let TwilioOptions { account_sid, auth_token, .. } = TwilioOptions::default();
    let number = "+15555551111";
    let (_, found) = ask(&sim, &account_sid, &auth_token, number).await?;
    let listed = &found["incoming_phone_numbers"][0];
    assert_eq!((&listed["voice_url"], &listed["voice_method"]), (&"".into(), &"POST".into()));
    assert_eq!((&listed["trunk_sid"], &listed["capabilities"]["sms"]), (&Value::Null, &true.into()));
    let url = format!("{}{}", sim.base_url(), listed["uri"].as_str().unwrap_or_default());
    let post = async |form: &[(&str, &str)]| -> anyhow::Result<(u16, Value)> {
        let request = http_client(LONG)?.post(&url).basic_auth(&account_sid, Some(&auth_token)).form(form);
        let response = request.send().await?;
        Ok((response.status().as_u16(), response.json().await?))
    };
    let (status, changed) = post(&[("VoiceUrl", "https://a.example/call"), ("SmsMethod", "GET")]).await?;
    assert_eq!((status, &changed["voice_url"]), (200, &"https://a.example/call".into()));
    assert_eq!(sim.number(&account_sid, number)["sms_method"], "GET");
    for (form, code) in [([("SmsUrl", "nowhere")], 21402), ([("VoiceMethod", "PUT")], 21403)] {
        let (status, refused) = post(&form).await?;
        assert_eq!((status, &refused["code"]), (400, &code.into()), "{refused}");
    }
    assert_eq!(sim.number(&account_sid, number)["sms_url"], "", "nothing of a refused form is taken");
    sim.change_numbers(|numbers| {
        numbers.of_nobody.insert(number.to_owned());
    });
    assert_eq!(post(&[("VoiceUrl", "")]).await?.0, 404);
    Ok(())
}

#[tokio::test]
async fn a_second_token_of_an_account_is_accepted_as_long_as_it_has_one() -> anyhow::Result<()> {
    let sim = quiet_sim().await?;
    let TwilioOptions { account_sid, .. } = TwilioOptions::default();
    assert_eq!(ask(&sim, &account_sid, "second", "+15555551111").await?.0, 401);
    sim.set_secondary_token(&account_sid, Some("second"));
    assert_eq!(ask(&sim, &account_sid, "second", "+15555551111").await?.0, 200);
    sim.set_secondary_token(&account_sid, None);
    assert_eq!(ask(&sim, &account_sid, "second", "+15555551111").await?.0, 401);
    Ok(())
}
