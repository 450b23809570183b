//! `rollcall import`.

use std::{
    error::Error,
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use clap::Args as ClapArgs;
use rollcall_events::{
    clock::{Clock, SystemClock},
    evidence::export::{Header, Reader},
    log::{ImportError, Importing, import},
    session,
    vault::VaultError,
};
use rollcall_projections::{
    inline::InlineProjections,
    rebuild::{Progress, Stage},
};

use super::{
    output::{print_line, say},
    progress::shown,
    with_log::with_log,
};
use crate::{
    config::{Config, StoreArgs},
    database,
};

/// What is read at once.
const BUFFER_BYTES: usize = 1024 * 1024;

/// What to import.
#[derive(ClapArgs)]
pub struct Import {
    /// An export; `-` for standard input
    file: PathBuf,
    #[command(flatten)]
    pub store: StoreArgs,
}

/// Puts an export into an empty database.
///
/// # Errors
/// There is no database, or see [`ImportError`]: then the log is as it was.
pub fn run(config: &Config, args: &Import) -> Result<(), Box<dyn Error>> {
    // Before there is a database, which would take whatever master key it sees first for its own.
    let export = Reader::open(open(&args.file)?)?;
    if let Some(flaw) = export.flaws().first() {
        return Err(ImportError::Damaged(flaw.clone()).into());
    }
    let header = export.first_line().cloned();
    let header = header.ok_or(ImportError::Nothing)?;
    check_master_key(config, &header)?;
    with_log(config, async |owner, log| {
        let mut conn = session::connect(&owner).await?;
        let progress = Arc::new(Progress::default());
        progress.begin(Stage::Importing, header.events);
        let (watched, total) = (Arc::clone(&progress), header.events);
        let advanced = move |importing| match importing {
            Importing::Read(events) => watched.advance(events),
            Importing::Projected(events) => {
                if watched
                    .now()
                    .is_some_and(|now| now.stage == Stage::Importing)
                {
                    watched.begin(Stage::Projecting, total);
                }
                watched.advance(events);
            }
        };
        let now = SystemClock.now();
        let importing = import(&mut conn, &log, export, &InlineProjections, now, advanced);
        let head = shown(&progress, importing).await?;
        let root = STANDARD.encode(head.frontier.root());
        print_line(format_args!(
            "{} events are in the log, and the read models are made; the root of their tree is {root}.",
            head.position
        ))?;
        if header.vault.is_none() {
            say("The vault did not come along: the people in these events are blank here.");
        }
        Ok(())
    })
}

/// Opens a file, or standard input.
pub(super) fn open(path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::with_capacity(
            BUFFER_BYTES,
            io::stdin(),
        )));
    }
    let file = File::open(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, file)))
}

/// With another key than the vault's keys are wrapped by, nobody could be opened.
fn check_master_key(config: &Config, header: &Header) -> Result<(), Box<dyn Error>> {
    let Some(wanted) = &header.vault else {
        return Ok(());
    };
    let expected = wanted.join(", ");
    match database::existing_master_key(config)? {
        Some(key) if wanted.iter().any(|id| id == key.id()) => Ok(()),
        Some(key) => {
            let given = key.id().to_owned();
            Err(VaultError::WrongMasterKey { given, expected }.into())
        }
        None => Err(format!(
            "the vault in this export is sealed under the master key {expected}: give it by --master-key-file or ROLLCALL_MASTER_KEY"
        )
        .into()),
    }
}
