//! The queries that people see: those of the dashboards' panels, and those of the runbook. Each is put to the Prometheus
//! (or the database) of the run.

use anyhow::Context as _;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::stage::Stage;
use crate::servers::workspace_root;

/// Panels that cannot have data in a run, and why.
const WITHOUT_DATA: [(&str, &str); 0] = [];

/// What was asked, and what had no answer.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Number of queries.
    pub(super) asked: usize,
    /// Queries without data that should have some, and why.
    pub(super) missing: Vec<String>,
}

/// Asks all of them.
pub(super) async fn ask(stage: &Stage) -> anyhow::Result<Answers> {
    let mut answers = Answers::default();
    panels(stage, &mut answers).await?;
    runbook(stage, &mut answers).await?;
    Ok(answers)
}

async fn panels(stage: &Stage, answers: &mut Answers) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(workspace_root().join("deploy/grafana"))? {
        let path = entry?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let board: Value = serde_json::from_str(&std::fs::read_to_string(&path)?).with_context(|| file.clone())?;
        for panel in board["panels"].as_array().into_iter().flatten() {
            let title = panel["title"].as_str().unwrap_or_default();
            for target in panel["targets"].as_array().into_iter().flatten() {
                // Grafana replaces it with at least four times the time between two scrapes.
                let query = target["expr"].as_str().unwrap_or_default().replace("$__rate_interval", "10s");
                let allowed = WITHOUT_DATA.iter().any(|(name, _)| *name == title);
                answers.take(&format!("{file}, {title}"), stage.prometheus.has_data(&query).await, allowed);
            }
        }
    }
    Ok(())
}

async fn runbook(stage: &Stage, answers: &mut Answers) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(workspace_root().join("docs/runbook.md"))?;
    let database = &mut PgConnection::connect(&stage.database_url).await?;
    for (language, block) in blocks(&text) {
        let name = format!("docs/runbook.md: {block}");
        match language {
            "promql" => answers.take(&name, stage.prometheus.has_data(block).await, false),
            "sql" => {
                let rows = sqlx::query(AssertSqlSafe(block.to_owned())).fetch_all(&mut *database).await;
                answers.take(&name, rows.map(|_| true).map_err(Into::into), true);
            }
            _ => {}
        }
    }
    Ok(())
}

/// The fenced blocks of a Markdown text, with their languages.
fn blocks(text: &str) -> Vec<(&str, &str)> {
    let fences = text.split("\n```").skip(1).step_by(2);
    fences.filter_map(|block| block.split_once('\n')).collect()
}

impl Answers {
    fn take(&mut self, name: &str, data: anyhow::Result<bool>, may_be_empty: bool) {
        self.asked += 1;
        match data {
            Ok(true) => {}
            Ok(false) if may_be_empty => {}
            Ok(false) => self.missing.push(format!("{name}: no data")),
            Err(error) => self.missing.push(format!("{name}: {error:#}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_with_their_languages() {
        let text = "a\n\n```sh\nls\n```\n\nb\n\n```promql\nup == 0\n```\n";
        assert_eq!(blocks(text), [("sh", "ls"), ("promql", "up == 0")]);
    }
}
