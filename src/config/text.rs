//! Options that are written as text: one parser each (`FromStr`), used for the file, the
//! environment and the flags.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, de::Error};

/// The text breaks the rule of its option. Which rule that is stands in the table of options.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it does not have the form that this option needs")]
pub struct Refused;

/// Deserializes through `FromStr`.
pub(super) fn deserialize<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    String::deserialize(deserializer)?
        .parse()
        .map_err(D::Error::custom)
}

/// Gives a type that has `FromStr` and `Display` the matching serde implementations.
macro_rules! as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::config::text::deserialize(deserializer)
            }
        }
    };
}
pub(super) use as_text;
