//! Finds out what is safely on disk: data that was written and then synced.

use std::path::PathBuf;

use super::call::Call;
use super::trace::Trace;

/// Bytes at an offset in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footprint {
    /// The file, without symbolic links in its path.
    pub file: PathBuf,
    /// The offset of the first byte.
    pub offset: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// How far bytes had got by a given moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Not written, or not all of them.
    NotWritten,
    /// Written, but lost if the power is cut now.
    Written,
    /// On disk.
    Synced,
}

impl Trace {
    /// The state of `footprint` when the call at `place` began.
    pub fn kept(&self, footprint: &Footprint, place: usize) -> Kept {
        let file = footprint.file.to_string_lossy();
        let before = || self.calls().iter().filter(|call| call.ended < place && call.is_about(&file));
        let synced = before().filter(|call| is_sync(call)).map(|call| call.begun).max().unwrap_or(0);
        let holds = |until: usize| {
            let mut found = Stretch::new(footprint);
            before().filter(|call| call.ended < until).for_each(|call| found.take_in(call));
            found.is_as_wanted()
        };
        match (holds(synced), holds(place)) {
            (true, _) => Kept::Synced,
            (false, true) => Kept::Written,
            (false, false) => Kept::NotWritten,
        }
    }
}

fn is_sync(call: &Call) -> bool {
    matches!(call.name.as_str(), "fsync" | "fdatasync") && call.result == Some(0)
}

/// A range of a file, with the bytes known from the trace.
struct Stretch<'a> {
    wanted: &'a Footprint,
    found: Vec<u8>,
    is_known: Vec<bool>,
}

impl<'a> Stretch<'a> {
    fn new(wanted: &'a Footprint) -> Self {
        let length = wanted.bytes.len();
        Self { wanted, found: vec![0; length], is_known: vec![false; length] }
    }

    fn take_in(&mut self, write: &Call) {
        let Some(offset) = write.offset else {
            return;
        };
        // By how many bytes one begins before the other.
        let skipped = usize::try_from(self.wanted.offset.saturating_sub(offset)).unwrap_or(usize::MAX);
        let begin = usize::try_from(offset.saturating_sub(self.wanted.offset)).unwrap_or(usize::MAX);
        let written = write.data.get(skipped..).unwrap_or_default();
        let end = begin.saturating_add(written.len()).min(self.found.len());
        // `None` if they do not overlap.
        let (Some(found), Some(is_known)) = (self.found.get_mut(begin..end), self.is_known.get_mut(begin..end)) else {
            return;
        };
        found.copy_from_slice(&written[..found.len()]);
        is_known.fill(true);
    }

    fn is_as_wanted(&self) -> bool {
        self.found == self.wanted.bytes && self.is_known.iter().all(|known| *known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITE: &str = r#"1 pwrite64(3<\x2f\x61>, "\x61\x62\x63\x64", 4, 10) = 4"#;
    const SYNC: &str = r"1 fsync(3<\x2f\x61>) = 0";

    /// The state of `bc` at offset 11 in `/a` after these lines.
    fn after(lines: &[&str]) -> Kept {
        let trace = Trace::parse(&lines.join("\n")).unwrap();
        trace.kept(&Footprint { file: "/a".into(), offset: 11, bytes: b"bc".to_vec() }, lines.len())
    }

    #[test]
    fn a_write_counts_once_it_is_synced() {
        assert_eq!(after(&[]), Kept::NotWritten);
        assert_eq!(after(&[WRITE]), Kept::Written);
        assert_eq!(after(&[WRITE, SYNC]), Kept::Synced);
        assert_eq!(after(&[SYNC, WRITE]), Kept::Written);
        assert_eq!(after(&[WRITE, r"2 fdatasync(9<\x2f\x61>) = 0"]), Kept::Synced, "another process may do it");
    }

    #[test]
    fn other_syncs_do_not_help() {
        assert_eq!(after(&[WRITE, r"1 fsync(3<\x2f\x61>) = -1 EIO (Input/output error)"]), Kept::Written);
        assert_eq!(after(&[WRITE, r"1 fsync(4<\x2f\x62>) = 0"]), Kept::Written, "another file");
        assert_eq!(after(&[WRITE, r"1 sync_file_range(3<\x2f\x61>, 0, 0, SYNC_FILE_RANGE_WRITE) = 0"]), Kept::Written);
        assert_eq!(after(&[WRITE, r"1 fsync(3<\x2f\x61> <unfinished ...>"]), Kept::Written, "not yet");
        assert_eq!(after(&[WRITE, r"1 fsync(3<\x2f\x61> <detached ...>"]), Kept::Written, "perhaps");
    }

    #[test]
    fn a_sync_that_began_before_the_write_had_returned_does_not_count() {
        let (begun, ended) = (r"2 fsync(3<\x2f\x61> <unfinished ...>", "2 <... fsync resumed>) = 0");
        assert_eq!(after(&[begun, WRITE, ended]), Kept::Written);
        assert_eq!(after(&[WRITE, begun, ended]), Kept::Synced);
    }

    #[test]
    fn bytes_may_come_in_pieces_and_must_be_the_right_ones() {
        let piece = |data: &str, at: u64| format!(r#"1 pwrite64(3<\x2f\x61>, "{data}", 1, {at}) = 1"#);
        assert_eq!(after(&[&piece(r"\x62", 11), SYNC]), Kept::NotWritten);
        assert_eq!(after(&[&piece(r"\x62", 11), SYNC, &piece(r"\x63", 12)]), Kept::Written);
        assert_eq!(after(&[&piece(r"\x62", 11), &piece(r"\x63", 12), SYNC]), Kept::Synced);
        assert_eq!(after(&[WRITE, &piece(r"\x7a", 12), SYNC]), Kept::NotWritten, "overwritten");
        assert_eq!(after(&[WRITE, &piece(r"\x7a", 10), &piece(r"\x7a", 13), SYNC]), Kept::Synced, "beside it");
        assert_eq!(after(&[r#"1 write(3<\x2f\x61>, "\x62\x63", 2) = 2"#, SYNC]), Kept::NotWritten, "somewhere");
    }
}
