//! Ctrl-C and SIGTERM, each of which ends what is going on; a further one ends the ending.

use futures::FutureExt;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Why something did not come to its own end.
pub(super) enum Stop {
    /// Someone asked for it.
    Interrupted,
    /// It went wrong.
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

/// Listens for as long as the demo lives.
pub(super) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    pub(super) fn listen() -> anyhow::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Runs `part` to its end, or drops it at a signal.
    pub(super) async fn unless<T>(&mut self, part: impl Future<Output = T>) -> Result<T, Stop> {
        tokio::select! {
            ended = part => Ok(ended),
            _ = self.interrupt.recv() => Err(Stop::Interrupted),
            _ = self.terminate.recv() => Err(Stop::Interrupted),
        }
    }

    /// The same for a part that may fail because the signal has reached more than us: then that is no failure.
    pub(super) async fn unless_failing<T>(&mut self, part: impl Future<Output = anyhow::Result<T>>) -> Result<T, Stop> {
        let ended = self.unless(part).await?;
        ended.map_err(|error| if self.raised() { Stop::Interrupted } else { Stop::Failed(error) })
    }

    fn raised(&mut self) -> bool {
        let interrupted = self.interrupt.recv().now_or_never().is_some();
        interrupted || self.terminate.recv().now_or_never().is_some()
    }
}
