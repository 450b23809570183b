//! What can be wrong with a configuration.

use std::path::PathBuf;

use crate::trusted_file::FileError;

/// A mistake in the configuration, as one sentence for the operator. No value is ever quoted: it
/// might be a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A value breaks the rule of its option.
    #[error("the option `{option}`, given by {origin}, must be {rule}")]
    Invalid {
        /// The option, as the file spells it.
        option: String,
        /// Where it was given: a flag, a variable or a file.
        origin: String,
        /// What it must be.
        rule: String,
    },
    /// Two options were given of which only one can be.
    #[error(
        "the options `{one}` (given by {one_origin}) and `{other}` (given by {other_origin}) exclude each other: give one of them"
    )]
    Conflict {
        /// The one option.
        one: &'static str,
        /// Where the one was given.
        one_origin: String,
        /// The other option.
        other: &'static str,
        /// Where the other was given.
        other_origin: String,
    },
    /// An option was given that is nothing without another.
    #[error("the option `{option}` is missing: `{with}`, given by {origin}, needs it")]
    Missing {
        /// The option that is not given.
        option: &'static str,
        /// The one that is.
        with: &'static str,
        /// Where it was given.
        origin: String,
    },
    /// A name that is not an option.
    #[error("there is no option `{option}`, yet it is given by {origin}")]
    Unknown {
        /// The name, as the file would spell it.
        option: String,
        /// Where it was given.
        origin: String,
        /// The option whose name is most like it.
        nearest: &'static str,
    },
    /// A variable of the environment is not text.
    #[error("the environment variable {name} is not valid UTF-8")]
    NotText {
        /// The variable's name.
        name: String,
    },
    /// The file is not there, may not be read, or it or a folder above it is under the control of another account.
    #[error("the configuration file {0}")]
    File(#[from] FileError),
    /// The file is not TOML.
    #[error("line {line} of the configuration file {} is not valid TOML: {reason}", path.display())]
    NotToml {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What the parser said.
        reason: String,
    },
    /// A flag cannot be read as an option, such as a path that is not valid UTF-8.
    #[error("the flags cannot be read: {reason}")]
    Flags {
        /// What the reader said.
        reason: String,
    },
}
