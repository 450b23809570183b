//! `rollcall migrate`.

use std::error::Error;

use super::output::say;
use crate::{config::Config, database};

/// Brings the schema up to date.
///
/// # Errors
/// There is no database, or a step fails.
pub fn migrate(config: &Config) -> Result<(), Box<dyn Error>> {
    // From the main thread, and before any other: see `database::open`.
    let database = database::open(config)?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(database.migrate())?;
    say("The schema is up to date.");
    Ok(())
}
