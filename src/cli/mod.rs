//! The command line (docs/contract.md, section 7).

mod check;
mod dead_letters;
mod probe;
mod recover;
mod tokens;
mod twilio;

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

use crate::adapters::jetstream::definitions::{self, Finding, Mode};
use crate::adapters::jetstream::{JetStream, subjects};
use crate::adapters::postgres::{KeyScope, Store};
use crate::adapters::{error_reports, otlp};
use crate::app::{Application, Role};
use crate::asyncapi;
use crate::config::{Config, ConfigError, NatsConfig, Rate, Settings, process_env};
use crate::domain::invisible::{controls_a_line, is_blank};
use crate::domain::phone::{PhoneNumber, conversation_key};
use crate::http;
use crate::secrets;
use crate::telemetry;
use crate::webhook::WebhookKind;

use check::CheckCommand;
use dead_letters::DeadLettersCommand;
use probe::ProbeCommand;
use recover::RecoverCommand;
use tokens::TokensCommand;
use twilio::TwilioCommand;

/// Exit status for an invalid configuration.
const BAD_CONFIGURATION: u8 = 2;

/// The most characters of a person's id, as in REST.
const MAX_USER_ID: usize = 200;

/// How long the report of why the process stopped may take.
const LAST_REPORT: Duration = Duration::from_secs(2);

/// Turns a missed call into a conversation.
#[derive(Debug, Parser)]
#[command(name = "nevermisscall", version)]
struct Cli {
    /// A TOML file with the same keys as the environment, which takes precedence.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the edge and the worker in one process.
    Serve,
    /// Run the HTTP edge only.
    Edge,
    /// Run the worker only.
    Worker,
    /// Bring the database up to date.
    Migrate,
    /// Manage the streams and consumers of JetStream.
    Streams {
        #[command(subcommand)]
        command: StreamsCommand,
    },
    /// Manage the App Server's API keys.
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Manage the stored auth tokens of businesses while NMC_TOKEN_KEY is rotated.
    Tokens {
        #[command(subcommand)]
        command: TokensCommand,
    },
    /// Set up the numbers of businesses at Twilio, and check them.
    Twilio {
        #[command(subcommand)]
        command: TwilioCommand,
    },
    /// Print the OpenAPI document.
    Openapi,
    /// Print the AsyncAPI document of the events, as YAML.
    Asyncapi,
    /// Print docs/metrics.md.
    #[command(hide = true)]
    MetricsDoc,
    /// Check everything that the service needs, one line for each part; exit 1 if something is wrong.
    Check(CheckCommand),
    /// Play a text to the number that is kept for probes, and wait for its event; exit 1 if that fails.
    ///
    /// TWILIO_AUTH_TOKEN signs it. If Twilio reaches the service by another URL than the one given, NMC_PUBLIC_URL is that
    /// one.
    Probe(ProbeCommand),
    /// Print the subjects of a customer's texts in JetStream, which contain no phone number.
    Subject {
        /// The customer's number.
        customer: String,
        /// The number of the business.
        business: PhoneNumber,
    },
    /// After a restore of the database: keep what happened since, as Twilio's lists have it, and let the workers go on.
    ///
    /// Shows what it would do, unless --apply is given. While the database waits for it, workers do nothing.
    Recover(RecoverCommand),
    /// List and replay messages that could not be processed.
    DeadLetters {
        #[command(subcommand)]
        command: DeadLettersCommand,
    },
    /// The same as `dead-letters replay ID…`.
    Replay {
        /// The sequences of the dead letters in NMC_DEAD.
        #[arg(required = true, value_name = "SEQUENCE")]
        sequences: Vec<u64>,
    },
}

