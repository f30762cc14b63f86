//! The file with the settings that numbers had before they were changed.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context, ensure};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::number_setup::Settings;

/// The format of the file; another one is not read.
const VERSION: u32 = 1;

/// The whole file.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Saved {
    version: u32,
    /// When the numbers were read.
    pub(super) saved_at: DateTime<Utc>,
    pub(super) numbers: Vec<SavedNumber>,
}

/// A number as it was.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SavedNumber {
    pub(super) business_id: String,
    pub(super) account_sid: String,
    pub(super) sid: String,
    pub(super) phone_number: String,
    pub(super) settings: Settings,
}

impl Saved {
    pub(super) fn new(saved_at: DateTime<Utc>, numbers: Vec<SavedNumber>) -> Self {
        Self { version: VERSION, saved_at, numbers }
    }

    /// Writes a new file that only its owner can read: URLs may contain passwords. It is on disk afterwards.
    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let name = || format!("{} cannot be written, so nothing is changed", path.display());
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).with_context(name)?;
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        file.write_all(text.as_bytes()).with_context(name)?;
        file.sync_all().with_context(name)
    }

    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let name = path.display();
        let text = std::fs::read_to_string(path).with_context(|| format!("--restore {name}"))?;
        let saved: Self = serde_json::from_str(&text)
            .with_context(|| format!("--restore {name}: not a file of `twilio configure --apply`"))?;
        let version = saved.version;
        ensure!(version == VERSION, "--restore {name}: its version is {version}, this program reads {VERSION}");
        Ok(saved)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::domain::number_setup::Setting;

    fn saved() -> Saved {
        let number = SavedNumber {
            business_id: "joes-plumbing".to_owned(),
            account_sid: "AC1".to_owned(),
            sid: "PN1".to_owned(),
            phone_number: "+15555551111".to_owned(),
            settings: [(Setting::VoiceUrl, "https://user:hush@a.example".to_owned())].into(),
        };
        Saved::new(Utc::now(), vec![number])
    }

    #[test]
    fn only_its_owner_reads_the_file_and_none_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("before.json");
        saved().write(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let read = Saved::read(&path).unwrap();
        assert_eq!(read.numbers[0].settings, saved().numbers[0].settings);
        let error = saved().write(&path).unwrap_err();
        assert!(format!("{error:#}").contains("nothing is changed"), "{error:#}");
    }

    #[test]
    fn another_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("other.json");
        let later = serde_json::to_string(&Saved { version: 2, ..saved() }).unwrap();
        for (text, says) in [("{}", "not a file of"), (later.as_str(), "its version is 2")] {
            std::fs::write(&path, text).unwrap();
            let error = format!("{:#}", Saved::read(&path).unwrap_err());
            assert!(error.contains(says), "{error}");
        }
        assert!(Saved::read(&dir.path().join("none.json")).is_err());
    }
}
