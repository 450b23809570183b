//! New keys for rows that were made when keys were formed by an older rule, so that a new release finds users at once
//! and not only after a rebuild.

use rollcall_events::{unicode::search_key, user::EmailAddress};
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use super::Users;
use crate::Projection;

/// The version of the rule by which keys were lower-case letters.
const LOWER_CASE: i32 = 2;
const AT_ONCE: i64 = 2000;

/// A row, and what its keys are made of.
#[derive(FromRow)]
struct Stale {
    id: Uuid,
    since: i64,
    email: Option<String>,
    name: Option<String>,
}

impl Stale {
    fn email_key(&self) -> Option<String> {
        self.email.as_deref().map(EmailAddress::key_of)
    }

    fn email_search(&self) -> Option<String> {
        EmailAddress::search_text_of(self.email.as_deref()?)
    }

    fn name_key(&self) -> Option<String> {
        self.name.as_deref().map(search_key)
    }
}

fn column<T>(rows: &[Stale], value: impl Fn(&Stale) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

/// Makes the keys of rows that the rule before this one made. They differ only where a text is not in ASCII, or a domain
/// is encoded. Rows of even older rules are due for a rebuild. Says whether there was anything to do.
///
/// # Errors
/// The database fails. What was not reached is tried again at the next start.
pub async fn rekey(pool: &PgPool) -> sqlx::Result<bool> {
    let version =
        sqlx::query_scalar::<_, i32>("SELECT version FROM read.projections WHERE name = $1")
            .bind(Users::NAME)
            .fetch_optional(pool)
            .await?;
    if version != Some(LOWER_CASE) {
        return Ok(false);
    }
    rekey_users(pool).await?;
    rekey_past_users(pool).await?;
    sqlx::query("UPDATE read.projections SET version = $1 WHERE name = $2 AND version = $3")
        .bind(Users::VERSION)
        .bind(Users::NAME)
        .bind(LOWER_CASE)
        .execute(pool)
        .await?;
    Ok(true)
}

async fn rekey_users(pool: &PgPool) -> sqlx::Result<()> {
    let mut after = Uuid::nil();
    loop {
        let rows: Vec<Stale> = sqlx::query_as(
            "SELECT id, position AS since, email, name
               FROM read.users
              WHERE id > $1
                AND (octet_length(email) <> char_length(email) OR octet_length(name) <> char_length(name)
                     OR email_key LIKE '%xn--%')
              ORDER BY id
              LIMIT $2",
        )
        .bind(after)
        .bind(AT_ONCE)
        .fetch_all(pool)
        .await?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after = last.id;
        // Who was changed meanwhile has new keys already.
        sqlx::query(
            "UPDATE read.users
                SET email_key = made.email_key
                  , email_search = made.email_search
                  , name_key = made.name_key
               FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
                 AS made (id, email, name, email_key, email_search, name_key)
              WHERE users.id = made.id
                AND users.email IS NOT DISTINCT FROM made.email
                AND users.name IS NOT DISTINCT FROM made.name",
        )
        .bind(column(&rows, |row| row.id))
        .bind(column(&rows, |row| row.email.clone()))
        .bind(column(&rows, |row| row.name.clone()))
        .bind(column(&rows, Stale::email_key))
        .bind(column(&rows, Stale::email_search))
        .bind(column(&rows, Stale::name_key))
        .execute(pool)
        .await?;
    }
}

async fn rekey_past_users(pool: &PgPool) -> sqlx::Result<()> {
    let mut after = (Uuid::nil(), 0);
    loop {
        let rows: Vec<Stale> = sqlx::query_as(
            "SELECT id, since, email, name
               FROM read.past_users
              WHERE (id, since) > ($1, $2)
                AND (octet_length(email) <> char_length(email) OR octet_length(name) <> char_length(name)
                     OR email_key LIKE '%xn--%')
              ORDER BY id, since
              LIMIT $3",
        )
        .bind(after.0)
        .bind(after.1)
        .bind(AT_ONCE)
        .fetch_all(pool)
        .await?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after = (last.id, last.since);
        // Who was erased meanwhile stays blank.
        sqlx::query(
            "UPDATE read.past_users
                SET email_key = made.email_key
                  , email_search = made.email_search
                  , name_key = made.name_key
               FROM UNNEST($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[])
                 AS made (id, since, email_key, email_search, name_key)
              WHERE past_users.id = made.id
                AND past_users.since = made.since
                AND past_users.email IS NOT NULL",
        )
        .bind(column(&rows, |row| row.id))
        .bind(column(&rows, |row| row.since))
        .bind(column(&rows, Stale::email_key))
        .bind(column(&rows, Stale::email_search))
        .bind(column(&rows, Stale::name_key))
        .execute(pool)
        .await?;
    }
}
