//! Sessions that are open: what the tokens of the world stand for.
//!
//! [`Sessions`] makes the rows of `read.sessions`, [`find()`] is the question of every request, and [`touch()`] notes that
//! somebody was here. The note is no event: it may be lost, and nobody is harmed.

mod apply;
mod find;
mod list;
mod replayed;
mod row;
mod store;
mod sweep;
mod touch;

pub use apply::SessionRows;
pub use find::{KnownSession, find};
pub use list::{ListedSession, one, token_named, tokens};
pub use row::SessionRow;
pub use sweep::sweep;
pub use touch::touch;

use rollcall_events::Recorded;
use sqlx::PgConnection;

use crate::Projection;

/// The rule of `read.sessions`.
#[derive(Debug, Clone, Copy)]
pub struct Sessions;

impl Projection for Sessions {
    const NAME: &'static str = "sessions";
    const VERSION: i32 = 1;
    type Rows = SessionRows;

    /// Sessions only begin and end: what is there need not be known.
    async fn read(_: &mut PgConnection, _: &[Recorded]) -> sqlx::Result<SessionRows> {
        Ok(SessionRows::default())
    }

    fn apply(rows: &mut SessionRows, event: &Recorded) {
        apply::apply(rows, event);
    }

    async fn write(conn: &mut PgConnection, rows: SessionRows) -> sqlx::Result<()> {
        store::write(conn, &rows).await
    }
}
