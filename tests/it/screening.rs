//! Screened calls, and phones that ring in turn: each behaviour of a phone, over the simulated phones.

use std::time::Duration;

use nmc_testbed::twilio::{Behaviour, CustomerCall, Leg, PhoneOptions, PlayedCall, new_call_sid};
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{App, BUSINESS, CUSTOMER, OUR_NUMBER, OWNER, business, customer, spawn_app, spawn_app_with};
use crate::missing::wait_for_health;

const SECOND_PHONE: &str = "+15555553399";

fn with(screening: bool, phones: &[&str]) -> Value {
    let mut document = business();
    document["forward_to"] = json!(phones);
    document["policy"] = json!({ "screening": screening });
    document
}

/// An app whose phones are fast.
async fn app_with(screening: bool, phones: &[&str], options: PhoneOptions) -> App {
    let app = spawn_app_with(&[("NMC_CALL_RESULT_WAIT", "1s"), ("NMC_SEND_RATE", "100/s")]).await;
    app.put_business(BUSINESS, &with(screening, phones)).await;
    app.servers.twilio.set_phone_options(PhoneOptions { second: Duration::from_millis(5), ..options });
    app
}

fn takes() -> Behaviour {
    Behaviour::Presses("1".to_owned())
}

/// Each behaviour, and whether its call is answered without and with screening.
fn behaviours() -> Vec<(Behaviour, bool, bool)> {
    vec![
        (takes(), true, true),
        (Behaviour::Presses("2".to_owned()), true, false),
        (Behaviour::IsSilent, true, false),
        (Behaviour::Voicemail, true, false),
        (Behaviour::HangsUp, true, false),
        (Behaviour::Busy, false, false),
        (Behaviour::Rejects, false, false),
        (Behaviour::RingsOut, false, false),
        (Behaviour::Unreachable, false, false),
    ]
}

/// A call of which everything is known, and its record.
async fn calls(app: &App, from: &str) -> (PlayedCall, Value) {
    let played = app.servers.twilio.ring(from, OUR_NUMBER).await.unwrap();
    app.settled().await;
    let record = app.call(&played.call.call_sid).await;
    (played, record)
}

/// Twilio says of a leg that its document hung up that it is completed; whether it says more is not certain.
fn options() -> [PhoneOptions; 2] {
    let told = PhoneOptions::default();
    [PhoneOptions { unbridged_status: "no-answer", ..told.clone() }, told]
}

#[rstest]
#[case::one_phone(false, &[OWNER])]
#[case::one_screened_phone(true, &[OWNER])]
#[case::two_phones(false, &[OWNER, SECOND_PHONE])]
#[case::two_screened_phones(true, &[OWNER, SECOND_PHONE])]
#[tokio::test]
async fn only_a_person_answers_a_screened_call_and_each_missed_call_has_its_text(
    #[case] screening: bool,
    #[case] phones: &[&str],
) {
    let app = app_with(screening, phones, PhoneOptions::default()).await;
    let twilio = &app.servers.twilio;
    let mut callers = 0;
    for (first, unscreened, screened) in behaviours() {
        let first_answers = if screening { screened } else { unscreened };
        for (second, second_answers) in [(Behaviour::RingsOut, false), (takes(), true)] {
            let what = format!("{first:?}, then {second:?}");
            for options in options() {
                twilio.set_phone_options(PhoneOptions { second: Duration::from_millis(5), ..options });
                twilio.set_phone(OWNER, first.clone());
                twilio.set_phone(SECOND_PHONE, second.clone());
                callers += 1;
                let caller = customer(callers);
                let (played, record) = calls(&app, &caller).await;
                let answers = first_answers || (phones.len() > 1 && second_answers);
                assert_eq!(record["status"], if answers { "answered" } else { "missed" }, "{what}: {record}");
                assert_eq!(record["settled_by"], "dial_result", "{what}");
                assert_eq!(app.sms_to(&caller).len(), usize::from(!answers), "{what}");
                let rings = if first_answers { 1 } else { phones.len() };
                assert_eq!(played.rang(), phones[..rings], "{what}");
                assert_eq!(played.talked_with().is_some(), answers, "{what}");
                let is_accepted = screening && answers;
                assert_eq!(!record["accepted_at"].is_null(), is_accepted, "{what}");
            }
        }
    }
    assert_eq!(app.stored("NMC_DEAD").await.len(), 0);
}

