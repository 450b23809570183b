//! Which account at a provider is which user.
//!
//! [`Identities`] makes the rows of `read.identities`, [`find`] asks them.

mod apply;
pub mod find;
mod replayed;
mod store;

use rollcall_events::Recorded;
use sqlx::PgConnection;

use crate::Projection;
use apply::IdentityRows;

/// The rule of `read.identities`.
#[derive(Debug, Clone, Copy)]
pub struct Identities;

impl Projection for Identities {
    const NAME: &'static str = "identities";
    const VERSION: i32 = 1;
    type Rows = IdentityRows;

    /// Links come and go: how it was before need not be known.
    async fn read(_: &mut PgConnection, _: &[Recorded]) -> sqlx::Result<IdentityRows> {
        Ok(IdentityRows::default())
    }

    fn apply(rows: &mut IdentityRows, event: &Recorded) {
        apply::apply(rows, event);
    }

    async fn write(conn: &mut PgConnection, rows: IdentityRows) -> sqlx::Result<()> {
        store::write(conn, &rows).await
    }
}
