//! The read models in step with the log: written in the transaction that appends.

use futures_util::future::BoxFuture;
use rollcall_events::{
    Claim, Recorded,
    log::Inline,
    permissions::{Requirement, Standings},
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    Projection, audit::Audit, identities::Identities, members::Members,
    organizations::Organizations, sessions::Sessions, standings, users::Users,
};

/// All read models, as the log sees them.
#[derive(Debug, Clone, Copy)]
pub struct InlineProjections;

impl Inline for InlineProjections {
    fn taken<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        claims: &'a [(Uuid, Claim)],
    ) -> BoxFuture<'a, sqlx::Result<Vec<bool>>> {
        Box::pin(taken(conn, claims))
    }

    fn standings<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        requirements: &'a [(Uuid, &'a Requirement)],
    ) -> BoxFuture<'a, sqlx::Result<Standings>> {
        Box::pin(standings::read(conn, requirements))
    }

    fn write<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        batch: &'a [Recorded],
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(write(conn, batch))
    }
}

/// Brings all read models from before `batch` to after it. A rebuild from the log into empty tables does just this, batch
/// after batch.
pub async fn write(conn: &mut PgConnection, batch: &[Recorded]) -> sqlx::Result<()> {
    project::<Organizations>(conn, batch).await?;
    project::<Users>(conn, batch).await?;
    project::<Members>(conn, batch).await?;
    project::<Sessions>(conn, batch).await?;
    project::<Identities>(conn, batch).await?;
    project::<Audit>(conn, batch).await
}

/// The same for one of them.
pub(crate) async fn project<P: Projection>(
    conn: &mut PgConnection,
    batch: &[Recorded],
) -> sqlx::Result<()> {
    let mut rows = P::read(conn, batch).await?;
    for event in batch {
        P::apply(&mut rows, event);
    }
    P::write(conn, rows).await
}

/// Says of each claim whether it cannot be had, as a rule because another stream holds it. One round trip for all of them: it
/// is made under the lock on the head of the log.
pub async fn taken(conn: &mut PgConnection, claims: &[(Uuid, Claim)]) -> sqlx::Result<Vec<bool>> {
    if claims.is_empty() {
        return Ok(Vec::new());
    }
    let streams: Vec<Uuid> = claims.iter().map(|(stream, _)| *stream).collect();
    let (kinds, keys): (Vec<&str>, Vec<&str>) =
        claims.iter().map(|(_, claim)| kind_and_key(claim)).unzip();
    sqlx::query_scalar(
        "SELECT CASE claims.kind
                WHEN 'username' THEN EXISTS (
                    SELECT FROM read.users
                     WHERE username_key = claims.key AND deleted_at IS NULL AND id <> claims.stream)
                WHEN 'email' THEN EXISTS (
                    SELECT FROM read.users
                     WHERE email_key = claims.key AND deleted_at IS NULL AND id <> claims.stream)
                WHEN 'identity' THEN EXISTS (
                    SELECT FROM read.identities
                     WHERE key = claims.key AND user_id <> claims.stream)
                WHEN 'first user' THEN EXISTS (
                    SELECT FROM read.users
                     WHERE deleted_at IS NULL AND id <> claims.stream)
                WHEN 'another owner' THEN NOT EXISTS (
                    SELECT FROM read.users
                     WHERE 'owner' = ANY (roles) AND status = 'active' AND deleted_at IS NULL
                       AND login_type <> 'none' AND id <> claims.stream)
                WHEN 'token name' THEN EXISTS (
                    SELECT FROM read.sessions
                     WHERE user_id = claims.stream AND token_name = claims.key)
                WHEN 'organization name' THEN EXISTS (
                    SELECT FROM read.organizations
                     WHERE name_key = claims.key AND id <> claims.stream)
                WHEN 'default organization' THEN EXISTS (
                    SELECT FROM read.organizations
                     WHERE is_default AND id <> claims.stream)
                END
           FROM UNNEST($1::uuid[], $2::text[], $3::text[])
                WITH ORDINALITY AS claims (stream, kind, key, place)
          ORDER BY claims.place",
    )
    .bind(streams)
    .bind(kinds)
    .bind(keys)
    .fetch_all(conn)
    .await
}

fn kind_and_key(claim: &Claim) -> (&'static str, &str) {
    match claim {
        Claim::Username(key) => ("username", key),
        Claim::Email(key) => ("email", key),
        Claim::Identity(key) => ("identity", key),
        Claim::FirstUser => ("first user", ""),
        Claim::AnotherOwner => ("another owner", ""),
        Claim::TokenName(key) => ("token name", key),
        Claim::OrganizationName(key) => ("organization name", key),
        Claim::DefaultOrganization => ("default organization", ""),
    }
}
