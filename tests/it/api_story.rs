//! Runs the requests of docs/api.md against a service and compares the answers with those on the page.

use serde_json::Value;

use crate::harness::App;
use crate::pages::run_page;

/// Long windows, so that the page is finished before the AI answers.
const SETTINGS: [(&str, &str); 3] =
    [("NMC_WINDOW_HOLD", "60s"), ("NMC_WINDOW_MAX", "90s"), ("NMC_RATE_LIMIT", "1000/min")];

#[tokio::test]
async fn the_story_of_the_api_is_true() {
    let app = SETTINGS.iter().fold(App::setup(), |setup, (name, value)| setup.set(name, value)).start().await;
    let mut received = 0;
    run_page(&app, "api.md", async |what| {
        let (customer, does) = what.split_once(' ').expect("who does what");
        if let Some(text) = does.strip_prefix("writes: ") {
            app.text(customer, text).await;
            received += 1;
            let all = |events: &[Value]| {
                events.iter().filter(|event| event["event_type"] == "message.received").count() >= received
            };
            app.events.wait_for("message.received", all).await;
        } else {
            assert_eq!(does, "calls, and nobody answers", "what does {customer} do?");
            app.miss_call(customer).await;
            app.wait_for_event_of(customer, 1, "message.delivered").await;
        }
    })
    .await;
}
