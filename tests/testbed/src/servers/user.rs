//! The user that PostgreSQL runs as: it refuses to run as root.
//!
//! If we are root, it runs as an unprivileged user, which must be able to reach its data.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, MetadataExt, chown},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail, ensure};

/// The arguments that make `setpriv` become the user that runs PostgreSQL.
pub(crate) fn postgres_privileges() -> anyhow::Result<Vec<String>> {
    Ok(User::find()?.privileges())
}

/// Creates a folder that belongs to the user that runs PostgreSQL; see [`User::own_dir`].
pub(crate) fn postgres_reaches(wanted: &Path) -> anyhow::Result<PathBuf> {
    User::find()?.own_dir(wanted)
}

/// The user that runs PostgreSQL.
#[derive(Debug, Clone)]
pub(super) enum User {
    /// Our own user, which is not root.
    Ours,
    /// Another user, because we are root.
    Lent { uid: u32, gid: u32 },
}

impl User {
    /// Our own user; if we are root, `postgres`, or else `nobody`.
    pub(super) fn find() -> anyhow::Result<Self> {
        if our_uid()? != 0 {
            return Ok(Self::Ours);
        }
        let accounts = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        let Some((uid, gid)) = lookup(&accounts, "postgres").or_else(|| lookup(&accounts, "nobody")) else {
            bail!("PostgreSQL does not run as root, and neither user postgres nor nobody exists");
        };
        Ok(Self::Lent { uid, gid })
    }

    /// Arguments that make `setpriv` become that user.
    pub(super) fn privileges(&self) -> Vec<String> {
        match self {
            Self::Ours => Vec::new(),
            Self::Lent { uid, gid } => {
                vec![format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".to_owned()]
            }
        }
    }

    /// Creates a folder that the user owns and can reach: `wanted`, or, if a parent folder is closed to the user (like
    /// `/root`), a temporary folder whose name is derived from `wanted`.
    pub(super) fn own_dir(&self, wanted: &Path) -> anyhow::Result<PathBuf> {
        fs::create_dir_all(wanted).with_context(|| format!("cannot make {}", wanted.display()))?;
        let wanted = wanted.canonicalize()?;
        let Self::Lent { uid, gid } = *self else {
            return Ok(wanted);
        };
        chown(&wanted, Some(uid), Some(gid))?;
        if self.reaches(&wanted) {
            return Ok(wanted);
        }
        let name = wanted.display().to_string().replace('/', "-");
        let elsewhere = std::env::temp_dir().join(format!("nevermisscall{name}"));
        own_temporary(&elsewhere, uid, gid)?;
        ensure!(self.reaches(&elsewhere), "PostgreSQL's user can reach neither {wanted:?} nor {elsewhere:?}");
        Ok(elsewhere)
    }

    /// Makes the user the owner of a folder that we have created.
    pub(super) fn give(&self, dir: &Path) -> anyhow::Result<()> {
        match *self {
            Self::Ours => Ok(()),
            Self::Lent { uid, gid } => {
                chown(dir, Some(uid), Some(gid)).with_context(|| format!("cannot give away {}", dir.display()))
            }
        }
    }

    fn reaches(&self, dir: &Path) -> bool {
        Command::new("setpriv")
            .args(self.privileges())
            .args(["--", "test", "-w"])
            .arg(dir)
            .stdin(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }
}

/// The names of temporary folders can be guessed, so an existing one must be a folder and belong to the user.
fn own_temporary(dir: &Path, uid: u32, gid: u32) -> anyhow::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => Ok(chown(dir, Some(uid), Some(gid))?),
        Err(_) => {
            let found = fs::symlink_metadata(dir).with_context(|| format!("cannot make {}", dir.display()))?;
            ensure!(found.is_dir() && found.uid() == uid, "{} belongs to someone else", dir.display());
            Ok(())
        }
    }
}

fn our_uid() -> anyhow::Result<u32> {
    Ok(fs::metadata("/proc/self").context("cannot look at /proc/self")?.uid())
}

fn lookup(accounts: &str, name: &str) -> Option<(u32, u32)> {
    let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let accounts = "root:x:0:0::/root:/bin/sh\nnobody2:x:7:8::/:/bin/sh\nnobody:x:65534:65533::/:/bin/sh\n";
        assert_eq!(lookup(accounts, "nobody"), Some((65534, 65533)));
        assert_eq!(lookup(accounts, "postgres"), None);
    }
}
