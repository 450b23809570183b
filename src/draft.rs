//! A file that is written beside its place and put there whole: nobody ever reads half of it.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// What becomes of a file that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It is replaced.
    Replace,
    /// It stays, and the new one is refused.
    Keep,
}

/// Who may read the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Its owner alone.
    Owner,
    /// As the system's mask has it.
    Anyone,
}

/// A file on its way. If it does not arrive, nothing of it stays.
pub struct Draft {
    file: File,
    path: PathBuf,
    place: PathBuf,
    existing: Existing,
}

impl Draft {
    /// Begins a file.
    ///
    /// # Errors
    /// It cannot be made; there is one already that is to be kept; or there is something else in its place, such as a
    /// device, which would be replaced.
    pub fn of(place: &Path, existing: Existing, readers: Readers) -> io::Result<Self> {
        if place.exists() && !place.is_file() {
            let says = format!("{} is no file", place.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, says));
        }
        if existing == Existing::Keep && place.symlink_metadata().is_ok() {
            return Err(is_there(place));
        }
        let mut path = place.as_os_str().to_owned();
        path.push(format!(".{}.new", std::process::id()));
        let path = PathBuf::from(path);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(match readers {
                Readers::Owner => 0o600,
                Readers::Anyone => 0o666,
            })
            .open(&path)
            .map_err(|error| {
                let says = format!("{}: {error}", path.display());
                io::Error::new(error.kind(), says)
            })?;
        Ok(Self {
            file,
            path,
            place: place.to_owned(),
            existing,
        })
    }

    /// Where to write.
    ///
    /// # Errors
    /// There are too many open files.
    pub fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Puts it into its place.
    ///
    /// # Errors
    /// The disk is full, the folder cannot be written, or there is a file by now that is to be kept.
    pub fn arrive(self) -> io::Result<()> {
        self.file.sync_all()?;
        match self.existing {
            Existing::Replace => fs::rename(&self.path, &self.place)?,
            Existing::Keep => self.take_free_place()?,
        }
        let folder = self
            .place
            .parent()
            .filter(|folder| *folder != Path::new(""));
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Draft {
    /// A second name, unlike a new one, never takes the place of another file.
    fn take_free_place(&self) -> io::Result<()> {
        match fs::hard_link(&self.path, &self.place) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(is_there(&self.place))
            }
            // There are file systems without second names.
            Err(_) if self.place.symlink_metadata().is_err() => fs::rename(&self.path, &self.place),
            linked => linked,
        }
    }
}

fn is_there(place: &Path) -> io::Error {
    let says = format!(
        "{} is there already: name another file, or say --force to replace it",
        place.display()
    );
    io::Error::new(io::ErrorKind::AlreadyExists, says)
}

impl Drop for Draft {
    fn drop(&mut self) {
        // When it has arrived there is none.
        drop(fs::remove_file(&self.path));
    }
}
