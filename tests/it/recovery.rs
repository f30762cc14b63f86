//! After a restore of the database: what happened since is read from Twilio's lists and left to a person, and no SMS goes out
//! twice.

use std::collections::HashMap;

use nevermisscall::internals::{Application, Role};
use nmc_testbed::sim::Rule;
use nmc_testbed::twilio::{Call, Fault, Refusal, TwilioOptions};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use sqlx::Connection;

use crate::harness::{
    API_KEY, App, BUSINESS, CUSTOMER, OUR_NUMBER, OWNER, PUBLIC_URL, Rest, business, customer, eventually, run,
};

/// The service is stopped, and the database waits for a recovery, as scripts/restore leaves it.
async fn restore(app: &mut App) {
    app.stop().await;
    let mut sql = app.servers.sql().await;
    sqlx::query("INSERT INTO recovery (since) VALUES (now())").execute(&mut sql).await.unwrap();
    sql.close().await.unwrap();
    // Nobody answers Twilio.
    app.servers.twilio.set_webhook_url(PUBLIC_URL, Some("http://127.0.0.1:1"));
}

/// Runs `nevermisscall recover`, and returns what it printed.
async fn recover(app: &App, arguments: &[&str]) -> (bool, String) {
    let output = run(&[&["recover"], arguments].concat(), &app.servers.settings(&[])).await;
    let printed = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (output.status.success(), printed)
}

async fn recovered(app: &App) -> String {
    let (is_good, printed) = recover(app, &["--apply"]).await;
    assert!(is_good, "{printed}");
    printed
}

/// Starts the service again on the same servers.
async fn start_again(app: &mut App) -> Application {
    let application = Application::start(app.servers.config(&[]), Role::Serve).await.unwrap();
    let url = format!("http://{}", application.address().unwrap());
    app.servers.twilio.set_webhook_url(PUBLIC_URL, Some(&url));
    app.rest = Rest::new(url, API_KEY);
    app.rest.ready().await;
    application
}

/// A text of which only Twilio knows.
async fn text_in_the_gap(app: &App, from: &str, body: &str) {
    let answered = app.servers.twilio.text(from, OUR_NUMBER, body).await;
    assert!(answered.is_err(), "nobody answers in the gap");
}

/// An SMS that was sent in the gap.
async fn sent_in_the_gap(app: &App, to: &str, body: &str) {
    let options = TwilioOptions::default();
    let url = format!("{}/2010-04-01/Accounts/{}/Messages.json", app.servers.twilio.base_url(), options.account_sid);
    let form = HashMap::from([("To", to), ("From", OUR_NUMBER), ("Body", body)]);
    let request = reqwest::Client::new().post(url).basic_auth(&options.account_sid, Some(&options.auth_token));
    assert_eq!(request.form(&form).send().await.unwrap().status(), 201);
}

/// The body, the kind and the sender of each message.
async fn told(app: &App, customer: &str) -> Vec<(String, String, String)> {
    let text = |message: &Value, name: &str| message[name].as_str().unwrap_or_default().to_owned();
    let messages = app.messages_of(customer).await;
    messages.iter().map(|m| (text(m, "body"), text(m, "kind"), text(m, "sender_type"))).collect()
}

/// The reasons for which a person is needed.
async fn reasons(app: &App) -> Vec<String> {
    let of_reason = |event: Value| event["data"]["reason"].as_str().unwrap().to_owned();
    let stored = app.stored("NMC_EVENTS").await;
    let events = stored.iter().map(|stored| serde_json::from_slice::<Value>(&stored.payload).unwrap());
    events.filter(|event| event["event_type"] == "conversation.needs_attention").map(of_reason).collect()
}

async fn waits_for_a_person(app: &App, customer: &str) {
    let conversation = app.conversation_of(customer).await;
    assert_eq!((&conversation["status"], &conversation["ownership"]), (&json!("user_handling"), &json!("user")));
    assert!(reasons(app).await.contains(&"recovered".to_owned()));
}

