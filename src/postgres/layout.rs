//! Where the cluster's files lie, and who may touch them.
//!
//! ```text
//! DIR/lock             locked while a process starts the cluster
//! DIR/postgres         PGDATA, of the server's account
//! DIR/postgres.init    PGDATA while initdb makes it
//! DIR/postgres.log     what the server says
//! DIR/postgres.owner   locked for life by the process that started the server
//! DIR/run              the socket, of the server's account; under /tmp if the path gets too long for a socket
//! ```
//! As root, `DIR` itself stays root's, so that the server's account can reach its own folders and change nothing else.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io::{self, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

use super::{ClusterError, PORT, account::Account};
use crate::trusted_file::{self, FileError};

/// The longest socket path that every supported system can connect to (macOS has the least).
const SOCKET_PATH_MAX_BYTES: usize = 103;

/// The folders and files of one cluster.
#[derive(Debug)]
pub(super) struct Layout {
    data_dir: PathBuf,
    socket_dir: PathBuf,
    pub(super) account: Account,
}

/// Where a cluster lies in its folder.
pub(super) fn pgdata(data_dir: &Path) -> PathBuf {
    data_dir.join("postgres")
}

impl Layout {
    /// Makes the folders that are missing, except for the cluster itself.
    pub(super) fn prepare(data_dir: &Path, account: Account) -> Result<Self, ClusterError> {
        // Before it is touched, for one that is there; and again, for the folders above one that was made.
        require_trusted(data_dir)?;
        create_data_dir(data_dir, &account)
            .map_err(ClusterError::io("create the data directory", data_dir))?;
        require_trusted(data_dir)?;
        let data_dir = data_dir
            .canonicalize()
            .map_err(ClusterError::io("find", data_dir))?;
        let layout = Self {
            socket_dir: socket_dir_for(&data_dir),
            data_dir,
            account,
        };
        layout.check_owner()?;
        layout.create_socket_dir()?;
        Ok(layout)
    }

    pub(super) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    pub(super) fn pgdata(&self) -> PathBuf {
        pgdata(&self.data_dir)
    }

    pub(super) fn init_dir(&self) -> PathBuf {
        self.data_dir.join("postgres.init")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.data_dir.join("postgres.log")
    }

    pub(super) fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    pub(super) fn is_initialized(&self) -> bool {
        self.pgdata().exists()
    }

    /// The major version that made the cluster, if there is a cluster.
    pub(super) fn major_version(&self) -> Result<Option<(PathBuf, u32)>, ClusterError> {
        if !self.is_initialized() {
            return Ok(None);
        }
        let file = self.pgdata().join("PG_VERSION");
        let read = fs::read_to_string(&file)
            .and_then(|text| text.trim().parse().map_err(io::Error::other));
        let major = read.map_err(ClusterError::io("learn the cluster's version from", file))?;
        Ok(Some((self.pgdata(), major)))
    }

