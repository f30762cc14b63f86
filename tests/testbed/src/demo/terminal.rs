//! What the terminal can do: whether it is one, how wide, and whether it wants colours.

use std::io::IsTerminal;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

const USUAL_WIDTH: usize = 100;
const LEAST_WIDTH: usize = 40;

/// Standard output, as found.
pub(super) struct Terminal {
    /// Whether a line can be drawn again in its place.
    pub(super) live: bool,
    /// Whether it gets colours.
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

    /// How many columns it has; what is no terminal has no end.
    pub(super) fn width(&self) -> usize {
        self.width.load(Ordering::Relaxed)
    }

    /// Looks again: at start, and when the window has changed.
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

/// `stty` asks the terminal, which needs `unsafe` otherwise; its answer is "rows columns".
fn columns() -> Option<usize> {
    let asked = Command::new("stty").args(["-F", "/dev/tty", "size"]).stderr(Stdio::null()).output().ok()?;
    let size = String::from_utf8(asked.stdout).ok()?;
    size.split_whitespace().nth(1)?.parse().ok().filter(|columns| *columns > 0)
}
