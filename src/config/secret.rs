//! Values that no log line, error or listing may show.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::text::Refused;

/// What is shown in place of a secret.
pub(super) const HIDDEN: &str = "(hidden)";

/// A value that only [`Secret::expose`] gives away: printed or serialized it is `(hidden)`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T = String>(T);

impl<T> Secret<T> {
    /// Wraps a secret.
    pub const fn new(secret: T) -> Self {
        Self(secret)
    }

    /// The secret itself. Give it to what needs it, and to nothing that might print it.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl<T> Serialize for Secret<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(HIDDEN)
    }
}

impl FromStr for Secret<[u8; 32]> {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let bytes = STANDARD
            .decode(text.trim_start_matches('\u{feff}').trim())
            .map_err(|_| Refused)?;
        bytes.try_into().map(Self).map_err(|_| Refused)
    }
}

impl<'de> Deserialize<'de> for Secret<[u8; 32]> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::text::deserialize(deserializer)
    }
}

impl FromStr for Secret {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let text = text.trim();
        if text.is_empty() {
            Err(Refused)
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::text::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn a_key_is_thirty_two_bytes_in_base64() {
        let key: Secret<[u8; 32]> = format!("{KEY}\n").parse().unwrap();
        assert_eq!(key.expose()[..4], [0, 1, 2, 3]);
        for bad in [
            "",
            "AAEC",
            "not base64 at all",
            &KEY[4..],
            &format!("AAEC{KEY}"),
        ] {
            assert!(
                bad.parse::<Secret<[u8; 32]>>().is_err(),
                "{bad:?} was taken for a key"
            );
        }
    }

    #[test]
    fn nothing_prints_a_secret() {
        let secret = Secret::new("swordfish".to_owned());
        assert_eq!(format!("{secret:?}"), "(hidden)");
        assert_eq!(
            serde_json::to_string(&Some(&secret)).unwrap(),
            r#""(hidden)""#
        );
        assert_eq!(secret.expose(), "swordfish");
    }
}
