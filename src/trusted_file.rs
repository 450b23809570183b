//! Files and folders that decide what runs or that hold secrets: nobody but root and our own account may control them.
//!
//! A path is followed name by name, through symbolic links, and every folder and link on the way is judged like the
//! file itself: an account that can replace a folder can replace what is in it. What was judged is then compared with
//! what was opened, so that nothing can be exchanged in between.

use std::{
    ffi::OsString,
    fs::{self, File, Metadata},
    io::{self, Read},
    os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    path::{Component, Path, PathBuf},
};

use nix::{
    fcntl::OFlag,
    sys::statvfs::{FsFlags, fstatvfs},
    unistd::{Uid, User, getegid, geteuid},
};

/// As many symbolic links as Linux follows in one path.
const MAX_LINKS: usize = 40;

/// Names of what was opened before we were started, such as `<(command)` in a shell: its opener vouches for it.
const INHERITED: [&str; 3] = ["/dev/fd/", "/proc/self/fd/", "/dev/stdin"];

/// Why a file or folder is not used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Its owner could replace it at any time.
    #[error(
        "{} belongs to the account {owner}, and only what belongs to root or to {us} is used here: remove it, or take it over with `chown {us} {}`",
        path.display(), path.display()
    )]
    Owner {
        /// The file or folder.
        path: PathBuf,
        /// The account that it belongs to.
        owner: String,
        /// The account that we run as.
        us: String,
    },
    /// Other accounts could change it.
    #[error(
        "{} can be written to by other accounts, and decides what runs or holds secrets: forbid it with `chmod go-w {}`",
        path.display(), path.display()
    )]
    Writable {
        /// The file or folder.
        path: PathBuf,
    },
    /// Other accounts could read the secret in it.
    #[error(
        "{} can be read by other accounts, and holds a secret: make it private with `chmod 600 {}`",
        path.display(), path.display()
    )]
    Readable {
        /// The file.
        path: PathBuf,
    },
    /// A link would lead what is written to another file.
    #[error("{} is a symbolic link or no file: remove it", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// The system refuses it, or it is not there.
    #[error("{} cannot be read: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl FileError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    /// Whether there is no such file.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// A file that only root and our own account control.
#[derive(Debug)]
pub struct TrustedFile {
    file: File,
    path: PathBuf,
    metadata: Metadata,
    is_inherited: bool,
}

impl TrustedFile {
    /// Opens a file to read it.
    ///
    /// # Errors
    /// It cannot be opened, or another account controls it or a folder above it.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let is_inherited = path
            .to_str()
            .is_some_and(|path| INHERITED.iter().any(|name| path.starts_with(name)));
        let judged = if is_inherited {
            None
        } else {
            Some(judge(path)?)
        };
        let opened = judged.as_ref().map_or(path, |(resolved, _)| resolved);
        let file = File::open(opened).map_err(FileError::io(path))?;
        let metadata = file.metadata().map_err(FileError::io(path))?;
        if let Some((_, judged)) = judged
            && (judged.dev(), judged.ino()) != (metadata.dev(), metadata.ino())
        {
            let changed = io::Error::other("it was exchanged while it was opened");
            return Err(FileError::io(path)(changed));
        }
        Ok(Self {
            file,
            path: path.to_owned(),
            metadata,
            is_inherited,
        })
    }

    /// The whole text, without the mark of byte order that some editors begin a file with.
    ///
    /// # Errors
    /// It cannot be read, or is not UTF-8.
    pub fn read(&mut self) -> Result<String, FileError> {
        let mut text = String::new();
        self.file
            .read_to_string(&mut text)
            .map_err(FileError::io(&self.path))?;
        Ok(without_byte_order_mark(text))
    }

    /// Refuses a secret that other accounts can read.
    ///
    /// Two ways of handing a secret to a service leave it readable by more than its owner, and are accepted for files
    /// of root: to our group alone (a Kubernetes volume with `fsGroup`); and on a mount that cannot be written to,
    /// which is how container runtimes mount secrets, and which no other account of the machine shares.
    ///
    /// # Errors
    /// [`FileError::Readable`].
    pub fn require_private(&self) -> Result<(), FileError> {
        let is_read_only =
            fstatvfs(&self.file).is_ok_and(|mount| mount.flags().contains(FsFlags::ST_RDONLY));
        if self.is_inherited || is_private(Access::of(&self.metadata), geteuid(), is_read_only) {
            Ok(())
        } else {
            Err(FileError::Readable {
                path: self.path.clone(),
            })
        }
    }
}

/// Refuses a folder that other accounts control, by itself or by a folder above it.
///
/// # Errors
/// It cannot be looked at, or another account controls it.
pub fn require_trusted_folder(path: &Path) -> Result<(), FileError> {
    let (_, metadata) = judge(path)?;
    // Of the folders above, our group's may be ours alone; this one holds the secrets.
    if metadata.mode() & 0o022 != 0 {
        return Err(FileError::Writable {
            path: path.to_owned(),
        });
    }
    Ok(())
}

