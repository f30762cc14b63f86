//! `nevermisscall dead-letters`: lists and replays messages that could not be processed.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use tokio::time::{MissedTickBehavior, interval};

use crate::adapters::jetstream::JetStream;
use crate::adapters::postgres::Store;
use crate::config::{ConfigError, NatsConfig, Rate, Secret, Settings};
use crate::dead_letters::{DeadLetters, Letter, LetterFilter, Order, Replayed, Status};

/// Who requested a replay, as it is recorded.
const ASKED_BY: &str = "the command line";
/// How many letters are read at once.
const PAGE: usize = 200;
/// How much of a letter's detail a line shows.
const DETAIL_SHOWN: usize = 80;

#[derive(Debug, Subcommand)]
pub(super) enum DeadLettersCommand {
    /// List dead letters, newest first.
    List {
        #[command(flatten)]
        which: Which,
        /// Only dead letters with this status: waiting, queued or replayed.
        #[arg(long)]
        status: Option<Status>,
        /// At most this many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Replay dead letters: publish them again, each at most once.
    Replay {
        /// Only these dead letters, by their sequences in NMC_DEAD.
        #[arg(value_name = "ID", required_unless_present_any = ["reason", "business", "subject", "all"])]
        ids: Vec<u64>,
        #[command(flatten)]
        which: Which,
        /// All dead letters that are waiting.
        #[arg(long)]
        all: bool,
        /// At most this many, oldest first.
        #[arg(long, default_value_t = usize::MAX, hide_default_value = true)]
        max: usize,
        /// The maximum rate; the default is NMC_REPLAY_RATE.
        #[arg(long)]
        rate: Option<Rate>,
    },
}

/// Selects letters.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// Only dead letters with this reason.
    #[arg(long)]
    reason: Option<String>,
    /// Only dead letters of this business.
    #[arg(long, value_name = "ID")]
    business: Option<String>,
    /// Only dead letters whose subject begins with this text.
    #[arg(long)]
    subject: Option<String>,
}

impl Which {
    const ANY: Self = Self { reason: None, business: None, subject: None };

    fn filter(self, status: Option<Status>) -> LetterFilter {
        let Self { reason, business, subject } = self;
        LetterFilter { business_ids: None, business_id: business, reason, subject, status }
    }
}

impl DeadLettersCommand {
    /// The command that replays these letters.
    pub(super) fn replay(ids: Vec<u64>) -> Self {
        Self::Replay { ids, which: Which::ANY, all: false, max: usize::MAX, rate: None }
    }
}

/// The configuration that these commands need.
pub(super) struct Addresses {
    database_url: Secret,
    nats: NatsConfig,
    replay_rate: Rate,
}

impl Addresses {
    pub(super) fn of(settings: &Settings) -> Result<Self, ConfigError> {
        let (database_url, nats) = (settings.database_url()?, settings.nats()?);
        Ok(Self { database_url, nats, replay_rate: settings.replay_rate()? })
    }
}

pub(super) async fn run(addresses: &Addresses, command: DeadLettersCommand) -> anyhow::Result<ExitCode> {
    let store = Store::lazy(addresses.database_url.expose())?;
    let letters = DeadLetters::new(JetStream::connect(&addresses.nats).await?, store);
    match command {
        DeadLettersCommand::List { which, status, limit } => list(&letters, &which.filter(status), limit).await,
        DeadLettersCommand::Replay { ids, which, all: _, max, rate } => {
            let mut replay = Replay::new(&letters, rate.unwrap_or(addresses.replay_rate));
            if ids.is_empty() {
                replay.all(&which.filter(Some(Status::Waiting)), max).await?;
            } else {
                replay.these(&ids, &which.filter(None), max).await?;
            }
            Ok(if replay.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
        }
    }
}

async fn list(letters: &DeadLetters, filter: &LetterFilter, limit: usize) -> anyhow::Result<ExitCode> {
    let (mut left, mut after) = (limit, None);
    while left > 0 {
        let page = letters.find(filter, Order::NewestFirst, after, left.min(PAGE)).await?;
        left -= page.letters.len();
        page.letters.iter().for_each(show);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show(letter: &Letter) {
    let body = &letter.body;
    let detail: String = body.detail.chars().take(DETAIL_SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    println!(
        "{}  {}  {}  {}  deliveries {}  {}  {}  {detail}",
        letter.id,
        letter.dead_since.format("%FT%TZ"),
        letter.status(),
        body.reason,
        body.delivery_count,
        body.subject,
        body.business_id.as_deref().unwrap_or("-"),
    );
}

/// Replays letters, no faster than a rate.
struct Replay<'a> {
    letters: &'a DeadLetters,
    pace: tokio::time::Interval,
    failed: bool,
}

impl<'a> Replay<'a> {
    fn new(letters: &'a DeadLetters, rate: Rate) -> Self {
        let mut pace = interval(rate.interval());
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { letters, pace, failed: false }
    }

    async fn these(&mut self, ids: &[u64], filter: &LetterFilter, max: usize) -> anyhow::Result<()> {
        for id in ids.iter().take(max) {
            match self.letters.get(*id).await?.filter(|letter| filter.meets(letter)) {
                Some(letter) => self.one(&letter).await?,
                None => {
                    self.failed = true;
                    println!("{id}: there is no such dead letter");
                }
            }
        }
        Ok(())
    }

    /// Replays the letters that exist now. Letters that arrive meanwhile are left for the next call.
    async fn all(&mut self, filter: &LetterFilter, max: usize) -> anyhow::Result<()> {
        let newest = self.letters.newest().await?;
        let (mut left, mut after) = (max, None);
        while left > 0 {
            let page = self.letters.find(filter, Order::OldestFirst, after, left.min(PAGE)).await?;
            for letter in page.letters.iter().filter(|letter| letter.id <= newest) {
                self.one(letter).await?;
                left -= 1;
            }
            after = page.next.filter(|next| *next < newest);
            if after.is_none() {
                break;
            }
        }
        Ok(())
    }

    async fn one(&mut self, letter: &Letter) -> anyhow::Result<()> {
        self.pace.tick().await;
        let told = match self.letters.replay(letter, ASKED_BY).await? {
            Replayed::PutBack { subject } => format!("published again to {subject}"),
            Replayed::Before => "was replayed before".to_owned(),
            Replayed::Unusable { why } => {
                self.failed = true;
                format!("cannot be replayed: {why}")
            }
        };
        println!("{}: {told}", letter.id);
        Ok(())
    }
}
