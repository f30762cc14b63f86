//! The command line, as operators use it.

use nmc_testbed::servers::{NatsCluster, Shared, Signal};
use nmc_testbed::twilio::TwilioOptions;
use sqlx::Connection;

use crate::harness::{CUSTOMER, Child, OUR_NUMBER, PUBLIC_URL, Rest, Servers, eventually, run, spawn_app};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Changes a stream outside the service, as an operator can with any client.
async fn change_events_stream(servers: &Servers) {
    let client = async_nats::connect(servers.nats.url()).await.unwrap();
    let context = async_nats::jetstream::new(client);
    let mut config = context.get_stream("NMC_EVENTS").await.unwrap().cached_info().config.clone();
    config.max_age = std::time::Duration::from_secs(3600);
    // The server does not allow deduplication for longer than it keeps messages.
    config.duplicate_window = std::time::Duration::from_secs(60);
    context.update_stream(config).await.unwrap();
}

#[tokio::test]
async fn missing_configuration_is_reported_all_at_once_by_name() {
    let output = run(&["serve"], &[]).await;
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr);
    for name in [
        "NMC_PUBLIC_URL",
        "DATABASE_URL",
        "NATS_URL",
        "REDIS_URL",
        "TWILIO_ACCOUNT_SID",
        "TWILIO_AUTH_TOKEN",
        "DISPATCHBOT_URL",
        "DISPATCHBOT_API_KEY",
    ] {
        assert!(told.lines().any(|line| line.contains(&format!("{name}: missing"))), "{name} in:\n{told}");
    }
}

#[tokio::test]
async fn a_bad_value_is_named_and_never_shown() {
    let pairs = [("NMC_WINDOW_HOLD", "soon"), ("DATABASE_URL", "mysql://root:hush@db/nmc")];
    let output = run(&["worker"], &pairs.map(|(name, value)| (name.to_owned(), value.to_owned()))).await;
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr) + &text(&output.stdout);
    assert!(told.contains("NMC_WINDOW_HOLD") && told.contains("DATABASE_URL"), "{told}");
    assert!(!told.contains("hush"), "{told}");
}

#[tokio::test]
async fn settings_may_come_from_a_file() {
    let servers = Servers::start(TwilioOptions::default()).await;
    let file = servers.dir().join("nevermisscall.toml");
    let lines = servers.settings(&[]).into_iter().map(|(name, value)| format!("{name} = {value:?}\n"));
    std::fs::write(&file, lines.collect::<String>()).unwrap();
    let file = file.display().to_string();
    let mut child = Child::start(&servers, "service", &["--config", &file, "serve"], &[]);
    let rest = Rest::new(format!("http://{}", child.address().await), "none");
    assert_eq!(rest.get("/health/live").await.status, 200);
}

#[tokio::test]
async fn migrate_brings_an_empty_database_up_to_date_and_may_be_repeated() {
    let servers = Servers::start(TwilioOptions::default()).await;
    let mut sql = servers.sql().await;
    sqlx::raw_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public").execute(&mut sql).await.unwrap();
    for _ in 0..2 {
        let output = run(&["migrate"], &servers.settings(&[])).await;
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    let tables = "SELECT count(*) FROM pg_tables WHERE tablename IN ('conversations', 'calls', 'messages')";
    let found: i64 = sqlx::query_scalar(tables).fetch_one(&mut sql).await.unwrap();
    assert_eq!(found, 3);
    sql.close().await.unwrap();
}

/// A managed PostgreSQL provides roles that own a database but cannot create other roles.
#[tokio::test]
async fn whoever_may_make_no_roles_can_migrate_and_serve() {
    let servers = Servers::start(TwilioOptions::default()).await;
    let mut sql = servers.sql().await;
    let role = format!("plain_{}", uuid::Uuid::new_v4().simple());
    let plain = format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'plain'; DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION {role}"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(plain)).execute(&mut sql).await.unwrap();
    let mut url = url::Url::parse(servers.database_url()).unwrap();
    url.set_username(&role).unwrap();
    url.set_password(Some("plain")).unwrap();
    let settings = servers.settings(&[("DATABASE_URL".to_owned(), url.to_string())]);
    let output = run(&["migrate"], &settings).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let mut child = Child::start(&servers, "service", &["serve"], &settings);
    let rest = Rest::new(format!("http://{}", child.address().await), crate::harness::API_KEY);
    rest.ready().await;
    rest.put("/businesses/joe", &crate::harness::business()).await.ok();
    child.signal(Signal::Term);
    child.end().await;
    let gone = format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(gone)).execute(&mut sql).await.unwrap();
}

