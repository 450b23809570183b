//! Options that are one of a few words.

use serde::{Deserialize, Serialize};

/// How `GET /users/authmethods` lists the ways to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum AuthmethodsFormat {
    /// Each way is a flag: `{"password": true}`.
    Flags,
    /// Each way is an object: `{"password": {"enabled": true}}`.
    Objects,
}

/// Whether sign-ins by OpenID Connect carry a PKCE challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Pkce {
    /// Unless the provider says that it does not take S256.
    Auto,
    /// Whatever the provider says.
    Always,
    /// Never.
    Never,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A line that is one JSON object, for machines.
    Json,
}
