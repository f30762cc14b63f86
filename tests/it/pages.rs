//! Runs the commands of a page of docs/ against a service, and compares what they print with what the page shows.
//!
//! `bash` blocks run in order, as if in one shell. A `json`, `http` or `text` block after one shows its output: all
//! fields and lines shown must be in the output, which may contain more, and `…` matches anything. HTML comments, which
//! readers of the page do not see, say what happens in between. Blocks with the command `nats` run where
//! `scripts/get-tools nats` has installed it.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use crate::harness::{App, PATIENCE};

/// Matches anything.
const ANYTHING: char = '…';

/// Runs a page of docs/. `happens` makes happen what the page's comments say.
pub async fn run_page(app: &App, page: &str, mut happens: impl AsyncFnMut(&str)) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let page = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let nats = nats();
    let mut printed = Some(String::new());
    for part in parts(&page) {
        match (part, &printed) {
            (Part::Happens(what), _) => happens(what).await,
            (Part::Run(script), _) if uses_nats(script) && nats.is_none() => {
                eprintln!("skipped, because the command nats is not installed (scripts/get-tools nats):\n{script}");
                printed = None;
            }
            (Part::Run(script), _) => printed = Some(run(app, script, nats.as_deref()).await),
            (Part::Json(_) | Part::Lines(_), None) => {}
            (Part::Json(shown), Some(printed)) => {
                let shown: Value = serde_json::from_str(shown).unwrap_or_else(|error| panic!("{error}: {shown}"));
                let found: Value = serde_json::from_str(printed).unwrap_or_else(|error| panic!("{error}: {printed}"));
                holds("", &shown, &found).unwrap_or_else(|wrong| panic!("{wrong}\nin {found:#}"));
            }
            (Part::Lines(shown), Some(printed)) => {
                for line in shown.lines() {
                    let there = printed.lines().any(|found| matches(line.trim(), found.trim()));
                    assert!(there, "{line:?} is not in:\n{printed}");
                }
            }
        }
    }
}

/// The NATS command line: that of `scripts/get-tools`, or the one in PATH. CI must have it wherever it has Go.
fn nats() -> Option<PathBuf> {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join(".run/bin/nats");
    let found = Some(installed).filter(|path| path.exists()).or_else(|| in_path("nats"));
    let is_expected = std::env::var_os("CI").is_some() && in_path("go").is_some();
    assert!(found.is_some() || !is_expected, "CI has Go, and no nats: scripts/get-tools installs it");
    found
}

fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn uses_nats(script: &str) -> bool {
    script.lines().any(|line| line.starts_with("nats ") || line.contains("$(nats "))
}

