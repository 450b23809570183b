//! `rollcall config`.

use std::io::{self, ErrorKind, Write};

use crate::config::Config;

/// Prints the configuration that is in force, as a file that would lead to it, secrets hidden.
///
/// # Errors
/// Standard output cannot be written. A reader that has seen enough is none.
pub fn print(config: &Config) -> io::Result<()> {
    match io::stdout().write_all(config.to_toml().as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
