//! The main account is not abused: it never texts a customer who was reached under a business's own account.

use nmc_testbed::sim::Rule;
use nmc_testbed::twilio::{Fault, Faults, Media, Refusal, Text, TwilioOptions, new_account_sid, new_message_sid};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use super::tokens::with_account;
use crate::harness::{App, BUSINESS, CUSTOMER, OUR_NUMBER, PUBLIC_URL, business, eventually};
use crate::signatures::{OWN_TOKEN, TOKEN_KEY};

const PLAYER: &str = "player";
const NUMBER: &str = "+15555558001";
const OWNER: &str = "+15555558002";

fn without_account() -> Value {
    let mut business = with_account(NUMBER, OWNER, "AC", None);
    business["twilio"].take();
    business.as_object_mut().unwrap().remove("twilio");
    business
}

/// A service with a business that uses its own Twilio account: the player.
async fn player(settings: &[(&str, &str)]) -> (App, String) {
    let sid = new_account_sid();
    let setup = App::setup().set("NMC_TOKEN_KEY", TOKEN_KEY).subaccount(&sid, OWN_TOKEN);
    let app = settings.iter().fold(setup, |setup, (name, value)| setup.set(name, value)).start().await;
    app.put_business(PLAYER, &with_account(NUMBER, OWNER, &sid, Some(OWN_TOKEN))).await;
    (app, sid)
}

/// The player forges a text from a customer and signs it. Returns the conversation that this opens.
async fn play(app: &App, sid: &str, body: &str) -> String {
    let client = app.webhook_as(PUBLIC_URL, sid, OWN_TOKEN);
    assert_eq!(client.sms(&new_message_sid(), CUSTOMER, NUMBER, body).await.unwrap().status, 200);
    app.conversation_of(CUSTOMER).await["id"].as_str().unwrap().to_owned()
}

fn sent_with_main(app: &App) -> usize {
    let main = TwilioOptions::default().account_sid;
    app.servers.twilio.messages().iter().filter(|sms| sms.account_sid == main).count()
}

#[rstest]
#[case::a_person_writes("messages", json!({ "user_id": "u1", "body": "Buy now" }))]
#[case::the_ai_is_to_write("release", json!({ "user_id": "u1" }))]
#[tokio::test]
async fn what_was_opened_under_an_account_is_not_written_to_once_that_is_taken_out(
    #[case] command: &str,
    #[case] body: Value,
) {
    let (app, sid) = player(&[("NMC_WINDOW_HOLD", "60s"), ("NMC_WINDOW_MAX", "90s")]).await;
    let id = play(&app, &sid, "Hello").await;
    let takeover = json!({ "user_id": "u1", "reason": "play" });
    app.rest.send(Method::POST, &format!("/conversations/{id}/takeover"), Some(&takeover)).await.ok();
    app.put_business(PLAYER, &without_account()).await;
    let answer = app.rest.send(Method::POST, &format!("/conversations/{id}/{command}"), Some(&body)).await;
    assert_eq!((answer.status, answer.error_code()), (409, "CONFLICT"), "{answer:?}");
    let written = app.messages(&id).await.iter().filter(|message| message["direction"] == "outbound").count();
    assert_eq!((written, sent_with_main(&app)), (0, 0), "the main account pays");
}

#[tokio::test]
async fn the_ai_does_not_answer_with_the_main_account_what_came_in_under_another() {
    let (app, sid) = player(&[("NMC_WINDOW_HOLD", "700ms"), ("NMC_WINDOW_MAX", "1s")]).await;
    let id = play(&app, &sid, "My sink is blocked").await;
    app.put_business(PLAYER, &without_account()).await;
    let told = app.wait_for_event_of(CUSTOMER, 1, "conversation.needs_attention").await;
    assert_eq!(told["data"]["reason"], "may_not_write", "{told}");
    app.settled().await;
    assert_eq!((sent_with_main(&app), app.servers.dispatchbot.requests().len()), (0, 0));
    assert_eq!(app.conversation(&id).await["status"], "active");
}

/// Messages already queued when the account is removed, including an alert to an arbitrary phone.
#[tokio::test]
async fn what_waits_to_be_sent_is_superseded_when_the_account_goes() {
    let (app, sid) = player(&[]).await;
    // It answers, so no outcome is unknown: with the account gone, its list could not be read any more.
    app.servers.twilio.change_faults(|faults| faults.rules.push(Rule::always(Fault::Respond(Refusal::too_many(1)))));
    let id = play(&app, &sid, "I smell gas in the kitchen").await;
    eventually("messages that wait", async || {
        let messages = app.messages(&id).await;
        messages.iter().any(|message| message["status"] == "queued").then_some(())
    })
    .await;
    app.put_business(PLAYER, &without_account()).await;
    eventually("nothing that waits", async || {
        let mut sql = app.servers.sql().await;
        let waiting = "SELECT count(*) FROM messages WHERE status IN ('queued', 'sending')";
        let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(&mut sql).await.unwrap();
        (waiting == 0).then_some(())
    })
    .await;
    // Not before: a message that was claimed before the account went may be at Twilio just now.
    app.servers.twilio.set_faults(Faults::default());
    app.settled().await;
    assert_eq!(app.servers.twilio.messages().len(), 0);
    let ours = app.messages(&id).await.into_iter().filter(|message| message["direction"] == "outbound");
    assert!(ours.clone().count() > 0 && ours.into_iter().all(|message| message["status"] == "superseded"));
}

