//! `nevermisscall check`: with each part broken in turn, and in agreement with `/health/ready`.

use nevermisscall::internals::Role;
use nmc_testbed::dispatchbot;
use nmc_testbed::sim::Rule;
use nmc_testbed::twilio;
use rstest::rstest;
use serde_json::Value;
use sqlx::{Connection, PgConnection};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::failover::{DATABASE, primary_and_replica};
use crate::harness::{App, CUSTOMER, Rest, eventually, run};

/// An edge and a worker behind a proxy, which is what Twilio reaches.
struct Checked {
    app: App,
    public_url: String,
}

/// What a check printed, and its exit status.
#[derive(Debug)]
struct Report {
    status: i32,
    json: Value,
}

impl Checked {
    async fn start() -> Self {
        let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let public_url = format!("http://{}", proxy.local_addr().unwrap());
        let setup = App::setup().set("NMC_PUBLIC_URL", &public_url).set("NMC_OPS_BIND", "127.0.0.1:0");
        let app = setup.roles([Role::Edge, Role::Worker]).start().await;
        let edge = app.addresses()[0];
        tokio::spawn(async move {
            while let Ok((mut from, _)) = proxy.accept().await {
                tokio::spawn(async move {
                    let mut to = TcpStream::connect(edge).await?;
                    copy_bidirectional(&mut from, &mut to).await
                });
            }
        });
        Self { app, public_url }
    }

    async fn check(&self) -> Report {
        self.check_with(&[], &[]).await
    }

    async fn check_with(&self, changes: &[(&str, &str)], arguments: &[&str]) -> Report {
        // The servers of tests are fast: what they keep survives a killed process, not a power cut.
        let fixed = ["check", "--json", "--within", "3s", "--skip", "fsync"];
        let arguments: Vec<&str> = fixed.iter().chain(arguments).copied().collect();
        let output = run(&arguments, &self.settings(changes)).await;
        let printed = String::from_utf8_lossy(&output.stdout);
        let json = serde_json::from_str(&printed)
            .unwrap_or_else(|error| panic!("{error}: {printed}{}", String::from_utf8_lossy(&output.stderr)));
        Report { status: output.status.code().expect("a status"), json }
    }

    fn settings(&self, changes: &[(&str, &str)]) -> Vec<(String, String)> {
        let public_url = ("NMC_PUBLIC_URL", self.public_url.as_str());
        let changes = std::iter::once(&public_url).chain(changes);
        let changes: Vec<_> = changes.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.app.servers.settings(&changes)
    }

    /// The port for health of the worker, which needs everything.
    fn worker(&self) -> Rest {
        self.app.ops().pop().expect("the worker's")
    }

    /// Asserts that the worker's readiness becomes what the check has found.
    async fn agrees(&self, report: &Report) {
        let ready = report.json["ready"].as_bool().expect("a bool");
        let worker = self.worker();
        eventually("the same from /health/ready", async || {
            ((worker.get("/health/ready").await.status == 200) == ready).then_some(())
        })
        .await;
    }
}

impl Report {
    fn names(&self, result: &str) -> Vec<&str> {
        let checks = self.json["checks"].as_array().expect("checks").iter();
        checks.filter(|check| check["result"] == result).map(|check| check["name"].as_str().expect("a name")).collect()
    }

    fn of(&self, name: &str) -> &Value {
        let mut checks = self.json["checks"].as_array().expect("checks").iter();
        checks.find(|check| check["name"] == name).unwrap_or_else(|| panic!("{name} in {}", self.json))
    }

    /// Asserts that these, and only these, are wrong, each with advice.
    fn is_wrong_about(&self, names: &[&str]) {
        assert_eq!(self.names("FAILED"), names, "{:#}", self.json);
        assert_eq!((self.status, &self.json["ok"]), (i32::from(!names.is_empty()), &Value::Bool(names.is_empty())));
        for name in names {
            assert!(self.of(name)["advice"].as_str().is_some_and(|advice| !advice.is_empty()), "{}", self.of(name));
        }
    }

