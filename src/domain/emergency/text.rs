//! Cuts a text into folded words, in one pass and without an allocation per word.
//!
//! Folding undoes what keyboards, autocorrect and capital letters add: case, diacritics, full-width and zero-width
//! characters, curly quotes and apostrophes ("don’t" is "dont"). Places refer to the original text.

use unicode_normalization::char::{decompose_compatible, is_combining_mark};

/// How many bytes of a word are kept; the rest is ignored.
const LONGEST: usize = 32;

/// What separates a word from the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Gap {
    /// A space, a hyphen, or another weak separator.
    #[default]
    Space,
    /// A comma, a colon, a bracket, a dash.
    Comma,
    /// The end of a sentence or a line.
    Stop,
    /// The end of a question.
    Question,
}

/// A folded word, in a fixed buffer.
pub(super) struct Folded {
    bytes: [u8; LONGEST],
    len: usize,
    run: u8,
    /// Whether a letter occurs three times or more in a row.
    pub(super) stretched: bool,
    /// Whether a currency sign precedes it.
    pub(super) money: bool,
    /// Whether a minus sign precedes it.
    pub(super) minus: bool,
}

impl Folded {
    const EMPTY: Self = Self { bytes: [0; LONGEST], len: 0, run: 0, stretched: false, money: false, minus: false };

    pub(super) fn of(word: &[u8]) -> Self {
        let mut folded = Self::EMPTY;
        folded.extend(word);
        folded
    }

    pub(super) fn extend(&mut self, word: &[u8]) {
        word.iter().for_each(|byte| self.push(*byte));
    }

    #[inline]
    fn push(&mut self, byte: u8) {
        if self.len < LONGEST {
            if self.len > 0 && self.bytes[self.len - 1] == byte {
                self.run = self.run.saturating_add(1);
                self.stretched |= self.run >= 2 && byte.is_ascii_alphabetic();
            } else {
                self.run = 0;
            }
            self.bytes[self.len] = byte;
            self.len += 1;
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// A hash of the word. Two words of eight bytes or fewer never share one.
    #[inline]
    pub(super) fn key(&self) -> u64 {
        key_of(&self.bytes, self.len)
    }

    /// The key of the word with an ending added.
    pub(super) fn with(&self, ending: &[u8]) -> u64 {
        let mut whole = Self::of(self.bytes());
        whole.extend(ending);
        whole.key()
    }

    /// The keys of its shorter beginnings, from the longest to those of three bytes.
    pub(super) fn beginnings(&self) -> impl Iterator<Item = u64> + '_ {
        (3..self.len).rev().map(|len| {
            let mut bytes = [0; LONGEST];
            bytes[..len].copy_from_slice(&self.bytes[..len]);
            key_of(&bytes, len)
        })
    }

    /// The word with each run of more than two equal letters cut down to `keep`.
    pub(super) fn shrunk(&self, keep: usize) -> Self {
        let mut shrunk = Self::EMPTY;
        for same in self.bytes().chunk_by(|a, b| a == b) {
            let kept = if same.len() > 2 { keep } else { same.len() };
            same.iter().take(kept).for_each(|byte| shrunk.push(*byte));
        }
        shrunk.stretched = false;
        shrunk
    }
}

#[inline]
fn key_of(bytes: &[u8; LONGEST], len: usize) -> u64 {
    const MIX: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut key = 0u64;
    for chunk in bytes.chunks_exact(8).take(len.div_ceil(8)) {
        let mut eight = [0; 8];
        eight.copy_from_slice(chunk);
        key = (key.rotate_left(23) ^ u64::from_le_bytes(eight)).wrapping_mul(MIX);
    }
    key ^ (key >> 29)
}

/// The position of a word in the text, in bytes, and what precedes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) gap: Gap,
}

/// Calls `each` for every word; returns what follows the last one.
pub(super) fn words(text: &str, mut each: impl FnMut(&Folded, Place)) -> Gap {
    let mut cutter = Cutter { word: Folded::EMPTY, start: 0, end: 0, gap: Gap::Stop, money: false, minus: false };
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        if byte.is_ascii() {
            cutter.ascii(byte, at, bytes, &mut each);
            at += 1;
        } else if let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
            cutter.other(c, at, &mut each);
            at += c.len_utf8();
        } else {
            at += 1;
        }
    }
    cutter.flush(&mut each);
    cutter.gap
}