#[tokio::test]
async fn streams_are_applied_and_checked() {
    let servers = Servers::start(TwilioOptions::default()).await;
    let settings = servers.settings(&[]);
    let missing = run(&["streams", "check"], &settings).await;
    assert!(!missing.status.success() && text(&missing.stdout).contains("missing"), "{}", text(&missing.stdout));
    let applied = run(&["streams", "apply"], &settings).await;
    assert!(applied.status.success(), "{}", text(&applied.stderr));
    let checked = run(&["streams", "check"], &settings).await;
    assert!(checked.status.success(), "{}", text(&checked.stdout));
    change_events_stream(&servers).await;
    let changed = run(&["streams", "check"], &settings).await;
    let told = text(&changed.stdout) + &text(&changed.stderr);
    assert!(!changed.status.success());
    assert!(told.lines().any(|line| line.contains("NMC_EVENTS") && line.contains("max_age")), "{told}");
    assert!(run(&["streams", "apply"], &settings).await.status.success());
    let mended = run(&["streams", "check"], &settings).await;
    assert!(mended.status.success(), "{}", text(&mended.stdout));
}

/// One server becomes a cluster, and keeps its messages except the timers, which the sweeper arms again. Requests to a
/// cluster may fail while it elects a leader, so they are retried.
#[tokio::test]
async fn streams_of_one_node_are_brought_to_three() {
    let servers = Servers::start(TwilioOptions::default()).await;
    let cluster = NatsCluster::start(Shared::from_env().unwrap().binaries(), &servers.dir().join("cluster")).await;
    let cluster = cluster.unwrap();
    let on = |replicas: &str| {
        let changes = [("NATS_URL", cluster.url()), ("NMC_NATS_REPLICAS", replicas.to_owned())];
        servers.settings(&changes.map(|(name, value)| (name.to_owned(), value)))
    };
    let (one, three) = (on("1"), on("3"));
    let streams = async |command: &str, settings: &[(String, String)]| run(&["streams", command], settings).await;
    let applied = async |settings: &[(String, String)]| {
        let output = streams("apply", settings).await;
        eprintln!("{}", text(&output.stderr));
        output.status.success().then_some(())
    };
    eventually("streams on one node", async || applied(&one).await).await;
    let nodes: Vec<_> = cluster.url().split(',').map(str::to_owned).collect();
    let context = async_nats::jetstream::new(async_nats::connect(nodes).await.unwrap());
    for subject in ["nmc.inbound.sms.key", "nmc.window.due.key", "nmc.task.send_sms.key"] {
        let keep = async || context.publish(subject, "kept".into()).await.unwrap().await.ok();
        eventually("an acknowledgement", keep).await;
    }
    assert!(!streams("check", &three).await.status.success());
    eventually("streams on three nodes", async || applied(&three).await).await;
    let checked = async || streams("check", &three).await.status.success().then_some(());
    eventually("streams that are as defined", checked).await;
    for (stream, kept) in [("NMC_INBOUND", 1), ("NMC_WINDOWS", 0), ("NMC_TASKS", 1)] {
        let info = async || context.get_stream(stream).await.ok()?.get_info().await.ok();
        let info = eventually("what the stream holds", info).await;
        assert_eq!((stream, info.config.num_replicas, info.state.messages), (stream, 3, kept));
    }
}

