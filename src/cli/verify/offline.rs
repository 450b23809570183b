//! `rollcall verify --export`: without a database, and without a master key.

use std::{
    error::Error,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use clap::Args as ClapArgs;
use rollcall_events::{
    evidence::{
        Checkpoint, VerifierKey,
        export::{Flaw, Judged, Judgement, Verified, verify},
    },
    log::Unreadable,
};
use rollcall_projections::rebuild::{Progress, Stage};
use serde_json::{Value, json};

use super::Format;
use crate::{
    cli::{
        import::open,
        output::{print_json, stdout},
        progress::shown,
    },
    trusted_file::without_byte_order_mark,
};

/// What is verified instead of a database.
#[derive(ClapArgs)]
pub struct Offline {
    /// Verify this export (`-` for standard input), without a database or a master key
    #[arg(long, value_name = "FILE", help_heading = "Exports", conflicts_with_all = ["user", "repair", "workers"])]
    pub export: Option<PathBuf>,
    /// Compare it with this signed checkpoint; may be given several times, to narrow down where they part
    #[arg(long = "checkpoint", value_name = "FILE", help_heading = "Exports", requires_all = ["export", "public_key"])]
    checkpoints: Vec<PathBuf>,
    /// Key by which the checkpoints are signed, as `rollcall checkpoint --public-key` prints it, or a file with it
    #[arg(
        long,
        value_name = "KEY",
        help_heading = "Exports",
        requires = "export"
    )]
    public_key: Option<String>,
    /// Fail too if no checkpoint vouches for the last events
    #[arg(long, help_heading = "Exports", requires = "checkpoints")]
    complete: bool,
}

/// What was found.
struct Found {
    verified: Verified,
    /// The files that hold no checkpoint of that key, and why.
    refused: Vec<String>,
}

/// Verifies an export.
///
/// # Errors
/// The file or the key cannot be read, or something is wrong with the export.
pub fn run(file: &Path, args: &Offline, format: Format) -> Result<(), Box<dyn Error>> {
    let (checkpoints, refused) = checkpoints(args)?;
    let source = open(file)?;
    let progress = Arc::new(Progress::default());
    let watched = Arc::clone(&progress);
    progress.begin(Stage::Reading, 0);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let verified = runtime.block_on(shown(&progress, async {
        let reading =
            tokio::task::spawn_blocking(move || verify(source, checkpoints, || watched.advance(1)));
        reading.await
    }))??;
    let found = Found { verified, refused };
    match format {
        Format::Text => print_text(&found)?,
        Format::Json => print_found(&found)?,
    }
    judge(&found, args)
}

/// Those that are signed by the key, and what is wrong with the others.
fn checkpoints(args: &Offline) -> Result<(Vec<Checkpoint>, Vec<String>), Box<dyn Error>> {
    let (mut checkpoints, mut refused) = (Vec::new(), Vec::new());
    let Some(key) = &args.public_key else {
        return Ok((checkpoints, refused));
    };
    let key = public_key(key)?;
    for path in &args.checkpoints {
        let note = fs::read_to_string(path)
            .map(without_byte_order_mark)
            .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        match Checkpoint::open(&note, &key) {
            Ok(checkpoint) => checkpoints.push(checkpoint),
            Err(error) => refused.push(format!("{}: {error}", path.display())),
        }
    }
    Ok((checkpoints, refused))
}

/// Of the text itself, or of a file that holds it.
pub fn public_key(text: &str) -> Result<VerifierKey, Box<dyn Error>> {
    let text = if Path::new(text).is_file() {
        without_byte_order_mark(fs::read_to_string(text)?)
    } else {
        text.to_owned()
    };
    Ok(text.trim().parse()?)
}

fn judge(found: &Found, args: &Offline) -> Result<(), Box<dyn Error>> {
    let Found { verified, refused } = found;
    if !refused.is_empty() {
        return Err("not every checkpoint is signed by this key".into());
    }
    if !verified.is_good() {
        return Err("the export is not what it was".into());
    }
    if args.complete && verified.vouched() < verified.events {
        return Err("no checkpoint vouches for the last events".into());
    }
    Ok(())
}

fn print_text(found: &Found) -> io::Result<()> {
    let Found { verified, refused } = found;
    let mut out = stdout();
    for flaw in &verified.flaws {
        writeln!(out, "{flaw}")?;
    }
    for unreadable in &verified.unreadable {
        writeln!(out, "{unreadable}: {}", unreadable.reason())?;
    }
    for refused in refused {
        writeln!(out, "{refused}")?;
    }
    for judged in &verified.judged {
        writeln!(out, "{}", told(judged, verified.events))?;
    }
    let (events, root) = (verified.events, STANDARD.encode(verified.root));
    writeln!(out, "{events} events make a tree with the root {root}.")?;
    let vouched = verified.vouched();
    if verified.judged.is_empty() && refused.is_empty() {
        writeln!(
            out,
            "No checkpoint was given: of a file that somebody made anew from its beginning nothing would be told."
        )?;
    } else if vouched < events {
        writeln!(
            out,
            "No checkpoint vouches for the events {} to {events}.",
            vouched + 1
        )?;
    }
    let header = verified.header.as_ref();
    if header.is_some_and(|header| header.opened) {
        writeln!(
            out,
            "What is opened stands beside the events for people to read, and nothing here proves it."
        )?;
    }
    if header.is_some_and(|header| header.vault.is_some()) {
        writeln!(out, "No checkpoint ever vouches for the vault.")?;
    }
    if verified.is_good() && refused.is_empty() {
        writeln!(out, "The export is what it was.")?;
    }
    Ok(())
}

fn told(judged: &Judged, events: u64) -> String {
    let size = judged.checkpoint.size;
    match judged.judgement {
        Judgement::Agrees => format!("the checkpoint of {size} events agrees"),
        Judgement::Differs { from } if from > size => {
            format!(
                "another checkpoint of {size} events agrees, and this one does not: whoever signed them had two logs"
            )
        }
        Judgement::Differs { from } => {
            format!(
                "the checkpoint of {size} events differs: what was signed is another at one of the positions {from} to {size}"
            )
        }
        Judgement::Short => {
            format!("the checkpoint of {size} events was signed, and only {events} are here")
        }
    }
}

fn print_found(found: &Found) -> io::Result<()> {
    let Found { verified, refused } = found;
    let found = json!({
        "header": verified.header,
        "events": verified.events,
        "root": STANDARD.encode(verified.root),
        "unreadable": verified.unreadable.iter().map(unreadable).collect::<Vec<_>>(),
        "flaws": verified.flaws.iter().map(flaw).collect::<Vec<_>>(),
        "checkpoints": verified.judged.iter().map(checkpoint).collect::<Vec<_>>(),
        "refused": refused,
        "vouched": verified.vouched(),
    });
    print_json(&found)
}

fn flaw(flaw: &Flaw) -> Value {
    json!({
        "from": flaw.positions.map(|(from, _)| from),
        "to": flaw.positions.map(|(_, to)| to),
        "line": flaw.line,
        "says": flaw.says,
    })
}

fn unreadable(unreadable: &Unreadable) -> Value {
    json!({ "position": unreadable.position, "says": unreadable.reason() })
}

fn checkpoint(judged: &Judged) -> Value {
    let (judgement, from) = match judged.judgement {
        Judgement::Agrees => ("agrees", None),
        Judgement::Differs { from } => ("differs", Some(from)),
        Judgement::Short => ("short", None),
    };
    json!({
        "size": judged.checkpoint.size,
        "root": STANDARD.encode(judged.checkpoint.root),
        "judgement": judgement,
        "from": from,
    })
}
