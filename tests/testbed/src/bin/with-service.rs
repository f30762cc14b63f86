//! `with-service -- COMMAND…`: runs a command beside the running service, with sample data in it.
//!
//! Runs inside `with-servers`, with its own database, nats-server and Redis, and with both simulators. Before the
//! command starts, signed webhooks create conversations (some of them emergencies), calls and messages in two
//! businesses. The command's environment has:
//!
//! - `NMC`: the service's URL; `KEY`: an API key with full access; `READ_KEY`: a read-only API key
//! - `NMC_SEED`: a JSON file with the ids of the sample data: `businesses`, `conversations`, `calls`, `messages`,
//!   `customers`, `dead_letters`
//!
//! Everything is stopped when the command ends; the exit status is the command's. After a failure, the end of the
//! service's log is printed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::Parser;
use nmc_testbed::dispatchbot::{DispatchBotOptions, DispatchBotSim};
use nmc_testbed::servers::{Shared, Signal, send_signal};
use nmc_testbed::settings::{API_KEY, PUBLIC_URL, Surroundings, brief_log, hurried, owned};
use nmc_testbed::sim::http_client;
use nmc_testbed::twilio::{TwilioOptions, TwilioSim};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

const PATIENCE: Duration = Duration::from_secs(60);
const BETWEEN: Duration = Duration::from_millis(50);
const BUSINESS: &str = "joes-plumbing";
const OUR_NUMBER: &str = "+15555551111";
/// A number that no business has: texts to it become dead letters.
const NOBODYS: &str = "+15555559999";
const DEAD_LETTERS: usize = 5;
/// What the customers write, one conversation each; the last three are emergencies.
const TEXTS: [&str; 6] = [
    "My sink is blocked",
    "Do you mend boilers?",
    "How much is a new tap?",
    "The basement is flooding!",
    "A pipe burst in the kitchen!",
    "Water is pouring through the ceiling!",
];
/// Number of log lines that are printed after a failure.
const TAIL: usize = 30;

/// Runs a command beside the running service.
#[derive(Parser)]
struct Arguments {
    /// The command and its arguments.
    #[arg(required = true, trailing_var_arg = true)]
    command: Vec<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse().command).await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("with-service: {error:#}");
            ExitCode::from(125)
        }
    }
}

