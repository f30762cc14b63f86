//! Ctrl-C and SIGTERM: each ends the current part; a second one ends the shutdown.

use futures::FutureExt;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The reason why a part did not finish.
pub(super) enum Stop {
    /// A signal arrived.
    Interrupted,
    /// The part failed.
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

/// Listens until the demo ends.
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

    /// Like `unless`, for a part that may fail because other processes got the signal too: then this is not a failure.
    pub(super) async fn unless_failing<T>(&mut self, part: impl Future<Output = anyhow::Result<T>>) -> Result<T, Stop> {
        let ended = self.unless(part).await?;
        ended.map_err(|error| if self.raised() { Stop::Interrupted } else { Stop::Failed(error) })
    }

    fn raised(&mut self) -> bool {
        let interrupted = self.interrupt.recv().now_or_never().is_some();
        interrupted || self.terminate.recv().now_or_never().is_some()
    }
}
