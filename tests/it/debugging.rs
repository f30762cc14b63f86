//! Runs the recipes of docs/debugging.md against a service in which the faults happen that the page is about.

use nmc_testbed::sim::Rule;
use nmc_testbed::twilio::{Fault, new_message_sid};

use crate::harness::{App, OUR_NUMBER, PUBLIC_URL, spawn_app};
use crate::pages::run_page;

#[tokio::test]
async fn the_recipes_for_debugging_are_true() {
    let app = spawn_app().await;
    run_page(&app, "debugging.md", async |what| {
        happens(&app, what).await;
        app.settled().await;
    })
    .await;
}

async fn happens(app: &App, what: &str) {
    if what == "DispatchBot fails" {
        return app.servers.dispatchbot.down().await;
    }
    if what == "DispatchBot works again" {
        return app.servers.dispatchbot.up().await.expect("a DispatchBot");
    }
    if let Some(number) = what.strip_prefix("Twilio cannot deliver to ") {
        let undelivered = Fault::Deliver { status: "undelivered".to_owned(), error_code: Some(30003) };
        return app.servers.twilio.add_rule(Rule::always(undelivered).to(number));
    }
    if what == "a text is signed with another token" {
        let client = app.webhook_as(PUBLIC_URL, app.webhook().account_sid(), "another-token");
        let answer = client.sms(&new_message_sid(), "+12125551234", OUR_NUMBER, "Hello").await.expect("an answer");
        return assert_eq!(answer.status, 401);
    }
    let (customer, does) = what.split_once(' ').expect("who does what");
    if let Some(text) = does.strip_prefix("writes: ") {
        app.text(customer, text).await;
    } else if let Some((number, text)) = does.strip_prefix("writes to ").and_then(|does| does.split_once(": ")) {
        app.webhook().sms(&new_message_sid(), customer, number, text).await.expect("an answer");
    } else {
        assert_eq!(does, "calls, and nobody answers", "what does {customer} do?");
        app.miss_call(customer).await;
    }
}
