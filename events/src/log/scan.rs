//! Reading the whole log, for whoever makes something of all of it.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{Columns, RawEvent, ReadEvent, Upcasters};
use crate::{
    copy::{Row, copy_out},
    vault::KeyRing,
};

/// The day from which Postgres counts microseconds.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// A part of the log.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// The last position.
    pub up_to: i64,
    /// This stream alone.
    pub stream: Option<Uuid>,
}

/// Sends the events of a part in order of position, as rows of COPY that [`Columns::from_row`] reads.
///
/// # Errors
/// The database fails.
pub async fn scan(
    conn: &mut PgConnection,
    part: Part,
    pieces: mpsc::Sender<Vec<u8>>,
) -> sqlx::Result<()> {
    let Part { up_to, stream } = part;
    let alone = stream.map(|stream| format!("AND aggregate_id = '{stream}'"));
    let alone = alone.unwrap_or_default();
    let statement = format!(
        "COPY (SELECT position, aggregate_type, aggregate_id, version, event_type, schema_version, payload, metadata
                    , recorded_at
                 FROM log.events
                WHERE position <= {up_to} {alone}
                ORDER BY position) TO STDOUT (FORMAT binary)"
    );
    copy_out(conn, &statement, pieces).await
}

/// The stream of a row of [`scan`], without a look at the rest.
///
/// # Errors
/// It is no row of the log.
pub fn stream_of(row: Row<'_>) -> sqlx::Result<Uuid> {
    let mut fields = row.fields();
    fields.nth(1);
    Ok(Uuid::from_bytes(fields.array()?))
}

impl RawEvent {
    /// Reads a row of [`scan`], and keeps a copy.
    ///
    /// # Errors
    /// It is no row of the log.
    pub fn from_row(row: Row<'_>) -> sqlx::Result<Self> {
        let columns = Columns::from_row(row)?;
        Ok(Self {
            position: columns.position,
            aggregate_type: columns.aggregate_type.to_owned(),
            aggregate_id: columns.aggregate_id,
            version: columns.version,
            event_type: columns.event_type.to_owned(),
            schema_version: columns.schema_version,
            payload: columns.payload.to_vec(),
            metadata: columns.metadata.to_vec(),
            recorded_at: columns.recorded_at,
        })
    }

    /// Adds the event as a row of COPY, in the order of [`scan`].
    pub(super) fn put_row(&self, row: &mut Vec<u8>) {
        let micros = self
            .recorded_at
            .timestamp_micros()
            .saturating_sub(EPOCH_MICROS);
        let fields: [&[u8]; 9] = [
            &self.position.to_be_bytes(),
            self.aggregate_type.as_bytes(),
            self.aggregate_id.as_bytes(),
            &self.version.to_be_bytes(),
            self.event_type.as_bytes(),
            &self.schema_version.to_be_bytes(),
            &self.payload,
            &self.metadata,
            &micros.to_be_bytes(),
        ];
        row.extend(9_i16.to_be_bytes());
        for field in fields {
            // Postgres takes no field of more than a gigabyte anyway.
            row.extend(i32::try_from(field.len()).unwrap_or(i32::MAX).to_be_bytes());
            row.extend(field);
        }
    }
}

impl<'a> Columns<'a> {
    /// Reads a row of [`scan`].
    ///
    /// # Errors
    /// It is no row of the log.
    pub fn from_row(row: Row<'a>) -> sqlx::Result<Self> {
        let mut fields = row.fields();
        Ok(Self {
            position: i64::from_be_bytes(fields.array()?),
            aggregate_type: fields.text()?,
            aggregate_id: Uuid::from_bytes(fields.array()?),
            version: i64::from_be_bytes(fields.array()?),
            event_type: fields.text()?,
            schema_version: i32::from_be_bytes(fields.array()?),
            payload: fields.bytes()?,
            metadata: fields.bytes()?,
            recorded_at: time(i64::from_be_bytes(fields.array()?)),
        })
    }

    /// Reads the event and opens what there are keys for. From where it was asked is left out.
    ///
    /// # Errors
    /// The event cannot be read.
    pub fn open_payload(self, upcasters: &Upcasters, keys: &KeyRing) -> ReadEvent {
        self.read_payload(upcasters)?.open_payload(keys)
    }

    /// Reads the event and opens all that there are keys for. `missing` hears of each subject whose key is gone.
    ///
    /// # Errors
    /// The event cannot be read.
    pub fn open(
        self,
        upcasters: &Upcasters,
        keys: &KeyRing,
        mut missing: impl FnMut(Uuid),
    ) -> ReadEvent {
        let mut sealed = self.read(upcasters)?;
        for subject in sealed.subjects() {
            if keys.is_gone(subject) {
                missing(subject);
            }
        }
        sealed.open(keys)
    }
}

fn time(micros: i64) -> DateTime<Utc> {
    let since_1970 = micros.saturating_add(EPOCH_MICROS);
    DateTime::from_timestamp_micros(since_1970).unwrap_or_default()
}
