//! `rollcall config`.

use crate::config::Config;

/// Prints the configuration that is in force, as a file that would lead to it, secrets hidden.
pub fn print(config: &Config) {
    print!("{config}");
}
