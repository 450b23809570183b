//! `rollcall config`.

use std::io::{self, Write};

use super::output::stdout;
use crate::config::Config;

/// Prints the configuration that is in force, as a file that would lead to it, secrets hidden.
///
/// # Errors
/// Standard output cannot be written.
pub fn print(config: &Config) -> io::Result<()> {
    stdout().write_all(config.to_toml().as_bytes())
}
