//! `rollcall export`.

use std::{
    error::Error,
    io::{self, BufWriter},
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use clap::Args as ClapArgs;
use rollcall_events::{
    clock::{Clock, SystemClock},
    log::{self, ExportError, LogReader},
    session,
};
use rollcall_projections::rebuild::{Progress, Stage};
use sqlx::PgConnection;
use tokio::signal::unix::{SignalKind, signal};

use super::{
    output::{say, stdout},
    progress::shown,
    with_log::with_log,
};
use crate::{
    config::{Config, StoreArgs},
    draft::{Draft, Existing, Readers},
};

/// What is written at once.
const BUFFER_BYTES: usize = 1024 * 1024;

/// What to export, and where to.
#[derive(ClapArgs)]
pub struct Export {
    /// File to write, which its owner alone can read; - for standard output [default: -]
    file: Option<PathBuf>,
    /// Replace the file, if it is there already
    #[arg(long, requires = "file")]
    force: bool,
    /// The log as of this time, like 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", conflicts_with = "with_vault")]
    as_of: Option<DateTime<Utc>>,
    /// Write personal data beside each event, for everybody to read
    #[arg(long)]
    open: bool,
    /// Take the vault along, so that people are themselves where this is imported: keys, hashes of passwords, providers' tokens
    #[arg(long)]
    with_vault: bool,
    #[command(flatten)]
    pub store: StoreArgs,
}

/// Writes the log as a file.
///
/// # Errors
/// There is no database, or see [`ExportError`].
pub fn run(config: &Config, args: &Export) -> Result<(), Box<dyn Error>> {
    with_log(config, async |owner, log| {
        let mut conn = session::connect(&owner).await?;
        let progress = Arc::new(Progress::default());
        let total = log::head(&mut conn).await?.position.unsigned_abs();
        progress.begin(Stage::Exporting, total);
        let writing = write(&mut conn, &log, args, &progress);
        let events = shown(&progress, writing).await?;
        say(format_args!("{events} events were exported."));
        Ok(())
    })
}

/// How many events were written.
async fn write(
    conn: &mut PgConnection,
    log: &LogReader,
    args: &Export,
    progress: &Arc<Progress>,
) -> Result<u64, ExportError> {
    let wish = log::Export {
        made_at: SystemClock.now(),
        as_of: args.as_of,
        open: args.open,
        with_vault: args.with_vault,
    };
    let watched = Arc::clone(progress);
    let advanced = move |events| watched.advance(events);
    let place = args.file.as_deref();
    let Some(place) = place.filter(|place| *place != Path::new("-")) else {
        let out = BufWriter::with_capacity(BUFFER_BYTES, stdout());
        let (_, events) = log::export(conn, log, wish, out, advanced).await?;
        return Ok(events);
    };
    if let Some(as_of) = args.as_of.filter(|as_of| *as_of > wish.made_at) {
        return Err(ExportError::Future(as_of));
    }
    let existing = existing(args);
    let draft = Draft::of(place, existing, Readers::Owner)?;
    let out = BufWriter::with_capacity(BUFFER_BYTES, draft.file()?);
    // Who is interrupted takes the draft away again.
    let (_, events) = tokio::select! {
        exported = log::export(conn, log, wish, out, advanced) => exported?,
        error = interrupted() => return Err(error.into()),
    };
    draft.arrive()?;
    Ok(events)
}

fn existing(args: &Export) -> Existing {
    if args.force {
        Existing::Replace
    } else {
        Existing::Keep
    }
}

async fn interrupted() -> io::Error {
    let waiting = async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    };
    let says = "it was interrupted";
    waiting
        .await
        .map_or_else(|error| error, |()| io::Error::other(says))
}
