//! Logins without a password: nkeys and credentials files of NATS, client certificates of PostgreSQL.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use nmc_testbed::servers::{Binaries, NatsOptions, NatsServer};
use nmc_testbed::twilio::TwilioOptions;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::certificates::Authority;
use super::secured::Postgres;
use super::{environment, path};
use crate::harness::{Servers, run};

/// A nats-server with the project's nats.conf and these further lines.
async fn nats_with(dir: &Path, lines: &str) -> NatsServer {
    std::fs::create_dir_all(dir).unwrap();
    let config = dir.join("logins.conf");
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("nats.conf");
    std::fs::copy(ours, dir.join("nats.conf")).unwrap();
    std::fs::write(&config, format!("include nats.conf\n{lines}\n")).unwrap();
    let binaries = Binaries::find().unwrap();
    NatsServer::start(NatsOptions { config, ..NatsOptions::new(&binaries, dir) }).await.unwrap()
}

/// What `nevermisscall streams apply` answers with these settings: whether it succeeded, and what it wrote.
async fn streams_applied(nats: &NatsServer, login: Option<(&str, &Path)>) -> (bool, String) {
    let mut settings = environment(&[("NATS_URL", &nats.url())]);
    settings.extend(login.map(|(variable, file)| (variable.to_owned(), path(file).to_owned())));
    let output = run(&["streams", "apply"], &settings).await;
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Checks that the right file alone leads to the streams.
async fn only_the_right_file_is_let_in(nats: &NatsServer, variable: &str, right: &Path, wrong: &Path) {
    for login in [None, Some((variable, wrong))] {
        let (applied, said) = streams_applied(nats, login).await;
        assert!(!applied && said.contains("authorization violation"), "{variable}, {login:?}: {said}");
    }
    let (applied, said) = streams_applied(nats, Some((variable, right))).await;
    assert!(applied, "{variable}: {said}");
}

fn seed_file(dir: &Path, name: &str, key: &KeyPair) -> PathBuf {
    let file = dir.join(name);
    std::fs::write(&file, format!("{}\n", key.seed().unwrap())).unwrap();
    file
}

#[tokio::test]
async fn nats_lets_an_nkey_in_whose_public_half_it_knows_and_no_other() {
    let servers = Servers::start(TwilioOptions::default()).await;
    let (known, unknown) = (KeyPair::new_user(), KeyPair::new_user());
    let lines = format!("authorization: {{ users: [ {{ nkey: {} }} ] }}", known.public_key());
    let nats = nats_with(&servers.dir().join("nats"), &lines).await;
    let (right, wrong) =
        (seed_file(servers.dir(), "known.nk", &known), seed_file(servers.dir(), "unknown.nk", &unknown));
    only_the_right_file_is_let_in(&nats, "NATS_NKEY_FILE", &right, &wrong).await;
}

/// A JWT of NATS (ADR-14 of nats-architecture-and-design): the claims about `subject`, signed by `issuer`.
fn jwt(issuer: &KeyPair, subject: &KeyPair, name: &str, nats: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let mut claims = json!({
        "iat": chrono::Utc::now().timestamp(), "iss": issuer.public_key(), "name": name, "sub": subject.public_key(),
        "nats": nats,
    });
    claims["jti"] = json!(URL_SAFE_NO_PAD.encode(Sha256::digest(claims.to_string())));
    let signed = format!("{}.{}", encode(&json!({ "typ": "JWT", "alg": "ed25519-nkey" })), encode(&claims));
    let signature = URL_SAFE_NO_PAD.encode(issuer.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{signature}")
}

/// A credentials file as `nsc` writes it, of a new user of an account.
fn credentials(file: &Path, account: &KeyPair) -> PathBuf {
    let user = KeyPair::new_user();
    let claims = json!({ "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1, "type": "user", "version": 2 });
    let (token, seed) = (jwt(account, &user, "worker", &claims), user.seed().unwrap());
    let text = format!(
        "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    );
    std::fs::write(file, text).unwrap();
    file.to_owned()
}

#[tokio::test]
async fn nats_lets_the_credentials_of_its_operators_account_in_and_no_others() {
    let servers = Servers::start(TwilioOptions::default()).await;
    let (operator, system, account) = (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_account());
    let everything = json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
        "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
    });
    let mut limits_of_system = everything.clone();
    for limit in ["mem_storage", "disk_storage", "streams", "consumer"] {
        limits_of_system[limit] = json!(0);
    }
    let of_account = |limits: &Value| json!({ "limits": limits, "type": "account", "version": 2 });
    let of_operator = json!({ "system_account": system.public_key(), "type": "operator", "version": 2 });
    let lines = format!(
        "operator: {}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{ {}: {}\n {}: {} }}",
        jwt(&operator, &operator, "operator", &of_operator),
        system.public_key(),
        system.public_key(),
        jwt(&operator, &system, "SYS", &of_account(&limits_of_system)),
        account.public_key(),
        jwt(&operator, &account, "NMC", &of_account(&everything)),
    );
    let nats = nats_with(&servers.dir().join("nats"), &lines).await;
    let right = credentials(&servers.dir().join("worker.creds"), &account);
    let wrong = credentials(&servers.dir().join("stranger.creds"), &KeyPair::new_account());
    only_the_right_file_is_let_in(&nats, "NATS_CREDS_FILE", &right, &wrong).await;
}

#[tokio::test]
async fn postgresql_lets_a_client_certificate_of_its_authority_in_for_the_user_that_it_names() {
    let servers = Servers::start(TwilioOptions::default()).await;
    let tls = servers.dir().join("tls");
    let (ca, another) = (Authority::new(&tls, "ca"), Authority::new(&tls, "another"));
    let postgres = Postgres::start(servers.dir().join("postgres"), &ca.sign("server")).await;
    postgres.ask_for_certificates(&ca.file, &ca.sign("server")).await;
    let migrate = async |certificate: &str| {
        let verified = format!("sslmode=verify-full&sslrootcert={}{certificate}", ca.file.display());
        let url = postgres.url("localhost", "nmc_owner", "owner-password", &verified);
        let output = run(&["migrate"], &environment(&[("DATABASE_URL", &url)])).await;
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let options = |certificate: &super::certificates::Certificate| {
        format!("&sslcert={}&sslkey={}", certificate.file.display(), certificate.key.display())
    };
    let strangers = Authority::new(&tls.join("strangers"), "ca");
    for (name, certificate, reason) in [
        ("no certificate", String::new(), "connection requires a valid client certificate"),
        ("another user's", options(&ca.sign("nmc")), "certificate authentication failed"),
        ("another authority's", options(&another.sign("nmc_owner_of_another")), "UnknownCA"),
        ("one of the same name", options(&strangers.sign("nmc_owner")), "DecryptError"),
    ] {
        let (done, said) = migrate(&certificate).await;
        assert!(!done && said.contains("Database connection failed") && said.contains(reason), "{name}: {said}");
        assert!(!said.contains("-password"), "{name}: {said}");
    }
    let (done, said) = migrate(&options(&ca.sign("nmc_owner"))).await;
    assert!(done, "{said}");
}
