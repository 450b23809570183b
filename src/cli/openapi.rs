//! `rollcall openapi`.

use std::io::{self, Write};

use super::output::stdout;
use crate::http::openapi::DOCUMENT;

/// Prints the description of the API.
///
/// # Errors
/// Standard output cannot be written.
pub fn print() -> io::Result<()> {
    stdout().write_all(DOCUMENT.as_bytes())
}