#[tokio::test]
async fn keys_are_made_listed_and_revoked() {
    let app = spawn_app().await;
    let settings = app.servers.settings(&[]);
    let made = run(&["keys", "create", "--name", "app-server"], &settings).await;
    assert!(made.status.success(), "{}", text(&made.stderr));
    let told = text(&made.stdout);
    let (line, key) = told.trim().split_once('\n').expect("its id, and the key");
    let id = line.split_whitespace().next().expect("an id");
    assert_eq!(app.rest.with_key(Some(key.trim())).get("/conversations").await.status, 200);
    let listed = text(&run(&["keys", "list"], &settings).await.stdout);
    assert!(listed.contains("app-server") && listed.contains(id) && !listed.contains(key.trim()), "{listed}");
    assert!(run(&["keys", "revoke", id], &settings).await.status.success());
    eventually("the key to be refused", async || {
        let answer = app.rest.with_key(Some(key.trim())).get("/conversations").await;
        (answer.status == 401).then_some(())
    })
    .await;
    assert!(!run(&["keys", "revoke", id], &settings).await.status.success(), "it is revoked already");
}

#[tokio::test]
async fn what_was_put_aside_can_be_replayed() {
    let app = spawn_app().await;
    let answer = app.webhook().sms("SM1", CUSTOMER, "+15555559999", "Is anybody there?").await.unwrap();
    assert_eq!(answer.status, 200);
    app.wait_for_dead(1).await;
    let mut newcomer = crate::harness::business();
    newcomer["phone_numbers"] = serde_json::json!(["+15555559999"]);
    app.put_business("newcomer", &newcomer).await;
    let replayed = run(&["replay", "1"], &app.servers.settings(&[])).await;
    assert!(replayed.status.success(), "{}", text(&replayed.stderr));
    let received = app.wait_for_event("message.received").await;
    assert_eq!(received["data"]["body"], "Is anybody there?");
    let nothing = run(&["replay", "404"], &app.servers.settings(&[])).await;
    assert!(!nothing.status.success());
}

#[tokio::test]
async fn subject_prints_where_a_customers_texts_are() {
    let app = spawn_app().await;
    app.text(CUSTOMER, "My sink is blocked").await;
    let printed = run(&["subject", CUSTOMER, OUR_NUMBER], &[]).await;
    assert_eq!(text(&printed.stdout).trim(), app.stored("NMC_INBOUND").await[0].subject);
    let refused = run(&["subject", CUSTOMER, "joes-plumbing"], &[]).await;
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused.stderr));
}

#[tokio::test]
async fn openapi_prints_the_document_that_is_kept() {
    let printed = run(&["openapi"], &[]).await;
    assert!(printed.status.success());
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/openapi.json");
    let kept = std::fs::read_to_string(kept).expect("openapi/openapi.json, which `make openapi` writes");
    assert!(text(&printed.stdout) == kept, "openapi/openapi.json is out of date: `make openapi` renews it");
}

#[tokio::test]
async fn asyncapi_prints_the_document_that_is_kept() {
    let printed = run(&["asyncapi"], &[]).await;
    assert!(printed.status.success());
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/asyncapi.yaml");
    let kept = std::fs::read_to_string(kept).expect("openapi/asyncapi.yaml, which `make asyncapi` writes");
    assert!(text(&printed.stdout) == kept, "openapi/asyncapi.yaml is out of date: `make asyncapi` renews it");
}

#[tokio::test]
async fn the_changelog_of_the_api_names_every_operation() {
    let document: serde_json::Value = serde_json::from_str(&text(&run(&["openapi"], &[]).await.stdout)).unwrap();
    let changelog = include_str!("../../docs/api-changelog.md");
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let operation = format!("`{} {path}`", method.to_uppercase());
            assert!(changelog.contains(&operation), "docs/api-changelog.md says nothing of {operation}");
        }
    }
}