    fn says(&self, name: &str, words: &str) {
        let said = self.of(name).to_string();
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[tokio::test]
async fn a_service_that_works_is_well_in_every_part() {
    let checked = Checked::start().await;
    let report = checked.check().await;
    report.is_wrong_about(&[]);
    assert_eq!(
        report.names("ok"),
        [
            "configuration",
            "postgres",
            "migrations",
            "recovery",
            "nats",
            "streams",
            "storage",
            "redis",
            "clock",
            "twilio",
            "sends",
            "callback_url",
            "dispatchbot",
            "answers"
        ]
    );
    assert_eq!(report.json["ready"], true);
    checked.agrees(&report).await;
    assert!(checked.app.servers.twilio.messages().is_empty(), "an SMS");

    let lines = run(&["check", "--skip", "fsync"], &checked.settings(&[])).await;
    let lines = String::from_utf8_lossy(&lines.stdout).into_owned();
    assert_eq!(lines.lines().filter(|line| line.starts_with("ok ")).count(), 14, "{lines}");
    assert_eq!(lines.lines().find(|line| !line.starts_with("ok ")), Some("not checked  fsync          left out"));
}

#[tokio::test]
async fn a_postgresql_that_may_lose_what_it_has_confirmed_is_wrong() {
    let checked = Checked::start().await;
    let fsync: String = sqlx::query_scalar("SHOW fsync").fetch_one(&mut checked.app.servers.sql().await).await.unwrap();
    let output = run(&["check", "--json"], &checked.settings(&[])).await;
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let report = Report { status: output.status.code().expect("a status"), json };
    report.is_wrong_about(if fsync == "on" { &[] } else { &["fsync"] });
}

#[tokio::test]
async fn without_postgresql_nothing_is_ready() {
    let checked = Checked::start().await;
    checked.app.servers.database.take_away().await.unwrap();
    let report = checked.check().await;
    report.is_wrong_about(&["postgres"]);
    report.says("postgres", "not currently accepting connections");
    assert_eq!(report.names("not checked"), ["fsync", "migrations", "recovery", "sends", "answers"]);
    assert_eq!(report.json["ready"], false);
    checked.agrees(&report).await;
    checked.app.servers.database.give_back().await.unwrap();
    let report = checked.check().await;
    report.is_wrong_about(&[]);
    checked.agrees(&report).await;
}

#[tokio::test]
async fn without_nats_nothing_is_ready() {
    let mut checked = Checked::start().await;
    checked.app.servers.nats.stop().await.unwrap();
    let report = checked.check_with(&[], &["--skip", "callback_url"]).await;
    report.is_wrong_about(&["nats"]);
    assert_eq!(report.names("not checked"), ["fsync", "streams", "storage", "callback_url"]);
    assert_eq!(report.json["ready"], false);
    checked.agrees(&report).await;
}

#[tokio::test]
async fn without_redis_the_service_is_ready_and_the_check_fails() {
    let mut checked = Checked::start().await;
    checked.app.servers.redis.stop().await.unwrap();
    let report = checked.check().await;
    report.is_wrong_about(&["redis"]);
    assert_eq!(report.json["ready"], true);
    checked.agrees(&report).await;
}

#[tokio::test]
async fn a_restored_database_that_waits_for_its_recovery_is_named() {
    let checked = Checked::start().await;
    let mut sql = checked.app.servers.sql().await;
    sqlx::query("INSERT INTO recovery (since) VALUES ('2026-01-05T14:00:00Z')").execute(&mut sql).await.unwrap();
    let report = checked.check().await;
    report.is_wrong_about(&["recovery"]);
    report.says("recovery", "as of 2026-01-05T14:00:00Z");
    report.says("recovery", "nevermisscall recover");
    sqlx::query("UPDATE recovery SET ended_at = now()").execute(&mut sql).await.unwrap();
    checked.check().await.is_wrong_about(&[]);
}

#[tokio::test]
async fn a_migration_that_is_not_applied_is_named_and_a_later_one_is_no_fault() {
    let checked = Checked::start().await;
    let mut sql = checked.app.servers.sql().await;
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (9999, 'later', true, '', 0)";
    sqlx::query(later).execute(&mut sql).await.unwrap();
    let report = checked.check().await;
    report.is_wrong_about(&[]);
    report.says("migrations", "9999 of a later version");
    let migrated = run(&["migrate"], &checked.app.servers.settings(&[])).await;
    assert!(migrated.status.success(), "this version may be rolled out again: {migrated:?}");
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = 40").execute(&mut sql).await.unwrap();
    let report = checked.check().await;
    report.is_wrong_about(&["migrations"]);
    report.says("migrations", "0040 is not applied");
    report.says("migrations", "nevermisscall migrate");
    sqlx::query("DROP TABLE _sqlx_migrations").execute(&mut sql).await.unwrap();
    let report = checked.check().await;
    report.is_wrong_about(&["migrations"]);
    report.says("migrations", "more is not applied");
}

#[tokio::test]
async fn a_replica_is_checked_if_there_is_one() {
    let checked = Checked::start().await;
    let (primary, mut replica) = primary_and_replica(false).await;
    let (url, read_url) = (primary.database_url(DATABASE).unwrap(), replica.database_url(DATABASE).unwrap());
    let check = async || checked.check_with(&[("DATABASE_URL", &url), ("DATABASE_READ_URL", &read_url)], &[]).await;
    let report = check().await;
    report.is_wrong_about(&[]);
    report.says("replica", ", a replica");

    let (mut sql, mut of_replica) =
        (PgConnection::connect(&url).await.unwrap(), PgConnection::connect(&read_url).await.unwrap());
    for statement in [
        "CREATE TABLE kept AS SELECT * FROM _sqlx_migrations WHERE version = 40",
        "DELETE FROM _sqlx_migrations WHERE version = 40",
    ] {
        sqlx::query(statement).execute(&mut sql).await.unwrap();
    }
    eventually("the same on the replica", async || {
        let there = "SELECT 1 FROM _sqlx_migrations WHERE version = 40";
        sqlx::query(there).fetch_optional(&mut of_replica).await.unwrap().is_none().then_some(())
    })
    .await;
    check().await.is_wrong_about(&["migrations"]);
    sqlx::query("SELECT pg_wal_replay_pause()").execute(&mut of_replica).await.unwrap();
    eventually("the pause of the replica", async || {
        let is_paused = "SELECT pg_get_wal_replay_pause_state() = 'paused'";
        sqlx::query_scalar::<_, bool>(is_paused).fetch_one(&mut of_replica).await.unwrap().then_some(())
    })
    .await;
    sqlx::query("INSERT INTO _sqlx_migrations SELECT * FROM kept").execute(&mut sql).await.unwrap();
    let report = check().await;
    report.is_wrong_about(&["replica"]);
    report.says("replica", "0040 is not there yet");

    replica.kill().await.unwrap();
    let report = check().await;
    report.is_wrong_about(&["replica"]);
    report.says("replica", "DATABASE_READ_URL");
}

#[tokio::test]
async fn a_replica_of_another_database_is_wrong_and_the_primary_itself_is_not() {
    let checked = Checked::start().await;
    let url = checked.app.servers.database.url().to_owned();
    let report = checked.check_with(&[("DATABASE_READ_URL", &url)], &[]).await;
    report.is_wrong_about(&[]);
    report.says("replica", "the primary itself");
    let (server, options) = url.split_once('?').unwrap();
    let of_another = format!("{}/postgres?{options}", server.rsplit_once('/').unwrap().0);
    let report = checked.check_with(&[("DATABASE_READ_URL", &of_another)], &[]).await;
    report.is_wrong_about(&["replica"]);
    report.says("replica", "has another database");
}

#[tokio::test]
async fn streams_that_are_missing_or_differ_are_named() {
    let checked = Checked::start().await;
    let jetstream = async_nats::jetstream::new(async_nats::connect(checked.app.servers.nats.url()).await.unwrap());
    jetstream.delete_stream("NMC_DEAD").await.unwrap();
    let mut config = jetstream.get_stream("NMC_EVENTS").await.unwrap().cached_info().config.clone();
    config.max_messages = 7;
    jetstream.update_stream(config).await.unwrap();
    let report = checked.check().await;
    report.is_wrong_about(&["streams"]);
    report.says("streams", "NMC_DEAD: missing");
    report.says("streams", "NMC_EVENTS: differs in");
    report.says("streams", "nevermisscall streams apply");
    checked.agrees(&report).await;
    assert!(run(&["streams", "apply"], &checked.settings(&[])).await.status.success());
    checked.check().await.is_wrong_about(&[]);
}

#[tokio::test]
async fn storage_that_is_nearly_full_is_wrong() {
    let checked = Checked::start().await;
    checked.app.text(CUSTOMER, "My sink is blocked").await;
    checked.app.settled().await;
    let report = checked.check_with(&[("NMC_NATS_STORAGE", "1KB")], &[]).await;
    report.is_wrong_about(&["storage"]);
}

/// Answers every request with this date.
async fn clock_that_shows(date: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = client.read(&mut [0; 4096]).await;
                let answer = format!(
                    "HTTP/1.1 401 Unauthorized\r\ndate: {date}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
                client.write_all(answer.as_bytes()).await
            });
        }
    });
    url
}

