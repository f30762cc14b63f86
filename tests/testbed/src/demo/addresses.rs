//! Prints what can be opened and typed while the demo keeps running.

use super::business::USER_ID;
use super::settings::{API_KEY, AUTH_TOKEN};
use super::stage::Stage;

/// Prints all addresses, and the commands.
pub(super) fn print(stage: &Stage) {
    let at = &stage.addresses;
    let url = &at.service;
    let psql = stage.binaries.postgres_dir.join("psql");
    let redis = url::Url::parse(&at.redis).ok().and_then(|url| url.port()).unwrap_or_default();
    let lines = [
        ("console", format!("{url}/console/   with the API key below, and {USER_ID} as your user id")),
        ("REST API", format!("{url}/docs   {url}/openapi.json")),
        ("health", format!("{url}/health   {url}/metrics")),
        ("", format!("http://{}/metrics, and for alerts: make observe", at.ops)),
        ("API key", API_KEY.to_owned()),
        ("Twilio key", AUTH_TOKEN.to_owned()),
        ("try", format!("curl -H 'Authorization: Bearer {API_KEY}' {url}/conversations")),
        ("NATS", format!("nats --server {} sub 'nmc.event.>'", at.nats)),
        ("", format!("curl {}/jsz?streams=1", at.nats_monitor)),
        ("Redis", format!("redis-cli -p {redis} SUBSCRIBE conversation.events")),
        ("", format!("redis-cli -p {redis} XRANGE conversation.events:log - +")),
        ("PostgreSQL", format!("{} '{}'", psql.display(), at.database)),
        ("Twilio", format!("curl {}/_sim/messages", stage.twilio.base_url())),
        ("DispatchBot", format!("curl {}/_sim/requests", stage.dispatchbot.base_url())),
    ];
    let lines = lines.map(|(name, text)| format!("  {name:<12}{text}")).join("\n");
    stage.screen.plain(&format!("\n{}\n{lines}", stage.screen.bold("It stays up. Look at it:")));
    print_commands(stage);
}

/// Prints the commands that can be typed.
pub(super) fn print_commands(stage: &Stage) {
    stage.screen.plain(&format!(
        "\n{}\n\
         \x20 any text     is sent as an SMS by the customer\n\
         \x20 /call        the customer calls, and nobody picks up\n\
         \x20 /takeover    the owner takes the conversation over\n\
         \x20 /release     the owner gives it back to the AI\n\
         \x20 /show        the conversation so far\n\
         \x20 /help        this\n\
         \x20 /quit        ends all that was started; so does Ctrl-C\n",
        stage.screen.bold("You are the customer. Type:")
    ));
}
