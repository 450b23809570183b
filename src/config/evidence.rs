//! Where checkpoints of the log go, and what the log is called in them.

use std::{fmt, path::PathBuf, str::FromStr};

use rollcall_events::evidence::is_key_name;

use super::{
    AccessUrl,
    text::{Refused, as_text},
};

/// What stands in a destination for the number of events that a checkpoint covers.
const SIZE: &str = "{size}";

/// A file, or an address to which checkpoints are put. Neither carries a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination(String);

/// Where one checkpoint goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Into this file.
    File(PathBuf),
    /// To this address, by PUT.
    Url(String),
}

/// The name of a log, under which its checkpoints are signed: best an address without its scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogName(String);

impl Destination {
    /// Where the checkpoint of so many events goes.
    #[must_use]
    pub fn of(&self, size: u64) -> Place {
        let place = self.0.replace(SIZE, &size.to_string());
        if self.is_url() {
            Place::Url(place)
        } else {
            Place::File(place.into())
        }
    }

    fn is_url(&self) -> bool {
        self.0.starts_with("http://") || self.0.starts_with("https://")
    }
}

impl LogName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Host and path of the address by which the service is reached.
impl From<&AccessUrl> for LogName {
    fn from(url: &AccessUrl) -> Self {
        let url = url.as_str();
        let name = url.split_once("://").map_or(url, |(_, rest)| rest);
        // A path may hold what a name may not.
        Self(name.replace('+', "%2B"))
    }
}

/// Of a service that nobody reaches from elsewhere.
impl Default for LogName {
    fn default() -> Self {
        Self("localhost".to_owned())
    }
}

impl FromStr for Destination {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let destination = Self(text.trim().to_owned());
        let is_good = match destination.of(1) {
            Place::Url(url) => url.parse::<AccessUrl>().is_ok(),
            Place::File(path) => !text.contains("://") && path.file_name().is_some(),
        };
        if is_good {
            Ok(destination)
        } else {
            Err(Refused)
        }
    }
}

impl FromStr for LogName {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let name = text.trim();
        if is_key_name(name) {
            Ok(Self(name.to_owned()))
        } else {
            Err(Refused)
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(formatter),
            Self::Url(url) => url.fmt(formatter),
        }
    }
}

as_text!(Destination);
as_text!(LogName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_a_file_or_an_address_and_says_where_each_checkpoint_goes() {
        let of = |text: &str| text.parse::<Destination>().unwrap().of(41);
        assert_eq!(of("/srv/latest"), Place::File("/srv/latest".into()));
        assert_eq!(
            of("checkpoints/{size}.txt"),
            Place::File("checkpoints/41.txt".into())
        );
        assert_eq!(
            of("https://witness.example/log/{size}/{size}"),
            Place::Url("https://witness.example/log/41/41".into())
        );
        for bad in [
            "",
            "/",
            "..",
            "ftp://witness.example/a",
            "https://",
            "https://ada:secret@witness.example/a",
            "https://witness.example/a?token=secret",
        ] {
            assert!(bad.parse::<Destination>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_log_is_called_by_its_address_without_the_scheme() {
        let name = |url: &str| LogName::from(&url.parse::<AccessUrl>().unwrap()).0;
        assert_eq!(
            name("https://rollcall.example.com/"),
            "rollcall.example.com"
        );
        assert_eq!(name("http://localhost:8080/a+b"), "localhost:8080/a%2Bb");
        for bad in ["", "two words", "a+b", "a\nb"] {
            assert!(bad.parse::<LogName>().is_err(), "{bad:?}");
        }
    }
}
