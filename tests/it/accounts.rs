//! Which Twilio account is used when a business changes its account while an SMS is being sent.

use std::time::Duration;

use nmc_testbed::sim::{Rule, Rules};
use nmc_testbed::twilio::{Fault, Refusal, new_account_sid};
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{App, BUSINESS, CUSTOMER, business, eventually};
use crate::sending::no_callbacks;
use crate::signatures::{OWN_TOKEN, TOKEN_KEY};

fn with_account(sid: &str) -> Value {
    let mut business = business();
    business["twilio"] = json!({ "account_sid": sid, "auth_token": OWN_TOKEN });
    business
}

/// A service whose business sent an SMS with one account and then changed to another. Twilio accepted the SMS, but its
/// answer and the callback were lost, and its message list was unavailable until now.
async fn account_changed(from: &Value, to: &Value) -> App {
    let setup = App::setup().set("NMC_TOKEN_KEY", TOKEN_KEY).set("NMC_RECONCILE_AFTER", "1s");
    let accounts = [from, to].into_iter().filter_map(|business| business["twilio"]["account_sid"].as_str());
    let app = accounts.fold(setup, |setup, sid| setup.subaccount(sid, OWN_TOKEN)).start().await;
    app.put_business(BUSINESS, from).await;
    no_callbacks(&app);
    let twilio = &app.servers.twilio;
    twilio.add_rule(Rule::next(1, Fault::DropAfter));
    twilio.add_rule(Rule::always(Fault::RespondToList(Refusal::status(503))));
    app.miss_call(CUSTOMER).await;
    eventually("a look at the list", async || twilio.requests().get("list_fault_503").map(|_| ())).await;
    app.put_business(BUSINESS, to).await;
    twilio.change_faults(|faults| faults.rules = Rules::default());
    app
}

#[tokio::test]
async fn what_became_of_an_sms_is_looked_up_in_the_account_that_it_was_sent_with() {
    let own = new_account_sid();
    let app = account_changed(&business(), &with_account(&own)).await;
    let told = app.wait_for_event("message.sent").await;
    app.settled().await;
    let at_twilio = app.sms_to(CUSTOMER);
    assert_eq!(at_twilio.len(), 1, "the list of the other account has proven nothing");
    assert_ne!(at_twilio[0].account_sid, own);
    assert_eq!(told["data"]["twilio_sid"], json!(at_twilio[0].sid));
}

#[rstest]
#[case::to_the_main_account(false)]
#[case::to_another_of_its_own(true)]
#[tokio::test]
async fn an_account_that_is_not_used_any_more_cannot_be_asked_and_a_person_is_told(#[case] another: bool) {
    let own = new_account_sid();
    let next = if another { with_account(&new_account_sid()) } else { business() };
    let app = account_changed(&with_account(&own), &next).await;
    let mut sql = app.servers.sql().await;
    let half_an_hour_passes = "UPDATE messages SET attempted_at = attempted_at - $1::interval WHERE status = 'sending'";
    let aged = sqlx::query(half_an_hour_passes).bind(Duration::from_secs(31 * 60)).execute(&mut sql).await.unwrap();
    assert_eq!(aged.rows_affected(), 1);
    let told = app.wait_for_event("conversation.needs_attention").await;
    assert_eq!(told["data"]["reason"], "send_unknown");
    app.settled().await;
    let sent: Vec<_> = app.sms_to(CUSTOMER).into_iter().map(|sms| sms.account_sid).collect();
    assert_eq!(sent, [own]);
}
