//! The program `rollcall`.

use std::{env, process::ExitCode};

fn main() -> ExitCode {
    forget_libpq_variables();
    rollcall::cli::run()
}

/// Removes the variables of libpq (`PGHOST`, `PGOPTIONS`, ...) from our environment, which the driver would obey: a shell
/// that is set up for another server must not lead the service there, or change how it connects. What counts is the URL.
#[expect(
    unsafe_code,
    reason = "nothing else runs yet, and only then may the environment be changed"
)]
fn forget_libpq_variables() {
    let names = env::vars_os().map(|(name, _)| name);
    for name in names.filter(|name| name.as_encoded_bytes().starts_with(b"PG")) {
        // SAFETY: this is the first thing that the program does; there is no other thread yet.
        unsafe { env::remove_var(name) };
    }
}
