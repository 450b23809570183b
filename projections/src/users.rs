//! Users as they are: who they are, what they may, and when they came and went.
//!
//! [`Users`] makes the rows of `read.users`, which [`find`] and [`list`] read, and of `read.past_users`. [`search`] is the
//! language in which lists are asked for.

mod apply;
mod cursor;
pub mod find;
pub mod known;
pub mod list;
mod rekey;
mod replayed;
mod row;
pub mod search;
mod store;

pub use apply::fold;
pub(crate) use apply::{after, changes_row};
pub use cursor::Cursor;
pub use rekey::rekey;
pub use row::{FoundUser, RoleAt, UserRow};

use rollcall_events::Recorded;
use sqlx::PgConnection;

use crate::Projection;
use apply::UserRows;

/// The rule of `read.users` and `read.past_users`.
#[derive(Debug, Clone, Copy)]
pub struct Users;

impl Projection for Users {
    const NAME: &'static str = "users";
    const VERSION: i32 = 3;
    type Rows = UserRows;

    async fn read(conn: &mut PgConnection, batch: &[Recorded]) -> sqlx::Result<UserRows> {
        store::read(conn, apply::known_before(batch)).await
    }

    fn apply(rows: &mut UserRows, event: &Recorded) {
        apply::apply(rows, event);
    }

    async fn write(conn: &mut PgConnection, rows: UserRows) -> sqlx::Result<()> {
        store::write(conn, &rows).await
    }
}
