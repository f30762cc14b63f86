//! Limits log lines that repeat: of lines with the same level, target and message, only some are written in a period.
//! The others are counted, and their number is written when the period is over.
//!
//! Lines that record what happened (a request, an input, a step of a conversation) are never left out.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
#[cfg(feature = "sentry")]
use tracing_subscriber::layer::{Context as LayerContext, Filter};
use tracing_subscriber::registry::LookupSpan;

use super::records;

/// This many equal lines are written …
const LIMIT: u64 = 20;
/// … within this time.
const PERIOD: Duration = Duration::from_secs(10);
/// Beyond this number of different lines in a period, further ones are not counted, and all written.
const MAX_LINES: usize = 1_000;

/// What has been written lately; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Repeats(Arc<Mutex<HashMap<u64, Line>>>);

#[derive(Debug)]
struct Line {
    since: Instant,
    count: u64,
    level: Level,
    target: &'static str,
    /// Once one was left out.
    message: String,
}

/// Lines that were left out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Repeated {
    pub(super) level: Level,
    pub(super) target: &'static str,
    pub(super) message: String,
    /// How many of them.
    pub(super) count: u64,
}

impl Repeats {
    /// Whether a line is written.
    fn admit(&self, event: &Event<'_>, now: Instant) -> bool {
        let metadata = event.metadata();
        if records::ALL.contains(&metadata.target()) {
            return true;
        }
        let mut hash = HashedMessage(DefaultHasher::new());
        metadata.level().hash(&mut hash.0);
        metadata.target().hash(&mut hash.0);
        event.record(&mut hash);
        let key = hash.0.finish();
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() >= MAX_LINES && !lines.contains_key(&key) {
            return true;
        }
        let line = lines.entry(key).or_insert_with(|| Line {
            since: now,
            count: 0,
            level: *metadata.level(),
            target: metadata.target(),
            message: String::new(),
        });
        if line.count <= LIMIT && now.saturating_duration_since(line.since) >= PERIOD {
            (line.since, line.count) = (now, 0);
        }
        line.count += 1;
        if line.count == LIMIT + 1 {
            event.record(&mut Message(&mut line.message));
        }
        line.count <= LIMIT
    }

    /// The lines that were left out in periods that are over, or in all.
    pub(super) fn take(&self, now: Instant, all: bool) -> Vec<Repeated> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over = lines.extract_if(|_, line| all || now.saturating_duration_since(line.since) >= PERIOD);
        over.filter(|(_, line)| line.count > LIMIT)
            .map(|(_, line)| Repeated {
                level: line.level,
                target: line.target,
                message: line.message,
                count: line.count - LIMIT,
            })
            .collect()
    }
}

impl Repeated {
    /// Logs it, at the level of the lines.
    pub(super) fn tell(&self) {
        let Self { level, target, message, count } = self;
        macro_rules! tell {
            ($level:ident) => {
                tracing::$level!(target: records::REPEATED, logger = target, count, "repeated {count} times: {message}")
            };
        }
        match *level {
            Level::ERROR => tell!(error),
            Level::WARN => tell!(warn),
            Level::INFO => tell!(info),
            Level::DEBUG => tell!(debug),
            Level::TRACE => tell!(trace),
        }
    }
}

/// A filter that lets only some of the lines pass that repeat.
#[cfg(feature = "sentry")]
#[derive(Debug, Default)]
pub struct FewRepeats(Repeats);

#[cfg(feature = "sentry")]
impl<S> Filter<S> for FewRepeats {
    fn enabled(&self, _metadata: &tracing::Metadata<'_>, _context: &LayerContext<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _context: &LayerContext<'_, S>) -> bool {
        let now = Instant::now();
        self.0.take(now, false);
        self.0.admit(event, now)
    }
}

/// The part of a line that tells whether it repeats.
struct HashedMessage(DefaultHasher);

impl Visit for HashedMessage {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = fmt::write(self, format_args!("{value:?}")); // writing to a hasher does not fail
        }
    }
}

impl fmt::Write for HashedMessage {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

struct Message<'a>(&'a mut String);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            *self.0 = format!("{value:?}");
        }
    }
}

/// Another format without the lines that repeat.
#[derive(Debug)]
pub(super) struct Limited<F> {
    format: F,
    repeats: Repeats,
}

impl<F> Limited<F> {
    pub(super) fn new(format: F, repeats: Repeats) -> Self {
        Self { format, repeats }
    }
}

impl<S, N, F> FormatEvent<S, N> for Limited<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        if self.repeats.admit(event, Instant::now()) { self.format.format_event(context, out, event) } else { Ok(()) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tracing_subscriber::layer::{Context, SubscriberExt};

    use super::*;

    /// Counts the lines that are admitted at a time.
    struct Counts(Repeats, Instant, Arc<Mutex<u64>>);

    impl<S: Subscriber> tracing_subscriber::Layer<S> for Counts {
        fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
            *self.2.lock().unwrap() += u64::from(self.0.admit(event, self.1));
        }
    }

    fn admitted(repeats: &Repeats, at: Instant, log: impl FnOnce()) -> u64 {
        let count = Arc::default();
        let layer = Counts(repeats.clone(), at, Arc::clone(&count));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        *count.lock().unwrap()
    }

    #[test]
    fn of_lines_that_repeat_some_are_written_and_the_others_counted() {
        let (repeats, now) = (Repeats::default(), Instant::now());
        let many = || (0..100).for_each(|n| tracing::warn!(n, "no connection"));
        assert_eq!(admitted(&repeats, now, many), LIMIT);
        assert_eq!(admitted(&repeats, now, || tracing::error!("no connection")), 1, "another level is another line");
        assert_eq!(repeats.take(now, false), [], "the period is not over");
        let told = repeats.take(now + PERIOD, false);
        let (count, message) = (100 - LIMIT, "no connection".to_owned());
        assert_eq!(told, [Repeated { level: Level::WARN, target: module_path!(), message, count }]);
        assert_eq!(repeats.take(now + PERIOD, false), [], "it is told once");
        assert_eq!(admitted(&repeats, now + PERIOD, many), LIMIT, "a new period begins");
    }

    #[test]
    fn what_is_left_is_told_at_the_end() {
        let (repeats, now) = (Repeats::default(), Instant::now());
        admitted(&repeats, now, || (0..=LIMIT).for_each(|_| tracing::warn!("again")));
        assert_eq!(repeats.take(now, true).iter().map(|told| told.count).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn a_record_is_never_left_out() {
        let (repeats, now) = (Repeats::default(), Instant::now());
        let many = || (0..100).for_each(|_| tracing::info!(target: records::STEP, "message.received"));
        assert_eq!(admitted(&repeats, now, many), 100);
    }

    #[test]
    fn lines_that_differ_do_not_use_up_memory() {
        let (repeats, now) = (Repeats::default(), Instant::now());
        let many = || (0..2 * MAX_LINES).for_each(|n| tracing::warn!("line {n}"));
        assert_eq!(admitted(&repeats, now, many), 2 * MAX_LINES as u64);
        assert_eq!(repeats.0.lock().unwrap().len(), MAX_LINES);
    }
}