#[tokio::test]
async fn sigterm_drains_and_ends_with_0() {
    let servers = Servers::start(TwilioOptions::default()).await;
    let settings = servers.settings(&[]);
    let mut child = Child::start(&servers, "service", &["serve"], &settings);
    let address = format!("http://{}", child.address().await);
    let rest = Rest::new(&address, crate::harness::API_KEY);
    rest.ready().await;
    rest.put("/businesses/joe", &crate::harness::business()).await.ok();
    servers.twilio.set_webhook_url(PUBLIC_URL, Some(&address));
    let answered = servers.twilio.text(CUSTOMER, OUR_NUMBER, "My sink is blocked").await.unwrap();
    assert_eq!(answered.webhook.status, 200);
    child.signal(Signal::Term);
    let status = child.end().await;
    assert_eq!(status.code(), Some(0), "{}", child.log());
    // The next process handles what was acknowledged.
    let mut next = Child::start(&servers, "next", &["serve"], &settings);
    let address = format!("http://{}", next.address().await);
    servers.twilio.set_webhook_url(PUBLIC_URL, Some(&address));
    let sent = servers.twilio.wait_for(|all| all.len() == 1, crate::harness::PATIENCE).await;
    assert_eq!(sent.unwrap()[0].to, CUSTOMER);
    next.signal(Signal::Int);
    assert_eq!(next.end().await.code(), Some(0), "{}", next.log());
}

#[tokio::test]
async fn no_log_line_shows_a_number_a_text_or_a_token() {
    let servers = Servers::start(TwilioOptions::default()).await;
    let mut child = Child::start(&servers, "service", &["serve"], &servers.settings(&[]));
    let address = format!("http://{}", child.address().await);
    let rest = Rest::new(&address, crate::harness::API_KEY);
    rest.ready().await;
    rest.put("/businesses/joe", &crate::harness::business()).await.ok();
    servers.twilio.set_webhook_url(PUBLIC_URL, Some(&address));
    servers.twilio.call(CUSTOMER, OUR_NUMBER, "no-answer").await.unwrap();
    servers.twilio.text(CUSTOMER, OUR_NUMBER, "My sink is blocked").await.unwrap();
    servers.twilio.text("+15005550001", OUR_NUMBER, "My sink is blocked").await.unwrap();
    servers.twilio.wait_for(|all| all.len() == 2, crate::harness::PATIENCE).await.unwrap();
    child.signal(Signal::Term);
    child.end().await;
    let log = child.log();
    for secret in ["2125551234", "5005550001", "sink", "missed your call", "a-token-for-tests", crate::harness::API_KEY]
    {
        assert!(!log.contains(secret), "{secret} in:\n{log}");
    }
}

#[tokio::test]
async fn streams_are_saved_with_their_consumers_and_put_back_on_an_empty_server() {
    let app = spawn_app().await;
    app.miss_call(CUSTOMER).await;
    app.settled().await;
    let events = app.stored("NMC_EVENTS").await.len();
    let (dir, settings) = (app.servers.dir().display().to_string(), app.servers.settings(&[]));
    let saved = run(&["streams", "save", "--dir", &dir, "NMC_EVENTS", "NMC_NOTHING"], &settings).await;
    let printed = text(&saved.stdout);
    assert!(saved.status.success(), "{printed}{}", text(&saved.stderr));
    assert!(printed.contains(&format!("NMC_EVENTS: {events} messages\nNMC_NOTHING: does not exist")), "{printed}");
    let load = ["streams", "load", &format!("{dir}/NMC_EVENTS.stream")];
    let refused = run(&load, &settings).await;
    assert!(!refused.status.success(), "it must not mix with a stream that exists");
    let empty = Shared::from_env().unwrap().nats().await.unwrap();
    let elsewhere = app.servers.settings(&[("NATS_URL".to_owned(), empty.url())]);
    let loaded = run(&load, &elsewhere).await;
    assert!(loaded.status.success(), "{}", text(&loaded.stderr));
    let context = async_nats::jetstream::new(async_nats::connect(empty.url()).await.unwrap());
    let stream = context.get_stream("NMC_EVENTS").await.unwrap();
    assert_eq!(usize::try_from(stream.cached_info().state.messages), Ok(events));
    let consumer = stream.consumer_info("redis").await.unwrap();
    assert_eq!((consumer.num_pending, consumer.num_ack_pending), (0, 0), "Redis does not get the events again");
    // The service finds nothing to create or to change in it.
    let check = text(&run(&["streams", "check"], &elsewhere).await.stdout);
    assert!(check.contains("NMC_EVENTS: as defined"), "{check}");
}