#[tokio::test]
async fn a_clock_that_differs_is_wrong() {
    let checked = Checked::start().await;
    let url = clock_that_shows("Thu, 01 Jan 2026 00:00:00 GMT").await;
    let report = checked.check_with(&[("TWILIO_API_URL", &url)], &["--skip", "twilio"]).await;
    report.is_wrong_about(&["clock"]);
    report.says("clock", "ahead of Twilio's");
    report.says("clock", "within 1 s of PostgreSQL's");
}

#[tokio::test]
async fn credentials_that_twilio_and_our_edge_refuse_are_wrong() {
    let checked = Checked::start().await;
    let report = checked.check_with(&[("TWILIO_AUTH_TOKEN", "a-token-of-somebody-else")], &[]).await;
    report.is_wrong_about(&["twilio", "callback_url"]);
    report.says("callback_url", "signature is refused");
    assert!(!report.json.to_string().contains("a-token-of-somebody-else"));
}

#[tokio::test]
async fn messages_that_wait_for_twilio_are_wrong() {
    let checked = Checked::start().await;
    let refusal = twilio::Fault::Respond(twilio::Refusal::status(503));
    checked.app.servers.twilio.add_rule(Rule::always(refusal).to(CUSTOMER));
    checked.app.text(CUSTOMER, "My sink is blocked").await;
    let worker = checked.worker();
    eventually("sends are stuck", async || {
        (worker.get("/health").await.body["services"]["twilio"] == "degraded").then_some(())
    })
    .await;
    checked.check().await.is_wrong_about(&["sends"]);
}

