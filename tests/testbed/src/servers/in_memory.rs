//! A folder in memory, for data that need not outlive a run: copying and removing the files of a database takes half of
//! the time of most tests on a disk.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Linux's folder in memory.
const SHARED_MEMORY: &str = "/dev/shm";
/// In bytes, of the folder and of the machine; the tests' cluster has some hundred megabytes.
const ENOUGH: u64 = 4 << 30;

/// The folder in memory, if there is room for the data of all tests.
pub fn memory_dir() -> Option<&'static Path> {
    let dir = Path::new(SHARED_MEMORY);
    let room = rustix::fs::statvfs(dir).ok()?;
    let is_memory = fs::read_to_string("/proc/mounts").ok()?.lines().any(|line| line.starts_with("tmpfs /dev/shm "));
    (is_memory && room.f_bavail * room.f_frsize >= ENOUGH && available()? >= ENOUGH).then_some(dir)
}

/// The machine's memory that programs can still have, in bytes.
fn available() -> Option<u64> {
    let memory = fs::read_to_string("/proc/meminfo").ok()?;
    let line = memory.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

/// Removes the folders in `parent` of runs that were killed before they could: their names are `prefix` and a process id.
pub fn remove_left_behind(parent: &Path, prefix: &str) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(prefix));
        if pid.is_some_and(|pid| !PathBuf::from("/proc").join(pid).exists()) {
            // Another run may be removing it at the same time, or it is another user's.
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}
