//! The aggregate of a user as the read models have it, for a user whose events cannot all be read.
//!
//! The read models were made when the events were written. So they know the status, the roles and the sessions, which is all
//! that it takes to decide about commands that only restrict the user. The person, the password and the link to a provider
//! are left out: a command that depends on them is refused.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use rollcall_events::{
    Personal,
    log::Loaded,
    user::{Account, LoginType, Membership, OpenSession, Scope, SessionId, User},
};
use sqlx::{FromRow, PgConnection, PgPool, Row, postgres::PgRow};
use uuid::Uuid;

use super::{UserRow, find};
use crate::columns::named;

/// The user as of their last event; none if the read models know of no such user.
///
/// # Errors
/// The database fails.
pub fn known(pool: &PgPool, user: Uuid) -> BoxFuture<'_, sqlx::Result<Option<Loaded<User>>>> {
    Box::pin(async move {
        let mut tx = pool
            .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            .await?;
        let version = sqlx::query_scalar(
            "SELECT coalesce(max(version), 0) FROM log.events WHERE aggregate_id = $1",
        )
        .bind(user)
        .fetch_one(&mut *tx)
        .await?;
        let Some(found) = find::by_id(&mut *tx, user).await? else {
            return Ok(None);
        };
        let sessions = sessions(&mut tx, user).await?;
        tx.rollback().await?;
        let state = Arc::new(state(&found.row, sessions));
        Ok(Some(Loaded { version, state }))
    })
}

fn state(row: &UserRow, sessions: Vec<KnownSession>) -> User {
    if row.deleted_at.is_some() {
        return User::Deleted;
    }
    let memberships = row.organization_ids.iter().map(|id| Membership {
        organization_id: *id,
        roles: row
            .organization_roles
            .iter()
            .filter(|held| held.organization_id == *id)
            .map(|held| held.role)
            .collect(),
    });
    User::Live(Account {
        person: Personal::Erased,
        login_type: row.login_type,
        status: row.status,
        roles: row.roles.iter().copied().collect(),
        organizations: memberships.collect(),
        password_revision: 0,
        is_linked: false,
        sessions: sessions
            .into_iter()
            .map(|session| (session.id, session.open))
            .collect::<BTreeMap<_, _>>(),
    })
}

/// A session that has not ended by an event.
struct KnownSession {
    id: SessionId,
    open: OpenSession,
}

impl FromRow<'_, PgRow> for KnownSession {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let ends_at: DateTime<Utc> = row.try_get("ends_at")?;
        Ok(Self {
            id: SessionId(row.try_get("id")?),
            open: OpenSession {
                login_type: named(row, "login_type", LoginType::parse)?,
                scope: named(row, "scope", Scope::parse)?,
                ends_at,
            },
        })
    }
}

async fn sessions(conn: &mut PgConnection, user: Uuid) -> sqlx::Result<Vec<KnownSession>> {
    sqlx::query_as("SELECT id, login_type, scope, ends_at FROM read.sessions WHERE user_id = $1")
        .bind(user)
        .fetch_all(conn)
        .await
}