#[tokio::test]
async fn texts_of_the_gap_are_kept_in_their_order_and_wait_for_a_person() {
    let mut app = App::setup().start().await;
    restore(&mut app).await;
    text_in_the_gap(&app, CUSTOMER, "My sink is blocked.").await;
    sent_in_the_gap(&app, CUSTOMER, "We can come at 8.").await;
    text_in_the_gap(&app, CUSTOMER, "Good, at 8!").await;
    let before = app.servers.twilio.messages().len();
    let printed = recovered(&app).await;
    assert!(printed.contains("texts in: 2, texts out: 1"), "{printed}");
    assert!(!printed.contains("sink") && !printed.contains(CUSTOMER), "it shows no text and no number: {printed}");
    let application = start_again(&mut app).await;
    app.settled().await;
    let of = |body: &str, kind: &str, sender: &str| (body.to_owned(), kind.to_owned(), sender.to_owned());
    let expected = [
        of("My sink is blocked.", "customer", "customer"),
        of("We can come at 8.", "recovered", "ai"),
        of("Good, at 8!", "customer", "customer"),
    ];
    assert_eq!(told(&app, CUSTOMER).await, expected);
    waits_for_a_person(&app, CUSTOMER).await;
    assert_eq!(app.servers.twilio.messages().len(), before, "nothing is answered");
    assert!(app.servers.dispatchbot.requests().is_empty());
    let mut sql = app.servers.sql().await;
    let marked: i64 =
        sqlx::query_scalar("SELECT count(*) FROM messages WHERE is_recovered").fetch_one(&mut sql).await.unwrap();
    assert_eq!(marked, 3);
    sql.close().await.unwrap();
    application.stop().await;
}

#[tokio::test]
async fn a_code_that_a_phone_was_asked_for_in_the_gap_belongs_to_no_customer() {
    let mut app = App::setup().start().await;
    restore(&mut app).await;
    let asked = "NeverMissCall: Joe's Plumbing wants its calls or emergency alerts sent to this phone. If you agree, answer 123456 \
                 within 30 minutes. If not, ignore this: nothing will be sent.";
    sent_in_the_gap(&app, "+12125550009", asked).await;
    text_in_the_gap(&app, "+12125550009", "123456").await;
    let printed = recovered(&app).await;
    assert!(printed.contains("texts in: 0, texts out: 0"), "{printed}");
}

/// Twilio's list of SMS has what came and went by Conversations under other ids.
#[tokio::test]
async fn what_went_by_conversations_is_not_found_a_second_time() {
    let mut app = App::setup().start().await;
    let mut by_conversations = business();
    by_conversations["policy"] = json!({ "channel": "conversations" });
    app.put_business(BUSINESS, &by_conversations).await;
    app.servers.twilio.converse(CUSTOMER, OUR_NUMBER, "My sink is blocked.").await.unwrap();
    app.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    app.settled().await;
    let before = told(&app, CUSTOMER).await;
    assert_eq!(before.len(), 2);
    restore(&mut app).await;
    let printed = recovered(&app).await;
    assert!(printed.contains("texts in: 0, texts out: 0"), "{printed}");
    let application = start_again(&mut app).await;
    app.settled().await;
    assert_eq!(told(&app, CUSTOMER).await, before);
    application.stop().await;
}

#[rstest]
#[case::nobody_was_dialled("no-answer", "missed")]
#[case::the_owner_talked("completed", "answered")]
#[tokio::test]
async fn calls_of_the_gap_are_recorded_and_not_answered_by_text(#[case] outcome: &str, #[case] status: &str) {
    let mut app = App::setup().start().await;
    app.servers.twilio.set_webhook_url(PUBLIC_URL, Some(app.rest.base()));
    // The edge answers, and no worker hears of it: the database is restored to a moment before.
    let (from, to, outcome) = (CUSTOMER.to_owned(), OUR_NUMBER.to_owned(), outcome.to_owned());
    let call = Call { from, to, outcome, duration_seconds: 30, account_sid: None };
    let placed = if status == "answered" {
        let sid = app.servers.twilio.place(call).await.unwrap().call_sid;
        app.call(&sid).await;
        app.settled().await;
        restore(&mut app).await;
        let mut sql = app.servers.sql().await;
        for table in ["calls", "inbox"] {
            let all = format!("DELETE FROM {table}");
            sqlx::query(sqlx::AssertSqlSafe(all)).execute(&mut sql).await.unwrap();
        }
        sql.close().await.unwrap();
        sid
    } else {
        restore(&mut app).await;
        assert!(app.servers.twilio.place(call).await.is_err());
        app.servers.twilio.calls().remove(0)
    };
    recovered(&app).await;
    let application = start_again(&mut app).await;
    assert_eq!(app.call(&placed).await["status"], status);
    app.settled().await;
    assert!(app.sms_to(CUSTOMER).is_empty(), "no text follows");
    if status == "missed" {
        waits_for_a_person(&app, CUSTOMER).await;
    } else {
        assert!(app.conversations_of(CUSTOMER).await.is_empty());
    }
    application.stop().await;
}

