//! `nevermisscall twilio configure`: shows how numbers differ from what the service needs, changes them, and puts back
//! what they were.

use std::fmt;
use std::path::{Path, PathBuf};

use chrono::Utc;
use clap::Args;
use serde::Serialize;

use super::saved::{Saved, SavedNumber};
use super::{Selection, of_argument};
use crate::adapters::twilio::{Account, IncomingNumber};
use crate::businesses::at_twilio::{AtTwilio, Inventory, Owned};
use crate::domain::number_setup::{Change, Found, compare, differences};
use crate::text_enum;

#[derive(Debug, Args)]
pub(in crate::cli) struct ConfigureCommand {
    #[command(flatten)]
    selection: Selection,
    /// Do it. Without this, only the plan is shown.
    #[arg(long)]
    apply: bool,
    /// Take numbers away from TwiML apps. SIP trunks and Messaging Services are left alone in any case.
    #[arg(long)]
    replace_apps: bool,
    /// Where what was found is saved before the first change; the default is twilio-numbers-TIME.json in this folder.
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Put back what --apply has saved in this file, at once. What the numbers have now is saved before.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["apply", "replace_apps", "fallback_url"])]
    restore: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

text_enum! {
    /// What became of a number.
    pub enum Outcome {
        /// It is as it should be.
        Same = "same",
        /// It would be changed.
        Planned = "planned",
        /// It was changed.
        Changed = "changed",
        /// It was not found, or could not be changed.
        Failed = "failed",
    }
}

/// A number, what is to be done about it, and what became of it.
#[derive(Debug, Serialize)]
struct Entry {
    number: String,
    business_id: String,
    account_sid: Option<String>,
    result: Outcome,
    changes: Vec<Change>,
    /// What else handles its calls or texts, so that they do not reach the service; left alone.
    handled: Vec<String>,
    /// Why it failed.
    message: Option<String>,
    /// What is needed to change it.
    #[serde(skip)]
    at_twilio: Option<(Account, IncomingNumber)>,
}

#[derive(Serialize)]
struct Report {
    ok: bool,
    /// Whether changes were made, or only planned.
    applied: bool,
    /// The file with what was found.
    saved: Option<String>,
    numbers: Vec<Entry>,
}

/// Returns whether every number that is meant is, or would be, as it should be.
pub(super) async fn run(at_twilio: &AtTwilio, command: &ConfigureCommand) -> anyhow::Result<bool> {
    let saved = command.restore.as_deref().map(Saved::read).transpose()?;
    let inventory = Inventory::read(at_twilio, &command.selection.meant()).await.map_err(of_argument)?;
    for view in inventory.accounts.values() {
        if let (Ok(_), Err(error)) = (&view.numbers, &view.services) {
            let sid = &view.account.sid;
            eprintln!("{sid}: Messaging Services cannot be read, so one may handle texts without being shown: {error}");
        }
    }
    let mut entries: Vec<Entry> = match &saved {
        None => inventory.owned.iter().map(|owned| planned(at_twilio, command, &inventory, owned)).collect(),
        Some(saved) => {
            let meant = saved
                .numbers
                .iter()
                .filter(|number| command.selection.meant().includes(&number.business_id, &number.phone_number));
            meant.map(|number| restored(&inventory, number)).collect()
        }
    };
    if !command.json {
        entries.iter().for_each(|entry| println!("{entry}"));
    }
    let applied = command.apply || saved.is_some();
    let mut file = None;
    if applied && entries.iter().any(|entry| entry.result == Outcome::Planned) {
        let path = command.save.clone().unwrap_or_else(default_file);
        save(&entries, &path)?;
        if !command.json {
            println!("what was found is saved in {}", path.display());
        }
        apply(at_twilio, command, &mut entries).await;
        file = Some(path.display().to_string());
    }
    let ok = entries.iter().all(|entry| entry.result != Outcome::Failed && entry.handled.is_empty());
    let report = Report { ok, applied, saved: file, numbers: entries };
    report.print(command.json)?;
    Ok(ok)
}

fn default_file() -> PathBuf {
    PathBuf::from(format!("twilio-numbers-{}.json", Utc::now().format("%Y%m%dT%H%M%SZ")))
}

/// What is to be done so that calls and texts of a number reach the service.
fn planned(at_twilio: &AtTwilio, command: &ConfigureCommand, inventory: &Inventory, owned: &Owned) -> Entry {
    let entry = Entry {
        number: owned.phone.clone(),
        business_id: owned.business_id.clone(),
        account_sid: owned.account.clone().ok(),
        result: Outcome::Same,
        changes: Vec::new(),
        handled: Vec::new(),
        message: None,
        at_twilio: None,
    };
    let (view, number) = match inventory.find(owned) {
        Ok(found) => found,
        Err(message) => return entry.failed(message),
    };
    let service = view.service_of(&owned.phone);
    let found = Found { settings: &number.settings, trunk_sid: number.trunk_sid.as_deref(), service: service.as_ref() };
    let wanted = at_twilio.urls(command.selection.fallback_url.as_ref()).settings();
    let comparison = compare(&found, &wanted, command.replace_apps);
    let handled = comparison.handled.iter().map(ToString::to_string).collect();
    Entry { handled, ..entry }.with(comparison.changes, view.account.clone(), number.clone())
}