#[rstest]
#[case::english(json!("en"), "Call for Joe's Plumbing. Press 1 to take it.")]
#[case::spanish(json!("es"), "Llamada para Joe's Plumbing. Oprima 1 para contestar.")]
#[case::no_language(Value::Null, "Call for Joe's Plumbing. Press 1 to take it.")]
#[tokio::test]
async fn the_phone_hears_for_whom_the_call_is(#[case] language: Value, #[case] words: &str) {
    let app = app_with(true, &[OWNER], PhoneOptions::default()).await;
    let mut document = with(true, &[OWNER]);
    document["policy"]["owner_language"] = language;
    app.put_business(BUSINESS, &document).await;
    app.servers.twilio.set_phone(OWNER, takes());
    let (played, _) = calls(&app, CUSTOMER).await;
    assert_eq!(played.legs[0].heard, [words]);
    assert!(played.call.heard.is_empty(), "the caller hears ringing");
}

#[tokio::test]
async fn a_name_with_markup_and_other_letters_is_said_as_it_is() {
    let app = app_with(true, &[OWNER], PhoneOptions::default()).await;
    let mut document = with(true, &[OWNER]);
    document["name"] = json!("Muñoz & Söhne <24/7> \"Rohr\" + 100%");
    app.put_business(BUSINESS, &document).await;
    app.servers.twilio.set_phone(OWNER, takes());
    let (played, record) = calls(&app, CUSTOMER).await;
    assert_eq!(played.legs[0].heard, ["Call for Muñoz & Söhne <24/7> \"Rohr\" + 100%. Press 1 to take it."]);
    assert_eq!(record["status"], "answered");
}

#[tokio::test]
async fn a_caller_who_hangs_up_rings_no_further_phone() {
    let app = app_with(false, &[OWNER, SECOND_PHONE], PhoneOptions::default()).await;
    let call = CustomerCall {
        from: CUSTOMER.to_owned(),
        to: OUR_NUMBER.to_owned(),
        hangs_up_after: Some(10.0),
        ..CustomerCall::default()
    };
    let played = app.servers.twilio.ring_with(call).await.unwrap();
    assert_eq!(played.rang(), [OWNER]);
    app.wait_for_sms(CUSTOMER, 1).await;
    let record = app.call(&played.call.call_sid).await;
    assert_eq!((&record["status"], &record["dial_status"]), (&json!("missed"), &json!("canceled")));
}

#[tokio::test]
async fn a_phone_that_is_removed_while_the_first_one_rings_does_not_ring() {
    let app = app_with(false, &[OWNER, SECOND_PHONE], PhoneOptions::default()).await;
    let sid = new_call_sid();
    let answer = app.webhook().incoming_call(&sid, CUSTOMER, OUR_NUMBER, "ringing").await.unwrap();
    let action = answer.dial_action().unwrap();
    app.put_business(BUSINESS, &with(false, &[OWNER])).await;
    let form = [("CallSid", sid.as_str()), ("DialCallStatus", "busy"), ("From", CUSTOMER), ("To", OUR_NUMBER)];
    let ended = app.webhook().post_url(&action, &form).await.unwrap();
    assert_eq!(ended.dial_number(), None, "{}", ended.body);
    app.wait_for_sms(CUSTOMER, 1).await;
}

/// Twilio asks again if an answer was lost.
#[tokio::test]
async fn a_repeated_dial_result_rings_the_same_phone_again_and_counts_once() {
    let app = app_with(false, &[OWNER, SECOND_PHONE], PhoneOptions::default()).await;
    let sid = new_call_sid();
    let mut answer = app.webhook().incoming_call(&sid, CUSTOMER, OUR_NUMBER, "ringing").await.unwrap();
    let form = [("CallSid", sid.as_str()), ("DialCallStatus", "busy"), ("From", CUSTOMER), ("To", OUR_NUMBER)];
    let first_action = answer.dial_action().unwrap();
    for _ in 0..2 {
        answer = app.webhook().post_url(&first_action, &form).await.unwrap();
        assert_eq!(answer.dial_number().as_deref(), Some(SECOND_PHONE));
    }
    let second_action = answer.dial_action().unwrap();
    assert_ne!(first_action, second_action);
    for _ in 0..2 {
        assert_eq!(app.webhook().post_url(&second_action, &form).await.unwrap().dial_number(), None);
    }
    app.wait_for_sms(CUSTOMER, 1).await;
    app.settled().await;
    assert_eq!(app.sms_to(CUSTOMER).len(), 1);
}

