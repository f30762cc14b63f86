//! A candidate that runs, with all that it needs; dropping it kills it.

use std::net::SocketAddr;

use anyhow::bail;
use serde::Deserialize;

use super::ours::Answers;
use crate::program::Program;
use crate::servers::{NatsServer, RedisServer};

/// How far it is with a burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) struct Progress {
    pub(super) windows: u64,
    /// Whether every text is in a window, and every window has been answered.
    pub(super) settled: bool,
}

/// How its progress is found out.
pub(super) enum Source {
    /// It answers nothing.
    None,
    /// It reports its progress at this URL.
    Url(String),
    Ours(Answers),
}

/// A candidate that runs.
pub(super) struct Running {
    /// Where it accepts texts.
    pub(super) address: SocketAddr,
    pub(super) source: Source,
    // Dropped before the servers that they use: fields are dropped in this order.
    pub(super) programs: Vec<Program>,
    pub(super) _nats: Option<NatsServer>,
    pub(super) _redis: Option<RedisServer>,
}

impl Running {
    /// Its progress with a burst of this many texts and customers.
    ///
    /// # Errors
    /// If one of its programs has ended.
    pub(super) async fn progress(&mut self, texts: usize, customers: usize) -> anyhow::Result<Progress> {
        if let Some(ended) = self.programs.iter().find(|program| program.has_ended()) {
            bail!("{} ended by itself:\n{}", ended.name(), ended.log_tail());
        }
        match &mut self.source {
            Source::None => bail!("it answers no texts"),
            Source::Url(url) => Ok(reqwest::get(format!("{url}?texts={texts}")).await?.json().await?),
            Source::Ours(answers) => answers.progress(texts, customers).await,
        }
    }
}
