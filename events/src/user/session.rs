//! Sessions: what a token stands for.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::LoginType;

/// The public half of a token: ten characters of `[A-Za-z0-9]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub String);

/// The SHA-256 of a token's secret half. The secret has 131 random bits, so that the bare hash tells nobody anything.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretHash(pub [u8; 32]);

/// What a token may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Whatever the user may do.
    All,
    /// Connecting to applications only; not this API.
    ApplicationConnect,
}

/// A session, as it is when it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Names the session.
    pub id: SessionId,
    /// Recognises the token.
    pub secret_sha256: SecretHash,
    /// How the user proved who they are.
    pub login_type: LoginType,
    /// What it may be used for.
    pub scope: Scope,
    /// How long it lasts without use, in seconds.
    pub lifetime_s: i64,
    /// When it ends, if it is not used.
    pub expires_at: DateTime<Utc>,
    /// When it ends, however much it is used.
    pub ends_at: DateTime<Utc>,
}

/// Why a session ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The user signed out.
    SignedOut,
    /// Somebody with the right to do so ended it.
    Revoked,
    /// The user had as many sessions as one can have, and began another.
    Superseded,
    /// The provider by which the user had signed in vouches for them no more.
    ProviderRefused,
}

impl Session {
    /// When the session started; none if its lifetime is out of range, which an import can bring.
    pub(super) fn started_at(&self) -> Option<DateTime<Utc>> {
        let lifetime = TimeDelta::try_seconds(self.lifetime_s)?;
        self.expires_at.checked_sub_signed(lifetime)
    }
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 2] = [Self::All, Self::ApplicationConnect];

    /// The name in the API, the log and the read models.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::ApplicationConnect => "application_connect",
        }
    }

    /// The scope of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretHash(..)")
    }
}

impl Serialize for SecretHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD_NO_PAD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for SecretHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD_NO_PAD.decode(text).map_err(D::Error::custom)?;
        let hash = bytes
            .try_into()
            .map_err(|_| D::Error::custom("a SHA-256 has 32 bytes"))?;
        Ok(Self(hash))
    }
}
