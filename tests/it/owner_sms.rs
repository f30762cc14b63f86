//! The owner's phone gets customers' texts, and the owner answers by texting back.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use nmc_testbed::sim::{Rule, Span};
use nmc_testbed::twilio::{Fault, Refusal, new_message_sid};
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{App, BUSINESS, CUSTOMER, OUR_NUMBER, OWNER, business, customer, eventually, spawn_app};

const CONTACT: &str = "+15555553333";

fn relayed() -> Value {
    let mut ours = business();
    ours["policy"]["owner_sms"] = json!("all");
    ours["emergency_contacts"] = json!([CONTACT]);
    ours
}

/// A business whose owner gets every text, and has much time to answer.
async fn spawn_relayed() -> App {
    let app = App::setup().set("NMC_WINDOW_HOLD", "60s").set("NMC_WINDOW_MAX", "90s").start().await;
    app.put_business(BUSINESS, &relayed()).await;
    app
}

/// The text of the owner's newest SMS, once there are `count`.
async fn told(app: &App, count: usize) -> String {
    app.wait_for_sms(OWNER, count).await[count - 1].body.clone()
}

/// The code at the beginning of a relay.
fn code(relay: &str) -> &str {
    relay.split(' ').next().unwrap_or_default()
}

async fn ownership(app: &App, customer: &str) -> String {
    app.conversation_of(customer).await["ownership"].as_str().unwrap_or_default().to_owned()
}