#[derive(Debug, Subcommand)]
enum StreamsCommand {
    /// Create what is missing and change what differs.
    Apply,
    /// Report what is missing or differs; exit 1 if anything does.
    Check,
    /// Save streams with their consumers, each in a file NAME.stream.
    Save {
        /// The folder.
        #[arg(long)]
        dir: PathBuf,
        /// The streams. One that does not exist is left out.
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// Put saved streams back. A stream must not exist: start no process of the service before.
    Load {
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Create a key and print it; it is not shown again.
    Create {
        /// A name for the key, without control characters.
        #[arg(long, value_parser = key_name)]
        name: String,
        /// Only for this business; may be repeated. Without it, for all.
        #[arg(long = "business", value_name = "ID")]
        businesses: Vec<String>,
        /// The key may only read.
        #[arg(long)]
        read_only: bool,
        /// The key may add phone numbers and Twilio accounts to its businesses, and phones that it sets need no
        /// confirmation. A key for all businesses always may.
        #[arg(long, conflicts_with = "read_only")]
        numbers: bool,
        /// How many REST requests the key may make, such as `100/min`, with all edges together. Without it,
        /// NMC_RATE_LIMIT.
        #[arg(long, value_name = "RATE")]
        rate: Option<Rate>,
        /// The key belongs to this person, by their id in the App Server: commands are theirs, and need no `user_id`.
        #[arg(long, value_name = "ID", value_parser = user_id)]
        user: Option<String>,
    },
    /// List the keys, without their secret values.
    List,
    /// Revoke a key.
    Revoke {
        /// The id of the key.
        id: Uuid,
    },
}

/// Runs the command given on the command line.
pub async fn run() -> ExitCode {
    let cli = Cli::parse();
    set_up_telemetry(&cli.command);
    let settings = match Settings::read(cli.config.as_deref(), process_env()) {
        Ok(settings) => settings,
        Err(error) => return bad_configuration(&error),
    };
    let outcome = match cli.command {
        Command::Serve => return run_role(&settings, Role::Serve).await,
        Command::Edge => return run_role(&settings, Role::Edge).await,
        Command::Worker => return run_role(&settings, Role::Worker).await,
        Command::Openapi => {
            print!("{}", http::openapi());
            Ok(ExitCode::SUCCESS)
        }
        Command::Asyncapi => {
            print!("{}", asyncapi::asyncapi());
            Ok(ExitCode::SUCCESS)
        }
        Command::MetricsDoc => {
            print!("{}", telemetry::reference());
            Ok(ExitCode::SUCCESS)
        }
        Command::Check(command) => match Config::from_settings(&settings) {
            Ok(config) => check::run(&command, &config).await,
            Err(error) => return bad_configuration(&error),
        },
        Command::Probe(command) => match probe::Credentials::of(&settings) {
            Ok(credentials) => probe::run(&command, credentials).await,
            Err(error) => return bad_configuration(&error),
        },
        Command::Subject { customer, business } => {
            println!("{}", subjects::inbound(WebhookKind::Sms, &conversation_key(&business, &customer)));
            Ok(ExitCode::SUCCESS)
        }
        Command::Migrate => match settings.database_url() {
            Ok(url) => migrate(url.expose()).await,
            Err(error) => return bad_configuration(&error),
        },
        Command::Keys { command } => match settings.database_url() {
            Ok(url) => keys(url.expose(), command).await,
            Err(error) => return bad_configuration(&error),
        },
        Command::Tokens { command } => match tokens::Access::of(&settings) {
            Ok(access) => tokens::run(&access, command).await,
            Err(error) => return bad_configuration(&error),
        },
        Command::Twilio { command } => match Config::from_settings(&settings) {
            Ok(config) => twilio::run(&config, command).await,
            Err(error) => return bad_configuration(&error),
        },
        Command::Streams { command } => match settings.nats().and_then(|nats| Ok((nats, settings.nats_replicas()?))) {
            Ok((nats, replicas)) => streams(&nats, replicas, command).await,
            Err(error) => return bad_configuration(&error),
        },
        Command::Recover(command) => match Config::from_settings(&settings) {
            Ok(config) => recover::run(&config, command).await,
            Err(error) => return bad_configuration(&error),
        },
        Command::DeadLetters { command } => match dead_letters::Addresses::of(&settings) {
            Ok(addresses) => dead_letters::run(&addresses, command).await,
            Err(error) => return bad_configuration(&error),
        },
        Command::Replay { sequences } => match dead_letters::Addresses::of(&settings) {
            Ok(addresses) => dead_letters::run(&addresses, DeadLettersCommand::replay(sequences)).await,
            Err(error) => return bad_configuration(&error),
        },
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("nevermisscall: {error:#}");
        ExitCode::FAILURE
    })
}

/// Only processes that handle messages export traces and report errors. What cannot be set up does not stop them.
fn set_up_telemetry(command: &Command) {
    let handles_messages = matches!(command, Command::Serve | Command::Edge | Command::Worker);
    let is_traced = handles_messages && telemetry::traces_are_wanted(|name| std::env::var(name).ok());
    let exporter = is_traced.then(otlp::exporter).transpose();
    let reporter = if handles_messages { error_reports::reporter() } else { Ok(None) };
    let (exporter, no_exporter) = exporter.map_or_else(|error| (None, Some(error)), |exporter| (exporter, None));
    let (reporter, no_reporter) = reporter.map_or_else(|error| (None, Some(error)), |reporter| (reporter, None));
    telemetry::init(exporter, reporter);
    if let Some(error) = no_exporter {
        tracing::error!(%error, "traces are not exported: a variable with OTEL_EXPORTER_OTLP_ is invalid");
    }
    if let Some(error) = no_reporter {
        tracing::error!(%error, "errors are not reported");
    }
}

fn bad_configuration(error: &ConfigError) -> ExitCode {
    eprintln!("{error}");
    ExitCode::from(BAD_CONFIGURATION)
}

async fn run_role(settings: &Settings, role: Role) -> ExitCode {
    let config = match Config::from_settings(settings) {
        Ok(config) => config,
        Err(error) => return bad_configuration(&error),
    };
    match serve(config, role).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "stopped with an error");
            error_reports::flush(LAST_REPORT);
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: Config, role: Role) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let app = Application::start(config, role).await?;
    for (name, address) in [("NMC_ADDRESS_FILE", app.address()), ("NMC_OPS_ADDRESS_FILE", app.ops_address())] {
        if let (Some(file), Some(address)) = (std::env::var_os(name), address) {
            write_whole(Path::new(&file), &address.to_string())?;
        }
    }
    let asked_to_stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("received a stop signal; shutting down");
    };
    app.run(asked_to_stop).await
}

