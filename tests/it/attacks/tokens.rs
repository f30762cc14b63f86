//! The auth token of a Twilio account is valid only for the business that stored it, and only after Twilio confirmed
//! it.

use nmc_testbed::sim::Rule;
use nmc_testbed::twilio::webhooks::WebhookClient;
use nmc_testbed::twilio::{Fault, Refusal, TwilioOptions, new_account_sid, new_message_sid};
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{App, CUSTOMER, OUR_NUMBER, PUBLIC_URL, business, eventually, query};
use crate::signatures::{OWN_TOKEN, TOKEN_KEY};

const VICTIM: &str = "victim";
const VICTIMS_NUMBER: &str = "+15555557001";
const VICTIMS_OWNER: &str = "+15555557002";
const ATTACKER: &str = "attacker";
const ATTACKERS_NUMBER: &str = "+15555558001";
const ATTACKERS_TOKEN: &str = "what the attacker made up";

/// A business with a number and its own Twilio account.
pub fn with_account(number: &str, forward_to: &str, account_sid: &str, token: Option<&str>) -> Value {
    let mut business = business();
    business["phone_numbers"] = json!([number]);
    business["forward_to"] = json!(forward_to);
    business["twilio"] = json!({ "account_sid": account_sid });
    if let Some(token) = token {
        business["twilio"]["auth_token"] = json!(token);
    }
    business
}

fn victim(account_sid: &str) -> Value {
    with_account(VICTIMS_NUMBER, VICTIMS_OWNER, account_sid, Some(OWN_TOKEN))
}

fn attacker(account_sid: &str, token: &str) -> Value {
    with_account(ATTACKERS_NUMBER, "+15555558002", account_sid, Some(token))
}

/// A service, and a victim with its own account.
async fn app_with_victim() -> (App, String) {
    let sid = new_account_sid();
    let app = App::setup().set("NMC_TOKEN_KEY", TOKEN_KEY).subaccount(&sid, OWN_TOKEN).start().await;
    app.put_business(VICTIM, &victim(&sid)).await;
    (app, sid)
}

async fn put(app: &App, id: &str, business: &Value) -> (u16, Value) {
    let answer = app.rest.put(&format!("/businesses/{id}"), business).await;
    (answer.status, answer.body)
}

/// Waits until the business shows this status of its account.
async fn wait_for_status(app: &App, id: &str, status: &str) {
    eventually(status, async || {
        let shown = app.rest.get(&format!("/businesses/{id}")).await.ok();
        (shown["twilio"]["status"] == status).then_some(())
    })
    .await;
}

async fn texts_of(client: &WebhookClient, to: &str, body: &str) -> u16 {
    client.sms(&new_message_sid(), CUSTOMER, to, body).await.unwrap().status
}

/// Asserts that nothing the attacker forged reached the victim.
async fn nothing_was_believed(app: &App, forger: &WebhookClient) {
    let call = forger.incoming_call("CAforged", CUSTOMER, VICTIMS_NUMBER, "ringing").await.unwrap();
    assert!(!call.body.contains(VICTIMS_OWNER), "the owner's private number was given away: {}", call.body);
    let _ = forger.call_status("CAforged", "no-answer", Some(CUSTOMER), Some(VICTIMS_NUMBER), 0).await.unwrap();
    for body in ["Forged", "STOP"] {
        let _ = texts_of(forger, VICTIMS_NUMBER, body).await;
    }
    app.settled().await;
    assert!(app.conversations_of(CUSTOMER).await.is_empty(), "a forged text was believed");
    let calls = app.rest.get(&query("/calls", &[("customer_phone", CUSTOMER)])).await.ok();
    assert_eq!(calls["calls"], json!([]), "a forged call was believed");
    let mut sql = app.servers.sql().await;
    let opted_out: i64 = sqlx::query_scalar("SELECT count(*) FROM opt_outs").fetch_one(&mut sql).await.unwrap();
    assert_eq!((opted_out, app.sms_to(CUSTOMER).len()), (0, 0), "a forged STOP, or a text for a forged call");
}