/// The parts of the page that the test uses.
#[derive(Debug, PartialEq)]
enum Part<'a> {
    /// A comment: something happens.
    Happens(&'a str),
    Run(&'a str),
    Json(&'a str),
    Lines(&'a str),
}

fn parts(page: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = page;
    while let Some(at) = [rest.find("\n```"), rest.find("\n<!-- ")].into_iter().flatten().min() {
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix("<!-- ") {
            let (what, behind) = comment.split_once(" -->").expect("the end of a comment");
            parts.push(Part::Happens(what));
            rest = behind;
        } else {
            let (language, block) = rest[3..].split_once('\n').expect("a block");
            let (block, behind) = block.split_once("\n```").expect("the end of a block");
            match language {
                "bash" => parts.push(Part::Run(block)),
                "json" => parts.push(Part::Json(block)),
                "http" | "text" => parts.push(Part::Lines(block)),
                _ => {} // only for readers
            }
            rest = behind;
        }
    }
    parts
}

/// Runs a block and returns its output. Its variables and functions are available in the next block.
async fn run(app: &App, script: &str, nats: Option<&Path>) -> String {
    let state = app.servers.dir().join("state.sh");
    let mut whole = String::from("set -euo pipefail\n");
    if state.exists() {
        writeln!(whole, "source '{}' 2>/dev/null || true", state.display()).expect("a line");
    }
    let keep = "{ declare -p | grep -vE '^declare -[a-zA-Z]*r'; declare -f; }";
    writeln!(whole, "{script}\n{keep} >'{}'", state.display()).expect("lines");
    let program = Path::new(env!("CARGO_BIN_EXE_nevermisscall")).parent().expect("a folder");
    let programs = [Some(program), nats.and_then(Path::parent)].into_iter().flatten().map(Path::to_owned);
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let path = programs.chain(std::env::split_paths(&inherited));
    let path = std::env::join_paths(path).expect("a path");
    let running = Command::new("bash")
        .args(["-c", &whole])
        .env("PATH", path)
        .env("NMC", app.rest.base())
        // The contexts of the machine's user do not count.
        .env("XDG_CONFIG_HOME", app.servers.dir())
        .envs(app.servers.settings(&[]))
        .envs(for_psql(app.servers.database_url()))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, running).await.expect("an end").expect("bash");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{script}\n{printed}\n{complaints}", output.status);
    printed
}

/// The variables of libpq for a database of a test, which has no password.
fn for_psql(url: &str) -> Vec<(&'static str, String)> {
    let url = url::Url::parse(url).expect("a URL");
    let host = url.query_pairs().find(|(name, _)| name == "host").map(|(_, host)| host.into_owned());
    vec![
        ("PGHOST", host.or(url.host_str().map(str::to_owned)).expect("a host")),
        ("PGPORT", url.port().expect("a port").to_string()),
        ("PGUSER", url.username().to_owned()),
        ("PGDATABASE", url.path().trim_start_matches('/').to_owned()),
    ]
}

/// Whether the value found matches the one shown: fields by name, and items in order, without others unless the last
/// one shown is `…`.
fn holds(path: &str, shown: &Value, found: &Value) -> Result<(), String> {
    match (shown, found) {
        (Value::String(shown), _) if shown.chars().eq([ANYTHING]) => Ok(()),
        (Value::String(shown), Value::String(found)) if matches(shown, found) => Ok(()),
        (Value::Object(shown), Value::Object(found)) => shown.iter().try_for_each(|(name, shown)| {
            let found = found.get(name).ok_or_else(|| format!("{path}.{name} is not there"))?;
            holds(&format!("{path}.{name}"), shown, found)
        }),
        (Value::Array(shown), Value::Array(found)) => {
            let (shown, open) = match shown.split_last() {
                Some((Value::String(last), before)) if last.chars().eq([ANYTHING]) => (before, true),
                _ => (shown.as_slice(), false),
            };
            if found.len() < shown.len() || (found.len() > shown.len() && !open) {
                return Err(format!("{path}: {} items are shown, {} are there", shown.len(), found.len()));
            }
            let mut pairs = shown.iter().zip(found).enumerate();
            pairs.try_for_each(|(n, (shown, found))| holds(&format!("{path}[{n}]"), shown, found))
        }
        (shown, found) if shown == found => Ok(()),
        (shown, found) => Err(format!("{path}: {shown} is shown, {found} is there")),
    }
}

/// Whether the text found matches the one shown, in which `…` matches anything.
fn matches(shown: &str, found: &str) -> bool {
    let mut pieces = shown.split(ANYTHING);
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = found.strip_prefix(first) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn what_is_shown_is_compared_loosely_and_no_more_than_that() {
    let found = serde_json::json!({ "id": "a-7", "more": 1, "list": [1, 2] });
    let held = |shown: Value| holds("", &shown, &found).is_ok();
    assert!(held(serde_json::json!({ "id": "a-…", "list": [1, 2] })));
    assert!(held(serde_json::json!({ "id": "…", "more": "…", "list": [1, "…"] })));
    assert!(!held(serde_json::json!({ "id": "b-…" })));
    assert!(!held(serde_json::json!({ "list": [1] })));
    assert!(!held(serde_json::json!({ "list": [1, 2, 3, "…"] })));
    assert!(!held(serde_json::json!({ "less": "…" })));
    let page = "x\n```bash\na\nb\n```\n<!-- +1 writes: Hello -->\n```sh\nno\n```\n```json\n{}\n```\n";
    assert_eq!(parts(page), [Part::Run("a\nb"), Part::Happens("+1 writes: Hello"), Part::Json("{}")]);
}
