//! Lists of any length: sent while they are read, never in memory as a whole, and without a connection to the database
//! while their reader takes what was sent.

use std::{pin::pin, time::Duration};

use axum::{
    body::{Body, Bytes},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream, stream::BoxStream};
use serde::Serialize;
use tokio::sync::mpsc::{self, error::TrySendError};
use tracing::Instrument;
use uuid::Uuid;

use super::{
    answer::{Refusal, json_type},
    go_json,
    places::{Place, Places, READER_TIMEOUT},
};

/// A list of more is streamed.
pub const LARGEST_PAGE: u32 = 1_000;
/// Lists of one user that are sent at once, and of one node.
const MOST_OF_USER: usize = 8;
const MOST_LISTS: usize = 64;
/// A list of at most this size is sent at once, like any other response.
const SHORT_BYTES: usize = 256 * 1024;
/// A longer one is sent in pieces of about this size.
const PIECE_BYTES: usize = 64 * 1024;
/// Pieces that wait for a slow reader; then the list is read no further.
const PIECES_WAITING: usize = 2;
/// A list that has not been taken by then is given up.
const LIST_TIMEOUT: Duration = Duration::from_hours(1);

/// The items of a list, each with how many there are by the database; 0 where it did not count.
pub type Items<T> = BoxStream<'static, sqlx::Result<(T, i64)>>;

/// The places for lists that are streamed by a node.
pub fn places() -> Places {
    Places::new("long lists", MOST_OF_USER, MOST_LISTS)
}

/// What stands around the items.
#[derive(Debug, Clone, Copy)]
pub enum Frame {
    /// `[..]`
    List,
    /// `{"users":[..],"count":7}`. The count comes last: where the database did not count, it is known then.
    Counted {
        /// What the items are called.
        name: &'static str,
        /// How many were left out before the first.
        offset: u32,
    },
}

impl Frame {
    fn opening(self) -> String {
        match self {
            Self::List => "[".to_owned(),
            Self::Counted { name, .. } => format!("{{\"{name}\":["),
        }
    }

    fn closing(self, sent: i64, counted: i64) -> String {
        match self {
            Self::List => "]\n".to_owned(),
            Self::Counted { offset, .. } => {
                let count = match (sent, counted) {
                    (0, _) => 0,
                    (_, 0) => i64::from(offset) + sent,
                    (_, counted) => counted,
                };
                format!("],\"count\":{count}}}\n")
            }
        }
    }
}

/// Answers with the items, however many there are. A short list is read first, so that a database that does not answer
/// is still reported by the status; a long one takes a place of this user.
///
/// # Errors
/// The database fails, or all places are taken.
pub async fn streamed<T: Serialize + Send + 'static>(
    places: &Places,
    user: Uuid,
    items: Items<T>,
    frame: Frame,
) -> Result<Response, Refusal> {
    let mut list = List::new(items, frame);
    let mut start = Vec::new();
    let is_whole = list.read(&mut start, SHORT_BYTES).await?;
    if is_whole {
        return Ok((json_type(), start).into_response());
    }
    let place = places.take(user)?;
    let (sender, receiver) = mpsc::channel(PIECES_WAITING);
    tokio::spawn(send(list, start, place, sender).in_current_span());
    Ok((json_type(), Body::from_stream(pieces(receiver))).into_response())
}

/// A list that is being written.
struct List<T> {
    items: Items<T>,
    frame: Frame,
    sent: i64,
    counted: i64,
}

/// Why a list breaks off.
#[derive(Debug, thiserror::Error)]
enum ListError {
    #[error("the list cannot be read")]
    Database(#[from] sqlx::Error),
    #[error("an item cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

impl From<ListError> for Refusal {
    fn from(error: ListError) -> Self {
        match error {
            ListError::Database(error) => error.into(),
            ListError::Json(error) => Self::internal(&error),
        }
    }
}

impl<T: Serialize> List<T> {
    fn new(items: Items<T>, frame: Frame) -> Self {
        Self {
            items,
            frame,
            sent: 0,
            counted: 0,
        }
    }

    /// Writes until there are so many bytes, or the list is whole: whether it is.
    async fn read(&mut self, piece: &mut Vec<u8>, bytes: usize) -> Result<bool, ListError> {
        if self.sent == 0 {
            piece.extend(self.frame.opening().into_bytes());
        }
        while piece.len() < bytes {
            let Some(item) = self.items.next().await else {
                piece.extend(self.frame.closing(self.sent, self.counted).into_bytes());
                return Ok(true);
            };
            let (item, counted) = item?;
            if self.sent > 0 {
                piece.push(b',');
            }
            go_json::escape_into(&serde_json::to_vec(&item)?, piece);
            self.sent += 1;
            self.counted = counted;
        }
        Ok(false)
    }
}

enum Piece {
    More(Bytes),
    Last(Bytes),
}

/// A list that ends without its last piece is broken off, so that no client takes it for whole: the status was sent long
/// before.
#[derive(Debug, thiserror::Error)]
#[error("a streamed list was broken off")]
struct BrokenOff;

fn pieces(receiver: mpsc::Receiver<Piece>) -> impl stream::Stream<Item = Result<Bytes, BrokenOff>> {
    stream::unfold(Some(receiver), |receiver| async move {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Piece::More(bytes)) => Some((Ok(bytes), Some(receiver))),
            Some(Piece::Last(bytes)) => Some((Ok(bytes), None)),
            None => Some((Err(BrokenOff), None)),
        }
    })
}

/// Sends the list, until its reader is too slow, or its place goes to another reader.
async fn send<T: Serialize>(
    mut list: List<T>,
    start: Vec<u8>,
    place: Place,
    sender: mpsc::Sender<Piece>,
) {
    let sending = pin!(async {
        let mut piece = start;
        let mut is_whole = false;
        loop {
            let bytes = Bytes::from(std::mem::take(&mut piece));
            let next = if is_whole {
                Piece::Last(bytes)
            } else {
                Piece::More(bytes)
            };
            if !hand_over(next, &place, &sender).await || is_whole {
                return;
            }
            match list.read(&mut piece, PIECE_BYTES).await {
                Ok(whole) => is_whole = whole,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "a streamed list broke off");
                    return;
                }
            }
        }
    });
    let in_time = tokio::time::timeout(LIST_TIMEOUT, sending);
    let sent = place.ended().run_until_cancelled(in_time).await;
    if !matches!(sent, Some(Ok(()))) {
        tracing::info!("a list was given up: its reader was too slow");
    }
}

/// Whether the reader took it, or has room for it.
async fn hand_over(piece: Piece, place: &Place, sender: &mpsc::Sender<Piece>) -> bool {
    let piece = match sender.try_send(piece) {
        Ok(()) => return true,
        Err(TrySendError::Closed(_)) => return false,
        Err(TrySendError::Full(piece)) => piece,
    };
    place.offered();
    let is_taken = sender.send_timeout(piece, READER_TIMEOUT).await.is_ok();
    place.was_taken();
    is_taken
}
