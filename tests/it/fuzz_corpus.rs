//! Runs the check of each fuzz target on every file of `fuzz/corpus` and `fuzz/regressions`. docs/fuzzing.md explains
//! how to find new ones.

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use rstest::rstest;

#[path = "../../fuzz/checks/mod.rs"]
mod checks;

use checks::{TARGETS, answers, decoders};

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The files of a folder with their content; empty if the folder does not exist.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn names(folder: &str, ending: &str) -> BTreeSet<String> {
    let names = files_or_folders(&fuzz().join(folder));
    names.into_iter().filter_map(|name| Some(name.strip_suffix(ending)?.to_owned())).collect()
}

fn files_or_folders(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[rstest]
#[case::answers("answers")]
#[case::decoders("decoders")]
#[case::emergency("emergency")]
#[case::form("form")]
#[case::phone("phone")]
#[case::segments("segments")]
#[case::signature("signature")]
#[case::traceparent("traceparent")]
#[case::twiml("twiml")]
fn whatever_was_fuzzed_once_still_holds(#[case] name: &str) {
    let (_, check) = TARGETS.into_iter().find(|(target, _)| *target == name).unwrap();
    let corpus = files(&fuzz().join("corpus").join(name));
    assert!(!corpus.is_empty(), "fuzz/corpus/{name} holds nothing");
    let regressions = files(&fuzz().join("regressions").join(name));
    let failed = |(path, data): &(PathBuf, Vec<u8>)| catch_unwind(|| check(data)).is_err().then(|| path.clone());
    let failed: Vec<_> = corpus.iter().chain(&regressions).filter_map(failed).collect();
    assert_eq!(failed, Vec::<PathBuf>::new(), "each of them fails; what it says is above");
}

#[test]
fn every_fuzz_target_has_its_check_its_corpus_and_its_case_here() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("fuzz_targets", ".rs"), targets);
    assert_eq!(names("corpus", ""), targets);
    assert!(names("regressions", "").is_subset(&targets), "a regression of no target is never run");
    let here = include_str!("fuzz_corpus.rs");
    let cases = targets.iter().filter(|name| here.contains(&format!("#[case::{name}(\"{name}\")]")));
    assert_eq!(cases.count(), targets.len(), "a target has no case");
}

/// A corpus of only invalid input would prove little.
#[test]
fn the_corpora_hold_something_that_each_decoder_reads() {
    let payloads = files(&fuzz().join("corpus/decoders"));
    for (name, decoder) in decoders::DECODERS {
        assert!(payloads.iter().any(|(_, data)| decoder(data)), "no payload is a good {name}");
    }
    let bodies = files(&fuzz().join("corpus/answers"));
    for dialect in nevermisscall::internals::Dialect::ALL {
        let is_answer = |(_, data): &(_, Vec<u8>)| answers::is_answer(*dialect, data);
        assert!(bodies.iter().any(is_answer), "no body is a good answer of DispatchBot in {dialect}");
    }
    let created = |data: &[u8]| answers::twilio(reqwest::StatusCode::CREATED, data);
    assert!(bodies.iter().any(|(_, data)| created(data)), "no body is a good answer of Twilio");
}