/// Refuses a program that other accounts control.
///
/// # Errors
/// It cannot be looked at, or another account controls it.
pub fn require_trusted_program(path: &Path) -> Result<(), FileError> {
    judge(path).map(drop)
}

/// Opens a file of our own to append to it, made if it is not there, and never through a link.
///
/// # Errors
/// It cannot be opened, is a link, or belongs to another account.
pub fn append(path: &Path) -> Result<File, FileError> {
    let file = File::options()
        .create(true)
        .append(true)
        .mode(0o600)
        .custom_flags(OFlag::O_NOFOLLOW.bits() | OFlag::O_NONBLOCK.bits())
        .open(path);
    let file = match file {
        Err(error) if error.raw_os_error() == Some(nix::errno::Errno::ELOOP as i32) => {
            return Err(FileError::NotAFile {
                path: path.to_owned(),
            });
        }
        opened => opened.map_err(FileError::io(path))?,
    };
    let metadata = file.metadata().map_err(FileError::io(path))?;
    if !metadata.is_file() {
        return Err(FileError::NotAFile {
            path: path.to_owned(),
        });
    }
    judge_entry(path, &metadata)?;
    Ok(file)
}

/// A text without the mark of byte order at its beginning.
#[must_use]
pub fn without_byte_order_mark(text: String) -> String {
    match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}

/// Follows a path, judging all that it passes; what it leads to, without links. What is not there is named as it was
/// given.
fn judge(path: &Path) -> Result<(PathBuf, Metadata), FileError> {
    follow(path).map_err(|error| match error {
        FileError::Io { source, .. } => FileError::io(path)(source),
        other => other,
    })
}

fn follow(path: &Path) -> Result<(PathBuf, Metadata), FileError> {
    let absolute = std::path::absolute(path).map_err(FileError::io(path))?;
    let look = |path: &Path| fs::symlink_metadata(path).map_err(FileError::io(path));
    let mut at = PathBuf::from("/");
    let mut metadata = look(&at)?;
    let mut ahead = names(&absolute);
    let mut links = 0;
    while let Some(name) = ahead.pop() {
        if name == ".." {
            at.pop();
            metadata = look(&at)?;
            continue;
        }
        let next = at.join(&name);
        metadata = look(&next)?;
        judge_entry(&next, &metadata)?;
        if !metadata.is_symlink() {
            at = next;
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            let endless = io::Error::from(nix::errno::Errno::ELOOP);
            return Err(FileError::io(path)(endless));
        }
        let target = fs::read_link(&next).map_err(FileError::io(&next))?;
        if target.is_absolute() {
            at = PathBuf::from("/");
        }
        ahead.extend(names(&target));
    }
    Ok((at, metadata))
}

/// The names in a path, the last one first.
fn names(path: &Path) -> Vec<OsString> {
    path.components()
        .rev()
        .filter(|component| matches!(component, Component::Normal(_) | Component::ParentDir))
        .map(|component| component.as_os_str().to_owned())
        .collect()
}

fn judge_entry(path: &Path, metadata: &Metadata) -> Result<(), FileError> {
    if !is_trusted_owner(metadata.uid(), geteuid()) {
        return Err(FileError::Owner {
            path: path.to_owned(),
            owner: account_name(Uid::from_raw(metadata.uid())),
            us: account_name(geteuid()),
        });
    }
    let kind = metadata.file_type();
    let is_writable = if kind.is_symlink() || kind.is_char_device() {
        false
    } else if kind.is_dir() {
        is_writable_folder(Access::of(metadata), getegid().as_raw())
    } else {
        metadata.mode() & 0o022 != 0
    };
    if is_writable {
        return Err(FileError::Writable {
            path: path.to_owned(),
        });
    }
    Ok(())
}

/// Whose a file is, and who may do what with it.
#[derive(Clone, Copy)]
struct Access {
    uid: u32,
    gid: u32,
    mode: u32,
}

impl Access {
    fn of(metadata: &Metadata) -> Self {
        Self {
            uid: metadata.uid(),
            gid: metadata.gid(),
            mode: metadata.mode(),
        }
    }
}

fn is_trusted_owner(owner: u32, us: Uid) -> bool {
    owner == 0 || owner == us.as_raw()
}

/// Whether other accounts could exchange what is in the folder. In a sticky one, such as `/tmp`, they cannot. A group
/// that is our own, or root's, is taken for private, as on systems that make one for each account.
fn is_writable_folder(folder: Access, our_group: u32) -> bool {
    let is_sticky = folder.mode & 0o1000 != 0;
    let is_known_group = folder.gid == 0 || folder.gid == our_group;
    !is_sticky && (folder.mode & 0o002 != 0 || folder.mode & 0o020 != 0 && !is_known_group)
}

#[expect(
    clippy::verbose_bit_mask,
    reason = "the bits of a file's mode are known by these numbers"
)]
fn is_private(file: Access, us: Uid, is_on_read_only_mount: bool) -> bool {
    let is_given_by_root = file.uid == 0;
    let is_for_group_alone = file.mode & 0o007 == 0;
    file.mode & 0o077 == 0
        || is_given_by_root && !us.is_root() && is_for_group_alone
        || is_given_by_root && is_on_read_only_mount
}

