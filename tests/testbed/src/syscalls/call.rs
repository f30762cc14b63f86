//! One system call, parsed from the output of `strace -y -xx`.

use anyhow::{Context, bail, ensure};

/// A file descriptor and what it refers to, as shown by `-y`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// Its number in the process.
    pub number: i32,
    /// A path, or for example `socket:[4711]`, which names one socket in all processes.
    pub target: String,
}

/// A system call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its name.
    pub name: String,
    /// The descriptor, if that is the call's first argument.
    pub descriptor: Option<Descriptor>,
    /// The bytes written or read, from all buffers; for a call under way, the bytes that it is to write.
    pub data: Vec<u8>,
    /// The offset in the file, for calls that have one as an argument.
    pub offset: Option<u64>,
    /// The return value; negative on failure, `None` if the call was under way when `strace` detached.
    pub result: Option<i64>,
    /// Its position in the trace when it began.
    pub begun: usize,
    /// Its position in the trace when it returned; `usize::MAX` if the return was not seen.
    pub ended: usize,
}

impl Call {
    /// Parses `name(arguments) = result`. Returns `None` for a call that never returned (`= ?`).
    ///
    /// # Errors
    /// When the text is something else, or `strace` has shortened the data.
    pub fn parse(text: &str, begun: usize, ended: usize) -> anyhow::Result<Option<Self>> {
        let (name, rest) = text.split_once('(').context("no call")?;
        // Strings are hexadecimal, so ` = ` occurs only at the end.
        let (arguments, result) = rest.rsplit_once(" = ").context("no result")?;
        let arguments = arguments.trim_end().strip_suffix(')').context("no end of the arguments")?;
        let result = result.split([' ', '<']).next().unwrap_or_default();
        if result == "?" {
            return Ok(None);
        }
        let result: i64 = result.parse().with_context(|| format!("not a result: {result:?}"))?;
        let mut call = Self::under_way(name, arguments, begun)?;
        call.data.truncate(usize::try_from(result).unwrap_or(0));
        Ok(Some(Self { result: Some(result), ended, ..call }))
    }

    /// Parses `name(arguments`, a call whose return was not seen.
    ///
    /// # Errors
    /// When the text is something else, or `strace` has shortened the data.
    pub fn parse_under_way(text: &str, begun: usize) -> anyhow::Result<Self> {
        let (name, arguments) = text.split_once('(').context("no call")?;
        Self::under_way(name, arguments.trim_end_matches([' ', ',', ')']), begun)
    }

    fn under_way(name: &str, arguments: &str, begun: usize) -> anyhow::Result<Self> {
        let (descriptor, offset) = (descriptor(arguments)?, offset(name, arguments)?);
        let data = buffers(arguments)?;
        Ok(Self { name: name.to_owned(), descriptor, data, offset, result: None, begun, ended: usize::MAX })
    }

    /// Whether its descriptor refers to `target`.
    pub fn is_about(&self, target: &str) -> bool {
        self.descriptor.as_ref().is_some_and(|descriptor| descriptor.target == target)
    }
}

/// `11</path>, …`: the first argument, if it is a descriptor.
fn descriptor(arguments: &str) -> anyhow::Result<Option<Descriptor>> {
    let first = arguments.split(',').next().unwrap_or_default();
    let Some((number, target)) = first.split_once('<') else {
        return Ok(None);
    };
    let Ok(number) = number.parse() else {
        return Ok(None);
    };
    let target = target.strip_suffix('>').context("no end of a path")?;
    // Paths are hexadecimal like data; sockets are plain text.
    let target = if target.starts_with("\\x") {
        String::from_utf8_lossy(&unescaped(target)?).into_owned()
    } else {
        target.to_owned()
    };
    Ok(Some(Descriptor { number, target }))
}

/// All strings among the arguments, concatenated: one buffer, or those of a vector.
fn buffers(arguments: &str) -> anyhow::Result<Vec<u8>> {
    let mut data = Vec::new();
    for (position, part) in arguments.split('"').enumerate() {
        if position % 2 == 1 {
            data.extend(unescaped(part)?);
        } else {
            ensure!(position == 0 || !part.starts_with("..."), "the data is shortened: strace needs a longer -s");
        }
    }
    Ok(data)
}

/// The offset of a positioned write. After the buffers come their count or length, and then the offset.
fn offset(name: &str, arguments: &str) -> anyhow::Result<Option<u64>> {
    if !matches!(name, "pwrite64" | "pwritev" | "pwritev2") {
        return Ok(None);
    }
    let after = arguments.rsplit(['"', ']']).next().unwrap_or_default();
    let offset = after.split(", ").nth(2).context("no offset")?;
    Ok(Some(offset.parse().with_context(|| format!("not an offset: {offset:?}"))?))
}