#[tokio::test]
async fn while_the_database_waits_for_its_recovery_webhooks_are_kept_and_nothing_is_done() {
    let mut app = App::setup().start().await;
    app.miss_call(&customer(1)).await;
    let id = app.conversation_of(&customer(1)).await["id"].as_str().unwrap().to_owned();
    app.settled().await;
    restore(&mut app).await;
    let application = start_again(&mut app).await;
    app.text(CUSTOMER, "Is anybody there?").await;
    let takeover = json!({ "user_id": "user-joe", "reason": "me" });
    let refused = app.rest.send(Method::POST, &format!("/conversations/{id}/takeover"), Some(&takeover)).await;
    assert_eq!((refused.status, refused.error_code()), (503, "UNAVAILABLE"));
    assert!(app.conversations_of(CUSTOMER).await.is_empty());
    recovered(&app).await;
    // It was no text of the gap: it is answered as usual.
    app.wait_for_sms(CUSTOMER, 1).await;
    assert_eq!(app.stored("NMC_DEAD").await.len(), 0);
    application.stop().await;
}

#[rstest]
#[case::sent_in_the_gap(true)]
#[case::not_sent(false)]
#[tokio::test]
async fn a_text_of_the_service_that_was_to_be_sent_goes_out_once_or_not_at_all(#[case] was_sent: bool) {
    let mut app = App::setup().start().await;
    app.servers.twilio.down().await;
    app.miss_call(CUSTOMER).await;
    let queued = eventually("a queued message", async || {
        let messages = app.messages_of(CUSTOMER).await;
        messages.into_iter().find(|message| message["status"] == "queued")
    })
    .await;
    restore(&mut app).await;
    app.servers.twilio.up().await.unwrap();
    if was_sent {
        sent_in_the_gap(&app, CUSTOMER, queued["body"].as_str().unwrap()).await;
    }
    recovered(&app).await;
    let application = start_again(&mut app).await;
    app.settled().await;
    assert_eq!(app.sms_to(CUSTOMER).len(), usize::from(was_sent), "not a second time");
    let messages = app.messages_of(CUSTOMER).await;
    assert_eq!(messages.len(), 1, "{messages:?}");
    let status = messages[0]["status"].as_str().unwrap();
    assert!(if was_sent { ["sent", "delivered"].contains(&status) } else { status == "superseded" }, "{status}");
    waits_for_a_person(&app, CUSTOMER).await;
    application.stop().await;
}

#[rstest]
#[case::sent_in_the_gap(true)]
#[case::not_sent(false)]
#[tokio::test]
async fn what_a_person_wrote_goes_out_once_even_if_its_task_is_lost(#[case] was_sent: bool) {
    let mut app = App::setup().start().await;
    app.miss_call(CUSTOMER).await;
    app.wait_for_sms(CUSTOMER, 1).await;
    app.settled().await;
    let id = app.conversation_of(CUSTOMER).await["id"].as_str().unwrap().to_owned();
    app.servers.twilio.down().await;
    let reply = json!({ "user_id": "user-joe", "body": "Joe here. I will be there at 8." });
    let answer = app.rest.send(Method::POST, &format!("/conversations/{id}/messages"), Some(&reply)).await;
    assert!(answer.status < 300, "{answer:?}");
    restore(&mut app).await;
    let client = async_nats::connect(app.servers.nats.url()).await.unwrap();
    async_nats::jetstream::new(client).get_stream("NMC_TASKS").await.unwrap().purge().await.unwrap();
    app.servers.twilio.up().await.unwrap();
    if was_sent {
        sent_in_the_gap(&app, CUSTOMER, "Joe here. I will be there at 8.").await;
    }
    recovered(&app).await;
    let application = start_again(&mut app).await;
    app.wait_for_sms(CUSTOMER, 2).await;
    app.settled().await;
    assert_eq!(app.sms_to(CUSTOMER).len(), 2);
    application.stop().await;
}

