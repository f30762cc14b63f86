//! Connections to NATS, PostgreSQL and Redis over a network: TLS with certificates that the tests make, and users that may
//! do no more than they need, as the examples in `deploy/` have them.

mod certificates;
mod logins;
mod secured;

use std::path::Path;
use std::sync::{Arc, Mutex};

use async_nats::jetstream::{self, consumer};
use async_nats::{ConnectOptions, Event};
use futures::StreamExt;
use nmc_testbed::servers::{NatsServer, Signal, connect_redis};
use nmc_testbed::twilio::{TwilioOptions, new_message_sid};
use reqwest::Method;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use crate::harness::{
    API_KEY, BUSINESS, CUSTOMER, Child, Events, OUR_NUMBER, PUBLIC_URL, Rest, Servers, business, eventually, query, run,
};
use certificates::Authority;
use secured::{Postgres, nats, nats_url, redis};

type Environment = Vec<(String, String)>;

fn environment(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn path(file: &Path) -> &str {
    file.to_str().unwrap()
}

#[tokio::test]
async fn edge_and_worker_do_their_work_over_tls_with_users_that_may_do_nothing_else() {
    let servers = Servers::start(TwilioOptions::default()).await;
    let ca = Authority::new(&servers.dir().join("tls"), "ca");
    let (of_server, ours) = (ca.sign("server"), ca.sign("client"));
    let nats = nats(&servers.dir().join("nats"), &of_server, &ca.file, true).await;
    let (redis, redis_port) = redis(&servers.dir().join("redis"), &of_server, &ca.file, true).await;
    let postgres = Postgres::start(servers.dir().join("postgres"), &of_server).await;
    let verified = format!("sslmode=verify-full&sslrootcert={}", ca.file.display());
    let certificates = environment(&[
        ("NATS_CA_FILE", path(&ca.file)),
        ("NATS_CERT_FILE", path(&ours.file)),
        ("NATS_KEY_FILE", path(&ours.key)),
        ("REDIS_CA_FILE", path(&ca.file)),
        ("REDIS_CERT_FILE", path(&ours.file)),
        ("REDIS_KEY_FILE", path(&ours.key)),
        ("REDIS_URL", &format!("rediss://nevermisscall:service-password@localhost:{redis_port}")),
        ("DATABASE_URL", &postgres.url("localhost", "nmc", "nmc-password", &verified)),
    ]);
    let nats_of = |user: &str| {
        let prefix = format!("_INBOX_{user}");
        let own = [("NATS_URL", nats_url(&nats, "localhost", user)), ("NATS_INBOX_PREFIX", prefix)];
        let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
        certificates.iter().cloned().chain(own).collect::<Environment>()
    };

    // The database's owner migrates, and the administrator of NATS creates the streams.
    let owner = environment(&[("DATABASE_URL", &postgres.url("localhost", "nmc_owner", "owner-password", &verified))]);
    let admin: Environment = nats_of("admin").into_iter().filter(|(name, _)| name != "NATS_INBOX_PREFIX").collect();
    for (command, settings) in [(&["migrate"][..], &owner), (&["streams", "apply"], &admin)] {
        let output = run(command, settings).await;
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    postgres.let_the_service_in().await;

    let ops = servers.dir().join("ops");
    let of_worker = [("NMC_OPS_BIND", "127.0.0.1:0"), ("NMC_OPS_ADDRESS_FILE", path(&ops))];
    let of_worker = [nats_of("worker"), environment(&of_worker)].concat();
    let mut worker = Child::start(&servers, "worker", &["worker"], &servers.settings(&of_worker));
    let mut edge = Child::start(&servers, "edge", &["edge"], &servers.settings(&nats_of("edge")));
    let base = format!("http://{}", edge.address().await);
    servers.twilio.set_webhook_url(PUBLIC_URL, Some(&base));
    let app_server = redis.url().replace("redis://", "redis://app_server:app-server-password@");
    let events = Events::subscribe(&app_server).await;
    let rest = Rest::new(base, API_KEY);
    rest.ready().await;
    let ops = eventually("the worker's port", async || std::fs::read_to_string(&ops).ok()).await;
    Rest::new(format!("http://{ops}"), API_KEY).with_key(None).ready().await;
    rest.put(&format!("/businesses/{BUSINESS}"), &business()).await.ok();

    let mut followed = rest.follow("/events", None).await;
    assert_eq!(followed.status(), 200);
    let webhook = servers.twilio.webhook_client(None).unwrap();
    for (to, text) in [(OUR_NUMBER, "My kitchen sink is blocked"), ("+15555559999", "Is anybody there?")] {
        let answer = webhook.sms(&new_message_sid(), CUSTOMER, to, text).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let of_customer = |event: &serde_json::Value| event["customer_phone"] == CUSTOMER;
    events.nth(1, "message.delivered", of_customer).await;
    let mut received = String::new();
    while !received.contains("message.delivered") {
        received += &String::from_utf8_lossy(&followed.chunk().await.unwrap().unwrap());
    }
    // What else they do: a person's command, a dead letter and its replay, an erasure, the probe of the whole path.
    let list = rest.get(&query("/conversations", &[("business_id", BUSINESS)])).await.ok();
    let conversation = format!("/conversations/{}", list["conversations"][0]["id"].as_str().unwrap());
    let reply = json!({ "user_id": "user-joe", "body": "I am on my way" });
    rest.send(Method::POST, &format!("{conversation}/messages"), Some(&reply)).await.ok();
    events.nth(2, "message.delivered", of_customer).await;
    let letters = eventually("a dead letter", async || {
        let letters = rest.get("/dead-letters").await;
        letters.body["dead_letters"].as_array().filter(|found| !found.is_empty()).cloned()
    })
    .await;
    assert_eq!(letters.len(), 1);
    rest.send(Method::POST, "/dead-letters/replay", Some(&json!({ "all": true }))).await.ok();
    eventually("the replay", async || {
        let letter = rest.get("/dead-letters").await.ok();
        letter["dead_letters"].as_array()?.iter().any(|letter| letter["status"] == "replayed").then_some(())
    })
    .await;
    rest.send(Method::DELETE, &format!("/customers/{CUSTOMER}"), None).await.ok();
    let token =
        environment(&[("TWILIO_AUTH_TOKEN", &TwilioOptions::default().auth_token), ("NMC_PUBLIC_URL", PUBLIC_URL)]);
    let probed = run(&["probe", rest.base()], &token).await;
    assert!(probed.status.success(), "{}", String::from_utf8_lossy(&probed.stdout));

    for child in [&mut edge, &mut worker] {
        child.signal(Signal::Term);
        let status = child.end().await;
        assert!(status.success(), "{status}\n{}", child.log());
    }
    let refused = |log: &str| log.lines().filter(|line| line.contains("iolation") || line.contains("NOPERM")).count();
    let logs = [edge.log(), worker.log(), nats_log(&nats)];
    assert!(logs.iter().all(|log| refused(log) == 0), "{}", logs.join("\n"));
    let mut sql = PgConnection::connect(&postgres.server.database_url("nevermisscall").unwrap()).await.unwrap();
    let owners = "SELECT DISTINCT tableowner::text FROM pg_tables WHERE schemaname = 'public'";
    let owners: Vec<String> = sqlx::query_scalar(owners).fetch_all(&mut sql).await.unwrap();
    assert_eq!(owners, ["nmc_owner"], "the service owns nothing");
}

fn nats_log(nats: &NatsServer) -> String {
    std::fs::read_to_string(nats.dir().join("nats-server.log")).unwrap()
}

/// What a user of NATS is told is forbidden.
#[derive(Clone, Default)]
struct Refusals(Arc<Mutex<Vec<String>>>);

impl Refusals {
    async fn of(&self, subject: &str) {
        let words = format!("\"{subject}\"").to_lowercase();
        eventually(&format!("a refusal of {subject}"), async || {
            let said = self.0.lock().unwrap();
            said.iter().any(|said| said.to_lowercase().contains(&words)).then_some(())
        })
        .await;
    }
}

async fn client(nats: &NatsServer, ca: &Path, user: &str) -> (async_nats::Client, Refusals) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (refusals, port) = (Refusals::default(), nats.url().rsplit(':').next().unwrap().to_owned());
    let told = refusals.clone();
    let client = ConnectOptions::new()
        .user_and_password(user.to_owned(), format!("{user}-password"))
        .custom_inbox_prefix(format!("_INBOX_{user}"))
        .add_root_certificates(ca.to_owned())
        .event_callback(move |event| {
            if let Event::ServerError(error) = event {
                told.0.lock().unwrap().push(error.to_string());
            }
            async {}
        })
        .connect(format!("tls://localhost:{port}"))
        .await
        .unwrap();
    (client, refusals)
}

#[tokio::test]
async fn a_subscriber_reads_its_events_people_look_and_both_can_do_nothing_else() {
    let servers = Servers::start(TwilioOptions::default()).await;
    let ca = Authority::new(&servers.dir().join("tls"), "ca");
    let nats = nats(&servers.dir().join("nats"), &ca.sign("server"), &ca.file, false).await;
    let admin = environment(&[("NATS_URL", &nats_url(&nats, "localhost", "admin")), ("NATS_CA_FILE", path(&ca.file))]);
    let applied = run(&["streams", "apply"], &admin).await;
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    let (admin, _) = client(&nats, &ca.file, "admin").await;
    let admin = jetstream::new(admin);
    let stream = admin.get_stream("NMC_EVENTS").await.unwrap();
    let durable = consumer::pull::Config { durable_name: Some("app-server".to_owned()), ..Default::default() };
    stream.create_consumer(durable).await.unwrap();
    admin.publish("nmc.event.message.received._", "{}".into()).await.unwrap().await.unwrap();

    let (subscriber, refusals) = client(&nats, &ca.file, "app_server").await;
    let events: consumer::PullConsumer =
        jetstream::new(subscriber.clone()).get_consumer_from_stream("app-server", "NMC_EVENTS").await.unwrap();
    let mut batch = events.fetch().max_messages(1).messages().await.unwrap();
    let event = batch.next().await.unwrap().unwrap();
    event.double_ack().await.unwrap();
    for subject in [
        "nmc.inbound.sms.forged",
        "nmc.task.send_sms.forged",
        "$JS.API.STREAM.INFO.NMC_INBOUND",
        "$JS.API.CONSUMER.MSG.NEXT.NMC_EVENTS.redis",
        "$JS.API.CONSUMER.CREATE.NMC_EVENTS.another",
        "$JS.API.STREAM.PURGE.NMC_EVENTS",
    ] {
        subscriber.publish(subject, "{}".into()).await.unwrap();
        refusals.of(subject).await;
    }
    // Replies to the edge hold webhooks.
    let _kept = subscriber.subscribe("_INBOX_edge.>").await.unwrap();
    refusals.of("_INBOX_edge.>").await;

    let (people, refusals) = client(&nats, &ca.file, "people").await;
    let look = jetstream::new(people.clone()).get_stream("NMC_EVENTS").await.unwrap();
    assert_eq!(look.get_raw_message(1).await.unwrap().payload, "{}");
    for subject in ["nmc.inbound.sms.forged", "$JS.API.STREAM.PURGE.NMC_EVENTS", "$JS.API.STREAM.MSG.DELETE.NMC_EVENTS"]
    {
        people.publish(subject, "{}".into()).await.unwrap();
        refusals.of(subject).await;
    }
    for user in ["edge", "worker"] {
        let (part, refusals) = client(&nats, &ca.file, user).await;
        for subject in ["$JS.API.STREAM.DELETE.NMC_INBOUND", "$JS.API.STREAM.UPDATE.NMC_INBOUND"] {
            part.publish(subject, "{}".into()).await.unwrap();
            refusals.of(subject).await;
        }
    }
    assert_eq!(stream.get_info().await.unwrap().state.messages, 1, "nothing was purged or published");
}

#[tokio::test]
async fn nats_is_refused_with_the_reason_unless_everything_is_right() {
    let servers = Servers::start(TwilioOptions::default()).await;
    let tls = servers.dir().join("tls");
    let (ca, another) = (Authority::new(&tls, "ca"), Authority::new(&tls, "another"));
    let (right, expired) =
        tokio::join!(async { nats(&servers.dir().join("right"), &ca.sign("server"), &ca.file, false).await }, async {
            nats(&servers.dir().join("expired"), &ca.sign_expired("expired"), &ca.file, false).await
        },);
    let of = |nats: &NatsServer, host: &str, user: &str, authority: &Authority| {
        environment(&[
            ("NATS_URL", &nats_url(nats, host, user)),
            ("NATS_CA_FILE", path(&authority.file)),
            ("NATS_INBOX_PREFIX", &format!("_INBOX_{user}")),
        ])
    };
    let wrong_password: Environment = of(&right, "localhost", "edge", &ca)
        .into_iter()
        .map(|(name, value)| (name, value.replace("edge-password", "guessed")))
        .collect();
    let system_authorities: Environment =
        of(&right, "localhost", "edge", &ca).into_iter().filter(|(name, _)| name != "NATS_CA_FILE").collect();
    let cases = [
        ("another authority", of(&right, "localhost", "edge", &another), "UnknownIssuer"),
        ("the system's authorities", system_authorities, "UnknownIssuer"),
        ("another host name", of(&right, "127.0.0.1", "edge", &ca), "not valid for name"),
        ("an expired certificate", of(&expired, "localhost", "edge", &ca), "certificate expired"),
        ("a wrong password", wrong_password, "authorization violation"),
        ("a user that nobody knows", of(&right, "localhost", "nobody", &ca), "authorization violation"),
    ];
    let refused = cases.iter().map(async |(name, settings, reason)| {
        let output = run(&["streams", "check"], settings).await;
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or_default().to_owned();
        assert!(!output.status.success(), "{name}");
        assert!(last.contains("NATS connection failed") && last.contains(reason), "{name}: {said}");
        assert!(!said.contains("-password") && !said.contains("guessed"), "{name}: {said}");
    });
    futures::future::join_all(refused).await;
    // Who may connect, but not create streams.
    let output = run(&["streams", "apply"], &of(&right, "localhost", "edge", &ca)).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    assert!(
        said.to_lowercase().contains("permissions violation for publish to \"$js.api.stream.create.nmc_inbound\""),
        "{said}"
    );
}

#[tokio::test]
async fn postgresql_is_refused_with_the_reason_unless_everything_is_right() {
    let servers = Servers::start(TwilioOptions::default()).await;
    let tls = servers.dir().join("tls");
    let (ca, another) = (Authority::new(&tls, "ca"), Authority::new(&tls, "another"));
    let postgres = Postgres::start(servers.dir().join("postgres"), &ca.sign("server")).await;
    let full = |authority: &Authority| format!("sslmode=verify-full&sslrootcert={}", authority.file.display());
    let migrate = async |url: String| {
        let output = run(&["migrate"], &environment(&[("DATABASE_URL", &url)])).await;
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for (name, url, reason) in [
        (
            "another authority",
            postgres.url("localhost", "nmc_owner", "owner-password", &full(&another)),
            "UnknownIssuer",
        ),
        (
            "another host name",
            postgres.url("127.0.0.1", "nmc_owner", "owner-password", &full(&ca)),
            "not valid for name",
        ),
        (
            "a wrong password",
            postgres.url("localhost", "nmc_owner", "guessed", &full(&ca)),
            "password authentication failed",
        ),
        ("another user", postgres.url("localhost", "postgres", "guessed", &full(&ca)), "pg_hba.conf rejects"),
        ("no TLS", postgres.url("localhost", "nmc_owner", "owner-password", "sslmode=disable"), "pg_hba.conf rejects"),
        (
            "no member of the role yet",
            postgres.url("localhost", "nmc", "nmc-password", &full(&ca)),
            "pg_hba.conf rejects",
        ),
    ] {
        let (done, said) = migrate(url).await;
        assert!(!done && said.contains(reason), "{name}: {said}");
        assert!(said.contains("Database connection failed"), "{name}: {said}");
        assert!(!said.contains("guessed") && !said.contains("-password"), "{name}: {said}");
    }
    let right = postgres.url("localhost", "nmc_owner", "owner-password", &full(&ca));
    let (done, said) = migrate(right.clone()).await;
    assert!(done, "{said}");
    postgres.let_the_service_in().await;
    // The password is replaced (docs/continuity.md, Rotation): for a time there are two users.
    postgres.execute(&["CREATE ROLE nmc_b LOGIN PASSWORD 'b-password' IN ROLE nevermisscall_service"]).await;
    for (user, password) in [("nmc", "nmc-password"), ("nmc_b", "b-password")] {
        let mut sql = PgConnection::connect(&postgres.url("localhost", user, password, &full(&ca))).await.unwrap();
        sqlx::query("SELECT FROM conversations").execute(&mut sql).await.unwrap();
        let refused = sqlx::query("CREATE TABLE another ()").execute(&mut sql).await.unwrap_err().to_string();
        assert!(refused.contains("permission denied"), "{user}: {refused}");
    }
    postgres.present(&ca.sign_expired("expired")).await;
    let (done, said) = migrate(right).await;
    assert!(!done && said.contains("certificate expired"), "{said}");
}

#[tokio::test]
async fn redis_is_down_with_the_reason_unless_everything_is_right() {
    let servers = Servers::start(TwilioOptions::default()).await;
    let tls = servers.dir().join("tls");
    let (ca, another) = (Authority::new(&tls, "ca"), Authority::new(&tls, "another"));
    let of_server = ca.sign("server");
    let (_right, port) = redis(&servers.dir().join("right"), &of_server, &ca.file, false).await;
    let (_expired, expired) = redis(&servers.dir().join("expired"), &ca.sign_expired("expired"), &ca.file, false).await;
    let (_strict, strict) = redis(&servers.dir().join("strict"), &of_server, &ca.file, true).await;
    let url = |user: &str, host: &str, port: u16| format!("rediss://{user}@{host}:{port}");
    let user = "nevermisscall:service-password";
    let cases = [
        ("another authority", url(user, "localhost", port), &another, "UnknownIssuer"),
        ("another host name", url(user, "127.0.0.1", port), &ca, "not valid for name"),
        ("an expired certificate", url(user, "localhost", expired), &ca, "certificate expired"),
        ("a wrong password", url("nevermisscall:guessed", "localhost", port), &ca, "Password authentication failed"),
        ("nobody", format!("rediss://localhost:{port}"), &ca, "NOAUTH"),
        ("no certificate of ours", url(user, "localhost", strict), &ca, "CertificateRequired"),
    ];
    // One after the other: a busy Redis would be late, which is another reason.
    for (number, (name, url, authority, reason)) in cases.iter().enumerate() {
        let settings = environment(&[("REDIS_URL", url), ("REDIS_CA_FILE", path(&authority.file))]);
        let mut edge = Child::start(&servers, &format!("edge-{number}"), &["edge"], &servers.settings(&settings));
        let line = eventually(name, async || {
            let is_about_redis =
                |line: &&str| line.contains("service is unavailable") && line.contains("service=redis");
            edge.log().lines().find(is_about_redis).map(str::to_owned)
        })
        .await;
        assert!(line.contains(reason), "{name}: {line}");
        assert!(!edge.log().contains("guessed") && !edge.log().contains("service-password"), "{name}");
        edge.signal(Signal::Term);
        edge.end().await;
    }

    // The users may do no more than they need.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let ask = async |user: &str, command: &[&str]| {
        let certificates =
            redis::TlsCertificates { client_tls: None, root_cert: Some(std::fs::read(&ca.file).unwrap()) };
        let client = redis::Client::build_with_tls(url(user, "localhost", port), certificates).unwrap();
        let mut connection = connect_redis(&client).await.unwrap();
        let mut request = redis::cmd(command[0]);
        request.arg(&command[1..]);
        request.query_async::<redis::Value>(&mut connection).await.map_err(|error| error.to_string())
    };
    let app_server = "app_server:app-server-password";
    assert!(ask(app_server, &["XRANGE", "conversation.events:log", "-", "+"]).await.is_ok());
    for (user, command) in [
        (app_server, &["XADD", "conversation.events:log", "*", "event", "forged"][..]),
        (app_server, &["PUBLISH", "conversation.events", "forged"]),
        (app_server, &["GET", "conversation.events:seen:1"]),
        (user, &["FLUSHALL"]),
        (user, &["CONFIG", "GET", "*"]),
        (user, &["GET", "another-service"]),
        (user, &["PUBLISH", "another-channel", "x"]),
    ] {
        let refused = ask(user, command).await.unwrap_err();
        assert!(refused.contains("NOPERM") || refused.contains("permissions"), "{command:?}: {refused}");
    }
}
