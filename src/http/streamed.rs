//! Lists that are sent as they come from the database: never in memory as a whole.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream, stream::BoxStream};
use serde::Serialize;
use tokio::sync::mpsc;
use tracing::Instrument;

use super::{answer::json_type, go_json};

/// A list of more is streamed.
pub const LARGEST_PAGE: u32 = 1_000;
/// A streamed list is sent in pieces of about this size.
const PIECE_BYTES: usize = 64 * 1024;
/// Pieces that wait for a slow reader; then the database waits.
const PIECES_WAITING: usize = 2;
/// A reader that takes no piece for so long is given up: it holds a connection to the database.
const READER_PATIENCE: Duration = Duration::from_secs(30);
/// And a list that has not been taken by then.
const LIST_PATIENCE: Duration = Duration::from_mins(5);

/// The items of a list, each with how many there are by the database; 0 where it did not count.
pub type Items<T> = BoxStream<'static, sqlx::Result<(T, i64)>>;

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

/// Answers with the items, however many there are. The first is waited for, so that a database that is gone is still
/// told by the status.
pub async fn streamed<T: Serialize + Send + 'static>(
    mut items: Items<T>,
    frame: Frame,
) -> Result<Response, sqlx::Error> {
    let first = items.next().await.transpose()?;
    let (sender, receiver) = mpsc::channel(PIECES_WAITING);
    let items = stream::iter(first.map(Ok)).chain(items).boxed();
    let sending = send_pieces(items, frame, sender);
    tokio::spawn(tokio::time::timeout(LIST_PATIENCE, sending).in_current_span());
    let pieces = stream::unfold(receiver, |mut receiver| async {
        Some((receiver.recv().await?, receiver))
    });
    Ok((json_type(), Body::from_stream(pieces)).into_response())
}

type Piece = Result<Bytes, std::io::Error>;

/// Sends what it can. A list that ends too early is broken off, so that no client takes it for whole: the status was
/// sent long before.
async fn send_pieces<T: Serialize>(mut items: Items<T>, frame: Frame, sender: mpsc::Sender<Piece>) {
    let mut piece = frame.opening().into_bytes();
    let mut sent: i64 = 0;
    let mut counted: i64 = 0;
    while let Some(item) = items.next().await {
        let written = item
            .map_err(std::io::Error::other)
            .and_then(|(item, count)| {
                counted = count;
                write_item(&item, sent == 0, &mut piece)
            });
        if let Err(error) = written {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a streamed list broke off"
            );
            drop(items);
            drop(sender.send_timeout(Err(error), READER_PATIENCE).await);
            return;
        }
        sent += 1;
        if piece.len() >= PIECE_BYTES {
            let full = Bytes::from(std::mem::take(&mut piece));
            if sender
                .send_timeout(Ok(full), READER_PATIENCE)
                .await
                .is_err()
            {
                return;
            }
        }
    }
    piece.extend(frame.closing(sent, counted).into_bytes());
    drop(sender.send_timeout(Ok(piece.into()), READER_PATIENCE).await);
}

fn write_item<T: Serialize>(item: &T, is_first: bool, piece: &mut Vec<u8>) -> std::io::Result<()> {
    if !is_first {
        piece.push(b',');
    }
    go_json::escape_into(&serde_json::to_vec(item)?, piece);
    Ok(())
}
