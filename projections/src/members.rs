//! Who belongs to which organisation, and with which roles.
//!
//! [`Members`] makes the rows of `read.members`, [`find`] and [`list`] read them. A user's row names their organisations
//! and roles too, so that no request has to look here for what its caller may do.

mod apply;
pub mod find;
pub mod list;
mod replayed;
mod row;
mod store;

pub use row::{ListedMember, MemberRow};

use rollcall_events::Recorded;
use sqlx::PgConnection;

use crate::Projection;
use apply::MemberRows;

/// The rule of `read.members`.
#[derive(Debug, Clone, Copy)]
pub struct Members;

impl Projection for Members {
    const NAME: &'static str = "members";
    const VERSION: i32 = 1;
    type Rows = MemberRows;

    /// Users come, get roles and go: how it was before need not be known.
    async fn read(_: &mut PgConnection, _: &[Recorded]) -> sqlx::Result<MemberRows> {
        Ok(MemberRows::default())
    }

    fn apply(rows: &mut MemberRows, event: &Recorded) {
        apply::apply(rows, event);
    }

    async fn write(conn: &mut PgConnection, rows: MemberRows) -> sqlx::Result<()> {
        store::write(conn, &rows).await
    }
}
