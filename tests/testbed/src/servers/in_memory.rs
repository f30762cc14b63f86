//! A folder in memory, for data that need not outlive a run: copying and removing the files of a database takes half of
//! the time of most tests on a disk.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use rustix::fs::{FlockOperation, flock, statvfs};
use tempfile::TempDir;

/// Linux's folder in memory.
const SHARED_MEMORY: &str = "/dev/shm";
/// In bytes, of the folder and of the machine; the tests' cluster takes a few hundred megabytes.
const ENOUGH: u64 = 4 << 30;
const PREFIX: &str = "nevermisscall-test-";

/// A folder in memory, which is removed when this is dropped. Its lock shows to others that its owner lives, whichever process
/// namespace they are in.
pub struct MemoryDir {
    dir: TempDir,
    _lock: File,
}

impl MemoryDir {
    /// Makes one if there is room for the data of all tests, and removes those whose owners were killed.
    pub fn make() -> Option<Self> {
        let parent = Path::new(SHARED_MEMORY);
        if !is_in_memory(parent) || room(parent)? < ENOUGH || available()? < ENOUGH {
            return None;
        }
        remove_left_behind(parent);
        // PostgreSQL's user has a folder in it.
        let passable = Permissions::from_mode(0o711);
        let dir = tempfile::Builder::new().prefix(PREFIX).permissions(passable).tempdir_in(parent).ok()?;
        let lock = locked(dir.path())?;
        Some(Self { dir, _lock: lock })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

fn is_in_memory(dir: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    mounts.lines().any(|line| line.split(' ').skip(1).take(2).eq([dir.to_str().unwrap_or_default(), "tmpfs"]))
}

fn room(dir: &Path) -> Option<u64> {
    let room = statvfs(dir).ok()?;
    Some(room.f_bavail * room.f_frsize)
}

/// The memory that programs can still have, in bytes: of the machine, and of the container if it is limited.
fn available() -> Option<u64> {
    let memory = fs::read_to_string("/proc/meminfo").ok()?;
    let line = memory.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let of_machine = line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024;
    let of_group = |name: &str| fs::read_to_string(format!("/sys/fs/cgroup/memory.{name}")).ok()?.trim().parse().ok();
    let of_container = of_group("max").map_or(u64::MAX, |max: u64| max - of_group("current").unwrap_or(max).min(max));
    Some(of_machine.min(of_container))
}

/// The folder's lock, if nobody has it.
fn locked(dir: &Path) -> Option<File> {
    let file = File::open(dir).ok()?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
    Some(file)
}

fn remove_left_behind(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        if is_ours && locked(&entry.path()).is_some() {
            // Another run may be removing it at the same time, or it is another user's.
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}
