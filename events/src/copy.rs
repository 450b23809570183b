//! Rows as `COPY .. (FORMAT binary)` gives and takes them: the fastest way out of Postgres and into it.
//!
//! A stream is a header, rows, and an end. A row is the number of its fields (16 bits) and each field with its length before
//! it (32 bits, -1 for null). Pieces come as the network cuts them, so that the framing is ours.

use std::sync::Arc;

use futures_util::TryStreamExt;
use sqlx::PgConnection;
use tokio::sync::mpsc;

/// What a stream begins with: its signature, no flags, no extension.
pub const HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What a stream ends with.
pub const END: [u8; 2] = (-1_i16).to_be_bytes();
/// Rows travel in pieces of about this size: memory for larger ones is asked of the system, and given back, each time.
pub const PIECE_BYTES: usize = 32 * 1024;

/// Sends what a statement copies out, in pieces, until nobody takes them any more.
///
/// # Errors
/// The database fails.
pub async fn copy_out(
    conn: &mut PgConnection,
    statement: &str,
    pieces: mpsc::Sender<Vec<u8>>,
) -> sqlx::Result<()> {
    let mut messages = conn.copy_out_raw(statement).await?;
    let mut piece = Vec::with_capacity(PIECE_BYTES + PIECE_BYTES / 8);
    while let Some(message) = messages.try_next().await? {
        piece.extend_from_slice(&message);
        if piece.len() >= PIECE_BYTES {
            let full = std::mem::replace(
                &mut piece,
                Vec::with_capacity(PIECE_BYTES + PIECE_BYTES / 8),
            );
            if pieces.send(full).await.is_err() {
                return Ok(());
            }
        }
    }
    // Whoever took the rest has gone, or has all of it.
    drop(pieces.send(piece).await);
    Ok(())
}

/// Cuts a stream into its rows.
#[derive(Debug, Default)]
pub struct RowReader {
    bytes: Arc<Vec<u8>>,
    at: usize,
    is_begun: bool,
}

impl RowReader {
    /// Takes the next piece of the stream, which others may read too.
    pub fn push(&mut self, piece: impl Into<Arc<Vec<u8>>>) {
        let piece = piece.into();
        let rest = &self.bytes[self.at..];
        self.bytes = if rest.is_empty() {
            piece
        } else {
            Arc::new([rest, &piece].concat())
        };
        self.at = 0;
    }

    /// The next whole row, if it has come.
    ///
    /// # Errors
    /// This is no stream of rows.
    pub fn next_row(&mut self) -> sqlx::Result<Option<Row<'_>>> {
        if !self.is_begun {
            if self.bytes.len() - self.at < HEADER.len() {
                return Ok(None);
            }
            if !self.bytes[self.at..].starts_with(&HEADER[..11]) {
                return Err(broken());
            }
            self.at += HEADER.len();
            self.is_begun = true;
        }
        let Some(length) = row_length(&self.bytes[self.at..])? else {
            return Ok(None);
        };
        let start = self.at;
        self.at += length;
        Ok(Some(Row(&self.bytes[start..self.at])))
    }
}

/// The length of the row that the bytes begin with, if they hold all of it.
fn row_length(bytes: &[u8]) -> sqlx::Result<Option<usize>> {
    let Some((count, _)) = bytes.split_first_chunk::<2>() else {
        return Ok(None);
    };
    if *count == END {
        return Ok(None);
    }
    let mut at = 2;
    for _ in 0..u16::from_be_bytes(*count) {
        let Some(length) = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>) else {
            return Ok(None);
        };
        at += 4;
        match i32::from_be_bytes(*length) {
            -1 => {}
            length => at += usize::try_from(length).map_err(|_| broken())?,
        }
    }
    Ok((at <= bytes.len()).then_some(at))
}

fn broken() -> sqlx::Error {
    sqlx::Error::Protocol("the rows that were copied out cannot be read".to_owned())
}

/// One row, as bytes.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a>(pub &'a [u8]);

impl<'a> Row<'a> {
    /// The row that the bytes begin with, if they hold all of one.
    #[must_use]
    pub fn first_of(bytes: &'a [u8]) -> Option<Self> {
        let length = row_length(bytes).ok()??;
        Some(Self(&bytes[..length]))
    }

    /// Its fields, from the first; `None` for null.
    #[must_use]
    pub fn fields(self) -> Fields<'a> {
        Fields(self.0.get(2..).unwrap_or_default())
    }

    /// The bytes of its first fields, lengths included.
    #[must_use]
    pub fn start(self, fields: usize) -> &'a [u8] {
        let mut rest = self.fields();
        for _ in 0..fields {
            rest.next();
        }
        &self.0[2..self.0.len() - rest.0.len()]
    }
}

/// The fields of a row.
#[derive(Debug, Clone)]
pub struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Option<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            self.0 = rest;
            return Some(None);
        };
        let (field, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(Some(field))
    }
}

impl<'a> Fields<'a> {
    /// The next field, which is not null.
    ///
    /// # Errors
    /// It is, or there is none.
    pub fn bytes(&mut self) -> sqlx::Result<&'a [u8]> {
        self.next().flatten().ok_or_else(broken)
    }

    /// The next field, of a fixed length.
    ///
    /// # Errors
    /// It has another length.
    pub fn array<const N: usize>(&mut self) -> sqlx::Result<[u8; N]> {
        self.bytes()?.try_into().map_err(|_| broken())
    }

    /// The next field, a text.
    ///
    /// # Errors
    /// It is none.
    pub fn text(&mut self) -> sqlx::Result<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| broken())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Vec<u8> {
        let mut bytes = HEADER.to_vec();
        for text in ["ada", ""] {
            bytes.extend(2_i16.to_be_bytes());
            bytes.extend(i32::try_from(text.len()).unwrap().to_be_bytes());
            bytes.extend(text.as_bytes());
            bytes.extend((-1_i32).to_be_bytes());
        }
        bytes.extend(END);
        bytes
    }

    #[test]
    fn rows_are_whole_however_the_stream_is_cut() {
        let stream = stream();
        for size in 1..=stream.len() {
            let mut reader = RowReader::default();
            let mut rows = Vec::new();
            for piece in stream.chunks(size) {
                reader.push(piece.to_vec());
                while let Some(row) = reader.next_row().unwrap() {
                    assert_eq!(row.start(2).len() + 2, row.0.len());
                    let mut fields = row.fields();
                    rows.push(fields.text().unwrap().to_owned());
                    assert_eq!(fields.next(), Some(None));
                    assert_eq!(fields.next(), None);
                }
            }
            assert_eq!(rows, ["ada", ""], "in pieces of {size}");
        }
    }

    #[test]
    fn what_is_no_stream_of_rows_is_refused() {
        let mut reader = RowReader::default();
        reader.push(vec![7; 40]);
        assert!(reader.next_row().is_err());
        let mut reader = RowReader::default();
        reader.push([HEADER.as_slice(), &[0, 1, 0xff, 0xff, 0xff, 0xf0]].concat());
        assert!(reader.next_row().is_err());
    }
}
