//! The way of a checkpoint out of the house.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    time::Duration,
};

use rollcall_events::log::checkpoints::Made;

use crate::{
    config::{Destination, Place},
    draft::{Draft, Existing, Readers},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a checkpoint did not arrive.
#[derive(Debug, thiserror::Error)]
#[error("the checkpoint cannot be written to {place}")]
pub struct SendError {
    place: Place,
    source: Cause,
}

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error(transparent)]
    File(#[from] io::Error),
    #[error("it does not answer in time")]
    Slow,
    #[error("it cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("it answers with status {0}")]
    Status(u16),
}

/// Writes a checkpoint to a file, or puts it to an address; where that was. `existing` is about a file.
///
/// # Errors
/// It does not arrive.
pub async fn send(made: &Made, to: &Destination, existing: Existing) -> Result<Place, SendError> {
    let place = to.of(made.size.unsigned_abs());
    let sent = match &place {
        Place::File(path) => write(path, &made.note, existing).map_err(Cause::File),
        Place::Url(url) => put(url, &made.note).await,
    };
    match sent {
        Ok(()) => Ok(place),
        Err(source) => Err(SendError { place, source }),
    }
}

fn write(path: &Path, note: &str, existing: Existing) -> io::Result<()> {
    // It may be sent again, as after a network that was down.
    if existing == Existing::Keep && fs::read(path).is_ok_and(|kept| kept == note.as_bytes()) {
        return Ok(());
    }
    let draft = Draft::of(path, existing, Readers::Anyone)?;
    draft.file()?.write_all(note.as_bytes())?;
    draft.arrive()
}

async fn put(url: &str, note: &str) -> Result<(), Cause> {
    // Whoever was first installed the same one.
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TOTAL_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(unanswered)?;
    let answer = client
        .put(url)
        .header(reqwest::header::CONTENT_TYPE, "text/plain; charset=utf-8")
        .body(note.to_owned())
        .send()
        .await
        .map_err(unanswered)?;
    if answer.status().is_success() {
        Ok(())
    } else {
        Err(Cause::Status(answer.status().as_u16()))
    }
}

fn unanswered(error: reqwest::Error) -> Cause {
    if error.is_timeout() {
        Cause::Slow
    } else {
        Cause::Unreachable(error.without_url())
    }
}