/// A screened call by its webhooks.
struct ByHand {
    app: App,
    sid: String,
    screen: String,
    action: String,
}

impl ByHand {
    async fn rings() -> Self {
        let app = app_with(true, &[OWNER], PhoneOptions::default()).await;
        let sid = new_call_sid();
        let answer = app.webhook().incoming_call(&sid, CUSTOMER, OUR_NUMBER, "ringing").await.unwrap();
        assert!(answer.body.contains(r#"answerOnBridge="true""#), "{}", answer.body);
        let (_, after) = answer.body.split_once("<Number url=\"").unwrap();
        let screen = after.split_once('"').unwrap().0.replace("&amp;", "&");
        Self { sid, screen, action: answer.dial_action().unwrap(), app }
    }

    /// The phone presses the key.
    async fn accepts(&self) {
        let leg = new_call_sid();
        let form = [("CallSid", leg.as_str()), ("ParentCallSid", &self.sid), ("Digits", "1"), ("To", OWNER)];
        let answer = self.app.webhook().post_url(&self.screen, &form).await.unwrap();
        assert!(answer.body.ends_with("<Response/>"), "{}", answer.body);
    }

    async fn is_completed(&self, bridged: Option<&str>) {
        let mut form = vec![("CallSid", self.sid.as_str()), ("DialCallStatus", "completed"), ("From", CUSTOMER)];
        form.extend([("To", OUR_NUMBER), ("DialCallDuration", "42")]);
        form.extend(bridged.map(|bridged| ("DialBridged", bridged)));
        let answer = self.app.webhook().post_url(&self.action, &form).await.unwrap();
        assert!(answer.body.ends_with("<Response/>"), "{}", answer.body);
    }

    /// Twilio says of the leg that it was connected.
    fn has_a_leg(&self) {
        let (parent_call_sid, status) = (self.sid.clone(), "completed".to_owned());
        self.app.servers.twilio.set_leg(Leg {
            parent_call_sid,
            call_sid: new_call_sid(),
            status,
            duration_seconds: 42,
        });
    }

    async fn ends_as(&self, status: &str, settled_by: &str) {
        self.app.wait_for_event(&format!("call.{status}")).await;
        self.app.settled().await;
        let record = self.app.call(&self.sid).await;
        assert_eq!((&record["status"], &record["settled_by"]), (&json!(status), &json!(settled_by)), "{record}");
        assert_eq!(self.app.sms_to(CUSTOMER).len(), usize::from(status == "missed"));
    }
}

#[rstest]
#[case::connected(Some("true"))]
#[case::twilio_does_not_say(None)]
#[tokio::test]
async fn with_the_key_a_connected_call_is_answered(#[case] bridged: Option<&str>) {
    let call = ByHand::rings().await;
    call.accepts().await;
    call.is_completed(bridged).await;
    call.ends_as("answered", "dial_result").await;
}

#[tokio::test]
async fn a_caller_who_hangs_up_as_the_key_is_pressed_is_missed() {
    let call = ByHand::rings().await;
    call.accepts().await;
    call.is_completed(Some("false")).await;
    call.ends_as("missed", "dial_result").await;
}

#[tokio::test]
async fn a_key_that_is_known_only_after_the_result_still_counts() {
    let call = ByHand::rings().await;
    call.is_completed(Some("true")).await;
    call.accepts().await;
    call.ends_as("answered", "dial_result").await;
}

#[tokio::test]
async fn without_the_key_a_call_that_was_connected_is_missed() {
    let call = ByHand::rings().await;
    call.has_a_leg();
    call.is_completed(Some("true")).await;
    call.ends_as("missed", "leg").await;
}

#[rstest]
#[case::a_person(true, "answered")]
#[case::a_voicemail(false, "missed")]
#[tokio::test]
async fn without_a_result_twilio_is_asked_and_the_key_decides(#[case] accepted: bool, #[case] status: &str) {
    let call = ByHand::rings().await;
    call.has_a_leg();
    if accepted {
        call.accepts().await;
    }
    call.app.webhook().incoming_call(&call.sid, CUSTOMER, OUR_NUMBER, "completed").await.unwrap();
    call.ends_as(status, "leg").await;
}

#[tokio::test]
async fn another_key_hangs_up_and_takes_nothing() {
    let call = ByHand::rings().await;
    for digits in ["2", "#", "11"] {
        let leg = new_call_sid();
        let answer = call.app.webhook().post_url(&call.screen, &[("CallSid", leg.as_str()), ("Digits", digits)]).await;
        assert!(answer.unwrap().body.ends_with("<Hangup/></Response>"));
    }
    call.app.settled().await;
    assert_eq!(call.app.call(&call.sid).await["accepted_at"], Value::Null);
}

#[tokio::test]
async fn a_call_that_cannot_be_recorded_goes_through_without_screening() {
    let mut app = spawn_app().await;
    app.put_business(BUSINESS, &with(true, &[OWNER, SECOND_PHONE])).await;
    // The edge knows the business, and both stores are gone.
    app.webhook().incoming_call(&new_call_sid(), CUSTOMER, OUR_NUMBER, "ringing").await.unwrap();
    app.servers.nats.kill().await.unwrap();
    app.servers.database.take_away().await.unwrap();
    wait_for_health(&app, "nats", "down").await;
    wait_for_health(&app, "postgres", "down").await;
    let sid = new_call_sid();
    let answer = app.webhook().incoming_call(&sid, &customer(7), OUR_NUMBER, "ringing").await.unwrap();
    assert_eq!(answer.dial_number().as_deref(), Some(OWNER));
    assert!(!answer.body.contains("/webhooks/twilio/screen/"), "{}", answer.body);
    // A screened phone that answers now is asked, and connected: no store is needed for either.
    let screen = format!("/webhooks/twilio/screen/{sid}?attempt=1&of=2&language=en&name=Joe");
    let asked = app.webhook().post(&screen, &[("CallSid", new_call_sid())]).await.unwrap();
    assert!(asked.body.contains("Call for Joe. Press 1 to take it."), "{}", asked.body);
    let taken = app.webhook().post(&screen, &[("CallSid", new_call_sid()), ("Digits", "1".to_owned())]).await.unwrap();
    assert!(taken.status == 200 && taken.body.ends_with("<Response/>"), "{} {}", taken.status, taken.body);
    app.servers.nats.restart().await.unwrap();
    app.servers.database.give_back().await.unwrap();
}

#[tokio::test]
async fn the_urls_of_calls_from_before_these_settings_still_work() {
    let app = spawn_app().await;
    app.servers.twilio.set_phone_options(PhoneOptions { second: Duration::from_millis(5), ..PhoneOptions::default() });
    let played = app.servers.twilio.ring(CUSTOMER, OUR_NUMBER).await.unwrap();
    assert_eq!(played.rang(), [OWNER]);
    app.wait_for_sms(CUSTOMER, 1).await;
    let input: Vec<String> = {
        let mut sql = app.servers.sql().await;
        let found = sqlx::query_scalar("SELECT id FROM inbox WHERE id LIKE 'call_status:%'");
        found.fetch_all(&mut sql).await.unwrap()
    };
    assert_eq!(input, [format!("call_status:{}", played.call.call_sid)], "the id that older versions know");
}

#[rstest]
#[case::all_at_once_with_screening(json!({"ring": "together", "screening": true}), &["policy.ring", "policy.screening"])]
#[case::all_at_once(json!({"ring": "together"}), &["policy.ring"])]
#[case::another_word(json!({"ring": "loudly"}), &["policy.ring"])]
#[case::another_language(json!({"owner_language": "fr"}), &["policy.owner_language"])]
#[tokio::test]
async fn what_is_not_offered_is_refused_by_its_name(#[case] policy: Value, #[case] fields: &[&str]) {
    let app = spawn_app().await;
    let mut document = business();
    document["policy"] = policy;
    let refused = app.rest.put(&format!("/businesses/{BUSINESS}"), &document).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    let details = refused.body["error"]["details"].as_array().cloned().unwrap_or_default();
    let named: Vec<_> = details.iter().filter_map(|detail| detail["field"].as_str()).collect();
    assert_eq!(named, fields);
}
