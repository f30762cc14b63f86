//! Polls a server until it answers or has ended.

use std::time::{Duration, Instant};

use anyhow::bail;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::process::Process;

const PATIENCE: Duration = Duration::from_secs(60);
const BETWEEN_TRIES: Duration = Duration::from_millis(5);
const ONE_TRY: Duration = Duration::from_secs(2);

/// Calls `ask` until it returns true. Fails as soon as the process ends, with the last lines of its log.
pub(super) async fn wait(what: &str, process: &Process, ask: impl AsyncFn() -> bool) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        if let Some(status) = process.status() {
            bail!("{what} ended at start ({status}):\n{}", process.log_tail());
        }
        if tokio::time::timeout(ONE_TRY, ask()).await == Ok(true) {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            bail!("{what} does not answer after {PATIENCE:?}:\n{}", process.log_tail());
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
}

/// Sends `request` and returns whether the answer starts with `expected`.
pub(super) async fn answers(port: u16, request: &[u8], expected: &[u8]) -> bool {
    exchange(port, request, expected.len()).await.is_ok_and(|answer| answer == expected)
}

async fn exchange(port: u16, request: &[u8], length: usize) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(request).await?;
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}
