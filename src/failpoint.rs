//! Named points at which a test can abort the process, as a power cut or kill -9 would, or let a task panic.
//!
//! Compiled to nothing without the cargo feature `failpoints`. With it, `NMC_FAILPOINT=name` or `NMC_FAILPOINT=name:3`
//! (the third time) aborts the process there, after writing the point's name to standard error. With `name:3:panic` it
//! panics there instead.

/// States that a test can select with the same variable.
#[cfg(feature = "failpoints")]
pub const STATES: &[&str] = &["no_emergency_rules"];

/// Every failpoint, in the order in which a message passes them. Only texts of the owner pass those with `owner`.
pub const NAMES: &[&str] = &[
    "after_publish_ack",
    "after_owner_plan",
    "before_commit",
    "after_commit",
    "before_owner_notice",
    "before_effect_published",
    "after_claim",
    "after_twilio_accepted",
    "before_ack",
];

/// Aborts the process, or panics, if this failpoint is selected.
#[cfg(feature = "failpoints")]
#[expect(clippy::panic, reason = "tests ask for it")]
pub fn hit(name: &str) {
    use std::sync::atomic::{AtomicU32, Ordering};
    // The only static in the project: an abort affects the whole process, and only tests compile it.
    static HITS: AtomicU32 = AtomicU32::new(0);
    debug_assert!(NAMES.contains(&name), "unknown failpoint {name}");
    let Ok(wanted) = std::env::var("NMC_FAILPOINT") else { return };
    let (selected, panics) = wanted.strip_suffix(":panic").map_or((wanted.as_str(), false), |name| (name, true));
    let (selected_name, nth) = selected.split_once(':').unwrap_or((selected, "1"));
    if selected_name != name {
        return;
    }
    let hits = HITS.fetch_add(1, Ordering::SeqCst) + 1;
    if nth.parse() == Ok(hits) {
        eprintln!("failpoint {name} hit");
        if panics {
            panic!("a failpoint");
        }
        std::process::abort();
    }
}

/// Does nothing in this build.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn hit(_name: &str) {}

/// Whether a test has selected this state.
#[cfg(feature = "failpoints")]
pub fn is_set(name: &str) -> bool {
    debug_assert!(STATES.contains(&name), "unknown state {name}");
    std::env::var("NMC_FAILPOINT").is_ok_and(|wanted| wanted == name)
}

/// Always false in this build.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn is_set(_name: &str) -> bool {
    false
}
