//! `rollcall checkpoint`.

use std::{error::Error, io::Write};

use clap::Args as ClapArgs;
use rollcall_events::{clock::SystemClock, log::LogReader};

use super::{
    output::{print_line, say, stdout},
    with_log::with_log,
};
use crate::{
    checkpoints,
    config::{Config, Destination, StoreArgs},
    draft::Existing,
};

/// What to do with a checkpoint.
#[derive(ClapArgs)]
pub struct Checkpoint {
    /// Where to send it too; `{size}` stands for the number of events [default: as configured]
    #[arg(long, value_name = "FILE|URL", conflicts_with = "public_key")]
    to: Option<Destination>,
    /// Replace the file that is named by --to, if it is there already
    #[arg(long, requires = "to")]
    force: bool,
    /// Print the key that checkpoints are verified with, and make none
    #[arg(long)]
    public_key: bool,
    #[command(flatten)]
    pub store: StoreArgs,
}

/// Makes a checkpoint of the log, or prints what verifies one.
///
/// # Errors
/// There is no database, the log was rewritten, or the checkpoint does not arrive.
pub fn run(config: &Config, wish: &Checkpoint) -> Result<(), Box<dyn Error>> {
    with_log(config, async |_, log| {
        if wish.public_key {
            print_key(config, &log).await
        } else {
            make(config, &log, wish).await
        }
    })
}

async fn print_key(config: &Config, log: &LogReader) -> Result<(), Box<dyn Error>> {
    let origin = config.checkpoint_origin.as_str();
    let signer = log.vault().signer(origin, &SystemClock).await?;
    print_line(signer.verifier_key())?;
    Ok(())
}

async fn make(config: &Config, log: &LogReader, wish: &Checkpoint) -> Result<(), Box<dyn Error>> {
    let made = checkpoints::make(config, log, &SystemClock, None).await?;
    stdout().write_all(made.note.as_bytes())?;
    // A configured file is the one of the newest checkpoint.
    let existing = if wish.to.is_some() && !wish.force {
        Existing::Keep
    } else {
        Existing::Replace
    };
    if let Some(to) = wish.to.as_ref().or(config.checkpoint_to.as_ref()) {
        let place = checkpoints::send(&made, to, existing).await?;
        say(format_args!("The checkpoint was written to {place}."));
    }
    Ok(())
}
