//! The terminal's properties: whether there is one, its width, and whether to use colours.

use std::io::IsTerminal;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

const USUAL_WIDTH: usize = 100;
const LEAST_WIDTH: usize = 40;

/// Standard output with its detected properties.
pub(super) struct Terminal {
    /// Whether a line can be redrawn in place.
    pub(super) live: bool,
    /// Whether to use colours.
    pub(super) colour: bool,
    width: AtomicUsize,
}

impl Terminal {
    pub(super) fn find() -> Self {
        let live = std::io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let terminal = Self { live, colour: live && !refused, width: AtomicUsize::new(usize::MAX) };
        terminal.measure();
        terminal
    }

    /// The number of columns; unlimited if there is no terminal.
    pub(super) fn width(&self) -> usize {
        self.width.load(Ordering::Relaxed)
    }

    /// Measures the width: at start, and when the window has changed.
    pub(super) fn measure(&self) {
        if self.live {
            let width = columns().unwrap_or(USUAL_WIDTH).max(LEAST_WIDTH);
            self.width.store(width, Ordering::Relaxed);
        }
    }

    /// The text in a colour, if there are colours.
    pub(super) fn paint(&self, colour: &str, text: &str) -> String {
        if self.colour && !colour.is_empty() { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Runs `stty`, because asking the terminal directly needs `unsafe`; the output is "rows columns".
fn columns() -> Option<usize> {
    let asked = Command::new("stty").args(["-F", "/dev/tty", "size"]).stderr(Stdio::null()).output().ok()?;
    let size = String::from_utf8(asked.stdout).ok()?;
    size.split_whitespace().nth(1)?.parse().ok().filter(|columns| *columns > 0)
}