#[tokio::test]
async fn a_window_that_was_open_is_handed_over_and_not_answered() {
    // Its timer fires after the recovery.
    let hold = [("NMC_WINDOW_HOLD", "15s"), ("NMC_WINDOW_MAX", "30s")];
    let mut app = crate::harness::spawn_app_with(&hold).await;
    app.text(CUSTOMER, "My sink is blocked.").await;
    app.wait_for_event_of(CUSTOMER, 1, "conversation.ai_timer_started").await;
    let before = app.conversation_of(CUSTOMER).await;
    restore(&mut app).await;
    recovered(&app).await;
    let application = start_again(&mut app).await;
    app.settled().await;
    waits_for_a_person(&app, CUSTOMER).await;
    assert!(app.sms_to(CUSTOMER).is_empty() && app.servers.dispatchbot.requests().is_empty());
    let mut sql = app.servers.sql().await;
    let window: (String, String) =
        sqlx::query_as("SELECT state, reason FROM windows").fetch_one(&mut sql).await.unwrap();
    assert_eq!(window, ("handed_over".to_owned(), "recovered".to_owned()));
    // Events of the gap have ids that the database does not know of.
    let sequence: i64 = sqlx::query_scalar("SELECT event_sequence FROM conversations WHERE id = $1::uuid")
        .bind(before["id"].as_str().unwrap().parse::<uuid::Uuid>().unwrap())
        .fetch_one(&mut sql)
        .await
        .unwrap();
    assert!(sequence > 1_000, "{sequence}");
    sql.close().await.unwrap();
    application.stop().await;
}

#[rstest]
#[case::stop(&["STOP"], true)]
#[case::in_their_own_words(&["please stop texting me"], true)]
#[case::stop_and_start(&["STOP", "START"], false)]
#[tokio::test]
async fn opt_outs_of_the_gap_count(#[case] texts: &[&str], #[case] is_out: bool) {
    let mut app = App::setup().start().await;
    restore(&mut app).await;
    for text in texts {
        text_in_the_gap(&app, CUSTOMER, text).await;
    }
    recovered(&app).await;
    let application = start_again(&mut app).await;
    assert_eq!(app.conversation_of(CUSTOMER).await["opted_out"], is_out);
    let mut sql = app.servers.sql().await;
    let ledger: i64 = sqlx::query_scalar("SELECT count(*) FROM opt_outs").fetch_one(&mut sql).await.unwrap();
    assert_eq!(ledger, i64::from(is_out));
    sql.close().await.unwrap();
    application.stop().await;
}

#[rstest]
#[case::nobody_was_alerted(false)]
#[case::the_owner_was_alerted(true)]
#[tokio::test]
async fn an_emergency_of_the_gap_alerts_the_owner_unless_twilio_has_the_alert(#[case] is_alerted: bool) {
    let mut app = App::setup().start().await;
    restore(&mut app).await;
    text_in_the_gap(&app, CUSTOMER, "I smell gas in the whole house!").await;
    if is_alerted {
        let alert = format!("EMERGENCY for Joe's Plumbing: {CUSTOMER} wrote: \"I smell gas in the whole house!\"");
        sent_in_the_gap(&app, OWNER, &alert).await;
    }
    recovered(&app).await;
    let application = start_again(&mut app).await;
    app.wait_for_sms(OWNER, 1).await;
    app.settled().await;
    assert_eq!(app.sms_to(OWNER).len(), 1);
    assert!(app.sms_to(CUSTOMER).is_empty());
    assert!(reasons(&app).await.contains(&"recovered".to_owned()));
    application.stop().await;
}