/// Decodes `\x2f\x74…` into bytes.
fn unescaped(text: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4);
    for byte in text.as_bytes().chunks(4) {
        match byte {
            [b'\\', b'x', high, low] => bytes.push(digit(*high)? << 4 | digit(*low)?),
            _ => bail!("not hexadecimal: {text:?}"),
        }
    }
    Ok(bytes)
}

fn digit(digit: u8) -> anyhow::Result<u8> {
    let value = char::from(digit).to_digit(16).context("not a hexadecimal digit")?;
    Ok(u8::try_from(value)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Call {
        Call::parse(text, 1, 2).unwrap().unwrap()
    }

    fn about(number: i32, target: &str) -> Option<Descriptor> {
        Some(Descriptor { number, target: target.to_owned() })
    }

    #[test]
    fn a_positioned_write_has_its_file_its_data_and_its_offset() {
        let call = parsed(r#"pwrite64(11<\x2f\x73\x2f\x31\x2e\x62\x6c\x6b>, "\x60\x00\x22\x2c", 4, 96) = 4"#);
        assert_eq!((call.name.as_str(), call.descriptor.clone()), ("pwrite64", about(11, "/s/1.blk")));
        assert_eq!((call.data, call.offset, call.result), (b"\x60\x00\",".to_vec(), Some(96), Some(4)));
        assert_eq!((call.begun, call.ended), (1, 2));
    }

    #[test]
    fn a_vector_is_read_as_one_piece() {
        let vector = r#"[{iov_base="\x61\x62", iov_len=2}, {iov_base="\x63", iov_len=1}]"#;
        let call = parsed(&format!(r"pwritev(3<\x2f\x61>, {vector}, 2, 8192) = 3"));
        assert_eq!((call.data.as_slice(), call.offset), (&b"abc"[..], Some(8192)));
        let call = parsed(&format!(r"pwritev2(3<\x2f\x61>, {vector}, 2, 16, RWF_DSYNC) = 3"));
        assert_eq!((call.data.as_slice(), call.offset), (&b"abc"[..], Some(16)));
        let call = parsed(&format!("writev(9<socket:[2197582]>, {vector}, 2) = 3"));
        assert_eq!((call.data.as_slice(), call.offset), (&b"abc"[..], None));
        assert!(call.is_about("socket:[2197582]"));
    }

    #[test]
    fn of_a_partial_write_only_that_part_counts() {
        let call = parsed(r#"pwrite64(11<\x2f\x61>, "\x61\x62\x63", 3, 0) = 2"#);
        assert_eq!(call.data, b"ab");
    }

    #[test]
    fn what_failed_has_moved_nothing() {
        let text =
            r"recvfrom(9<socket:[7]>, 0x7f00, 8192, 0, NULL, NULL) = -1 EAGAIN (Resource temporarily unavailable)";
        assert_eq!((parsed(text).result, parsed(text).data), (Some(-1), Vec::new()));
        assert_eq!(parsed(r"fsync(11<\x2f\x61>) = -1 EIO (Input/output error)").result, Some(-1));
    }

    #[test]
    fn a_call_that_never_returned_is_none() {
        assert_eq!(Call::parse(r"fsync(11<\x2f\x61>) = ?", 1, 2).unwrap(), None);
    }

    #[test]
    fn of_a_call_under_way_it_is_known_what_it_is_to_do() {
        let call = Call::parse_under_way(r#"sendto(9<socket:[7]>, "\x6f\x6b", 2, MSG_NOSIGNAL, NULL, 0 "#, 4).unwrap();
        assert_eq!((call.data.as_slice(), call.result, call.begun, call.ended), (&b"ok"[..], None, 4, usize::MAX));
        let call = Call::parse_under_way(r"recvfrom(9<socket:[7]>, ", 4).unwrap();
        assert!(call.data.is_empty() && call.is_about("socket:[7]"));
    }

    #[test]
    fn a_result_may_be_told_of_at_length() {
        let call = parsed(r"openat(AT_FDCWD</tmp>, 0x1, O_RDONLY) = 12<\x2f\x61>");
        assert_eq!((call.result, call.descriptor), (Some(12), None));
    }

    #[test]
    fn shortened_data_is_an_error_not_a_wrong_answer() {
        let text = r#"sendto(9<socket:[7]>, "\x61\x62"..., 100, MSG_NOSIGNAL, NULL, 0) = 100"#;
        assert!(Call::parse(text, 1, 2).is_err());
        assert!(Call::parse("what is this", 1, 2).is_err());
    }
}
