//! What a process uses.

use std::collections::HashSet;
use std::path::Path;

use crate::servers::memory;

/// States of a socket in `/proc/net/tcp`.
const ESTABLISHED: &str = "01";
const LISTENING: &str = "0A";

/// What a process uses at a moment.
pub(super) struct Usage {
    /// Resident memory in bytes.
    pub(super) memory: u64,
    /// Open descriptors without the connections that clients hold open: how many these are depends on how many requests
    /// the clients make at once. A connection that its client has closed counts.
    pub(super) descriptors: u64,
}

impl Usage {
    /// `None` if the process has ended.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let dir = Path::new("/proc").join(pid.to_string());
        let tables =
            ["tcp", "tcp6"].map(|name| std::fs::read_to_string(dir.join("net").join(name)).unwrap_or_default());
        let targets: Vec<String> = std::fs::read_dir(dir.join("fd"))
            .ok()?
            .filter_map(|entry| Some(std::fs::read_link(entry.ok()?.path()).ok()?.to_string_lossy().into_owned()))
            .collect();
        let sockets = targets.iter().filter_map(|target| target.strip_prefix("socket:[")?.strip_suffix(']')).collect();
        let held_by_clients = tables.iter().map(|table| accepted(table, &sockets)).sum::<usize>();
        Some(Self { memory: memory(pid)?, descriptors: (targets.len() - held_by_clients) as u64 })
    }
}

/// How many of these sockets, by inode, are open connections to a port that one of them listens on.
fn accepted(table: &str, sockets: &HashSet<&str>) -> usize {
    let ours: Vec<(&str, &str)> = table.lines().skip(1).filter_map(|line| place(line, sockets)).collect();
    let listening: HashSet<&str> =
        ours.iter().filter(|(_, state)| *state == LISTENING).map(|(port, _)| *port).collect();
    ours.iter().filter(|(port, state)| *state == ESTABLISHED && listening.contains(port)).count()
}

/// The local port and the state of a line, if its socket is one of these.
fn place<'a>(line: &'a str, sockets: &HashSet<&str>) -> Option<(&'a str, &'a str)> {
    let columns: Vec<&str> = line.split_whitespace().collect();
    let (local, state, inode) = (*columns.get(1)?, *columns.get(3)?, columns.get(9)?);
    let (_, port) = local.rsplit_once(':')?;
    sockets.contains(inode).then_some((port, state))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Port 1F90 is listened on by 11: 12 is a connection to it, 13 one that its client has closed. 14 is another's
    // connection to it, 15 one of ours to another port.
    const TABLE: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1
   1: 0100007F:1F90 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 12 1
   2: 0100007F:1F90 0100007F:C002 08 00000000:00000000 00:00000000 00000000     0        0 13 1
   3: 0100007F:1F90 0100007F:C003 01 00000000:00000000 00:00000000 00000000     0        0 14 1
   4: 0100007F:C004 0100007F:1538 01 00000000:00000000 00:00000000 00000000     0        0 15 1
";

    #[test]
    fn only_open_connections_of_clients_to_a_port_of_the_process_are_held_by_clients() {
        assert_eq!(accepted(TABLE, &HashSet::from(["11", "12", "13", "15"])), 1);
        assert_eq!(accepted(TABLE, &HashSet::from(["12", "15"])), 0, "nothing listens");
    }

    #[test]
    fn a_process_uses_memory_and_descriptors_and_one_that_has_ended_nothing() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.memory > 0 && usage.descriptors >= 3);
        assert!(Usage::of(u32::MAX).is_none());
    }
}