/// The name of an account, or its number if it has none.
pub(crate) fn account_name(uid: Uid) -> String {
    User::from_uid(uid)
        .ok()
        .flatten()
        .map_or_else(|| uid.to_string(), |user| user.name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    const ROOT: Uid = Uid::from_raw(0);
    const SERVICE: Uid = Uid::from_raw(1000);

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("rollcall-trusted-{}-{name}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn write(&self, name: &str, mode: u32) -> PathBuf {
            let path = self.0.join(name);
            fs::write(&path, "\u{feff}text\r\n").unwrap();
            set_mode(&path, mode);
            path
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn access(uid: u32, gid: u32, mode: u32) -> Access {
        Access { uid, gid, mode }
    }

    #[test]
    fn a_file_is_read_through_links_as_volumes_of_secrets_have_them() {
        let folder = Folder::new("volume");
        let version = folder.0.join("..2026_12_01");
        fs::create_dir(&version).unwrap();
        fs::write(version.join("key"), "secret").unwrap();
        set_mode(&version.join("key"), 0o400);
        symlink("..2026_12_01", folder.0.join("..data")).unwrap();
        symlink("..data/key", folder.0.join("key")).unwrap();
        let mut file = TrustedFile::open(&folder.0.join("key")).unwrap();
        assert_eq!(file.read().unwrap(), "secret");
        file.require_private().unwrap();
        let round = folder.0.join("round");
        symlink("round", &round).unwrap();
        assert!(matches!(
            TrustedFile::open(&round),
            Err(FileError::Io { .. })
        ));
    }

    #[test]
    fn a_mark_of_byte_order_is_no_part_of_the_text() {
        let folder = Folder::new("mark");
        let path = folder.write("file", 0o600);
        assert_eq!(
            TrustedFile::open(&path).unwrap().read().unwrap(),
            "text\r\n"
        );
    }

    #[test]
    fn what_others_may_write_is_refused_wherever_on_the_way_it_is() {
        let folder = Folder::new("writable");
        for mode in [0o620, 0o602, 0o666] {
            let path = folder.write("file", mode);
            let refused = TrustedFile::open(&path).unwrap_err();
            assert!(matches!(refused, FileError::Writable { .. }), "{refused}");
        }
        let path = folder.write("file", 0o644);
        TrustedFile::open(&path).unwrap();
        set_mode(&folder.0, 0o777);
        let refused = TrustedFile::open(&path).unwrap_err();
        let FileError::Writable { path: named } = &refused else {
            panic!("{refused}");
        };
        assert_eq!(*named, folder.0);
        assert!(require_trusted_folder(&folder.0).is_err());
        set_mode(&folder.0, 0o1777);
        TrustedFile::open(&path).unwrap();
    }

    #[test]
    fn only_root_and_we_are_trusted() {
        for (owner, us, trusted) in [
            (0, ROOT, true),
            (0, SERVICE, true),
            (1000, SERVICE, true),
            (1000, ROOT, false),
            (1001, SERVICE, false),
        ] {
            assert_eq!(is_trusted_owner(owner, us), trusted, "{owner} {us}");
        }
    }

    #[test]
    fn a_folder_that_other_accounts_can_write_is_not_trusted() {
        for (gid, mode, writable) in [
            (50, 0o755, false),
            (50, 0o775, true),
            (0, 0o775, false),
            (1000, 0o775, false),
            (1000, 0o777, true),
            (1000, 0o757, true),
            (0, 0o1777, false),
            (50, 0o3770, false),
        ] {
            let folder = access(0, gid, mode);
            assert_eq!(is_writable_folder(folder, 1000), writable, "{gid} {mode:o}");
        }
    }

    #[test]
    fn a_secret_is_for_us_alone_or_was_given_to_us_by_root() {
        for (uid, mode, us, read_only, private) in [
            (1000, 0o600, SERVICE, false, true),
            (1000, 0o400, SERVICE, false, true),
            (1000, 0o640, SERVICE, false, false),
            (1000, 0o604, SERVICE, false, false),
            (1000, 0o640, SERVICE, true, false),
            (0, 0o600, ROOT, false, true),
            (0, 0o640, ROOT, false, false),
            (0, 0o644, ROOT, false, false),
            // A volume with `fsGroup`.
            (0, 0o440, SERVICE, false, true),
            (0, 0o444, SERVICE, false, false),
            // As container runtimes mount secrets.
            (0, 0o444, SERVICE, true, true),
            (0, 0o644, ROOT, true, true),
        ] {
            let file = access(uid, 1000, mode);
            let found = is_private(file, us, read_only);
            assert_eq!(found, private, "{uid} {mode:o} {us} {read_only}");
        }
    }

    #[test]
    fn nothing_is_appended_through_a_link() {
        let folder = Folder::new("append");
        let target = folder.write("target", 0o600);
        let link = folder.0.join("link");
        symlink(&target, &link).unwrap();
        assert!(matches!(append(&link), Err(FileError::NotAFile { .. })));
        assert!(append(&folder.0).is_err());
        append(&folder.0.join("new")).unwrap();
        append(&target).unwrap();
    }
}