/// Writes a file atomically: a reader never sees a part of it.
fn write_whole(file: &Path, text: &str) -> std::io::Result<()> {
    let unfinished = file.with_extension("unfinished");
    std::fs::write(&unfinished, text)?;
    std::fs::rename(unfinished, file)
}

async fn migrate(database_url: &str) -> anyhow::Result<ExitCode> {
    Store::owner(database_url)?.migrate().await?;
    println!("the database is up to date");
    Ok(ExitCode::SUCCESS)
}

async fn streams(nats: &NatsConfig, replicas: u8, command: StreamsCommand) -> anyhow::Result<ExitCode> {
    let jetstream = JetStream::connect(nats).await?;
    let mode = match command {
        StreamsCommand::Apply => Mode::Apply,
        StreamsCommand::Check => Mode::Check,
        StreamsCommand::Save { dir, names } => return save_streams(&jetstream, &dir, &names).await,
        StreamsCommand::Load { files } => return load_streams(&jetstream, &files).await,
    };
    let findings = definitions::reconcile(&jetstream, replicas, mode).await?;
    for finding in &findings {
        println!("{finding}{}", if mode == Mode::Apply { finding.mended() } else { "" });
    }
    let fine = mode == Mode::Apply || findings.iter().all(|finding| matches!(finding, Finding::Same { .. }));
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn save_streams(jetstream: &JetStream, dir: &Path, names: &[String]) -> anyhow::Result<ExitCode> {
    for name in names {
        let path = dir.join(format!("{name}.stream"));
        let mut file = BufWriter::new(File::create(&path)?);
        match jetstream.save_stream(name, &mut file).await? {
            Some(messages) => println!("{name}: {messages} messages"),
            None => {
                println!("{name}: does not exist");
                std::fs::remove_file(&path)?;
                continue;
            }
        }
        file.into_inner()?.sync_all()?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn load_streams(jetstream: &JetStream, files: &[PathBuf]) -> anyhow::Result<ExitCode> {
    for path in files {
        let (name, messages) = jetstream.load_stream(&mut BufReader::new(File::open(path)?)).await?;
        println!("{name}: {messages} messages");
    }
    Ok(ExitCode::SUCCESS)
}

/// It is printed on terminals, which control characters command.
fn key_name(text: &str) -> Result<String, &'static str> {
    if is_blank(text) || text.chars().any(controls_a_line) {
        return Err("must be a visible name without control characters");
    }
    Ok(text.to_owned())
}

/// As REST takes a `user_id`, and one that a terminal can show.
fn user_id(text: &str) -> Result<String, &'static str> {
    if text.chars().count() > MAX_USER_ID {
        return Err("must not be longer than 200 characters");
    }
    key_name(text).map_err(|_| "must be a visible id without control characters")
}

async fn keys(database_url: &str, command: KeysCommand) -> anyhow::Result<ExitCode> {
    let store = Store::lazy(database_url)?;
    match command {
        KeysCommand::Create { name, businesses, read_only, numbers, rate, user } => {
            let key = secrets::generate_api_key();
            let business_ids = (!businesses.is_empty()).then_some(businesses);
            let scope =
                KeyScope { business_ids, may_write: !read_only, may_manage_numbers: numbers, rate, user_id: user };
            let id = store.create_api_key(&name, &secrets::hash_api_key(&key), &scope).await?;
            println!("{id}  {name}");
            println!("{key}");
        }
        KeysCommand::List => {
            for key in store.api_keys().await? {
                let state = key.revoked_at.map_or("valid".to_owned(), |at| format!("revoked {at}"));
                let may = match (key.may_write, key.may_manage_numbers || key.business_ids.is_none()) {
                    (true, true) => "reads, writes and manages numbers",
                    (true, false) => "reads and writes",
                    (false, _) => "reads",
                };
                let businesses = key.business_ids.map_or("all businesses".to_owned(), |ids| ids.join(", "));
                let rate = key.rate_limit.map_or(String::new(), |rate| format!("  {rate}"));
                let user = key.user_id.map_or(String::new(), |id| format!("  user {id}"));
                let (id, name, at) = (key.id, key.name, key.created_at);
                println!("{id}  {name}  created {at}  {state}  {may}  {businesses}{rate}{user}");
            }
        }
        KeysCommand::Revoke { id } => {
            anyhow::ensure!(store.revoke_api_key(id).await?, "there is no valid key {id}");
            println!("{id} is revoked");
        }
    }
    Ok(ExitCode::SUCCESS)
}
