//! `rollcall openapi`.

use std::io::{self, ErrorKind, Write};

use crate::http::openapi::DOCUMENT;

/// Prints the description of the API.
///
/// # Errors
/// Standard output cannot be written. A reader that has seen enough is none.
pub fn print() -> io::Result<()> {
    match io::stdout().write_all(DOCUMENT.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
