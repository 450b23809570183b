//! The users whose status and roles decide whether commands may be given: read by the appender while it holds the lock
//! on the head of the log, and made of what a request has already found, to refuse it early by the same rules.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use rollcall_events::{
    permissions::{Requirement, Standings},
    user::{Account, LoginType, Membership, OpenSession, Role, Scope, SessionId, Status, User},
};
use sqlx::{PgConnection, Row, postgres::PgRow};
use uuid::Uuid;

use crate::{
    columns::{all_named, named},
    sessions::SessionRow,
    users::{RoleAt, UserRow},
};

/// Reads all users that the requirements depend on, each with its actor. One statement, of look-ups by primary keys:
/// the head of the log is locked meanwhile.
///
/// # Errors
/// The database fails, or a newer version of the service wrote a row.
pub async fn read(
    conn: &mut PgConnection,
    requirements: &[(Uuid, &Requirement)],
) -> sqlx::Result<Standings> {
    let mut users: Vec<Uuid> = requirements
        .iter()
        .flat_map(|(actor, requirement)| requirement.targets().chain([*actor]))
        .collect();
    users.sort_unstable();
    users.dedup();
    let sessions: Vec<&str> = requirements
        .iter()
        .filter_map(|(_, requirement)| requirement.session_id())
        .map(|id| id.0.as_str())
        .collect();
    let rows = sqlx::query(
        "SELECT users.id
              , users.status
              , users.roles
              , users.organization_ids
              , users.organization_roles
              , users.deleted_at
              , sessions.id AS session_id
              , sessions.login_type AS session_login_type
              , sessions.scope
              , sessions.ends_at
           FROM read.users
           LEFT JOIN read.sessions ON sessions.id = ANY ($2) AND sessions.user_id = users.id
          WHERE users.id = ANY ($1)",
    )
    .bind(&users)
    .bind(&sessions)
    .fetch_all(conn)
    .await?;
    let mut standings = Standings::of(&users);
    let mut known = HashSet::new();
    for row in rows {
        let id = row.try_get("id")?;
        // A user has a row for each session that is asked for.
        if known.insert(id) {
            standings.set(id, read_user(&row)?);
        }
        if let Some((session_id, open)) = read_session(&row)? {
            standings.open_session(id, session_id, open);
        }
    }
    Ok(standings)
}

/// Users who have been found already, the actor with the session by which they come.
#[must_use]
pub fn of_found(actor: (&UserRow, &SessionRow), targets: &[&UserRow]) -> Standings {
    let mut standings = Standings::default();
    for row in targets {
        standings.set(row.id, user(row));
    }
    let (row, session) = actor;
    let open = OpenSession {
        login_type: session.login_type,
        scope: session.scope,
        ends_at: session.ends_at,
    };
    standings.set(row.id, user(row));
    standings.open_session(row.id, session.id.clone(), open);
    standings
}

/// A user as far as permissions depend on them.
#[must_use]
pub fn account(row: &UserRow) -> Account {
    let roles = row.roles.iter().copied().collect();
    let organizations = memberships(&row.organization_ids, &row.organization_roles);
    Account::without_person(row.status, roles, organizations)
}

fn user(row: &UserRow) -> User {
    match row.deleted_at {
        Some(_) => User::Deleted,
        None => User::Live(account(row)),
    }
}

fn read_user(row: &PgRow) -> sqlx::Result<User> {
    let deleted_at: Option<DateTime<Utc>> = row.try_get("deleted_at")?;
    if deleted_at.is_some() {
        return Ok(User::Deleted);
    }
    let organization_ids: Vec<Uuid> = row.try_get("organization_ids")?;
    let organization_roles = all_named(row, "organization_roles", RoleAt::parse)?;
    Ok(User::Live(Account::without_person(
        named(row, "status", Status::parse)?,
        all_named(row, "roles", Role::parse)?.into_iter().collect(),
        memberships(&organization_ids, &organization_roles),
    )))
}

fn read_session(row: &PgRow) -> sqlx::Result<Option<(SessionId, OpenSession)>> {
    let Some(id) = row.try_get("session_id")? else {
        return Ok(None);
    };
    let open = OpenSession {
        login_type: named(row, "session_login_type", LoginType::parse)?,
        scope: named(row, "scope", Scope::parse)?,
        ends_at: row.try_get("ends_at")?,
    };
    Ok(Some((SessionId(id), open)))
}

fn memberships(organizations: &[Uuid], roles: &[RoleAt]) -> Vec<Membership> {
    let mut by_organization: BTreeMap<Uuid, Membership> = organizations
        .iter()
        .map(|id| (*id, Membership::new(*id)))
        .collect();
    for held in roles {
        if let Some(there) = by_organization.get_mut(&held.organization_id) {
            there.roles.insert(held.role);
        }
    }
    by_organization.into_values().collect()
}