#[tokio::test]
async fn a_token_of_ones_own_does_not_open_the_account_of_another_business() {
    let (app, sid) = app_with_victim().await;
    let (status, body) = put(&app, ATTACKER, &attacker(&sid, ATTACKERS_TOKEN)).await;
    assert_eq!((status, &body["error"]["code"]), (409, &json!("CONFLICT")), "{body}");
    let forger = app.webhook_as(PUBLIC_URL, &sid, ATTACKERS_TOKEN);
    assert_eq!(texts_of(&forger, VICTIMS_NUMBER, "Forged").await, 401);
    nothing_was_believed(&app, &forger).await;
    // The victim works as before.
    let twilio = app.webhook_as(PUBLIC_URL, &sid, OWN_TOKEN);
    assert_eq!(texts_of(&twilio, VICTIMS_NUMBER, "My sink is blocked").await, 200);
    assert_eq!(app.wait_for_sms(CUSTOMER, 1).await[0].account_sid, sid);
}

/// Tests the second defence alone: an unconfirmed token in the table, as an older version would have written it.
#[tokio::test]
async fn a_token_in_the_table_that_twilio_has_not_confirmed_signs_nothing() {
    let (app, sid) = app_with_victim().await;
    let own = new_account_sid();
    app.servers.twilio.set_account(&own, ATTACKERS_TOKEN);
    app.put_business(ATTACKER, &attacker(&own, ATTACKERS_TOKEN)).await;
    let mut sql = app.servers.sql().await;
    sqlx::query("UPDATE businesses SET twilio_account_sid = $1, twilio_proven_token = NULL WHERE id = $2")
        .bind(&sid)
        .bind(ATTACKER)
        .execute(&mut sql)
        .await
        .unwrap();
    let forger = app.webhook_as(PUBLIC_URL, &sid, ATTACKERS_TOKEN);
    nothing_was_believed(&app, &forger).await;
    wait_for_status(&app, ATTACKER, "refused").await;
}

#[tokio::test]
async fn two_businesses_share_an_account_only_with_the_same_token() {
    let (app, sid) = app_with_victim().await;
    let (status, body) = put(&app, "branch", &attacker(&sid, OWN_TOKEN)).await;
    assert_eq!((status, &body["twilio"]["status"]), (200, &json!("proven")), "{body}");
    let twilio = app.webhook_as(PUBLIC_URL, &sid, OWN_TOKEN);
    for number in [VICTIMS_NUMBER, ATTACKERS_NUMBER] {
        assert_eq!(texts_of(&twilio, number, "My sink is blocked").await, 200);
    }
    let sms = app.wait_for_sms(CUSTOMER, 2).await;
    assert!(sms.iter().all(|sms| sms.account_sid == sid), "{sms:?}");
    // The token is not valid for another business.
    assert_eq!(texts_of(&twilio, OUR_NUMBER, "Forged").await, 200);
    let dead = app.wait_for_dead(1).await;
    assert_eq!(dead[0].json()["reason"], "unknown_number");
}

#[rstest]
#[case::a_wrong_token(true)]
#[case::an_account_that_there_is_not(false)]
#[tokio::test]
async fn a_token_that_twilio_refuses_is_not_taken(#[case] account_exists: bool) {
    let sid = new_account_sid();
    let mut setup = App::setup().set("NMC_TOKEN_KEY", TOKEN_KEY);
    if account_exists {
        setup = setup.subaccount(&sid, OWN_TOKEN);
    }
    let app = setup.start().await;
    let (status, body) = put(&app, ATTACKER, &attacker(&sid, ATTACKERS_TOKEN)).await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!("VALIDATION_FAILED")), "{body}");
    assert_eq!(body["error"]["details"][0]["field"], "twilio.auth_token");
    assert_eq!(app.rest.get(&format!("/businesses/{ATTACKER}")).await.status, 404);
    let forger = app.webhook_as(PUBLIC_URL, &sid, ATTACKERS_TOKEN);
    assert_eq!(texts_of(&forger, ATTACKERS_NUMBER, "Forged").await, 401);
}

#[tokio::test]
async fn the_main_account_cannot_be_claimed_with_another_token() {
    let app = App::setup().set("NMC_TOKEN_KEY", TOKEN_KEY).start().await;
    let main = TwilioOptions::default();
    let (status, body) = put(&app, ATTACKER, &attacker(&main.account_sid, ATTACKERS_TOKEN)).await;
    assert_eq!((status, &body["error"]["code"]), (409, &json!("CONFLICT")), "{body}");
}