#[tokio::test]
async fn a_customer_who_comes_in_under_the_main_account_afterwards_is_answered_with_it() {
    let (app, sid) = player(&[]).await;
    let id = play(&app, &sid, "My sink is blocked").await;
    assert_eq!(app.wait_for_sms(CUSTOMER, 1).await[0].account_sid, sid);
    app.put_business(PLAYER, &without_account()).await;
    let twilio = app.webhook();
    assert_eq!(twilio.sms(&new_message_sid(), CUSTOMER, NUMBER, "Are you there?").await.unwrap().status, 200);
    let sms = app.wait_for_sms(CUSTOMER, 2).await;
    assert_eq!(sms[1].account_sid, TwilioOptions::default().account_sid);
    assert_eq!(app.conversations_of(CUSTOMER).await.len(), 1);
    assert_eq!(app.conversation_of(CUSTOMER).await["id"], json!(id));
}

/// A forged webhook names somebody else's attachment: the main account's token must not be used to fetch it.
#[tokio::test]
async fn the_main_accounts_token_fetches_no_attachment_that_another_accounts_webhook_named() {
    let (app, sid) = player(&[]).await;
    // A real attachment of the main account.
    let picture = Media::new("image/png", "somebody else's");
    let text =
        Text { from: "+12125550199".to_owned(), to: OUR_NUMBER.to_owned(), media: vec![picture], ..Text::default() };
    app.servers.twilio.deliver(text).await.unwrap();
    let victim = app.conversation_of("+12125550199").await;
    let message = app.messages(victim["id"].as_str().unwrap()).await[0].clone();
    let url = message["media"][0]["url"].as_str().unwrap().to_owned();
    let client = app.webhook_as(PUBLIC_URL, &sid, OWN_TOKEN);
    let message_sid = new_message_sid();
    let form = [
        ("AccountSid", sid.as_str()),
        ("MessageSid", message_sid.as_str()),
        ("From", CUSTOMER),
        ("To", NUMBER),
        ("Body", ""),
        ("NumMedia", "1"),
        ("MediaUrl0", url.as_str()),
        ("MediaContentType0", "image/png"),
    ];
    assert_eq!(client.post("/webhooks/twilio/sms", &form).await.unwrap().status, 200);
    let mine = app.conversation_of(CUSTOMER).await["id"].as_str().unwrap().to_owned();
    let message_id = app.messages(&mine).await[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/conversations/{mine}/messages/{message_id}/media/0");
    assert_eq!(app.rest.get(&path).await.status, 404, "an account's token is for its own attachments");
    app.put_business(PLAYER, &without_account()).await;
    assert_eq!(app.rest.get(&path).await.status, 404, "nor is the main account's, for what came in under another");
    // A text under the main account makes the conversation one of the main account.
    app.webhook().sms(&new_message_sid(), CUSTOMER, NUMBER, "Hello").await.unwrap();
    eventually("the second text", async || (app.messages(&mine).await.len() > 1).then_some(())).await;
    assert_eq!(app.rest.get(&path).await.status, 404, "nor after the conversation goes on under the main account");
    assert_eq!(app.servers.twilio.media_requests(), []);
}

/// The ids of a call about an emergency are in a URL, which any account may call.
#[tokio::test]
async fn an_account_neither_hears_of_an_emergency_of_another_business_nor_takes_it() {
    let (app, sid) = player(&[]).await;
    let mut victim = business();
    victim["policy"] = json!({ "voice_ladder": true });
    app.put_business(BUSINESS, &victim).await;
    app.text(CUSTOMER, "Basement flooding!").await;
    let rings = app.wait_for_event("emergency.call").await;
    let (call_id, id) = (rings["data"]["call_id"].as_str().unwrap(), rings["conversation_id"].as_str().unwrap());
    let client = app.webhook_as(PUBLIC_URL, &sid, OWN_TOKEN);
    let form = [("AccountSid", sid.as_str()), ("CallSid", "CA1"), ("Digits", "1")];
    let post = async |path: &str| {
        let path = format!("/webhooks/twilio/ladder/{call_id}{path}?conversation_id={id}");
        client.post(&path, &form).await.unwrap()
    };
    let document = post("").await;
    assert!(document.status == 200 && !document.body.contains("flooding"), "{}", document.body);
    assert_eq!(post("/digit").await.status, 200);
    app.wait_for_dead(1).await;
    assert_ne!(app.conversation(id).await["ownership"], "user");
}