async fn run(command: Vec<String>) -> anyhow::Result<u8> {
    let shared = Shared::from_env()?;
    let dir = shared.dir()?;
    let (database, nats, redis) = tokio::try_join!(shared.empty_database(), shared.nats(), shared.redis())?;
    let twilio = TwilioSim::start(TwilioOptions::default()).await?;
    let dispatchbot = DispatchBotSim::start(DispatchBotOptions::default()).await?;
    let address_file = dir.path().join("address");
    let surroundings = Surroundings {
        database: database.url().to_owned(),
        nats: nats.url(),
        redis: redis.url(),
        twilio: twilio.base_url(),
        dispatchbot: dispatchbot.base_url(),
    };
    let more = owned([
        ("NMC_BIND", "127.0.0.1:0"),
        ("NMC_ADDRESS_FILE", &address_file.display().to_string()),
        ("NMC_TOKEN_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    ]);
    let service = Service {
        log: dir.path().join("service.log"),
        variables: [surroundings.settings(), hurried(), brief_log(), more].concat(),
    };
    service.finish(&["migrate"]).await?;
    let read_key = service.finish(&["keys", "create", "--name", "reader", "--read-only"]).await?;
    let read_key = read_key.lines().last().context("no key was made")?.trim().to_owned();
    let mut running = service.command(&["serve"])?.spawn().context("cannot start the service")?;
    let url = format!("http://{}", address(&mut running, &address_file, &service.log).await?);
    twilio.set_webhook_url(PUBLIC_URL, Some(&url));
    let seed = Seed::sow(&url, &twilio).await.with_context(|| service.tail())?;
    let seed_file = dir.path().join("seed.json");
    fs::write(&seed_file, seed.to_string())?;

    let (program, arguments) = command.split_first().context("no command")?;
    let status = Command::new(program)
        .args(arguments)
        .env("NMC", &url)
        .env("KEY", API_KEY)
        .env("READ_KEY", read_key)
        .env("NMC_SEED", seed_file)
        .status()
        .await
        .with_context(|| format!("cannot start {program}"))?;
    if !status.success() {
        eprintln!("{}", service.tail());
    }
    ensure!(running.try_wait()?.is_none(), "the service has ended by itself\n{}", service.tail());
    end(running).await?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// The service's log file and its environment variables.
struct Service {
    log: PathBuf,
    variables: Vec<(String, String)>,
}

impl Service {
    fn command(&self, arguments: &[&str]) -> anyhow::Result<Command> {
        let program = std::env::current_exe()?.with_file_name("nevermisscall");
        let log = File::options().append(true).create(true).open(&self.log)?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program).args(arguments);
        for (name, _) in std::env::vars() {
            if ["NMC_", "TWILIO_", "DISPATCHBOT_"].iter().any(|of| name.starts_with(of)) {
                command.env_remove(name);
            }
        }
        command
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true);
        Ok(command)
    }

    /// Runs one of the service's commands to its end and returns its output.
    async fn finish(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.command(arguments)?.stdout(Stdio::piped()).output().await?;
        ensure!(output.status.success(), "nevermisscall {} failed\n{}", arguments.join(" "), self.tail());
        Ok(String::from_utf8(output.stdout)?)
    }

    fn tail(&self) -> String {
        tail(&self.log)
    }
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    format!("the end of the service's log:\n{}", lines[lines.len().saturating_sub(TAIL)..].join("\n"))
}

async fn address(service: &mut Child, file: &Path, log: &Path) -> anyhow::Result<String> {
    let begun = Instant::now();
    loop {
        let written = fs::read_to_string(file).unwrap_or_default();
        if !written.trim().is_empty() {
            return Ok(written.trim().to_owned());
        }
        ensure!(service.try_wait()?.is_none(), "the service ended before it listened\n{}", tail(log));
        ensure!(begun.elapsed() < PATIENCE, "the service does not listen\n{}", tail(log));
        tokio::time::sleep(BETWEEN).await;
    }
}

async fn end(mut service: Child) -> anyhow::Result<()> {
    if let Some(pid) = service.id() {
        send_signal(pid, Signal::Term)?;
    }
    tokio::time::timeout(PATIENCE, service.wait()).await.context("the service does not end")??;
    Ok(())
}

/// Creates the sample data before the command starts.
struct Seed {
    http: reqwest::Client,
    url: String,
}

impl Seed {
    async fn sow(url: &str, twilio: &TwilioSim) -> anyhow::Result<Value> {
        let seed = Self { http: http_client(PATIENCE)?, url: url.to_owned() };
        seed.until("readiness", "/health/ready", |_| true).await?;
        seed.put(BUSINESS, OUR_NUMBER).await?;
        seed.put("anns-pipes", "+15555557777").await?;
        let customers: Vec<String> = (0..TEXTS.len()).map(|n| format!("+1212555{:04}", 1000 + n)).collect();
        let mut calls = Vec::new();
        for (customer, text) in customers.iter().zip(TEXTS) {
            calls.push(twilio.call(customer, OUR_NUMBER, "no-answer").await?.call_sid);
            twilio.text(customer, OUR_NUMBER, text).await?;
        }
        let (mut conversations, mut messages) = (Vec::new(), Vec::new());
        for customer in &customers {
            let path = format!("/conversations?customer_phone=%2B{}", &customer[1..]);
            let list = seed.until("a conversation", &path, |list| list["conversations"][0].is_object()).await?;
            let id = list["conversations"][0]["id"].as_str().context("no id")?.to_owned();
            // The missed-call text, the customer's text, and an answer.
            let answered = |list: &Value| list["messages"].as_array().is_some_and(|all| all.len() >= 3);
            let list = seed.until("an answer", &format!("/conversations/{id}/messages"), answered).await?;
            messages.push(list["messages"][1]["twilio_sid"].clone());
            conversations.push(id);
        }
        for n in 0..DEAD_LETTERS {
            twilio.text(&format!("+1212555{:04}", 2000 + n), NOBODYS, "Is anybody there?").await?;
        }
        let all = |list: &Value| list["dead_letters"].as_array().is_some_and(|all| all.len() == DEAD_LETTERS);
        let list = seed.until("dead letters", "/dead-letters", all).await?;
        let dead_letters: Vec<&Value> =
            list["dead_letters"].as_array().into_iter().flatten().map(|letter| &letter["id"]).collect();
        Ok(json!({
            "dead_letters": dead_letters,
            "businesses": [BUSINESS, "anns-pipes"], "conversations": conversations, "calls": calls, "messages": messages,
            "customers": customers,
        }))
    }

    async fn put(&self, id: &str, number: &str) -> anyhow::Result<()> {
        let business = json!({
            "name": "Joe's Plumbing", "user_id": "user-joe", "phone_numbers": [number], "forward_to": "+15555552222",
            "timezone": "America/New_York", "trade": "plumbing",
        });
        let answer = self.http.put(format!("{}/businesses/{id}", self.url)).bearer_auth(API_KEY).json(&business).send();
        let answer = answer.await?;
        ensure!(answer.status().is_success(), "PUT {id}: {}", answer.text().await?);
        Ok(())
    }

    /// Repeats a GET request until it succeeds with a body that satisfies `satisfied`.
    async fn until(&self, what: &str, path: &str, satisfied: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let begun = Instant::now();
        loop {
            let answer = self.http.get(format!("{}{path}", self.url)).bearer_auth(API_KEY).send().await?;
            let good = answer.status().is_success();
            let body: Value = serde_json::from_str(&answer.text().await?).unwrap_or_default();
            if good && satisfied(&body) {
                return Ok(body);
            }
            if begun.elapsed() > PATIENCE {
                bail!("not seen within {PATIENCE:?}: {what}: {body}");
            }
            tokio::time::sleep(BETWEEN).await;
        }
    }
}
