//! The output: permanent lines with a tag and a time stamp, and, on a terminal, one live line below them (progress, the
//! window's countdown, what is being typed).
//!
//! All parts of the demo write to it; a line is written completely or not at all. A closed standard output is ignored.

use std::io::{Write, stdout};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::terminal::Terminal;
use super::text::{columns, end, short, wrap};
use crate::sim::lock;

const STAMP: usize = 7;
const TAG: usize = 11;
const INDENT: usize = STAMP + 2 + TAG + 2;

const DIM: &str = "2";
const BOLD: &str = "1";
const GREEN: &str = "32";

/// The subject of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// Something was started.
    Start,
    /// The customer did something.
    Customer,
    /// A phone of the business rang.
    Phone,
    /// The App Server called our REST API.
    Rest,
    /// Twilio called us.
    Webhook,
    /// An SMS left through Twilio.
    SmsOut,
    /// DispatchBot got a request.
    DispatchBot,
    /// An event.
    Event,
    /// The window.
    Window,
    /// A check passed.
    Good,
    /// A check failed.
    Missing,
    /// Something went wrong.
    Failed,
    /// Something was stopped.
    Stop,
}

impl Tag {
    fn look(self) -> (&'static str, &'static str) {
        match self {
            Self::Start => ("start", DIM),
            Self::Customer => ("customer", "1;33"),
            Self::Phone => ("phone", "1;33"),
            Self::Rest => ("rest", "37"),
            Self::Webhook => ("webhook", "36"),
            Self::SmsOut => ("sms out", "1;32"),
            Self::DispatchBot => ("dispatchbot", "35"),
            Self::Event => ("event", "34"),
            Self::Window => ("window", "33"),
            Self::Good => ("ok", GREEN),
            Self::Missing => ("MISSING", "1;31"),
            Self::Failed => ("FAILED", "1;31"),
            Self::Stop => ("stop", DIM),
        }
    }
}

/// A shared handle to the output.
#[derive(Clone)]
pub(super) struct Screen(Arc<Inner>);

struct Inner {
    terminal: Terminal,
    state: Mutex<State>,
}

struct State {
    /// Time stamps count from this moment.
    origin: Instant,
    bottom: Bottom,
}

/// The parts of the live line.
#[derive(Default)]
struct Bottom {
    progress: Option<String>,
    window: Option<String>,
    typed: Option<String>,
}

impl Screen {
    pub(super) fn new() -> Self {
        let state = State { origin: Instant::now(), bottom: Bottom::default() };
        Self(Arc::new(Inner { terminal: Terminal::find(), state: Mutex::new(state) }))
    }

    /// Whether there is a live line.
    pub(super) fn is_live(&self) -> bool {
        self.0.terminal.live
    }

    /// Called when the terminal's size has changed.
    pub(super) fn resized(&self) {
        self.0.terminal.measure();
        self.change(|_| {});
    }

    /// Resets the time stamps to zero.
    pub(super) fn restart_clock(&self) {
        lock(&self.0.state).origin = Instant::now();
    }

    /// Prints a line with a time stamp, and a note in dim text.
    pub(super) fn line(&self, tag: Tag, text: &str, note: &str) {
        let (name, colour) = tag.look();
        let terminal = &self.0.terminal;
        self.print(|elapsed| {
            let stamp = terminal.paint(DIM, &format!("{elapsed:STAMP$.2}"));
            let tag = terminal.paint(colour, &format!("{name:<TAG$}"));
            format!("{stamp}  {tag}  {}", self.body(text, note))
        });
    }

    /// Prints a heading of the journey.
    pub(super) fn scene(&self, text: &str) {
        self.print(|_| format!("\n{}", self.0.terminal.paint(BOLD, &format!("▸ {text}"))));
    }

    /// Prints lines that belong to the line above.
    pub(super) fn below(&self, text: &str) {
        let indent = " ".repeat(INDENT);
        let room = self.0.terminal.width().saturating_sub(INDENT);
        let lines = wrap(text, room).into_iter().map(|line| format!("{indent}{}", self.0.terminal.paint(DIM, &line)));
        let text = lines.collect::<Vec<_>>().join("\n");
        self.print(|_| text);
    }

    /// Prints text unchanged.
    pub(super) fn plain(&self, text: &str) {
        self.print(|_| text.to_owned());
    }

    /// The text in bold, for headings.
    pub(super) fn bold(&self, text: &str) -> String {
        self.0.terminal.paint(BOLD, text)
    }

    /// Shows what the demo is waiting for.
    pub(super) fn progress(&self, what: Option<&str>) {
        self.change(|bottom| bottom.progress = what.map(str::to_owned));
    }

    /// Like `progress`, for a step that may take long: prints a line if there is no live line.
    pub(super) fn announce(&self, tag: Tag, what: &str) {
        if self.is_live() {
            self.progress(Some(what));
        } else {
            self.line(tag, &format!("{what} …"), "");
        }
    }

    /// Shows the window's countdown.
    pub(super) fn window(&self, countdown: Option<String>) {
        self.change(|bottom| bottom.window = countdown);
    }

    /// Shows what has been typed so far; `None` if nobody can type.
    pub(super) fn typed(&self, typed: Option<&str>) {
        self.change(|bottom| bottom.typed = typed.map(str::to_owned));
    }

    fn change(&self, change: impl FnOnce(&mut Bottom)) {
        let mut state = lock(&self.0.state);
        change(&mut state.bottom);
        if self.is_live() {
            write(&format!("\r\x1b[K{}", self.draw(&state.bottom)));
        }
    }

    fn print(&self, text: impl FnOnce(f64) -> String) {
        let state = lock(&self.0.state);
        let text = text(state.origin.elapsed().as_secs_f64());
        if self.is_live() {
            write(&format!("\r\x1b[K{text}\n{}", self.draw(&state.bottom)));
        } else {
            write(&format!("{text}\n"));
        }
    }

    /// The wrapped text, with the note behind it or below it.
    fn body(&self, text: &str, note: &str) -> String {
        let room = self.0.terminal.width().saturating_sub(INDENT);
        let mut lines = wrap(text, room);
        let fits = lines.last().is_some_and(|last| columns(last) + 2 + columns(note) <= room);
        let painted = self.0.terminal.paint(DIM, note);
        match lines.last_mut() {
            _ if note.is_empty() => {}
            Some(last) if fits => *last = format!("{last}  {painted}"),
            _ => lines.push(painted),
        }
        lines.join(&format!("\n{}", " ".repeat(INDENT)))
    }

    /// The live line, never wider than the terminal.
    fn draw(&self, bottom: &Bottom) -> String {
        let room = self.0.terminal.width().saturating_sub(1);
        let state = bottom.window.as_deref().or(bottom.progress.as_deref());
        match (&bottom.typed, state) {
            (None, None) => String::new(),
            (None, Some(state)) => self.0.terminal.paint("33", &short(&format!("{:INDENT$}{state}", "…"), room)),
            (Some(typed), state) => {
                let state = state.map(|state| format!("[{state}] ")).unwrap_or_default();
                let prompt = format!("{}> ", short(&state, room / 2));
                let typed = end(typed, room.saturating_sub(columns(&prompt)));
                format!("{}{typed}", self.0.terminal.paint(BOLD, &prompt))
            }
        }
    }
}

fn write(text: &str) {
    let mut out = stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
