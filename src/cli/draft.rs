//! A file that is written beside its place and put there whole: nobody ever reads half of it.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// A file on its way. If it does not arrive, nothing of it stays.
pub struct Draft {
    file: File,
    path: PathBuf,
    place: PathBuf,
}

impl Draft {
    /// Begins a file that nobody else can read.
    ///
    /// # Errors
    /// It cannot be made, or there is something else in its place, such as a device: it would be replaced.
    pub fn of(place: &Path) -> io::Result<Self> {
        if place.exists() && !place.is_file() {
            let says = format!("{} is no file", place.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, says));
        }
        let mut path = place.as_os_str().to_owned();
        path.push(format!(".{}.new", std::process::id()));
        let path = PathBuf::from(path);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| {
                let says = format!("{}: {error}", path.display());
                io::Error::new(error.kind(), says)
            })?;
        Ok(Self {
            file,
            path,
            place: place.to_owned(),
        })
    }

    /// Where to write.
    ///
    /// # Errors
    /// There are too many open files.
    pub fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Puts it into its place, whatever was there.
    ///
    /// # Errors
    /// The disk is full, or the folder cannot be written.
    pub fn arrive(self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, &self.place)?;
        let folder = self
            .place
            .parent()
            .filter(|folder| *folder != Path::new(""));
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // When it has arrived there is none.
        drop(fs::remove_file(&self.path));
    }
}
