//! The layers of `src/`: a module uses only modules below it, so there are no cyclic dependencies.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The layers from top to bottom. Add a new module here and to the table in `src/lib.rs`.
const LAYERS: [&str; 21] = [
    "cli",
    "app",
    "asyncapi",
    "http",
    "worker",
    "health",
    "lifecycle",
    "dead_letters",
    "engine",
    "businesses",
    "adapters",
    "store",
    "stream",
    "telemetry",
    "webhook",
    "domain",
    "secrets",
    "config",
    "outage",
    "trace",
    "clock",
];
/// Modules that any module may use, and that use none: the crash tests' hook, and the macro for enums of words.
const ANYWHERE: [&str; 2] = ["failpoint", "text_enum"];
/// Above all layers.
const ABOVE: [&str; 4] = ["lib", "main", "internals", "simulation"];

#[test]
fn a_module_uses_only_modules_below_it() {
    let place = |module: &str| LAYERS.iter().position(|layer| *layer == module);
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let module = module_of(&file);
        if ABOVE.contains(&&*module) || ANYWHERE.contains(&&*module) {
            continue;
        }
        let Some(own) = place(&module) else { panic!("{module} has no place among the layers") };
        seen.insert(own);
        let text = fs::read_to_string(&file).expect("a source file");
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            if line.contains("use crate::{") {
                wrong.push(format!(
                    "{}:{}: one `use` for each module, so that this test sees it",
                    file.display(),
                    number + 1
                ));
            }
            for used in used_modules(line).filter(|used| *used != module && !ANYWHERE.contains(used)) {
                if place(used).is_none_or(|other| other < own) {
                    wrong.push(format!("{}:{}: {module} uses {used}", file.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(seen.len(), LAYERS.len(), "a layer has no module any more");
}

/// Every `crate::module` in a line, except after `$crate` in a macro.
fn used_modules(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("crate::").filter(|(at, _)| !line[..*at].ends_with('$')).filter_map(|(at, prefix)| {
        let rest = &line[at + prefix.len()..];
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        (end > 0).then(|| &rest[..end])
    })
}

/// The entry of `src/` that a file belongs to.
fn module_of(file: &Path) -> String {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let first = file.strip_prefix(src).expect("within src").components().next().expect("a name");
    first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

#[test]
fn a_use_of_a_crates_module_is_found_and_a_macros_is_not() {
    let used = |line| used_modules(line).collect::<Vec<_>>();
    assert_eq!(used("use crate::engine::Engine; crate::clock::now()"), ["engine", "clock"]);
    assert!(used("type Err = $crate::domain::text_enum::UnknownWord;").is_empty());
    assert!(used("use crate::{").is_empty());
}
