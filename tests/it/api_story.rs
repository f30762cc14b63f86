//! Runs the requests of docs/api.md against a service and compares the answers with those on the page.
//!
//! `bash` blocks run in order, as if in one shell. A `json` or `http` block after one shows its output: all fields and
//! lines shown must be in the output, which may contain more, and `…` matches anything. HTML comments, which readers of
//! the page do not see, say what customers do in between.

use std::fmt::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use crate::harness::{App, PATIENCE};

const STORY: &str = include_str!("../../docs/api.md");
/// Matches anything.
const ANYTHING: char = '…';
/// Long windows, so that the page is finished before the AI answers.
const SETTINGS: [(&str, &str); 3] =
    [("NMC_WINDOW_HOLD", "60s"), ("NMC_WINDOW_MAX", "90s"), ("NMC_RATE_LIMIT", "1000/min")];

#[tokio::test]
async fn the_story_of_the_api_is_true() {
    let app = SETTINGS.iter().fold(App::setup(), |setup, (name, value)| setup.set(name, value)).start().await;
    let mut printed = String::new();
    let mut received = 0;
    for part in parts(STORY) {
        match part {
            Part::Calls(customer) => {
                app.miss_call(customer).await;
                app.wait_for_event_of(customer, 1, "message.delivered").await;
            }
            Part::Writes(customer, text) => {
                app.text(customer, text).await;
                received += 1;
                let all = |events: &[Value]| {
                    events.iter().filter(|event| event["event_type"] == "message.received").count() >= received
                };
                app.events.wait_for("message.received", all).await;
            }
            Part::Run(script) => printed = run(&app, script).await,
            Part::Json(shown) => {
                let shown: Value = serde_json::from_str(shown).unwrap_or_else(|error| panic!("{error}: {shown}"));
                let found: Value = serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"));
                holds("", &shown, &found).unwrap_or_else(|wrong| panic!("{wrong}\nin {found:#}"));
            }
            Part::Lines(shown) => {
                for line in shown.lines() {
                    let there = printed.lines().any(|found| matches(line, found.trim_end()));
                    assert!(there, "{line:?} is not in:\n{printed}");
                }
            }
        }
    }
}

/// The parts of the page that the test uses.
#[derive(Debug, PartialEq)]
enum Part<'a> {
    /// A customer calls, and nobody answers.
    Calls(&'a str),
    /// A customer writes.
    Writes(&'a str, &'a str),
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
            let (said, behind) = comment.split_once(" -->").expect("the end of a comment");
            let (customer, does) = said.split_once(' ').expect("who does what");
            parts.push(match does.strip_prefix("writes: ") {
                Some(text) => Part::Writes(customer, text),
                None if does == "calls, and nobody answers" => Part::Calls(customer),
                None => panic!("what does {customer} do? {does}"),
            });
            rest = behind;
        } else {
            let (language, block) = rest[3..].split_once('\n').expect("a block");
            let (block, behind) = block.split_once("\n```").expect("the end of a block");
            match language {
                "bash" => parts.push(Part::Run(block)),
                "json" => parts.push(Part::Json(block)),
                "http" => parts.push(Part::Lines(block)),
                _ => {} // only for readers
            }
            rest = behind;
        }
    }
    parts
}

/// Runs a block and returns its output. Its variables and functions are available in the next block.
async fn run(app: &App, script: &str) -> String {
    let state = app.servers.dir().join("state.sh");
    let mut whole = String::from("set -euo pipefail\n");
    if state.exists() {
        writeln!(whole, "source '{}' 2>/dev/null || true", state.display()).expect("a line");
    }
    let keep = "{ declare -p | grep -vE '^declare -[a-zA-Z]*r'; declare -f; }";
    writeln!(whole, "{script}\n{keep} >'{}'", state.display()).expect("lines");
    let program = Path::new(env!("CARGO_BIN_EXE_nevermisscall")).parent().expect("a folder");
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let running = Command::new("bash")
        .args(["-c", &whole])
        .env("PATH", path)
        .env("NMC", app.rest.base())
        .envs(app.servers.settings(&[]))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, running).await.expect("an end").expect("bash");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{script}\n{printed}\n{complaints}", output.status);
    printed
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
    assert_eq!(parts(page), [Part::Run("a\nb"), Part::Writes("+1", "Hello"), Part::Json("{}")]);
}
