//! The configuration in `deploy/`, copied for Prometheus and Alertmanager of this machine: other addresses, and in the
//! drill shorter durations. Nothing else is changed, so that the drill tries the very expressions that run in production.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

use crate::servers::workspace_root;

/// The keys whose value is a duration, in the rules and in both configurations.
const DURATIONS: [&str; 8] = [
    "for",
    "interval",
    "scrape_interval",
    "evaluation_interval",
    "refresh_interval",
    "group_wait",
    "group_interval",
    "repeat_interval",
];

/// Where the parts are, and how much shorter durations are.
pub(super) struct Place<'a> {
    /// Durations are this many times shorter: `for: 1m` and `[5m]` become 2 s and 10 s with 30.
    pub(super) scale: u64,
    /// Alertmanager's address.
    pub(super) alertmanager: &'a str,
    /// The address that receives notifications.
    pub(super) receiver: &'a str,
    /// The files that list the targets, as a pattern.
    pub(super) targets: &'a str,
}

impl Place<'_> {
    /// Writes `prometheus.yml` and `rules/` below `dir`.
    pub(super) fn write_prometheus(&self, dir: &Path) -> anyhow::Result<()> {
        let from = workspace_root().join("deploy/prometheus");
        let config = self.at_this_place(&read(&from.join("prometheus.yml"))?);
        write(&dir.join("prometheus.yml"), &config)?;
        for entry in fs::read_dir(from.join("rules"))? {
            let path = entry?.path();
            let name = path.file_name().context("a rule file without a name")?;
            write(&dir.join("rules").join(name), &scaled(&read(&path)?, self.scale))?;
        }
        Ok(())
    }

    /// Writes `alertmanager.yml` below `dir`.
    pub(super) fn write_alertmanager(&self, dir: &Path) -> anyhow::Result<()> {
        let config = read(&workspace_root().join("deploy/alertmanager/alertmanager.yml"))?;
        write(&dir.join("alertmanager.yml"), &self.at_this_place(&config))
    }

    fn at_this_place(&self, config: &str) -> String {
        let mut config = scaled(config, self.scale)
            .replace("127.0.0.1:9093", self.alertmanager)
            .replace("127.0.0.1:9087", self.receiver)
            .replace("targets/*.yml", self.targets);
        if self.scale > 1 {
            // A scrape may take as long as the time between two; a shorter time would be missed by a busy machine.
            config = config.replace("  scrape_timeout: 5s\n", "");
        }
        config
    }
}

/// The text with each duration that is a value of [`DURATIONS`] or the range of a selector made shorter. Names, such as
/// `ratio_rate5m`, stay.
fn scaled(text: &str, scale: u64) -> String {
    if scale == 1 {
        return text.to_owned();
    }
    let lines = text.lines().map(|line| {
        let value = line.trim_start().trim_start_matches("- ").split_once(": ");
        match value {
            Some((key, value)) if DURATIONS.contains(&key) => match shorter(value, scale) {
                Some(short) => line.replacen(&format!(": {value}"), &format!(": {short}"), 1),
                None => line.to_owned(),
            },
            _ => offsets(&ranges(line, scale), scale),
        }
    });
    lines.map(|line| line + "\n").collect()
}

/// The line with the ranges in it, such as `[5m]`, made shorter.
fn ranges(line: &str, scale: u64) -> String {
    let mut parts = line.split('[');
    let mut scaled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        scaled.push('[');
        // A subquery has a step, too: [30m:1m].
        let short = part.split_once(']').and_then(|(range, rest)| {
            let short: Option<Vec<String>> = range.split(':').map(|part| shorter(part, scale)).collect();
            Some((short?.join(":"), rest))
        });
        match short {
            Some((short, rest)) => scaled.extend([short.as_str(), "]", rest]),
            None => scaled.push_str(part),
        }
    }
    scaled
}

/// The line with the durations after `offset` made shorter.
fn offsets(line: &str, scale: u64) -> String {
    let mut parts = line.split(" offset ");
    let mut scaled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(part.len());
        let (duration, rest) = part.split_at(end);
        let short = shorter(duration, scale);
        scaled.extend([" offset ", short.as_deref().unwrap_or(duration), rest]);
    }
    scaled
}

/// A duration such as `5m`, this many times shorter; `None` if it is none.
fn shorter(duration: &str, scale: u64) -> Option<String> {
    let (number, unit) = duration.split_at_checked(duration.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    let milliseconds = number.parse::<u64>().ok()? * seconds * 1000 / scale;
    Some(format!("{milliseconds}ms"))
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_become_shorter_and_names_and_numbers_stay() {
        let text =
            "- record: a:ratio_rate5m\n  expr: rate(b[5m]) > 14.4 and c[1h:1m]\n  for: 1m\nlabels: { severity: x }\n";
        let short = "- record: a:ratio_rate5m\n  expr: rate(b[10000ms]) > 14.4 and c[120000ms:2000ms]\n  for: 2000ms\nlabels: { severity: x }\n";
        assert_eq!(scaled(text, 30), short);
        assert_eq!(scaled("expr: (a unless a offset 15m) > 0\n", 30), "expr: (a unless a offset 30000ms) > 0\n");
        assert_eq!(
            scaled("targets: [\"127.0.0.1:9093\"]\ngroup_by: [environment]\n", 30),
            "targets: [\"127.0.0.1:9093\"]\ngroup_by: [environment]\n"
        );
    }

    #[test]
    fn no_duration_of_the_rules_is_missed() {
        for entry in fs::read_dir(workspace_root().join("deploy/prometheus/rules")).unwrap() {
            let text = read(&entry.unwrap().path()).unwrap();
            let short = scaled(&text, 30);
            for line in short.lines().filter(|line| !line.trim_start().starts_with('#')) {
                let left = line.trim_start().starts_with("for: ") || line.contains("[") && line.contains("rate(");
                assert!(!left || line.contains("ms"), "{line}");
            }
        }
    }
}
