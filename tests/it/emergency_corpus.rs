//! How well emergencies are distinguished from texts that only sound like one: precision and recall over the corpus,
//! for each trade and language. `tests/corpus/emergencies/README.md` explains the figures and who wrote the texts.

use std::collections::BTreeMap;
use std::fmt;

use nevermisscall::internals::emergency::{self, OwnPhrases};
use rstest::rstest;
use serde::Deserialize;

/// The minimum precision and recall of each file: what has been reached, rounded down a little.
const LEAST: f64 = 0.98;

#[derive(Deserialize)]
struct Labelled {
    text: String,
    trade: String,
    language: String,
    /// The author's number; the measured half has one author.
    #[serde(default)]
    author: String,
    emergency: bool,
}

/// How verdicts and labels agree.
#[derive(Default)]
struct Score {
    right_alarms: u32,
    false_alarms: u32,
    missed: u32,
    left_alone: u32,
}

impl Score {
    fn add(&mut self, labelled: bool, verdict: bool) {
        *match (labelled, verdict) {
            (true, true) => &mut self.right_alarms,
            (false, true) => &mut self.false_alarms,
            (true, false) => &mut self.missed,
            (false, false) => &mut self.left_alone,
        } += 1;
    }

    fn precision(&self) -> f64 {
        ratio(self.right_alarms, self.false_alarms)
    }

    fn recall(&self) -> f64 {
        ratio(self.right_alarms, self.missed)
    }
}

fn ratio(right: u32, wrong: u32) -> f64 {
    if right + wrong == 0 { 1.0 } else { f64::from(right) / f64::from(right + wrong) }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { right_alarms, false_alarms, missed, left_alone } = self;
        write!(f, "precision {:.3}  recall {:.3}  ", self.precision(), self.recall())?;
        write!(f, "({right_alarms} right, {false_alarms} false alarms, {missed} missed, {left_alone} left alone)")
    }
}

fn texts(half: &str) -> Vec<Labelled> {
    let path = format!("{}/tests/corpus/emergencies/{half}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let lines = std::fs::read_to_string(&path).expect("the corpus");
    lines.lines().map(|line| serde_json::from_str(line).expect("a labelled text")).collect()
}

/// The misses of what is only measured are not printed, so that nobody writes rules for them.
#[rstest]
#[case::that_rules_are_made_after("development", 11_000)]
#[case::that_no_rule_has_seen("measured", 360)]
#[case::of_every_day_that_no_rule_has_seen("everyday", 220)]
#[case::of_the_hard_ones_that_no_rule_has_seen("hard", 220)]
fn emergency_corpus(#[case] of: &str, #[case] count: usize) {
    let texts = texts(of);
    assert!(texts.len() >= count, "{of}: {} texts", texts.len());
    let (mut all, mut parts) = (Score::default(), BTreeMap::<String, Score>::new());
    for text in &texts {
        let verdict = emergency::read(&text.text, Some(&text.trade), &OwnPhrases::default()).verdict().is_some();
        all.add(text.emergency, verdict);
        for part in [format!("{} {}", text.trade, text.language), text.trade.clone(), format!("all {}", text.language)]
        {
            parts.entry(part).or_default().add(text.emergency, verdict);
        }
    }
    println!("{of}, {} texts: {all}", texts.len());
    for (part, score) in &parts {
        println!("  {part:16} {score}");
    }
    assert!(all.precision() >= LEAST && all.recall() >= LEAST, "{of}: {all}");
}

/// Writes the training data of `scripts/train-emergencies`: for each text of the development half, the label and the
/// indices of its features.
#[test]
#[ignore = "a part of scripts/train-emergencies"]
fn emergency_corpus_features() {
    let path = std::env::var("NMC_FEATURES").expect("NMC_FEATURES, the file to write");
    let lines: String = texts("development")
        .iter()
        .map(|text| {
            let places = emergency::features(&text.text, Some(&text.trade));
            format!("{}\n", serde_json::json!({ "author": text.author, "emergency": text.emergency, "places": places }))
        })
        .collect();
    std::fs::write(&path, lines).expect("written");
}

#[test]
fn emergency_corpus_precision_and_recall_are_what_they_are_called() {
    let mut score = Score::default();
    for (labelled, verdict) in [(true, true), (true, true), (true, true), (false, true), (true, false), (false, false)]
    {
        score.add(labelled, verdict);
    }
    assert_eq!(score.to_string(), "precision 0.750  recall 0.750  (3 right, 1 false alarms, 1 missed, 1 left alone)");
}
