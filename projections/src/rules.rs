//! Which version of each projection's rule made the rows that are served.

use sqlx::PgExecutor;

use crate::{
    Projection, audit::Audit, identities::Identities, members::Members,
    organizations::Organizations, sessions::Sessions, users::Users,
};

/// Notes the versions of today's rules where none is noted, and names the projections whose rows an older rule made:
/// for those a rebuild is due.
pub async fn outdated(executor: impl PgExecutor<'_>) -> sqlx::Result<Vec<String>> {
    let (names, versions): (Vec<&str>, Vec<i32>) = [
        (Users::NAME, Users::VERSION),
        (Sessions::NAME, Sessions::VERSION),
        (Organizations::NAME, Organizations::VERSION),
        (Members::NAME, Members::VERSION),
        (Identities::NAME, Identities::VERSION),
        (Audit::NAME, Audit::VERSION),
    ]
    .into_iter()
    .unzip();
    sqlx::query_scalar(
        "WITH rules AS (
             SELECT * FROM UNNEST($1::text[], $2::int[]) AS rules (name, version))
         , noted AS (
             INSERT INTO read.projections (name, version)
             SELECT name, version FROM rules
                 ON CONFLICT (name) DO NOTHING)
         SELECT rules.name
           FROM rules
           JOIN read.projections ON projections.name = rules.name AND projections.version <> rules.version
          ORDER BY rules.name",
    )
    .bind(names)
    .bind(versions)
    .fetch_all(executor)
    .await
}
