//! Lines from standard input. On a terminal, the line is edited here, so that other output does not break it: `stty`
//! switches the terminal's own editing off, and its settings are restored on drop.

use std::io::{IsTerminal, Read, stdin};
use std::process::{Command, Stdio};
use std::thread;

use tokio::sync::mpsc;

use super::screen::Screen;

const ENTER: [char; 2] = ['\r', '\n'];
const END_OF_INPUT: char = '\u{4}';
const BACKSPACE: [char; 2] = ['\u{8}', '\u{7f}'];
const FORGET_LINE: char = '\u{15}';
const FORGET_WORD: char = '\u{17}';
const ESCAPE: char = '\u{1b}';

/// Standard input as lines.
pub(super) struct Keyboard {
    screen: Screen,
    bytes: mpsc::UnboundedReceiver<u8>,
    /// The bytes of an incomplete character.
    partial: Vec<u8>,
    line: String,
    /// Whether an escape sequence is being read, such as that of an arrow key.
    escaped: bool,
    editing: Option<Editing>,
}

impl Keyboard {
    pub(super) fn open(screen: Screen) -> Self {
        let editing = if screen.is_live() && stdin().is_terminal() { Editing::start() } else { None };
        let (sender, bytes) = mpsc::unbounded_channel();
        // No one waits for this thread: a read from a terminal cannot be canceled.
        thread::spawn(move || {
            for byte in stdin().lock().bytes() {
                match byte {
                    Ok(byte) if sender.send(byte).is_ok() => {}
                    _ => return,
                }
            }
        });
        let keyboard = Self { screen, bytes, partial: Vec::new(), line: String::new(), escaped: false, editing };
        keyboard.show();
        keyboard
    }

    /// Whether a person may be typing.
    pub(super) fn is_someone(&self) -> bool {
        self.editing.is_some()
    }

    /// The next line; `None` at the end of the input.
    pub(super) async fn line(&mut self) -> Option<String> {
        while let Some(byte) = self.bytes.recv().await {
            let Some(character) = self.character(byte) else { continue };
            if ENTER.contains(&character) {
                let line = std::mem::take(&mut self.line);
                self.show();
                return Some(line);
            }
            if character == END_OF_INPUT && self.line.is_empty() && self.editing.is_some() {
                return None;
            }
            self.edit(character);
            self.show();
        }
        let rest = std::mem::take(&mut self.line);
        (!rest.is_empty()).then_some(rest)
    }

    fn character(&mut self, byte: u8) -> Option<char> {
        self.partial.push(byte);
        match std::str::from_utf8(&self.partial) {
            Ok(text) => {
                let character = text.chars().next();
                self.partial.clear();
                character
            }
            Err(error) => {
                if error.error_len().is_some() {
                    self.partial.clear();
                }
                None
            }
        }
    }

    fn edit(&mut self, character: char) {
        match character {
            // The sequence ends with a letter or `~`, after `[` or `O` and digits.
            _ if self.escaped => {
                self.escaped = !(character.is_ascii_alphabetic() && character != 'O' || character == '~')
            }
            ESCAPE => self.escaped = true,
            FORGET_LINE => self.line.clear(),
            FORGET_WORD => {
                let kept = self.line.trim_end().rfind(' ').map_or(0, |space| space + 1);
                self.line.truncate(kept);
            }
            character if BACKSPACE.contains(&character) => drop(self.line.pop()),
            character if character.is_control() => {}
            character => self.line.push(character),
        }
    }

    fn show(&self) {
        if self.editing.is_some() {
            self.screen.typed(Some(&self.line));
        }
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        self.screen.typed(None);
    }
}

/// A terminal with its own editing switched off; its settings are restored on drop.
struct Editing {
    before: String,
}

impl Editing {
    fn start() -> Option<Self> {
        let before = stty(&["-g"])?.trim().to_owned();
        // Ctrl-C still sends a signal.
        stty(&["-icanon", "-echo", "min", "1", "time", "0"])?;
        Some(Self { before })
    }
}

impl Drop for Editing {
    fn drop(&mut self) {
        let _ = stty(&[&self.before]);
    }
}

fn stty(arguments: &[&str]) -> Option<String> {
    let output = Command::new("stty").args(arguments).stdin(Stdio::inherit()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).ok()).flatten()
}
