//! `rollcall verify`.

pub mod offline;

use std::{
    error::Error,
    io::{self, Write},
    sync::Arc,
};

use clap::{Args as ClapArgs, ValueEnum};
use rollcall_projections::verify::{Difference, Flaw, Verified, Wish, verify};
use serde_json::{Value, json};

use super::{
    output::{print_json, stdout},
    progress::shown,
    rebuild::processors,
    users::find_id,
    with_log::with_log,
};
use crate::config::{Config, StoreArgs};

/// What to verify.
#[derive(ClapArgs)]
pub struct Verify {
    /// Verify this user alone, by id, username or e-mail address; a deleted one by id
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// How to print what was found
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    pub format: Format,
    /// Mend the rows that differ
    #[arg(long)]
    repair: bool,
    /// How many read and fold the log side by side [default: as many as there are processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    workers: Option<u32>,
    #[command(flatten)]
    pub offline: offline::Offline,
    #[command(flatten)]
    pub store: StoreArgs,
}

/// For people or for programs.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

/// Compares what is served with what happened.
///
/// # Errors
/// There is no database, or something is wrong with what is in it.
pub fn run(config: &Config, args: &Verify) -> Result<(), Box<dyn Error>> {
    with_log(config, async |owner, log| {
        let user = match &args.user {
            Some(user) => Some(find_id(log.pool(), user).await?),
            None => None,
        };
        let wish = Wish {
            user,
            workers: args.workers.unwrap_or_else(processors),
            repair: args.repair,
        };
        let progress = Arc::default();
        let verified = shown(&progress, verify(&owner, &log, &wish, &progress)).await?;
        match args.format {
            Format::Text => print_text(&verified)?,
            Format::Json => print_found(&verified)?,
        }
        judge(&verified)
    })
}

/// What is mended is in order; what is wrong with the log nobody mends.
fn judge(verified: &Verified) -> Result<(), Box<dyn Error>> {
    let (flaws, differences) = (verified.flaws.len(), verified.differences.len());
    if flaws > 0 {
        return Err(format!("{flaws} things are wrong with the log itself: restore it").into());
    }
    if !verified.credentials.is_empty() {
        let count = verified.credentials.len();
        return Err(
            format!("{count} things are wrong with the password hashes in the vault").into(),
        );
    }
    if differences > 0 && verified.repaired == 0 {
        return Err(format!(
            "{differences} things are served that did not happen so: `rollcall verify --repair` mends them"
        )
        .into());
    }
    Ok(())
}

fn print_text(verified: &Verified) -> io::Result<()> {
    let mut out = stdout();
    for flaw in &verified.flaws {
        writeln!(out, "{flaw}")?;
    }
    for credential in &verified.credentials {
        writeln!(out, "vault: {credential}")?;
    }
    if let Some(ahead) = verified.head_ahead {
        writeln!(
            out,
            "The last event was recorded {} seconds ahead of the database's clock: until then every event gets its time.",
            ahead.num_seconds()
        )?;
    }
    for difference in &verified.differences {
        writeln!(out, "{difference}")?;
    }
    let Verified { events, rows, .. } = verified;
    writeln!(out, "{events} events make {rows} rows.")?;
    if verified.unreadable > 0 {
        writeln!(
            out,
            "{} events cannot be read, or not in full; {} rows differ that only they could explain.",
            verified.unreadable, verified.unjudged
        )?;
    }
    if verified.repaired > 0 {
        writeln!(out, "{} rows were mended.", verified.repaired)?;
    } else if verified.is_good() {
        writeln!(out, "What is served is what happened.")?;
    }
    Ok(())
}

fn print_found(verified: &Verified) -> io::Result<()> {
    let flaws: Vec<Value> = verified.flaws.iter().map(flaw).collect();
    let differences: Vec<Value> = verified.differences.iter().map(difference).collect();
    let found = json!({
        "events": verified.events,
        "rows": verified.rows,
        "unreadable": verified.unreadable,
        "unjudged": verified.unjudged,
        "flaws": flaws,
        "credentials": verified.credentials,
        "head_ahead_s": verified.head_ahead.map(|ahead| ahead.num_seconds()),
        "differences": differences,
        "repaired": verified.repaired,
    });
    print_json(&found)
}

fn flaw(flaw: &Flaw) -> Value {
    json!({ "position": flaw.position, "says": flaw.says })
}

fn difference(difference: &Difference) -> Value {
    let row: serde_json::Map<String, Value> = difference
        .row
        .iter()
        .map(|(column, value)| ((*column).to_owned(), value.as_str().into()))
        .collect();
    json!({
        "table": difference.table,
        "row": row,
        "field": difference.field,
        "served": difference.served,
        "true": difference.truth,
        "position": difference.position,
    })
}