#[rstest]
#[case::nobody("http://127.0.0.1:1", "tcp connect error")]
#[case::somebody_else("", "not answered by this service: status 404")]
#[tokio::test]
async fn a_public_url_that_does_not_lead_to_the_edge_is_wrong(#[case] url: &str, #[case] says: &str) {
    let checked = Checked::start().await;
    let somebody_else = checked.app.servers.dispatchbot.base_url();
    let url = if url.is_empty() { &somebody_else } else { url };
    let report = checked.check_with(&[("NMC_PUBLIC_URL", url)], &[]).await;
    report.is_wrong_about(&["callback_url"]);
    report.says("callback_url", says);
    let report = checked.check_with(&[("NMC_PUBLIC_URL", url)], &["--skip", "callback_url"]).await;
    report.is_wrong_about(&[]);
}

#[rstest]
#[case::another_key("DISPATCHBOT_API_KEY", "another-key", "DISPATCHBOT_API_KEY")]
#[case::nobody("DISPATCHBOT_URL", "http://127.0.0.1:1", "DISPATCHBOT_URL")]
#[tokio::test]
async fn a_dispatchbot_that_cannot_be_asked_is_wrong(#[case] name: &str, #[case] value: &str, #[case] advice: &str) {
    let checked = Checked::start().await;
    let report = checked.check_with(&[(name, value)], &[]).await;
    report.is_wrong_about(&["dispatchbot"]);
    report.says("dispatchbot", advice);
}

#[tokio::test]
async fn a_dispatchbot_of_the_other_dialect_is_checked_in_its_own_words() {
    let checked = Checked::start().await;
    let other = ("DISPATCHBOT_DIALECT", "dispatch-bot-ai");
    let report = checked.check_with(&[other], &[]).await;
    report.is_wrong_about(&[]);
    let report = checked.check_with(&[other, ("DISPATCHBOT_API_KEY", "another-key")], &[]).await;
    report.is_wrong_about(&["dispatchbot"]);
    report.says("dispatchbot", "DISPATCHBOT_API_KEY");
    checked.app.servers.dispatchbot.change_faults(|faults| faults.unhealthy = true);
    let report = checked.check_with(&[other], &[]).await;
    report.is_wrong_about(&["dispatchbot"]);
    report.says("dispatchbot", "unhealthy");
}

#[tokio::test]
async fn a_window_without_an_answer_is_wrong() {
    let checked = Checked::start().await;
    checked.app.servers.dispatchbot.add_rule(Rule::always(dispatchbot::Fault::Respond(500)));
    checked.app.text(CUSTOMER, "My sink is blocked").await;
    checked.app.wait_for_sms(CUSTOMER, 1).await;
    let report = checked.check().await;
    report.is_wrong_about(&["answers"]);
    report.says("answers", "runbook");
}

#[tokio::test]
async fn a_configuration_that_is_not_complete_is_reported_as_by_every_command() {
    let output = run(&["check", "--json"], &[]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("DATABASE_URL: missing"));
    let unknown = run(&["check", "--skip", "weather"], &[]).await;
    assert_eq!(unknown.status.code(), Some(2));
}
