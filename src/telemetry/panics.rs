//! Panics as log lines, with their stack, and their count.

use std::backtrace::Backtrace;
use std::panic;

use super::prometheus::panicked;

/// Logs and counts every panic of the process, also those that are caught. Most messages are left out, because they may quote a
/// customer's text: only one that is a literal of the code cannot.
pub(super) fn log_them() {
    panic::set_hook(Box::new(|panic| {
        panicked();
        let message = panic.payload().downcast_ref::<&'static str>().copied();
        let place = panic.location().map_or_else(String::new, |place| format!("{}:{}", place.file(), place.line()));
        tracing::error!(
            target: "nevermisscall::panic", { error.message = message.unwrap_or("left out: it may quote a text"),
            error.type = "panic",
            error.stack_trace = %Backtrace::force_capture() }, "panicked at {place}"
        );
    }));
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::fmt::Debug;
    use std::sync::{Arc, Mutex};

    use tracing::field::{Field, Visit};
    use tracing::{Event, Subscriber};
    use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<String>>);

    impl<S: Subscriber> Layer<S> for Lines {
        fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
            event.record(&mut self.clone());
        }
    }

    impl Visit for Lines {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            self.0.lock().unwrap().push_str(&format!("{field}={value:?}\n"));
        }
    }

    #[test]
    fn a_panic_is_logged_with_its_stack_and_never_quotes_a_text() {
        let (lines, text) = (Lines::default(), String::from("My sink is blocked"));
        let hook = panic::take_hook();
        log_them();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines.clone()), || {
            panic::catch_unwind(|| panic!("a literal")).unwrap_err();
            panic::catch_unwind(|| panic!("not a number: {text}")).unwrap_err();
        });
        panic::set_hook(hook);
        let lines = lines.0.lock().unwrap();
        assert!(
            lines.contains("panics.rs") && lines.contains("a literal") && lines.contains("catch_unwind"),
            "{lines}"
        );
        assert!(lines.contains("left out") && !lines.contains("sink"), "{lines}");
    }
}
