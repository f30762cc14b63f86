//! docs/threat-model.md names a test for each measure; these tests check that the names are true.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const PAGE: &str = include_str!("../../docs/threat-model.md");

/// The names of all functions and cases, and of all modules (by their files or folders), below `folder`.
fn names_in(folder: &Path, functions: &mut BTreeSet<String>, modules: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        modules.insert(path.file_stem().unwrap().to_str().unwrap().to_owned());
        if path.is_dir() {
            names_in(&path, functions, modules);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            for rest in source.split("fn ").skip(1).chain(source.split("#[case::").skip(1)) {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                functions.insert(rest[..end].to_owned());
            }
        }
    }
}

/// The code spans in the last column of each table that has a column of tests.
fn named_tests() -> Vec<&'static str> {
    let mut named = Vec::new();
    let mut in_table = false;
    for line in PAGE.lines() {
        if !line.starts_with('|') {
            in_table = false;
        } else if line.ends_with("| test |") {
            in_table = true;
        } else if in_table && !line.starts_with("|---") {
            let column = line.trim_end_matches('|').rsplit('|').next().unwrap();
            let spans: Vec<_> = column.split('`').skip(1).step_by(2).filter(|span| !span.contains('/')).collect();
            assert!(!spans.is_empty(), "no test is named: {line}");
            named.extend(spans);
        }
    }
    named
}

#[test]
fn every_test_that_the_threat_model_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut functions, mut modules) = (BTreeSet::new(), BTreeSet::new());
    for folder in ["src", "tests/it", "tests/testbed/src"] {
        names_in(&root.join(folder), &mut functions, &mut modules);
    }
    let named = named_tests();
    assert!(named.len() > 50, "the page is read wrongly: {} names", named.len());
    // A single word, such as `scope`, is a module or a planted mistake; a path ends with a test or a module.
    let missing: Vec<_> = named
        .into_iter()
        .filter(|name| {
            let last = name.rsplit("::").next().unwrap();
            !functions.contains(last) && !modules.contains(last)
        })
        .collect();
    assert!(missing.is_empty(), "docs/threat-model.md names tests that do not exist: {missing:#?}");
}
