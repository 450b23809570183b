//! `rollcall proof`: that an event is in the log, that the log only grew; and the checking of such proofs.

use std::{
    error::Error,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use clap::{Args as ClapArgs, Subcommand};
use rollcall_events::{
    evidence::export::{Exported, Line},
    log::RawEvent,
};

use super::{
    output::{print_json, print_line},
    verify::offline::public_key,
    with_log::with_log,
};
use crate::{
    config::{Config, StoreArgs},
    proofs::{self, Given, Proof},
    trusted_file::without_byte_order_mark,
};

/// Which proof.
#[derive(Subcommand)]
pub enum ProofCommand {
    /// Prove that an event is in the log
    #[command(after_help = "Example: rollcall proof inclusion --position 17 > proof.json")]
    Inclusion(Inclusion),
    /// Prove that the log only grew
    #[command(after_help = "Example: rollcall proof consistency --from 17 --to 41")]
    Consistency(Consistency),
    /// Check a proof, without a database
    #[command(
        after_help = "Example: rollcall proof verify proof.json --public-key rollcall.pub\n\nIt needs neither a database nor a secret. Exit status 1 if nothing is proved."
    )]
    Verify(Verify),
}

/// The proof that an event is in the log.
#[derive(ClapArgs)]
pub struct Inclusion {
    /// The event's place in the log
    #[arg(long, value_name = "N")]
    position: u64,
    /// The log as of this position [default: of the newest checkpoint, if that covers the event]
    #[arg(long, value_name = "M")]
    size: Option<u64>,
    #[command(flatten)]
    pub store: StoreArgs,
}

/// The proof that the log only grew.
#[derive(ClapArgs)]
pub struct Consistency {
    /// The earlier log: as of this position
    #[arg(long, value_name = "M")]
    from: u64,
    /// The later log: as of this position
    #[arg(long, value_name = "N")]
    to: u64,
    #[command(flatten)]
    pub store: StoreArgs,
}

/// A proof to check.
#[derive(ClapArgs)]
pub struct Verify {
    /// The proof; - for standard input
    file: PathBuf,
    /// The key, or a file that holds it, as `rollcall checkpoint --public-key` printed it
    #[arg(long, value_name = "KEY|FILE")]
    public_key: String,
    /// A signed checkpoint, if the proof brings none; may be given several times
    #[arg(long = "checkpoint", value_name = "FILE")]
    checkpoints: Vec<PathBuf>,
    /// The event in question, as a line of an export or as in a proof [default: what the proof brings]
    #[arg(long, value_name = "FILE")]
    event: Option<PathBuf>,
}

/// Proves something of the log.
///
/// # Errors
/// There is no database, or no such proof.
pub fn inclusion(config: &Config, wish: &Inclusion) -> Result<(), Box<dyn Error>> {
    with_log(config, async |_, log| {
        let proof = proofs::inclusion(log.pool(), wish.position, wish.size).await?;
        Ok(print_json(&proof)?)
    })
}

/// The same, of its growth.
///
/// # Errors
/// See [`inclusion`].
pub fn consistency(config: &Config, wish: &Consistency) -> Result<(), Box<dyn Error>> {
    with_log(config, async |_, log| {
        let proof = proofs::consistency(log.pool(), wish.from, wish.to).await?;
        Ok(print_json(&proof)?)
    })
}

/// Checks a proof.
///
/// # Errors
/// A file cannot be read, or nothing is proved.
pub fn verify(wish: &Verify) -> Result<(), Box<dyn Error>> {
    let proof: Proof = serde_json::from_str(&read(&wish.file)?)
        .map_err(|_| format!("{} holds no proof", wish.file.display()))?;
    let checkpoints: Result<Vec<_>, _> = wish.checkpoints.iter().map(|file| read(file)).collect();
    let given = Given {
        key: public_key(&wish.public_key)?,
        checkpoints: checkpoints?,
        event: wish.event.as_deref().map(event).transpose()?,
    };
    let proved = proofs::verify(&proof, &given)?;
    print_line(proved)?;
    Ok(())
}

fn event(file: &Path) -> Result<RawEvent, Box<dyn Error>> {
    let text = read(file)?;
    let exported = match Line::parse(text.trim_end().as_bytes()) {
        Some(Line::Event(exported)) => *exported,
        _ => serde_json::from_str::<Exported>(&text)
            .map_err(|_| format!("{} holds no event", file.display()))?,
    };
    Ok(exported.event)
}

fn read(file: &Path) -> Result<String, Box<dyn Error>> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    read.map(without_byte_order_mark)
        .map_err(|error| format!("{} cannot be read: {error}", file.display()).into())
}