struct Cutter {
    word: Folded,
    start: usize,
    end: usize,
    gap: Gap,
    money: bool,
    minus: bool,
}

impl Cutter {
    #[inline]
    fn letter(&mut self, byte: u8, at: usize, end: usize) {
        if self.word.len == 0 {
            self.start = at;
        }
        self.word.push(byte);
        self.end = end;
    }

    fn flush(&mut self, each: &mut impl FnMut(&Folded, Place)) {
        if self.word.len > 0 {
            self.word.money = self.money;
            self.word.minus = self.minus;
            let place = Place { start: self.start as u32, end: self.end as u32, gap: self.gap };
            each(&self.word, place);
            self.word = Folded::EMPTY;
            self.gap = Gap::Space;
            (self.money, self.minus) = (false, false);
        }
    }

    #[inline]
    fn ascii(&mut self, byte: u8, at: usize, bytes: &[u8], each: &mut impl FnMut(&Folded, Place)) {
        if byte.is_ascii_alphanumeric() {
            return self.letter(byte.to_ascii_lowercase(), at, at + 1);
        }
        if matches!(byte, b'\'' | b'`') {
            return;
        }
        let next_is_digit = bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
        if matches!(byte, b'.' | b',') && self.word.len > 0 && next_is_digit {
            return self.letter(b'.', at, at + 1);
        }
        self.flush(each);
        let spaced = |at: usize| bytes.get(at).is_none_or(u8::is_ascii_whitespace);
        let gap = match byte {
            b'?' => Gap::Question,
            b'.' | b'!' | b'\n' | b'\r' | b';' => Gap::Stop,
            b',' | b':' | b'(' | b')' | b'"' | b'*' => Gap::Comma,
            b'-' if at == 0 || spaced(at - 1) => {
                self.minus = next_is_digit;
                if next_is_digit { Gap::Space } else { Gap::Comma }
            }
            b'-' if bytes.get(at + 1) == Some(&b'-') => Gap::Comma,
            b'$' => {
                self.money = true;
                Gap::Space
            }
            _ => Gap::Space,
        };
        self.gap = self.gap.max(gap);
    }

    #[cold]
    fn other(&mut self, c: char, at: usize, each: &mut impl FnMut(&Folded, Place)) {
        let end = at + c.len_utf8();
        match c {
            '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{2064}'
            | '\u{FEFF}'
            | '\u{AD}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{1F3FB}'..='\u{1F3FF}' => {}
            '’' | '‘' | 'ʼ' | '´' | '′' | '＇' => {}
            '°' | 'º' => {
                if self.word.len > 0 && self.word.bytes[self.word.len - 1].is_ascii_digit() {
                    self.letter(b'f', at, end);
                }
            }
            '¿' | '¡' | '…' => {
                self.flush(each);
                self.gap = self.gap.max(Gap::Stop);
            }
            '–' | '—' | '“' | '”' | '«' | '»' | '•' | '·' => {
                self.flush(each);
                self.gap = self.gap.max(Gap::Comma);
            }
            c if c.is_whitespace() => self.flush(each),
            c => self.fold(c, at, end, each),
        }
    }

    fn fold(&mut self, c: char, at: usize, end: usize, each: &mut impl FnMut(&Folded, Place)) {
        let mut parts = ['\0'; 18];
        let mut len = 0;
        decompose_compatible(c, |part| {
            if let Some(slot) = parts.get_mut(len) {
                *slot = part;
                len += 1;
            }
        });
        for part in parts.iter().take(len).filter(|part| !is_combining_mark(**part)) {
            if part.is_ascii() && !part.is_ascii_alphanumeric() {
                self.flush(each);
                let gap = match part {
                    '?' => Gap::Question,
                    '.' | '!' | ';' => Gap::Stop,
                    ',' | ':' | '(' | ')' => Gap::Comma,
                    _ => Gap::Space,
                };
                self.gap = self.gap.max(gap);
            } else if part.is_alphanumeric() {
                for lower in part.to_lowercase().filter(|lower| !is_combining_mark(*lower)) {
                    lower.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| self.letter(byte, at, end));
                }
            } else {
                // A symbol, usually an emoji: a word by itself.
                self.flush(each);
                part.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| self.letter(byte, at, end));
                self.flush(each);
            }
        }
    }
}
