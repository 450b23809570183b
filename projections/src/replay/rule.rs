//! All projections, as those who drive every one of them see them.

use futures_util::future::BoxFuture;
use rollcall_events::Recorded;
use sqlx::PgConnection;

use super::{
    Replayed, Table,
    fold::{Folding, folding},
};
use crate::{
    audit::Audit, identities::Identities, inline::project, members::Members,
    organizations::Organizations, sessions::Sessions, users::Users,
};

/// A projection.
pub(crate) struct Rule {
    pub name: &'static str,
    pub version: i32,
    pub tables: &'static [Table],
    /// Begins a fold of streams that are spread over so many sets of rows.
    pub fold: fn(usize) -> Box<dyn Folding>,
    /// Brings the rows in the database from before a batch to after it.
    pub project:
        for<'a> fn(&'a mut PgConnection, &'a [Recorded]) -> BoxFuture<'a, sqlx::Result<()>>,
}

/// All of them, in the order in which they are written.
pub(crate) static RULES: [Rule; 6] = [
    Rule::of::<Organizations>(),
    Rule::of::<Users>(),
    Rule::of::<Members>(),
    Rule::of::<Sessions>(),
    Rule::of::<Identities>(),
    Rule::of::<Audit>(),
];

impl Rule {
    const fn of<P: Replayed + 'static>() -> Self {
        Self {
            name: P::NAME,
            version: P::VERSION,
            tables: P::TABLES,
            fold: folding::<P>,
            project: |conn, batch| Box::pin(project::<P>(conn, batch)),
        }
    }
}