async fn becomes(app: &App, customer: &str, field: &str, value: &str) {
    eventually("the conversation changes", async || {
        (app.conversation_of(customer).await[field] == value).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_owner_gets_the_first_text_and_answers_it_by_texting_back() {
    let app = spawn_relayed().await;
    let texted_at = Utc::now();
    app.text(CUSTOMER, "My sink leaks").await;
    let relay = app.wait_for_sms(OWNER, 1).await.remove(0);
    assert!(relay.accepted_at - texted_at <= TimeDelta::seconds(2), "{}", relay.accepted_at - texted_at);
    let code = code(&relay.body).to_owned();
    assert_eq!(
        relay.body,
        format!(
            "{code} {CUSTOMER}: \"My sink leaks\" AI answers in 60 s. Reply to answer yourself; begin with {code}."
        )
    );
    assert_eq!(relay.from, OUR_NUMBER);
    app.text(OWNER, "On my way, 20 minutes").await;
    let sms = app.wait_for_sms(CUSTOMER, 1).await;
    assert_eq!((sms[0].body.as_str(), sms[0].from.as_str()), ("On my way, 20 minutes", OUR_NUMBER));
    assert!(told(&app, 2).await.starts_with(&format!("Sent to {code} ({CUSTOMER}).")));
    assert_eq!(ownership(&app, CUSTOMER).await, "user");
    let taken = app.wait_for_event("conversation.user_taken").await;
    assert_eq!((&taken["data"]["by"], &taken["data"]["reason"]), (&json!("user-joe"), &json!("reply")));
    // The second answer takes nothing over, so nothing is confirmed.
    app.text(OWNER, &format!("{code} bring towels")).await;
    app.wait_for_sms(CUSTOMER, 2).await;
    app.settled().await;
    assert_eq!((app.sms_to(CUSTOMER)[1].body.as_str(), app.sms_to(OWNER).len()), ("bring towels", 2));
    assert!(app.servers.dispatchbot.requests().is_empty());
    let kinds: Vec<Value> =
        app.messages_of(CUSTOMER).await.iter().map(|message| message["sender_type"].clone()).collect();
    assert_eq!(kinds, ["customer", "user", "user"], "relays and notices are no messages of the conversation");
    let list = app.rest.get("/conversations").await.ok();
    assert_eq!(list["conversations"].as_array().map(Vec::len), Some(1), "{list}");
}

#[tokio::test]
async fn with_two_open_conversations_words_need_a_code() {
    let app = spawn_relayed().await;
    let (first, second) = (customer(1), customer(2));
    app.text(&first, "My sink leaks").await;
    let one = told(&app, 1).await;
    app.text(&second, "No heat").await;
    let two = told(&app, 2).await;
    assert_ne!(code(&one), code(&two));
    app.text(OWNER, "2 hours, ok?").await;
    let question = told(&app, 3).await;
    assert!(question.starts_with("Nothing was sent: which one?"), "{question}");
    assert!(question.contains(&format!("{} {first}", code(&one))) && question.contains(&second), "{question}");
    app.text(OWNER, "Z9 2 hours, ok?").await;
    assert!(told(&app, 4).await.starts_with("Nothing was done: no open conversation has this code."));
    app.text(OWNER, &format!("{} 2 hours, ok?", code(&one).to_lowercase())).await;
    assert_eq!(app.wait_for_sms(&first, 1).await[0].body, "2 hours, ok?");
    app.settled().await;
    assert!(app.sms_to(&second).is_empty());
    assert_eq!((ownership(&app, &first).await.as_str(), ownership(&app, &second).await.as_str()), ("user", "none"));
}

#[tokio::test]
async fn the_owners_words_take_give_back_list_end_and_block() {
    let app = spawn_relayed().await;
    app.text(CUSTOMER, "My sink leaks").await;
    let code = code(&told(&app, 1).await).to_owned();
    app.text(OWNER, "TAKE").await;
    assert_eq!(
        told(&app, 2).await,
        format!("You have {code} ({CUSTOMER}). The AI is silent there until you text AI {code}.")
    );
    assert_eq!(ownership(&app, CUSTOMER).await, "user");
    app.text(OWNER, "LIST").await;
    assert_eq!(told(&app, 3).await, format!("{code} {CUSTOMER} taken"));
    app.text(OWNER, "AI").await;
    assert_eq!(told(&app, 4).await, format!("The AI answers {code} ({CUSTOMER}) again."));
    app.wait_for_sms(CUSTOMER, 1).await;
    app.text(OWNER, &format!("HECHO {code} nueva válvula")).await;
    assert_eq!(told(&app, 5).await, format!("{code} ({CUSTOMER}) está terminado."));
    let ended = app.conversation_of(CUSTOMER).await;
    assert_eq!(
        (&ended["status"], &ended["outcome"], &ended["summary"]),
        (&json!("completed"), &json!("done"), &json!("nueva válvula"))
    );
    app.text(OWNER, &format!("{code} one more thing")).await;
    assert!(told(&app, 6).await.contains("no open conversation has this code"));
    app.text(&customer(7), "Buy my leads").await;
    let spam = self::code(&told(&app, 7).await).to_owned();
    app.text(OWNER, &format!("BLOCK {spam}")).await;
    assert!(told(&app, 8).await.contains("is blocked"));
    assert_eq!(app.conversation_of(&customer(7)).await["outcome"], "blocked");
    let listed = app.rest.get(&format!("/businesses/{BUSINESS}/never-text")).await.ok();
    assert!(listed.to_string().contains(&customer(7)), "{listed}");
    app.text(OWNER, "?").await;
    assert!(told(&app, 9).await.starts_with("Answer a customer: B2 and your words."));
    assert!(app.stored("NMC_DEAD").await.is_empty());
}

/// The acknowledgement waits for the AI's message at Twilio; what the owner writes next does not.
#[tokio::test]
async fn a_take_waits_for_a_message_at_twilio_and_holds_up_nothing() {
    let app = spawn_relayed().await;
    app.text(OWNER, "OFF").await;
    told(&app, 1).await;
    app.servers.twilio.add_rule(Rule::always(Fault::Delay(Span::exactly(Duration::from_secs(4)))).to(CUSTOMER));
    app.text(CUSTOMER, "My sink leaks").await;
    let conversation = app.conversation_of(CUSTOMER).await;
    eventually("the AI's message at Twilio", async || {
        let messages = app.messages(conversation["id"].as_str().unwrap()).await;
        messages.iter().any(|message| message["status"] == "sending").then_some(())
    })
    .await;
    app.text(OWNER, "TAKE").await;
    eventually("the takeover", async || (ownership(&app, CUSTOMER).await == "user").then_some(())).await;
    app.text(OWNER, "LIST").await;
    let answers = (told(&app, 2).await, told(&app, 3).await);
    assert!(answers.0.ends_with("taken") && answers.1.starts_with("You have"), "{answers:?}");
    assert!(app.sms_to(CUSTOMER)[0].accepted_at < app.sms_to(OWNER)[2].accepted_at);
}

#[tokio::test]
async fn while_the_owner_is_off_the_ai_answers_at_once_and_nothing_is_relayed() {
    let app = spawn_relayed().await;
    app.text(OWNER, "OFF").await;
    assert!(told(&app, 1).await.starts_with("Off: the AI answers at once"));
    let shown = async || app.rest.get(&format!("/businesses/{BUSINESS}")).await.ok();
    assert!(shown().await["owner_off_since"].is_string(), "{}", shown().await);
    app.text(CUSTOMER, "My sink leaks").await;
    // The hold is 60 s.
    app.wait_for_sms(CUSTOMER, 1).await;
    app.text(&customer(3), "I smell gas").await;
    assert!(told(&app, 2).await.starts_with("EMERGENCY for"));
    app.text(OWNER, "ON").await;
    assert!(told(&app, 3).await.starts_with("On:"));
    assert_eq!(shown().await["owner_off_since"], Value::Null);
    app.text(&customer(1), "No heat").await;
    assert!(told(&app, 4).await.contains("No heat"));
}

/// Twilio may be configured so that each text arrives by both of its APIs.
#[tokio::test]
async fn the_owners_words_that_arrive_by_both_of_twilios_apis_go_out_once() {
    let app = spawn_relayed().await;
    app.text(CUSTOMER, "My sink leaks").await;
    told(&app, 1).await;
    let sid = new_message_sid();
    app.webhook().sms(&sid, OWNER, OUR_NUMBER, "On my way").await.unwrap();
    app.webhook().sms(&sid.replacen("SM", "IM", 1), OWNER, OUR_NUMBER, "On my way").await.unwrap();
    app.wait_for_sms(CUSTOMER, 1).await;
    app.settled().await;
    assert_eq!(app.sms_to(CUSTOMER).len(), 1);
}

/// Twilio answers HELP itself.
#[tokio::test]
async fn help_is_answered_by_twilio_alone() {
    let app = spawn_relayed().await;
    app.text(OWNER, "HELP").await;
    app.settled().await;
    assert!(app.sms_to(OWNER).is_empty() && app.stored("NMC_DEAD").await.is_empty());
}

#[tokio::test]
async fn words_without_a_code_are_for_nobody_while_another_conversation_has_just_ended() {
    let app = spawn_relayed().await;
    app.text(CUSTOMER, "My sink leaks").await;
    let first = code(&told(&app, 1).await).to_owned();
    app.text(OWNER, &format!("DONE {first}")).await;
    told(&app, 2).await;
    app.text(&customer(2), "No heat").await;
    told(&app, 3).await;
    app.text(OWNER, "I left the key under the mat").await;
    assert!(told(&app, 4).await.starts_with("Nothing was sent: which one?"));
    app.settled().await;
    assert!(app.sms_to(&customer(2)).is_empty());
}

#[tokio::test]
async fn later_texts_are_relayed_together() {
    let app = spawn_relayed().await;
    app.text(CUSTOMER, "My sink leaks").await;
    told(&app, 1).await;
    app.text(CUSTOMER, "It is the kitchen").await;
    app.text(CUSTOMER, "Please hurry").await;
    let bundle = told(&app, 2).await;
    assert!(bundle.contains("\"It is the kitchen\" / \"Please hurry\""), "{bundle}");
    let [first, second] = &app.sms_to(OWNER)[..] else { panic!("two relays") };
    assert!(second.accepted_at - first.accepted_at >= TimeDelta::seconds(9));
}

#[rstest]
#[case::reaction("Liked “My sink leaks”")]
#[case::driving("I’m driving right now, I’ll get back to you later.")]
#[tokio::test]
async fn what_the_owners_phone_writes_by_itself_reaches_nobody(#[case] body: &str) {
    let app = spawn_relayed().await;
    app.text(CUSTOMER, "My sink leaks").await;
    let relay = told(&app, 1).await;
    app.text(OWNER, body).await;
    app.text(OWNER, &relay).await;
    app.settled().await;
    assert!(app.sms_to(CUSTOMER).is_empty());
    assert_eq!(app.sms_to(OWNER).len(), 1);
}

#[tokio::test]
async fn a_phone_that_answers_each_relay_by_itself_does_so_twice_at_most() {
    let app = spawn_relayed().await;
    app.text(CUSTOMER, "My sink leaks").await;
    told(&app, 1).await;
    for _ in 0..6 {
        app.text(OWNER, "Gone fishing").await;
    }
    app.settled().await;
    assert_eq!(app.sms_to(CUSTOMER).len(), 2, "a person may say the same twice");
}

/// Each other's customers: what one's AI or owner writes reaches the other as a customer's text, never as the owner's.
#[tokio::test]
async fn two_businesses_whose_owners_are_each_others_customers_do_not_loop() {
    let app = spawn_relayed().await;
    let (number, phone) = ("+15555557771", CUSTOMER);
    let mut other = relayed();
    other["phone_numbers"] = json!([number]);
    other["forward_to"] = json!(phone);
    other["user_id"] = json!("user-ann");
    app.put_business("anns-heating", &other).await;
    // Ann's phone writes to Joe as a customer; Joe gets a relay and answers; then the other way round.
    app.text(phone, "My sink leaks").await;
    assert!(told(&app, 1).await.contains("My sink leaks"));
    app.webhook().sms(&new_message_sid(), OWNER, number, "No heat here").await.unwrap();
    assert!(app.wait_for_sms(phone, 1).await[0].body.contains("No heat here"));
    app.text(OWNER, "On my way").await;
    app.webhook().sms(&new_message_sid(), phone, number, "Tomorrow at 9").await.unwrap();
    eventually("both answers", async || {
        let got =
            |to: &str, from: &str, body: &str| app.sms_to(to).iter().any(|sms| sms.from == from && sms.body == body);
        (got(phone, OUR_NUMBER, "On my way") && got(OWNER, number, "Tomorrow at 9")).then_some(())
    })
    .await;
    app.settled().await;
    assert_eq!(app.servers.twilio.messages().len(), 6, "two relays, two answers, two confirmations");
}

/// Calls may be forwarded to another business; its number reads no relays, and what it writes is no owner's word.
#[tokio::test]
async fn a_number_of_another_business_gets_no_relays_and_speaks_for_nobody() {
    let app = spawn_relayed().await;
    let number = "+15555557771";
    let mut other = business();
    other["phone_numbers"] = json!([number]);
    other["forward_to"] = json!("+15555557772");
    app.put_business("anns-heating", &other).await;
    let mut ours = relayed();
    ours["forward_to"] = json!(number);
    ours["emergency_contacts"] = json!([]);
    app.put_business(BUSINESS, &ours).await;
    app.text(CUSTOMER, "My sink leaks").await;
    app.conversation_of(CUSTOMER).await;
    app.text(number, "On my way").await;
    let dead = app.wait_for_dead(1).await;
    assert!(dead[0].subject.ends_with("own_number"), "{}", dead[0].subject);
    app.settled().await;
    assert!(app.sms_to(number).is_empty() && app.sms_to(CUSTOMER).is_empty());
}

#[tokio::test]
async fn a_relay_that_fails_does_not_disturb_the_customer() {
    let app = App::setup().start().await;
    app.put_business(BUSINESS, &relayed()).await;
    app.servers.twilio.add_rule(Rule::always(Fault::Respond(Refusal::code(21_610))).to(OWNER));
    app.text(CUSTOMER, "My sink leaks").await;
    app.wait_for_sms(CUSTOMER, 1).await;
    app.wait_for_event("message.delivered").await;
    app.settled().await;
    let attention = app.events.seen().into_iter().filter(|event| event["event_type"] == "conversation.needs_attention");
    assert_eq!(attention.count(), 0);
}

/// Twilio answers for the owner's phone after the customer's text is delivered.
#[tokio::test]
async fn a_relay_that_hangs_at_twilio_holds_up_no_text_to_the_customer() {
    let app = App::setup().start().await;
    app.put_business(BUSINESS, &relayed()).await;
    let hangs = Fault::Delay(Span::exactly(Duration::from_secs(9)));
    app.servers.twilio.add_rule(Rule::always(hangs).to(OWNER));
    app.text(CUSTOMER, "My sink leaks").await;
    let answer = app.wait_for_sms(CUSTOMER, 1).await.remove(0);
    let relay = app.wait_for_sms(OWNER, 1).await.remove(0);
    assert!(answer.accepted_at < relay.accepted_at, "{} and {}", answer.accepted_at, relay.accepted_at);
}

#[tokio::test]
async fn the_owner_may_mean_only_one_if_its_customer_wrote_again_after_the_end() {
    let app = spawn_relayed().await;
    app.text(CUSTOMER, "My sink leaks").await;
    told(&app, 1).await;
    app.text(OWNER, "DONE").await;
    assert!(told(&app, 2).await.ends_with("is done."));
    app.text(CUSTOMER, "It leaks again").await;
    assert!(told(&app, 3).await.contains("It leaks again"));
    app.text(OWNER, "On my way").await;
    assert_eq!(app.wait_for_sms(CUSTOMER, 1).await[0].body, "On my way");
}

#[tokio::test]
async fn every_command_is_answered_however_many_there_are() {
    let app = spawn_relayed().await;
    app.text(CUSTOMER, "My sink leaks").await;
    let code = code(&told(&app, 1).await).to_owned();
    for n in 0..12 {
        app.text(OWNER, &format!("TAKE {code}")).await;
        told(&app, 2 + 2 * n).await;
        app.text(OWNER, &format!("AI {code}")).await;
        assert!(told(&app, 3 + 2 * n).await.contains("answers"));
    }
}

#[tokio::test]
async fn the_same_words_with_a_code_go_out_each_time() {
    let app = spawn_relayed().await;
    app.text(CUSTOMER, "My sink leaks").await;
    let code = code(&told(&app, 1).await).to_owned();
    for count in 1..=4 {
        app.text(OWNER, &format!("{code} yes")).await;
        assert_eq!(app.wait_for_sms(CUSTOMER, count).await[count - 1].body, "yes");
    }
}

#[tokio::test]
async fn an_owner_who_texts_stop_is_shown_and_gets_nothing_until_start() {
    let app = spawn_relayed().await;
    app.text(OWNER, "STOP").await;
    let shown = async || app.rest.get(&format!("/businesses/{BUSINESS}")).await.ok();
    eventually("the opt-out", async || (shown().await["opted_out_phones"] == json!([OWNER])).then_some(())).await;
    eventually("/health", async || {
        let health = app.rest.get("/health").await.body;
        (health["details"]["alerts"]["opted_out"] == 1).then_some(())
    })
    .await;
    app.text(CUSTOMER, "My sink leaks").await;
    app.conversation_of(CUSTOMER).await;
    app.text(OWNER, "LIST").await;
    app.settled().await;
    assert!(app.sms_to(OWNER).is_empty());
    app.text(OWNER, "START").await;
    eventually("the opt-in", async || (shown().await["opted_out_phones"] == Value::Null).then_some(())).await;
    app.text(OWNER, "LIST").await;
    assert!(told(&app, 1).await.contains(CUSTOMER));
}

#[rstest]
#[case::the_owner(OWNER, "1")]
#[case::a_contact(CONTACT, "I take it")]
#[tokio::test]
async fn whoever_answers_an_alert_takes_the_emergency_whatever_is_relayed(#[case] from: &str, #[case] body: &str) {
    let app = App::setup().set("NMC_ALERT_EVERY", "1s").start().await;
    let mut ours = relayed();
    ours["policy"]["owner_sms"] = json!("off");
    app.put_business(BUSINESS, &ours).await;
    app.text(CUSTOMER, "I smell gas").await;
    app.wait_for_sms(OWNER, 1).await;
    app.wait_for_sms(CONTACT, 1).await;
    let before = app.sms_to(from).len();
    app.text(from, body).await;
    becomes(&app, CUSTOMER, "ownership", "user").await;
    let answer = app.wait_for_sms(from, before + 1).await[before].body.clone();
    assert!(answer.contains(CUSTOMER), "{answer}");
}

/// Mexican mobiles are written in two ways; a phone is one person's, however it was stored.
#[tokio::test]
async fn a_phone_that_was_stored_in_the_other_way_takes_an_alert() {
    let app = App::setup().set("NMC_ALERT_EVERY", "1s").start().await;
    let mut ours = relayed();
    ours["emergency_contacts"] = json!(["+5215512345678"]);
    app.put_business(BUSINESS, &ours).await;
    app.text(CUSTOMER, "I smell gas").await;
    let alerted = eventually("the contact's alert", async || {
        app.servers.twilio.messages().into_iter().find(|sms| sms.to.starts_with("+52"))
    });
    alerted.await;
    app.text("+525512345678", "1").await;
    becomes(&app, CUSTOMER, "ownership", "user").await;
}

#[tokio::test]
async fn a_text_that_comes_again_goes_nowhere_else() {
    let app = spawn_relayed().await;
    app.text(CUSTOMER, "My sink leaks").await;
    told(&app, 1).await;
    let sid = new_message_sid();
    let take = async || app.webhook().sms(&sid, OWNER, OUR_NUMBER, "TAKE").await.unwrap();
    take().await;
    told(&app, 2).await;
    app.text(&customer(1), "No heat").await;
    told(&app, 3).await;
    take().await;
    app.settled().await;
    assert_eq!((ownership(&app, &customer(1)).await.as_str(), app.sms_to(OWNER).len()), ("none", 3));
}

#[tokio::test]
async fn with_off_the_owners_text_is_a_dead_letter() {
    let app = spawn_app().await;
    let mut ours = business();
    ours["policy"]["owner_sms"] = json!("off");
    app.put_business(BUSINESS, &ours).await;
    app.text(OWNER, "LIST").await;
    let dead = app.wait_for_dead(1).await;
    assert!(dead[0].subject.ends_with("own_number"), "{}", dead[0].subject);
    let refused = {
        ours["policy"]["owner_sms"] = json!("some");
        app.rest.put(&format!("/businesses/{BUSINESS}"), &ours).await
    };
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert!(refused.body.to_string().contains("policy.owner_sms"), "{}", refused.body);
}