/// What is to be done so that a number is as it was.
fn restored(inventory: &Inventory, saved: &SavedNumber) -> Entry {
    let entry = Entry {
        number: saved.phone_number.clone(),
        business_id: saved.business_id.clone(),
        account_sid: Some(saved.account_sid.clone()),
        result: Outcome::Same,
        changes: Vec::new(),
        handled: Vec::new(),
        message: None,
        at_twilio: None,
    };
    let Some(view) = inventory.accounts.get(&saved.account_sid) else {
        return entry.failed(format!("no business that is meant uses the account {} now", saved.account_sid));
    };
    let numbers = match &view.numbers {
        Ok(numbers) => numbers,
        Err(error) => return entry.failed(error.clone()),
    };
    let Some(number) = numbers.values().find(|number| number.sid == saved.sid) else {
        return entry.failed(format!("it is not in the account {} any more", saved.account_sid));
    };
    entry.with(differences(&number.settings, &saved.settings), view.account.clone(), number.clone())
}

/// Saves the numbers that will be changed, with all their settings.
fn save(entries: &[Entry], path: &Path) -> anyhow::Result<()> {
    let changed = entries.iter().filter(|entry| entry.result == Outcome::Planned);
    let numbers = changed.filter_map(|entry| {
        let (account, number) = entry.at_twilio.as_ref()?;
        Some(SavedNumber {
            business_id: entry.business_id.clone(),
            account_sid: account.sid.clone(),
            sid: number.sid.clone(),
            phone_number: number.phone_number.clone(),
            settings: number.settings.clone(),
        })
    });
    Saved::new(Utc::now(), numbers.collect()).write(path)
}

/// Changes one number after another; one that fails does not keep the others waiting.
async fn apply(at_twilio: &AtTwilio, command: &ConfigureCommand, entries: &mut [Entry]) {
    for entry in entries.iter_mut().filter(|entry| entry.result == Outcome::Planned) {
        let Some((account, number)) = &entry.at_twilio else { continue };
        match at_twilio.twilio.change_number(account, &number.sid, &entry.changes).await {
            Err(error) => entry.fail(error.to_string()),
            Ok(now) => {
                let differs = |change: &&Change| now.get(&change.setting) != Some(&change.then);
                match entry.changes.iter().find(differs) {
                    None => entry.result = Outcome::Changed,
                    Some(change) => {
                        let shown = now.get(&change.setting).map_or("", String::as_str);
                        let message = format!("Twilio shows {} as {shown:?} after the change", change.setting);
                        entry.fail(message);
                    }
                }
            }
        }
        if !command.json {
            println!("{}", entry.headline());
        }
    }
}

impl Entry {
    fn with(self, changes: Vec<Change>, account: Account, number: IncomingNumber) -> Self {
        let result = if changes.is_empty() { Outcome::Same } else { Outcome::Planned };
        Self { result, changes, at_twilio: Some((account, number)), ..self }
    }

    fn failed(mut self, message: String) -> Self {
        self.fail(message);
        self
    }

    fn fail(&mut self, message: String) {
        self.result = Outcome::Failed;
        self.message = Some(message);
    }

    fn headline(&self) -> String {
        let account = self.account_sid.as_deref().unwrap_or("-");
        let state = match (self.result, &self.message) {
            (Outcome::Same, _) if !self.handled.is_empty() => "nothing to change".to_owned(),
            (Outcome::Same, _) => "as it should be".to_owned(),
            (Outcome::Planned, _) => "to be changed".to_owned(),
            (Outcome::Changed, _) => "changed".to_owned(),
            (Outcome::Failed, message) => format!("FAILED: {}", message.as_deref().unwrap_or_default()),
        };
        format!("{}  {}  {account}  {state}", self.number, self.business_id)
    }
}

/// The number, and below it its changes and what is left alone.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline())?;
        for change in &self.changes {
            write!(f, "\n    {change}")?;
        }
        for handled in &self.handled {
            write!(f, "\n    LEFT: {handled}")?;
        }
        Ok(())
    }
}

impl Report {
    fn print(&self, as_json: bool) -> anyhow::Result<()> {
        if as_json {
            println!("{}", serde_json::to_string(self)?);
            return Ok(());
        }
        let count = |result| self.numbers.iter().filter(|entry| entry.result == result).count();
        let left = self.numbers.iter().filter(|entry| !entry.handled.is_empty()).count();
        let mut parts: Vec<String> = Outcome::ALL
            .iter()
            .map(|outcome| (count(*outcome), outcome))
            .filter(|(count, _)| *count > 0)
            .map(|(count, outcome)| format!("{count} {}", outcome.in_words()))
            .collect();
        if left > 0 {
            parts.push(format!("{left} with something left alone"));
        }
        println!("{} numbers: {}", self.numbers.len(), parts.join(", "));
        if count(Outcome::Planned) > 0 {
            println!("nothing is changed: --apply does it");
        }
        Ok(())
    }
}

impl Outcome {
    fn in_words(self) -> &'static str {
        match self {
            Self::Same => "with nothing to change",
            Self::Planned => "to be changed",
            Self::Changed => "changed",
            Self::Failed => "FAILED",
        }
    }
}
