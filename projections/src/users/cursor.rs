//! Where a page of a list goes on.
//!
//! Clients name the last user of the page before by id. The list is in the order of usernames, so the next page begins
//! after the name that the user had when that page was made, and the user may have been renamed since. A node remembers
//! the names that its pages ended with. Where a page is asked of another node, the log knows the names that the user had
//! lately, and the list goes on after the first of them: some users may come twice, but none is left out.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

use super::UserRow;

/// Where in the order of usernames a list begins, or goes on. Users without a name come last, by id: those whose name
/// cannot be read any more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Cursor {
    /// At the beginning.
    #[default]
    Start,
    /// After this username, in lower case.
    After(String),
    /// After this id among the users without a name.
    Nameless(Uuid),
    /// At the end.
    End,
}

/// Names that a user had until then may be what an earlier page of a list that is being read ended with.
const RECENT: TimeDelta = TimeDelta::minutes(10);

impl Cursor {
    /// After a user, by the key of the name that they have.
    pub(crate) fn after(id: Uuid, username_key: Option<String>) -> Self {
        username_key.map_or(Self::Nameless(id), Self::After)
    }

    /// The username after which the list goes on, of one that goes on among those who have one.
    pub(crate) fn key(&self) -> Option<&str> {
        match self {
            Self::After(key) => Some(key),
            Self::Start | Self::Nameless(_) | Self::End => None,
        }
    }

    /// Where a list of today's users goes on after this user, as far as the log knows. After an unknown user there is
    /// nothing, and so it is after a person who was erased; if that was just now, the list begins again.
    ///
    /// # Errors
    /// The database fails.
    pub async fn find(
        executor: impl PgExecutor<'_>,
        id: Uuid,
        now: DateTime<Utc>,
    ) -> sqlx::Result<Self> {
        let found = sqlx::query_as(
            "SELECT users.username_key
                  , users.deleted_at IS NOT NULL
                  , users.updated_at > $2
                  , CASE WHEN users.updated_at > $2 THEN (
                        SELECT min(latest.username_key)
                          FROM (SELECT username_key, until
                                  FROM read.past_users
                                 WHERE past_users.id = users.id
                                 ORDER BY since DESC
                                 LIMIT 100) AS latest
                          JOIN log.events ON events.position = latest.until
                         WHERE events.recorded_at > $2)
                    END
               FROM read.users
              WHERE users.id = $1",
        )
        .bind(id)
        .bind(now - RECENT)
        .fetch_optional(executor)
        .await?;
        let Some((key, is_deleted, is_recent, earlier)) = found else {
            return Ok(Self::End);
        };
        Ok(Self::of(id, key, is_deleted, is_recent, earlier))
    }

    fn of(
        id: Uuid,
        key: Option<String>,
        is_deleted: bool,
        is_recent: bool,
        earlier: Option<String>,
    ) -> Self {
        match key.into_iter().chain(earlier).min() {
            Some(key) => Self::After(key),
            None if !is_deleted => Self::Nameless(id),
            None if is_recent => Self::Start,
            None => Self::End,
        }
    }

    /// After a user as they are.
    #[must_use]
    pub fn after_user(user: &UserRow) -> Self {
        Self::after(user.id, user.username_key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Uuid = Uuid::from_u128(7);

    #[test]
    fn a_list_goes_on_after_the_first_of_the_names_that_a_user_had_lately() {
        let of = |key: Option<&str>, is_deleted, is_recent, earlier: Option<&str>| {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            Cursor::of(ID, owned(key), is_deleted, is_recent, owned(earlier))
        };
        let after = |name: &str| Cursor::After(name.to_owned());
        assert_eq!(of(Some("bob"), false, false, None), after("bob"));
        assert_eq!(of(Some("zoe"), false, true, Some("bob")), after("bob"));
        assert_eq!(of(Some("bob"), true, true, Some("zoe")), after("bob"));
        assert_eq!(of(None, true, true, None), Cursor::Start);
        assert_eq!(of(None, true, false, None), Cursor::End);
        assert_eq!(of(None, false, false, None), Cursor::Nameless(ID));
    }
}
