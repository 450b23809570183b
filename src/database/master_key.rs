//! The master key: given, or the private cluster's own in a file of its data directory.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rollcall_events::{
    ids::Ids,
    vault::{InvalidMasterKey, MasterKey},
};

use crate::{
    config::Config,
    database::{DatabaseError, data_dir},
    trusted_file::{FileError, TrustedFile},
};

/// The file of the private cluster's own key, in its folder.
const OWN_MASTER_KEY: &str = "master.key";

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// A database of one's own needs a master key of one's own.
    #[error(
        "with --database-url, a master key is needed to seal personal data: make one with `openssl rand -base64 32 > FILE`, \
         keep it safe and apart from the database's backups, and give it by --master-key-file FILE or ROLLCALL_MASTER_KEY"
    )]
    Missing,
    /// The file does not hold one.
    #[error("{path} holds no master key")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What one is.
        source: InvalidMasterKey,
    },
    /// The file cannot be made.
    #[error("the master key's file {path} cannot be made")]
    NotMade {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be read, or other accounts could read or change it.
    #[error(transparent)]
    File(#[from] FileError),
}

/// The key that wraps the subjects' keys: the one that is given, or the private cluster's own.
///
/// # Errors
/// None is given for a database of one's own, or its file is not as it must be.
pub fn master_key(config: &Config) -> Result<MasterKey, DatabaseError> {
    match given_master_key(config)? {
        Some(key) => Ok(key),
        None if config.database_url.is_some() => Err(MasterKeyError::Missing.into()),
        None => Ok(own_master_key(&data_dir(config)?.join(OWN_MASTER_KEY))?),
    }
}

/// The same key, if there is one already: none is made.
///
/// # Errors
/// See [`master_key`].
pub fn existing_master_key(config: &Config) -> Result<Option<MasterKey>, DatabaseError> {
    match given_master_key(config)? {
        None if config.database_url.is_none() => {
            let path = data_dir(config)?.join(OWN_MASTER_KEY);
            let is_there = path.exists().then(|| read_master_key(&path));
            Ok(is_there.transpose()?)
        }
        _ => master_key(config).map(Some),
    }
}

fn given_master_key(config: &Config) -> Result<Option<MasterKey>, MasterKeyError> {
    match (&config.master_key, &config.master_key_file) {
        (Some(key), _) => Ok(Some(MasterKey::new(*key.expose()))),
        (None, Some(path)) => read_master_key(path).map(Some),
        (None, None) => Ok(None),
    }
}

/// The private cluster's own key: made at the first start, readable by its owner alone.
fn own_master_key(path: &Path) -> Result<MasterKey, MasterKeyError> {
    let failed = |source| MasterKeyError::NotMade {
        path: path.to_owned(),
        source,
    };
    if path.try_exists().map_err(failed)? {
        return read_master_key(path);
    }
    let key = MasterKey::generate(Ids);
    // Written beside and linked into place: never half a key, and of two processes one key.
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .map_err(failed)?;
    writeln!(file, "{}", key.to_base64())
        .and_then(|()| file.sync_all())
        .map_err(failed)?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft).map_err(failed)?;
    match linked {
        Ok(()) => {
            // What is sealed under it must never outlive it.
            path.parent()
                .map_or(Ok(()), |dir| fs::File::open(dir)?.sync_all())
                .map_err(failed)?;
            Ok(key)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read_master_key(path),
        Err(error) => Err(failed(error)),
    }
}

fn read_master_key(path: &Path) -> Result<MasterKey, MasterKeyError> {
    let mut file = TrustedFile::open(path)?;
    file.require_private()?;
    MasterKey::parse(&file.read()?).map_err(|source| MasterKeyError::Invalid {
        path: path.to_owned(),
        source,
    })
}
