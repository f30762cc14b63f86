//! The whole trace: lines joined into calls, in order.

use std::collections::HashMap;

use anyhow::Context;

use super::call::Call;

/// All calls while `strace` was attached, in the order in which they returned; last, those under way when it detached.
#[derive(Debug, Default)]
pub struct Trace {
    calls: Vec<Call>,
}

impl Trace {
    /// Parses the output of `strace -f -y -xx -o`. A call is split over two lines if another thread's call was reported
    /// in between; its positions are those of both lines.
    ///
    /// # Errors
    /// If a line is not understood.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let mut unfinished = HashMap::new();
        let mut calls = Vec::new();
        for (place, line) in text.lines().enumerate() {
            let understood = line_of(line, place, &mut unfinished);
            let call = understood.with_context(|| format!("line {}: {}", place + 1, beginning(line)))?;
            calls.extend(call);
        }
        // `strace` writes `<detached ...>` only for the last line; it writes nothing more about other calls under way.
        let mut under_way: Vec<_> = unfinished.into_values().collect();
        under_way.sort_unstable();
        for (place, text) in under_way {
            let call = Call::parse_under_way(text, place);
            calls.push(call.with_context(|| format!("line {}: {}", place + 1, beginning(text)))?);
        }
        Ok(Self { calls })
    }

    /// The calls, in order.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }
}

/// The beginnings of calls, by thread: the position and the text of each.
type Unfinished<'a> = HashMap<&'a str, (usize, &'a str)>;

fn line_of<'a>(line: &'a str, place: usize, unfinished: &mut Unfinished<'a>) -> anyhow::Result<Option<Call>> {
    let (thread, text) = line.split_once(' ').context("no thread")?;
    let text = text.trim_start();
    // Signals, and ends of threads and processes.
    if text.starts_with("---") || text.starts_with("+++") {
        return Ok(None);
    }
    if let Some(beginning) = text.strip_suffix("<unfinished ...>") {
        unfinished.insert(thread, (place, beginning.trim_end()));
        return Ok(None);
    }
    // The call was under way when `strace` detached: an answer may be read before the trace shows that it was sent.
    if let Some(beginning) = text.strip_suffix("<detached ...>") {
        let (begun, beginning) = match text.starts_with("<... ") {
            true => match unfinished.remove(thread) {
                Some(begun) => begun,
                // The call had begun before `strace` attached.
                None => return Ok(None),
            },
            false => (place, beginning),
        };
        return Call::parse_under_way(beginning, begun).map(Some);
    }
    let Some(resumed) = text.strip_prefix("<... ") else {
        return Call::parse(text, place, place);
    };
    let (_, rest) = resumed.split_once(" resumed>").context("resumed without an end")?;
    match unfinished.remove(thread) {
        // An argument may be missing at the beginning because only the kernel knows it.
        Some((begun, beginning)) if rest.starts_with(')') => Call::parse(&format!("{beginning}{rest}"), begun, place),
        Some((begun, beginning)) => Call::parse(&format!("{beginning} {rest}"), begun, place),
        // The call had begun before `strace` attached.
        None => Ok(None),
    }
}

fn beginning(line: &str) -> String {
    line.chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDED: &str = r#"23764 --- SIGURG {si_signo=SIGURG, si_code=SI_TKILL, si_pid=23756, si_uid=0} ---
101   recvfrom(9<socket:[7]>,  <unfinished ...>
23759 <... epoll_wait resumed>[], 128, 100) = 0
23763 pwrite64(11<\x2f\x61>, "\x68\x69", 2, 0 <unfinished ...>
101   <... recvfrom resumed>"\x50\x55\x54", 8192, 0, NULL, NULL) = 3
23763 <... pwrite64 resumed>)          = 2
23763 fsync(11<\x2f\x61>)               = 0
101   sendto(9<socket:[7]>, "\x6f\x6b", 2, MSG_NOSIGNAL, NULL, 0) = 2
23763 futex(0xc0 <unfinished ...>
103   sendto(8<socket:[6]>, "\x6f\x6b", 2, MSG_NOSIGNAL, NULL, 0 <unfinished ...>
102   sendto(9<socket:[7]>, "\x6f\x6b", 2, MSG_NOSIGNAL, NULL, 0 <detached ...>
23763 <... futex resumed> <detached ...>
23759 <... epoll_wait resumed> <detached ...>
23763 +++ exited with 0 +++
"#;

    #[test]
    fn calls_that_were_split_are_put_together_again() {
        let trace = Trace::parse(RECORDED).unwrap();
        let short: Vec<_> = trace
            .calls()
            .iter()
            .map(|call| (call.name.as_str(), call.data.as_slice(), call.begun, call.ended))
            .collect();
        const NEVER: usize = usize::MAX;
        let expected = [
            ("recvfrom", &b"PUT"[..], 1, 4),
            ("pwrite64", b"hi", 3, 5),
            ("fsync", b"", 6, 6),
            ("sendto", b"ok", 7, 7),
            ("sendto", b"ok", 10, NEVER),
            ("futex", b"", 8, NEVER),
            ("sendto", b"ok", 9, NEVER),
        ];
        assert_eq!(short, expected);
        assert_eq!(trace.calls()[1].offset, Some(0));
    }

    #[test]
    fn a_line_that_is_not_understood_is_told_of() {
        let error = Trace::parse("101 fsync(3) = 0\n101 gibberish\n").unwrap_err();
        assert!(format!("{error:#}").starts_with("line 2: 101 gibberish"), "{error:#}");
    }
}
