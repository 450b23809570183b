//! The rule of a read model, apart from who drives it.

use rollcall_events::Recorded;
use sqlx::PgConnection;

/// Makes the rows of one read model out of events.
///
/// Whoever drives it, in the transaction of an append or over the log from its beginning, reads the rows, applies the
/// events in order, and writes what became of the rows.
pub trait Projection {
    /// What the rule is called, in the table of the rules' versions and for people.
    const NAME: &'static str;

    /// Raise it when the meaning of [`apply`](Self::apply) changes: the rows that are there are then due for a rebuild.
    const VERSION: i32;

    /// The rows that a batch of events touches.
    type Rows: Default + Send;

    /// Reads the rows, as they are, that the batch is going to change.
    fn read(
        conn: &mut PgConnection,
        batch: &[Recorded],
    ) -> impl Future<Output = sqlx::Result<Self::Rows>> + Send;

    /// What one event makes of the rows. Pure, and the only place where an event's meaning for this read model is
    /// written, so that whatever drives it comes to the same rows.
    fn apply(rows: &mut Self::Rows, event: &Recorded);

    /// Writes what changed: all rows in a few statements, and no statement when nothing changed.
    fn write(
        conn: &mut PgConnection,
        rows: Self::Rows,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;
}
