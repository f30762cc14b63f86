//! The folder of a demo's data: `.run/demo`, or `.run/demo-2` and so on while others run.
//!
//! The folder is locked as long as this process lives (the kernel releases the lock even after a `kill -9`). Each run
//! creates its data anew and removes what a killed run left. The service's log of the last run is kept.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

/// The maximum number of demos at the same time.
const MOST: u32 = 9;
/// A file in the data folder with the path of PostgreSQL's real data.
const POSTGRES_PATH: &str = "postgres.path";

/// The folder below `.run` in which Prometheus finds the addresses of running demos (`make observe`).
pub(crate) const TARGETS: &str = "targets";

/// A locked folder. Dropping it removes the data in it.
pub(super) struct Place {
    number: u32,
    dir: PathBuf,
    data: PathBuf,
    targets: PathBuf,
    _lock: File,
}

impl Place {
    /// Claims the first folder below `run` that no running demo has.
    pub(super) fn claim(run: &Path) -> anyhow::Result<Self> {
        for number in 1..=MOST {
            let dir = run.join(name(number));
            fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
            let dir = dir.canonicalize()?;
            let lock = File::create(dir.join("lock"))?;
            match lock.try_lock() {
                Ok(()) => return Self::clean(number, dir, lock),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("cannot lock {}", dir.display()));
                }
            }
        }
        bail!("{MOST} demos run already, in {}", run.display())
    }

    fn clean(number: u32, dir: PathBuf, lock: File) -> anyhow::Result<Self> {
        for entry in fs::read_dir(&dir)?.flatten() {
            if entry.file_name().to_string_lossy().starts_with("data-") {
                remove(&entry.path());
            }
        }
        // A unique name: servers of a run that was just killed may still be writing to their folder.
        let data = dir.join(format!("data-{}", std::process::id()));
        fs::create_dir(&data).with_context(|| format!("cannot make {}", data.display()))?;
        File::create(dir.join("service.log")).context("cannot make the service's log")?;
        let run = dir.parent().context("a folder without a parent")?;
        let targets = run.join(TARGETS).join(format!("{}.json", name(number)));
        Ok(Self { number, dir, data, targets, _lock: lock })
    }

    /// Whether this is the first demo, which may use the default port.
    pub(super) fn is_first(&self) -> bool {
        self.number == 1
    }

    /// The folder as shown to the user.
    pub(super) fn shown(&self) -> String {
        format!(".run/{}", name(self.number))
    }

    /// The path of the service's log as shown to the user.
    pub(super) fn shown_log(&self) -> String {
        format!("{}/service.log", self.shown())
    }

    /// The path of the service's log.
    pub(super) fn log(&self) -> PathBuf {
        self.dir.join("service.log")
    }

    /// Lets Prometheus find the service's port for health and metrics, until this is dropped.
    pub(super) fn announce(&self, ops: &str) -> anyhow::Result<()> {
        let targets = serde_json::json!([{ "targets": [ops], "labels": { "role": "serve" } }]);
        if let Some(dir) = self.targets.parent() {
            fs::create_dir_all(dir)?;
        }
        Ok(fs::write(&self.targets, targets.to_string())?)
    }

    /// The folder of one server's data.
    pub(super) fn data(&self, server: &str) -> PathBuf {
        self.data.join(server)
    }

    /// Notes where PostgreSQL's data is, which may be elsewhere, so that the next run can remove it if this one cannot.
    pub(super) fn note_postgres(&self, dir: &Path) -> anyhow::Result<()> {
        Ok(fs::write(self.data.join(POSTGRES_PATH), dir.display().to_string())?)
    }
}

/// The servers have ended by now: they are dropped earlier.
impl Drop for Place {
    fn drop(&mut self) {
        fs::remove_file(&self.targets).ok();
        remove(&self.data);
    }
}

fn name(number: u32) -> String {
    if number == 1 { "demo".to_owned() } else { format!("demo-{number}") }
}

/// Best effort: data that cannot be removed now does no harm, and the next run tries again.
fn remove(data: &Path) {
    if let Ok(noted) = fs::read_to_string(data.join(POSTGRES_PATH)) {
        let elsewhere = PathBuf::from(noted);
        let ours = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("nevermisscall");
        if elsewhere.parent() == Some(&std::env::temp_dir()) && elsewhere.file_name().is_some_and(ours) {
            fs::remove_dir_all(elsewhere).ok();
        }
    }
    fs::remove_dir_all(data).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_finds_a_demo_as_long_as_it_runs() {
        let run = tempfile::tempdir().unwrap();
        let place = Place::claim(run.path()).unwrap();
        place.announce("127.0.0.1:9464").unwrap();
        let file = run.path().join("targets/demo.json");
        let listed: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        assert_eq!(listed[0]["targets"][0], "127.0.0.1:9464");
        drop(place);
        assert!(!file.exists());
    }

    #[test]
    fn a_second_demo_gets_a_place_of_its_own_and_a_later_one_the_first_place_clean() {
        let run = tempfile::tempdir().unwrap();
        let first = Place::claim(run.path()).unwrap();
        let second = Place::claim(run.path()).unwrap();
        assert_eq!((first.shown().as_str(), second.shown().as_str()), (".run/demo", ".run/demo-2"));
        let left = first.dir.join("data-0");
        fs::create_dir_all(left.join("postgres")).unwrap();
        drop(first);
        let third = Place::claim(run.path()).unwrap();
        assert_eq!(third.shown(), ".run/demo");
        assert!(!left.exists() && third.data.exists());
    }
}
