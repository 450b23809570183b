//! The rows of `read.members`, written.

use chrono::{DateTime, Utc};
use rollcall_events::user::OrganizationRole;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{MemberRow, apply::MemberRows};
use crate::columns::{column, joined};

/// One statement, because it is made under the lock on the head of the log. Each part goes by an index, whatever the
/// others have to do: joined by `OR`, the two ways of leaving would read every member.
pub(super) async fn write(conn: &mut PgConnection, rows: &MemberRows) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let gone: Vec<Uuid> = rows.gone.iter().copied().collect();
    let (left_organizations, left_users): (Vec<Uuid>, Vec<Uuid>) =
        rows.left.iter().copied().unzip();
    let changed: Vec<(Uuid, Uuid, String, DateTime<Utc>)> = rows
        .changed
        .iter()
        .map(|((organization, user), (roles, at))| (*organization, *user, names(roles), *at))
        .collect();
    let changed: Vec<_> = changed.iter().collect();
    let rows: Vec<&MemberRow> = rows.joined.values().collect();
    sqlx::query(
        "WITH gone AS (
             DELETE FROM read.members
              WHERE user_id = ANY ($1))
         , gone_from_one AS (
             DELETE FROM read.members
              USING UNNEST($2::uuid[], $3::uuid[]) AS place (organization_id, user_id)
              WHERE members.organization_id = place.organization_id
                AND members.user_id = place.user_id)
         , changed AS (
             UPDATE read.members
                SET roles = string_to_array(assigned.roles, ',')
                  , updated_at = assigned.updated_at
               FROM UNNEST($4::uuid[], $5::uuid[], $6::text[], $7::timestamptz[])
                    AS assigned (organization_id, user_id, roles, updated_at)
              WHERE members.organization_id = assigned.organization_id
                AND members.user_id = assigned.user_id)
         INSERT INTO read.members
              ( organization_id
              , user_id
              , roles
              , created_at
              , updated_at
              )
         SELECT organization_id
              , user_id
              , string_to_array(roles, ',')
              , created_at
              , updated_at
           FROM UNNEST($8::uuid[], $9::uuid[], $10::text[], $11::timestamptz[], $12::timestamptz[])
                AS joined (organization_id, user_id, roles, created_at, updated_at)
             ON CONFLICT (organization_id, user_id) DO UPDATE
            SET roles = excluded.roles
              , created_at = excluded.created_at
              , updated_at = excluded.updated_at",
    )
    .bind(gone)
    .bind(left_organizations)
    .bind(left_users)
    .bind(column(&changed, |change| change.0))
    .bind(column(&changed, |change| change.1))
    .bind(column(&changed, |change| change.2.as_str()))
    .bind(column(&changed, |change| change.3))
    .bind(column(&rows, |row| row.organization_id))
    .bind(column(&rows, |row| row.user_id))
    .bind(column(&rows, |row| names(&row.roles)))
    .bind(column(&rows, |row| row.created_at))
    .bind(column(&rows, |row| row.updated_at))
    .execute(conn)
    .await?;
    Ok(())
}

fn names(roles: &[OrganizationRole]) -> String {
    joined(roles, |role| role.name().to_owned())
}