#[tokio::test]
async fn while_twilio_is_away_a_token_is_kept_and_has_no_effect_until_twilio_has_confirmed_it() {
    let sid = new_account_sid();
    let app = App::setup().set("NMC_TOKEN_KEY", TOKEN_KEY).subaccount(&sid, OWN_TOKEN).start().await;
    app.servers.twilio.add_rule(Rule::always(Fault::RespondToAccount(Refusal::status(503))));
    let (status, body) = put(&app, VICTIM, &victim(&sid)).await;
    assert_eq!((status, &body["twilio"]["status"]), (200, &json!("pending")), "{body}");
    let twilio = app.webhook_as(PUBLIC_URL, &sid, OWN_TOKEN);
    assert_eq!(texts_of(&twilio, VICTIMS_NUMBER, "Hello").await, 401);
    // Meanwhile the main account still works.
    let main = TwilioOptions::default();
    let through_main = app.webhook_as(PUBLIC_URL, &main.account_sid, &main.auth_token);
    assert_eq!(texts_of(&through_main, VICTIMS_NUMBER, "My sink is blocked").await, 200);
    assert_eq!(app.wait_for_sms(CUSTOMER, 1).await[0].account_sid, main.account_sid);
    app.servers.twilio.change_faults(|faults| faults.rules = Default::default());
    wait_for_status(&app, VICTIM, "proven").await;
    eventually("the account to count everywhere", async || {
        (texts_of(&twilio, VICTIMS_NUMBER, "Are you there?").await == 200).then_some(())
    })
    .await;
    assert_eq!(app.wait_for_sms(CUSTOMER, 2).await[1].account_sid, sid);
}

#[tokio::test]
async fn an_account_that_waits_for_twilio_keeps_nobody_out_and_is_told_when_refused() {
    let sid = new_account_sid();
    let app = App::setup().set("NMC_TOKEN_KEY", TOKEN_KEY).subaccount(&sid, OWN_TOKEN).start().await;
    // An attacker is faster than the victim, while Twilio cannot be asked.
    app.servers.twilio.add_rule(Rule::always(Fault::RespondToAccount(Refusal::status(500))));
    let (status, body) = put(&app, ATTACKER, &attacker(&sid, ATTACKERS_TOKEN)).await;
    assert_eq!((status, &body["twilio"]["status"]), (200, &json!("pending")), "{body}");
    app.servers.twilio.change_faults(|faults| faults.rules = Default::default());
    let (status, body) = put(&app, VICTIM, &victim(&sid)).await;
    assert_eq!((status, &body["twilio"]["status"]), (200, &json!("proven")), "{body}");
    wait_for_status(&app, ATTACKER, "refused").await;
    nothing_was_believed(&app, &app.webhook_as(PUBLIC_URL, &sid, ATTACKERS_TOKEN)).await;
}

#[tokio::test]
async fn a_token_that_was_replaced_at_twilio_gives_way_to_the_new_one() {
    let (app, sid) = app_with_victim().await;
    let (_, branch) = put(&app, "branch", &attacker(&sid, OWN_TOKEN)).await;
    assert_eq!(branch["twilio"]["status"], "proven");
    app.servers.twilio.set_account(&sid, "the new token");
    // One of the two businesses that share the account sets the new token; the other's token is no longer valid.
    let (status, body) = put(&app, "branch", &attacker(&sid, "the new token")).await;
    assert_eq!((status, &body["twilio"]["status"]), (200, &json!("proven")), "{body}");
    wait_for_status(&app, VICTIM, "refused").await;
    let (status, body) =
        put(&app, VICTIM, &with_account(VICTIMS_NUMBER, VICTIMS_OWNER, &sid, Some("the new token"))).await;
    assert_eq!((status, &body["twilio"]["status"]), (200, &json!("proven")), "{body}");
}

#[tokio::test]
async fn a_put_without_the_token_keeps_what_is_there_and_another_account_has_no_effect_without_its_own() {
    let (app, sid) = app_with_victim().await;
    let (status, body) = put(&app, VICTIM, &with_account(VICTIMS_NUMBER, VICTIMS_OWNER, &sid, None)).await;
    assert_eq!((status, &body["twilio"]["status"]), (200, &json!("proven")), "{body}");
    let another = with_account(VICTIMS_NUMBER, VICTIMS_OWNER, &new_account_sid(), None);
    let (status, body) = put(&app, VICTIM, &another).await;
    assert_eq!((status, &body["twilio"]["status"]), (200, &json!("pending")), "{body}");
    let twilio = app.webhook_as(PUBLIC_URL, &sid, OWN_TOKEN);
    assert_eq!(texts_of(&twilio, VICTIMS_NUMBER, "My sink is blocked").await, 200);
    assert_eq!(app.wait_for_sms(CUSTOMER, 1).await[0].account_sid, sid);
}