#[tokio::test]
async fn a_webhook_of_the_gap_that_comes_after_all_changes_nothing() {
    let mut app = App::setup().start().await;
    restore(&mut app).await;
    text_in_the_gap(&app, CUSTOMER, "My sink is blocked.").await;
    recovered(&app).await;
    let application = start_again(&mut app).await;
    let sid = app.messages_of(CUSTOMER).await[0]["twilio_sid"].as_str().unwrap().to_owned();
    app.webhook().sms(&sid, CUSTOMER, OUR_NUMBER, "My sink is blocked.").await.unwrap();
    app.settled().await;
    assert_eq!(app.messages_of(CUSTOMER).await.len(), 1);
    assert_eq!(app.stored("NMC_DEAD").await.len(), 0);
    assert!(app.servers.dispatchbot.requests().is_empty());
    application.stop().await;
}

#[tokio::test]
async fn lists_of_several_pages_are_read_to_their_end_even_if_twilio_stumbles() {
    let mut app = App::setup().start().await;
    restore(&mut app).await;
    for number in 0..170 {
        text_in_the_gap(&app, &customer(number), "My sink is blocked.").await;
    }
    app.servers.twilio.add_rule(Rule::next(1, Fault::RespondToList(Refusal::status(503))));
    let printed = recovered(&app).await;
    assert!(printed.contains("texts in: 170,"), "{printed}");
    let mut sql = app.servers.sql().await;
    let kept: i64 =
        sqlx::query_scalar("SELECT count(*) FROM messages WHERE is_recovered").fetch_one(&mut sql).await.unwrap();
    assert_eq!(kept, 170);
    sql.close().await.unwrap();
}

#[tokio::test]
async fn a_delivery_of_the_gap_is_reported() {
    let mut app = App::setup().start().await;
    crate::sending::no_callbacks(&app);
    app.miss_call(CUSTOMER).await;
    app.wait_for_event_of(CUSTOMER, 1, "message.sent").await;
    restore(&mut app).await;
    let delivered = |all: &[nmc_testbed::twilio::SentMessage]| all.iter().all(|m| m.status == "delivered");
    app.servers.twilio.wait_for(delivered, crate::harness::PATIENCE).await.unwrap();
    recovered(&app).await;
    let application = start_again(&mut app).await;
    app.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    application.stop().await;
}

#[tokio::test]
async fn a_plan_changes_nothing_and_a_second_run_finds_nothing_to_do() {
    let mut app = App::setup().start().await;
    restore(&mut app).await;
    text_in_the_gap(&app, CUSTOMER, "My sink is blocked.").await;
    let (is_good, plan) = recover(&app, &[]).await;
    assert!(is_good && plan.contains("texts in: 1") && plan.contains("nothing is changed"), "{plan}");
    let mut sql = app.servers.sql().await;
    let mut count = async || -> (i64, i64) {
        let counts = "SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM recovery WHERE ended_at IS NULL)";
        sqlx::query_as(counts).fetch_one(&mut sql).await.unwrap()
    };
    assert_eq!(count().await, (0, 1));
    recovered(&app).await;
    assert_eq!(count().await, (1, 0));
    let since = (chrono::Utc::now() - chrono::TimeDelta::minutes(5)).to_rfc3339();
    let (is_good, again) = recover(&app, &["--since", &since, "--apply"]).await;
    assert!(is_good && again.contains("nothing to do"), "{again}");
    assert_eq!(count().await, (1, 0));
    sql.close().await.unwrap();
}

#[tokio::test]
async fn a_time_after_the_last_commit_is_refused_and_none_is_needed() {
    let mut app = App::setup().start().await;
    let (is_good, printed) = recover(&app, &["--apply"]).await;
    assert!(!is_good && printed.contains("--since is needed"), "{printed}");
    restore(&mut app).await;
    let later = (chrono::Utc::now() + chrono::TimeDelta::seconds(5)).to_rfc3339();
    let (is_good, printed) = recover(&app, &["--since", &later, "--apply"]).await;
    assert!(!is_good && printed.contains("the last commit of the restored database"), "{printed}");
}
