//! The organisations that users belong to.
//!
//! [`Organizations`] makes the rows of `read.organizations`, and [`find`] reads them.

mod apply;
pub mod find;
mod replayed;
mod row;
mod store;

pub use apply::OrganizationRows;
pub use row::OrganizationRow;

use rollcall_events::Recorded;
use sqlx::PgConnection;

use crate::Projection;

/// The rule of `read.organizations`.
#[derive(Debug, Clone, Copy)]
pub struct Organizations;

impl Projection for Organizations {
    const NAME: &'static str = "organizations";
    const VERSION: i32 = 1;
    type Rows = OrganizationRows;

    /// Organisations only come to be: what is there need not be known.
    async fn read(_: &mut PgConnection, _: &[Recorded]) -> sqlx::Result<OrganizationRows> {
        Ok(OrganizationRows::default())
    }

    fn apply(rows: &mut OrganizationRows, event: &Recorded) {
        apply::apply(rows, event);
    }

    async fn write(conn: &mut PgConnection, rows: OrganizationRows) -> sqlx::Result<()> {
        store::write(conn, &rows).await
    }
}
