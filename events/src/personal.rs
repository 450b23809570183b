//! Personal data inside events: known, sealed, or erased.
//!
//! An event that is decided holds what it knows. What is written holds it sealed, and serialising it unsealed is an
//! error, so that a person's data cannot reach the log by oversight. Whoever reads the log without the person's key
//! sees the field sealed; when the key is destroyed, it is erased for ever.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned, ser::Error as _,
};

/// Data about a person, in an event or in a state.
#[derive(Clone, PartialEq, Eq)]
pub enum Personal<T> {
    /// In the clear: just decided, or opened with the subject's key.
    Known(T),
    /// As the log holds it.
    Sealed(String),
    /// The key is gone.
    Erased,
}

impl<T> Personal<T> {
    /// The data, when it is known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Sealed(_) | Self::Erased => None,
        }
    }

    /// The data to change, when it is known.
    pub fn known_mut(&mut self) -> Option<&mut T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Sealed(_) | Self::Erased => None,
        }
    }
}

/// Says which of the three it is, and never what it holds.
impl<T> fmt::Debug for Personal<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Known(_) => "Known(..)",
            Self::Sealed(_) => "Sealed(..)",
            Self::Erased => "Erased",
        })
    }
}

impl<T> Serialize for Personal<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(_) => Err(S::Error::custom(
                "personal data must be sealed before it is written",
            )),
            Self::Sealed(text) => serializer.serialize_str(text),
            Self::Erased => serializer.serialize_none(),
        }
    }
}

impl<'de, T> Deserialize<'de> for Personal<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map_or(Self::Erased, Self::Sealed))
    }
}

/// A [`Personal`] field of whatever type, as the vault sees it.
pub trait PersonalField {
    /// The bytes to seal, when the field is known.
    ///
    /// # Errors
    /// The value cannot be written as JSON.
    fn reveal(&self) -> serde_json::Result<Option<Vec<u8>>>;

    /// The sealed text, when the field is sealed.
    fn sealed(&self) -> Option<&str>;

    /// Replaces the value by its sealed text.
    fn seal(&mut self, text: String);

    /// Replaces the sealed text by the value.
    ///
    /// # Errors
    /// The bytes are not the value's JSON.
    fn open(&mut self, bytes: &[u8]) -> serde_json::Result<()>;

    /// Forgets the value.
    fn erase(&mut self);
}

impl<T: Serialize + DeserializeOwned> PersonalField for Personal<T> {
    fn reveal(&self) -> serde_json::Result<Option<Vec<u8>>> {
        self.known().map(serde_json::to_vec).transpose()
    }

    fn sealed(&self) -> Option<&str> {
        match self {
            Self::Sealed(text) => Some(text),
            Self::Known(_) | Self::Erased => None,
        }
    }

    fn seal(&mut self, text: String) {
        *self = Self::Sealed(text);
    }

    fn open(&mut self, bytes: &[u8]) -> serde_json::Result<()> {
        *self = Self::Known(serde_json::from_slice(bytes)?);
        Ok(())
    }

    fn erase(&mut self) {
        *self = Self::Erased;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_data_cannot_be_written() {
        let refusal = serde_json::to_string(&Personal::Known("ada")).unwrap_err();
        assert!(refusal.to_string().contains("must be sealed"), "{refusal}");
    }

    #[test]
    fn debug_shows_no_personal_data() {
        assert_eq!(format!("{:?}", Personal::Known("ada")), "Known(..)");
    }

    #[test]
    fn sealed_and_erased_data_survive_writing() {
        for field in [
            Personal::<String>::Sealed("c2VhbGVk".into()),
            Personal::Erased,
        ] {
            let json = serde_json::to_string(&field).unwrap();
            assert_eq!(
                serde_json::from_str::<Personal<String>>(&json).unwrap(),
                field
            );
        }
    }
}
