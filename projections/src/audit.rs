//! The audit log: who did what to what, and who tried.
//!
//! [`Audit`] makes the rows of `read.audit`, an index of the events that are told, and of `read.audit_counts`. The events
//! themselves stay where they are: [`page`] finds the entries of a page in the index and reads them from the log, opened with
//! the keys that there are, so that an erased person is gone from here too. [`search`] is the language in which entries are
//! asked for.

pub(crate) mod apply;
mod entry;
mod filter;
mod finding;
mod kind;
mod list;
pub mod people;
mod place;
mod replayed;
mod row;
pub mod search;
mod store;

pub use entry::Entry;
pub use filter::{AuditFilter, resolve};
pub(crate) use finding::places;
pub use kind::Kind;
pub use list::{Page, PageRequest, Side, page};
pub use place::Place;
pub use row::AuditRow;

use rollcall_events::Recorded;
use sqlx::PgConnection;

use crate::Projection;
use apply::AuditRows;

/// The rule of `read.audit` and `read.audit_counts`.
#[derive(Debug, Clone, Copy)]
pub struct Audit;

impl Projection for Audit {
    const NAME: &'static str = "audit";
    const VERSION: i32 = 1;
    type Rows = AuditRows;

    /// Entries are only added: what is there need not be known.
    async fn read(_: &mut PgConnection, _: &[Recorded]) -> sqlx::Result<AuditRows> {
        Ok(AuditRows::default())
    }

    fn apply(rows: &mut AuditRows, event: &Recorded) {
        apply::apply(rows, event);
    }

    async fn write(conn: &mut PgConnection, rows: AuditRows) -> sqlx::Result<()> {
        store::write(conn, &rows).await
    }
}
