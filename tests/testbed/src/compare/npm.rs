//! Installs the candidates that need Node, by `npm ci` in `benches/compare/`.

use std::env;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, ensure};
use tokio::process::Command;
use tokio::time::timeout;

use crate::servers::workspace_root;

/// About 300 MB are downloaded; without a network, npm itself gives up after some minutes.
const PATIENCE: Duration = Duration::from_secs(600);

/// Where the candidates are that need Node.
#[derive(Debug, Clone)]
pub(super) struct Peers {
    /// The program `node`.
    pub(super) node: PathBuf,
    /// The folder of `package.json`.
    pub(super) dir: PathBuf,
}

impl Peers {
    /// The program `restate-server` for this machine, which is in a package.
    pub(super) fn restate_server(&self) -> PathBuf {
        let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
        let package = format!("node_modules/@restatedev/restate-server-linux-{machine}");
        self.dir.join(package).join("bin/restate-server")
    }
}

/// Installs what package-lock.json names, unless it is installed.
///
/// # Errors
/// If npm or the registry is missing.
pub(super) async fn install() -> anyhow::Result<Peers> {
    let peers = Peers { node: in_path("node")?, dir: workspace_root().join("benches/compare").canonicalize()? };
    let npm = in_path("npm")?;
    if is_installed(&peers.dir) {
        return Ok(peers);
    }
    println!("installing express, BullMQ and Restate (npm ci, about 300 MB)");
    // No package here needs its install script; one of them reports the installation to its maker.
    let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    let installing = Command::new(npm).args(arguments).current_dir(&peers.dir).kill_on_drop(true).output();
    let output = timeout(PATIENCE, installing).await.with_context(|| format!("npm ci takes over {PATIENCE:?}"))??;
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "npm ci failed: {}", words.trim());
    Ok(peers)
}

/// npm writes its own lock file when everything is installed.
fn is_installed(dir: &Path) -> bool {
    let written = |file: &str| dir.join(file).metadata().and_then(|file| file.modified()).ok();
    let wanted = written("package-lock.json").unwrap_or(SystemTime::UNIX_EPOCH);
    written("node_modules/.package-lock.json").is_some_and(|installed| installed >= wanted)
}

/// The path of a program.
fn in_path(program: &str) -> anyhow::Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file());
    found.with_context(|| format!("{program} is not in PATH"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_missing_is_named() {
        assert!(in_path("sh").is_ok());
        let error = in_path("no-such-program").map_err(|error| error.to_string());
        assert_eq!(error, Err("no-such-program is not in PATH".to_owned()));
    }

    #[test]
    fn what_was_installed_before_the_last_change_is_installed_again() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let write = |file: &str| std::fs::File::create(dir.path().join(file));
        write("package-lock.json")?;
        assert!(!is_installed(dir.path()));
        std::fs::create_dir(dir.path().join("node_modules"))?;
        let installed = write("node_modules/.package-lock.json")?;
        assert!(is_installed(dir.path()));
        installed.set_modified(SystemTime::now() - Duration::from_secs(60))?;
        assert!(!is_installed(dir.path()));
        Ok(())
    }
}
