//! Secrets are replaced while the service runs, as docs/continuity.md says.

use nevermisscall::internals::Store;
use nmc_testbed::servers::{Shared, Signal};
use nmc_testbed::sim::{Rule, Rules};
use nmc_testbed::twilio::webhooks::WebhookClient;
use nmc_testbed::twilio::{Fault, Refusal, TwilioOptions, new_account_sid, new_message_sid};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::harness::{
    API_KEY, Answer, App, BUSINESS, CUSTOMER, Child, OUR_NUMBER, PUBLIC_URL, Rest, Servers, business, eventually, run,
};
use crate::signatures::{OWN_TOKEN, TOKEN_KEY};

const NEW_KEY: &str = "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=";

fn owned(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A running service, and its URL.
struct Service {
    child: Child,
    url: String,
}

impl Service {
    async fn start(servers: &Servers, name: &str, settings: &[(&str, &str)]) -> Self {
        let mut child = Child::start(servers, name, &["serve"], &servers.settings(&owned(settings)));
        let url = format!("http://{}", child.address().await);
        servers.twilio.set_webhook_url(PUBLIC_URL, Some(&url));
        Rest::new(&url, API_KEY).ready().await;
        Self { child, url }
    }

    /// A text of a customer that this account and token sign; the status of the answer.
    async fn text(&self, account_sid: &str, token: &str, from: &str) -> u16 {
        let twilio = WebhookClient::new(PUBLIC_URL, account_sid, token).unwrap().with_target(&self.url);
        twilio.sms(&new_message_sid(), from, OUR_NUMBER, "My sink is blocked").await.unwrap().status
    }

    async fn stop(mut self) {
        self.child.signal(Signal::Term);
        assert!(self.child.end().await.success(), "{}", self.child.log());
    }
}

/// Runs `nevermisscall tokens …`; whether it succeeded, and what it said.
async fn tokens(servers: &Servers, command: &str, keys: &[(&str, &str)]) -> (bool, String) {
    let mut settings = owned(keys);
    settings.push(("DATABASE_URL".to_owned(), servers.database_url().to_owned()));
    let output = run(&["tokens", command], &settings).await;
    (output.status.success(), String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[tokio::test]
async fn the_key_that_encrypts_tokens_is_replaced_while_the_service_runs() {
    let servers = Servers::start(TwilioOptions::default()).await;
    let sid = new_account_sid();
    servers.twilio.set_account(&sid, OWN_TOKEN);
    let (old, new) = (("NMC_TOKEN_KEY", TOKEN_KEY), ("NMC_TOKEN_KEY", NEW_KEY));
    let private = ("NMC_ALLOW_PRIVATE_DISPATCHBOT", "on");
    let (and_new, and_old) = (("NMC_TOKEN_KEY_OTHER", NEW_KEY), ("NMC_TOKEN_KEY_OTHER", TOKEN_KEY));

    // Every process learns the new key before any of them encrypts with it.
    let first = Service::start(&servers, "first", &[old, and_new, private]).await;
    let mut with_account = business();
    with_account["twilio"] = json!({ "account_sid": sid, "auth_token": OWN_TOKEN });
    let own = json!({ "url": servers.dispatchbot.base_url(), "dialect": "v1", "api_key": "a-key-for-tests" });
    with_account["policy"] = json!({ "dispatchbot": own });
    let shown = Rest::new(&first.url, API_KEY).put(&format!("/businesses/{BUSINESS}"), &with_account).await.ok();
    assert_eq!(shown["twilio"]["status"], "proven");
    let second = Service::start(&servers, "second", &[new, and_old, private]).await;
    for service in [&first, &second] {
        assert_eq!(service.text(&sid, OWN_TOKEN, CUSTOMER).await, 200);
    }
    first.stop().await;

    let both = [new, and_old];
    assert_eq!(
        tokens(&servers, "check", &both).await,
        (
            false,
            "0 tokens open with NMC_TOKEN_KEY, 2 open with NMC_TOKEN_KEY_OTHER, 0 open with neither key".to_owned()
        )
    );
    assert_eq!(
        tokens(&servers, "rotate", &both).await,
        (true, "0 tokens open with NMC_TOKEN_KEY, 2 were encrypted with it now, 0 open with neither key".to_owned())
    );
    let again = tokens(&servers, "rotate", &both).await;
    assert_eq!(again.1, "2 tokens open with NMC_TOKEN_KEY, 0 were encrypted with it now, 0 open with neither key");
    assert_eq!(second.text(&sid, OWN_TOKEN, CUSTOMER).await, 200);
    second.stop().await;

    // The old key is not needed any more; without it, the account is proven still.
    assert!(tokens(&servers, "check", &[new]).await.0);
    assert!(!tokens(&servers, "check", &[old]).await.0, "the old key opens nothing");
    let third = Service::start(&servers, "third", &[new, private]).await;
    let shown = Rest::new(&third.url, API_KEY).get(&format!("/businesses/{BUSINESS}")).await.ok();
    assert_eq!(shown["twilio"]["status"], "proven");
    assert_eq!(third.text(&sid, OWN_TOKEN, "+12125550177").await, 200);
    let sent = eventually("an answer by the own account", async || {
        servers.twilio.messages().into_iter().find(|sms| sms.to == "+12125550177")
    });
    let sent = sent.await;
    assert_eq!(sent.account_sid, sid);
    assert!(sent.body.contains("Thanks for reaching"), "the key of the own DispatchBot opens, too: {}", sent.body);
    third.stop().await;
}

#[tokio::test]
async fn a_recovery_during_a_rotation_reads_the_accounts_of_either_key() {
    let servers = Servers::start(TwilioOptions::default()).await;
    let sid = new_account_sid();
    servers.twilio.set_account(&sid, OWN_TOKEN);
    let service = Service::start(&servers, "service", &[("NMC_TOKEN_KEY", TOKEN_KEY)]).await;
    let mut with_account = business();
    with_account["twilio"] = json!({ "account_sid": sid, "auth_token": OWN_TOKEN });
    Rest::new(&service.url, API_KEY).put(&format!("/businesses/{BUSINESS}"), &with_account).await.ok();
    service.stop().await;

    let since = chrono::Utc::now().to_rfc3339();
    let recover = async |keys: &[(&str, &str)]| {
        let output = run(&["recover", "--since", &since], &servers.settings(&owned(keys))).await;
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (is_good, said) = recover(&[("NMC_TOKEN_KEY", NEW_KEY)]).await;
    assert!(!is_good && said.contains(&sid), "{said}");
    let (is_good, said) = recover(&[("NMC_TOKEN_KEY", NEW_KEY), ("NMC_TOKEN_KEY_OTHER", TOKEN_KEY)]).await;
    assert!(is_good, "{said}");
}

#[tokio::test]
async fn the_main_auth_token_is_replaced_while_the_service_runs() {
    let servers = Servers::start(TwilioOptions::default()).await;
    let account = TwilioOptions::default();
    let (sid, old, new) =
        (account.account_sid.as_str(), account.auth_token.as_str(), "0123456789abcdef0123456789abcdef");
    let next = ("TWILIO_AUTH_TOKEN_NEXT", new);
    let first = Service::start(&servers, "first", &[next]).await;
    Rest::new(&first.url, API_KEY).put(&format!("/businesses/{BUSINESS}"), &business()).await.ok();
    assert_eq!(first.text(sid, old, CUSTOMER).await, 200);
    let answered = async |customer: &str| {
        eventually("an answer", async || servers.twilio.messages().into_iter().find(|sms| sms.to == customer)).await
    };
    answered(CUSTOMER).await;
    let settings = [("TWILIO_AUTH_TOKEN", new), ("TWILIO_AUTH_TOKEN_NEXT", old)];
    let second = Service::start(&servers, "second", &settings).await;
    for service in [&first, &second] {
        assert_eq!((service.text(sid, old, CUSTOMER).await, service.text(sid, new, CUSTOMER).await), (200, 200));
    }
    first.stop().await;
    // Twilio's console makes the secondary token the primary one.
    servers.twilio.set_account(sid, new);
    let third = Service::start(&servers, "third", &[("TWILIO_AUTH_TOKEN", new)]).await;
    second.stop().await;
    assert_eq!(third.text(sid, old, CUSTOMER).await, 401);
    assert_eq!(third.text(sid, new, "+12125550177").await, 200);
    answered("+12125550177").await;
    third.stop().await;
}

#[tokio::test]
async fn the_login_to_the_database_is_replaced_while_the_service_runs() {
    let postgres = Shared::from_env().unwrap().durable_postgres().await.unwrap();
    let url = postgres.create_database("nmc", None).await.unwrap();
    let store = Store::owner(&url).unwrap();
    store.migrate().await.unwrap();
    store.close().await;
    let mut sql = PgConnection::connect(&url).await.unwrap();
    let mut execute = async |statement: &str| {
        sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&mut sql).await.unwrap();
    };
    let as_user = |user: &str| url.replace("postgres@localhost", &format!("{user}@localhost"));
    execute("CREATE ROLE nmc_a LOGIN IN ROLE nevermisscall_service").await;
    let servers = Servers::start(TwilioOptions::default()).await;
    let first = Service::start(&servers, "first", &[("DATABASE_URL", &as_user("nmc_a"))]).await;
    Rest::new(&first.url, API_KEY).put(&format!("/businesses/{BUSINESS}"), &business()).await.ok();
    execute("CREATE ROLE nmc_b LOGIN IN ROLE nevermisscall_service").await;
    let second = Service::start(&servers, "second", &[("DATABASE_URL", &as_user("nmc_b"))]).await;
    first.stop().await;
    execute("DROP ROLE nmc_a").await;
    let account = TwilioOptions::default();
    assert_eq!(second.text(&account.account_sid, &account.auth_token, CUSTOMER).await, 200);
    eventually("an answer", async || servers.twilio.messages().into_iter().find(|sms| sms.to == CUSTOMER)).await;
    second.stop().await;
}

/// A business with its own account, whose token is replaced at Twilio.
struct Rotated {
    app: App,
    sid: String,
}

const NEW_TOKEN: &str = "fedcba9876543210fedcba9876543210";

impl Rotated {
    async fn start() -> Self {
        let sid = new_account_sid();
        let app = App::setup().set("NMC_TOKEN_KEY", TOKEN_KEY).subaccount(&sid, OWN_TOKEN).start().await;
        let rotated = Self { app, sid };
        rotated.put(BUSINESS, &json!({ "auth_token": OWN_TOKEN })).await.ok();
        rotated
    }

    /// Puts the business with these fields of its account.
    async fn put(&self, id: &str, account: &Value) -> Answer {
        let mut document = business();
        if id != BUSINESS {
            document["phone_numbers"] = json!([BRANCH_NUMBER]);
            document["forward_to"] = json!("+15555557002");
        }
        document["twilio"] = account.clone();
        document["twilio"]["account_sid"] = json!(self.sid);
        self.app.rest.put(&format!("/businesses/{id}"), &document).await
    }

    /// The statuses of texts to a number, signed with the old and the new token.
    async fn texts(&self, to: &str) -> (u16, u16) {
        (self.text(OWN_TOKEN, CUSTOMER, to).await, self.text(NEW_TOKEN, CUSTOMER, to).await)
    }

    async fn text(&self, token: &str, from: &str, to: &str) -> u16 {
        let twilio = self.app.webhook_as(PUBLIC_URL, &self.sid, token);
        twilio.sms(&new_message_sid(), from, to, "My sink is blocked").await.unwrap().status
    }

    /// Twilio's console creates a secondary token.
    fn create_secondary(&self) {
        self.app.servers.twilio.set_secondary_token(&self.sid, Some(NEW_TOKEN));
    }

    /// Twilio's console makes the secondary token the primary one.
    fn promote(&self) {
        self.app.servers.twilio.set_account(&self.sid, NEW_TOKEN);
        self.app.servers.twilio.set_secondary_token(&self.sid, None);
    }
}

const BRANCH_NUMBER: &str = "+15555557001";

#[tokio::test]
async fn the_token_of_an_own_account_is_replaced_without_a_webhook_refused() {
    let rotated = Rotated::start().await;
    assert_eq!(rotated.texts(OUR_NUMBER).await, (200, 401));
    rotated.create_secondary();
    let shown = rotated.put(BUSINESS, &json!({ "auth_token": NEW_TOKEN, "auth_token_next": OWN_TOKEN })).await.ok();
    assert_eq!((&shown["twilio"]["status"], &shown["twilio"]["has_auth_token_next"]), (&json!("proven"), &json!(true)));
    for token in [NEW_TOKEN, OWN_TOKEN] {
        assert!(!shown.to_string().contains(token), "{shown}");
    }
    assert_eq!(rotated.texts(OUR_NUMBER).await, (200, 200));
    // Whoever puts the business meanwhile, without tokens, ends nothing.
    rotated.put(BUSINESS, &json!({})).await.ok();
    rotated.promote();
    assert_eq!(rotated.texts(OUR_NUMBER).await, (200, 200));
    // The old token is refused for requests from now on.
    assert_eq!(rotated.text(NEW_TOKEN, "+12125550177", OUR_NUMBER).await, 200);
    assert_eq!(rotated.app.wait_for_sms("+12125550177", 1).await[0].account_sid, rotated.sid);
    let shown = rotated.put(BUSINESS, &json!({ "auth_token_next": "" })).await.ok();
    assert_eq!(shown["twilio"]["has_auth_token_next"], false);
    assert_eq!(rotated.texts(OUR_NUMBER).await, (401, 200));
}

#[tokio::test]
async fn businesses_that_share_an_account_replace_its_token_one_after_the_other() {
    let rotated = Rotated::start().await;
    rotated.put("branch", &json!({ "auth_token": OWN_TOKEN })).await.ok();
    rotated.create_secondary();
    let swapped = json!({ "auth_token": NEW_TOKEN, "auth_token_next": OWN_TOKEN });
    for id in [BUSINESS, "branch"] {
        rotated.put(id, &swapped).await.ok();
        for number in [OUR_NUMBER, BRANCH_NUMBER] {
            assert_eq!(rotated.texts(number).await.0, 200);
        }
    }
    rotated.promote();
    for id in [BUSINESS, "branch"] {
        assert_eq!(rotated.put(id, &json!({ "auth_token_next": "" })).await.ok()["twilio"]["status"], "proven");
    }
    assert_eq!(rotated.texts(BRANCH_NUMBER).await, (401, 200));
}

#[tokio::test]
async fn a_second_token_counts_only_if_twilio_has_confirmed_it_and_for_the_account_that_is_in_effect() {
    let rotated = Rotated::start().await;
    let refused = rotated.put(BUSINESS, &json!({ "auth_token_next": "made up" })).await;
    assert_eq!((refused.status, refused.error_code()), (400, "VALIDATION_FAILED"));
    assert_eq!(refused.body["error"]["details"][0]["field"], "twilio.auth_token_next");
    rotated.app.servers.twilio.add_rule(Rule::always(Fault::RespondToAccount(Refusal::status(503))));
    let unasked = rotated.put(BUSINESS, &json!({ "auth_token_next": NEW_TOKEN })).await;
    assert_eq!((unasked.status, unasked.error_code()), (503, "UNAVAILABLE"));
    rotated.app.servers.twilio.change_faults(|faults| faults.rules = Rules::default());
    rotated.create_secondary();
    rotated.put(BUSINESS, &json!({ "auth_token_next": NEW_TOKEN })).await.ok();
    assert_eq!(rotated.texts(OUR_NUMBER).await, (200, 200));

    // A process of the version before puts another account in its place.
    let another = new_account_sid();
    let mut sql = rotated.app.servers.sql().await;
    let put = "UPDATE businesses SET twilio_account_sid = $1 WHERE id = $2";
    sqlx::query(put).bind(&another).bind(BUSINESS).execute(&mut sql).await.unwrap();
    let forger = rotated.app.webhook_as(PUBLIC_URL, &another, NEW_TOKEN);
    let forged = forger.sms(&new_message_sid(), CUSTOMER, OUR_NUMBER, "Forged").await.unwrap();
    assert_eq!(forged.status, 401, "a second token of the account before");
}

#[tokio::test]
async fn the_key_of_tokens_is_replaced_for_a_second_token_too() {
    let rotated = Rotated::start().await;
    rotated.create_secondary();
    rotated.put(BUSINESS, &json!({ "auth_token_next": NEW_TOKEN })).await.ok();
    let keys = [("NMC_TOKEN_KEY", NEW_KEY), ("NMC_TOKEN_KEY_OTHER", TOKEN_KEY)];
    let (is_good, said) = tokens(&rotated.app.servers, "rotate", &keys).await;
    assert!(is_good && said.contains("2 were encrypted with it now"), "{said}");
    let (is_good, said) = tokens(&rotated.app.servers, "check", &[("NMC_TOKEN_KEY", NEW_KEY)]).await;
    assert!(is_good && said.starts_with("2 tokens open with NMC_TOKEN_KEY"), "{said}");
}