    /// Waits until no other process is starting this cluster. The lock ends when the file is dropped.
    pub(super) fn lock_for_start(&self) -> Result<File, ClusterError> {
        let path = self.data_dir.join("lock");
        let file = self.open_lock(&path)?;
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => tracing::warn!(
                data_dir = %self.data_dir.display(),
                "another process is starting or stopping the Postgres server of this data directory: waiting for it"
            ),
            Err(TryLockError::Error(error)) => return Err(ClusterError::io("lock", path)(error)),
        }
        file.lock().map_err(ClusterError::io("lock", path))?;
        Ok(file)
    }

    /// Marks this process as the server's owner. The mark ends with the process, or when the file is dropped.
    pub(super) fn lock_for_life(&self) -> Result<File, ClusterError> {
        let path = self.owner_path();
        // Another process may still hold the file for a server that has crashed: a new file is free in any case.
        remove_if_there(&path)?;
        let mut file = self.open_lock(&path)?;
        file.lock().map_err(ClusterError::io("lock", &path))?;
        writeln!(file, "{}", std::process::id()).map_err(ClusterError::io("write", path))?;
        Ok(file)
    }

    /// The process that started the last server, as it has noted.
    pub(super) fn owner(&self) -> Option<u32> {
        fs::read_to_string(self.owner_path())
            .ok()?
            .trim()
            .parse()
            .ok()
    }

    /// Whether the process that started the last server still lives and wants it.
    pub(super) fn has_owner(&self) -> bool {
        File::open(self.owner_path())
            .is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
    }

    fn owner_path(&self) -> PathBuf {
        self.data_dir.join("postgres.owner")
    }

    fn open_lock(&self, path: &Path) -> Result<File, ClusterError> {
        trusted_file::append(path).map_err(|error| match error {
            FileError::Io { source, .. } => self.refused("open", path, source),
            other => other.into(),
        })
    }

    /// What the system may refuse in a data directory that another account made.
    fn refused(&self, action: &'static str, path: &Path, error: io::Error) -> ClusterError {
        match error.kind() {
            io::ErrorKind::PermissionDenied => self.not_owner(&self.data_dir),
            _ => ClusterError::io(action, path)(error),
        }
    }

    fn check_owner(&self) -> Result<(), ClusterError> {
        let pgdata = self.pgdata();
        match fs::metadata(&pgdata) {
            Ok(metadata) if !self.account.owns(&metadata) => Err(self.not_owner(&pgdata)),
            _ => Ok(()),
        }
    }

    fn not_owner(&self, path: &Path) -> ClusterError {
        ClusterError::NotOwner {
            path: path.to_owned(),
            account: self.account.name.clone(),
        }
    }

    fn create_socket_dir(&self) -> Result<(), ClusterError> {
        let path = self.socket_dir();
        create_private_dir(path)
            .map_err(|error| self.refused("create the socket folder", path, error))?;
        // The folder may lie where everybody can write, so what is there is checked, not believed.
        let metadata = fs::symlink_metadata(path).map_err(ClusterError::io("look at", path))?;
        let private = metadata.is_dir() && metadata.mode() & 0o777 == 0o700;
        if private && self.account.owns(&metadata) {
            Ok(())
        } else if private && metadata.uid() == nix::unistd::geteuid().as_raw() {
            self.account.give(path)
        } else {
            Err(ClusterError::UnsafeSocketDir {
                path: path.to_owned(),
                account: self.account.name.clone(),
            })
        }
    }
}

fn require_trusted(data_dir: &Path) -> Result<(), ClusterError> {
    if data_dir.is_dir() {
        trusted_file::require_trusted_folder(data_dir)?;
    }
    Ok(())
}

/// Removes a file that may be missing.
pub(super) fn remove_if_there(path: &Path) -> Result<(), ClusterError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(ClusterError::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// Only the last folder is private: the ones above it are whatever the system makes of them.
fn create_data_dir(path: &Path, account: &Account) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    create_private_dir(path)?;
    account.admit_to(path)
}

fn create_private_dir(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

/// `/tmp` and not the environment's folder for such files: every process must come to the same answer.
fn socket_dir_for(data_dir: &Path) -> PathBuf {
    let near = data_dir.join("run");
    let socket = near.join(format!(".s.PGSQL.{PORT}"));
    if socket.as_os_str().len() <= SOCKET_PATH_MAX_BYTES {
        return near;
    }
    PathBuf::from(format!(
        "/tmp/rollcall-{:016x}",
        fnv1a(data_dir.as_os_str().as_bytes())
    ))
}

/// A hash that stays the same across releases, unlike the standard library's.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_data_dir_holds_its_socket() {
        assert_eq!(socket_dir_for(Path::new("/srv/a")), Path::new("/srv/a/run"));
    }

    #[test]
    fn a_long_data_dir_gets_a_short_socket_dir_of_its_own() {
        let long = PathBuf::from("/srv").join("a".repeat(100));
        let other = PathBuf::from("/srv").join("b".repeat(100));
        assert!(socket_dir_for(&long).as_os_str().len() < 40);
        assert_eq!(socket_dir_for(&long), socket_dir_for(&long));
        assert_ne!(socket_dir_for(&long), socket_dir_for(&other));
    }

    #[test]
    fn the_longest_socket_path_is_103_bytes() {
        let of =
            |bytes: usize| socket_dir_for(&PathBuf::from(format!("/{}", "a".repeat(bytes - 1))));
        let tail = "/run/.s.PGSQL.5432".len();
        assert!(of(103 - tail).ends_with("run"));
        assert!(!of(104 - tail).ends_with("run"));
    }

    #[test]
    fn the_hash_is_fnv1a() {
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
    }
}
