//! Listing users: filtered, in order of their names, by cursor and offset.

use rollcall_events::user::{Identity, Role, Status};
use sqlx::{FromRow, PgExecutor, Postgres, postgres::PgArguments, query::QueryAs};
use uuid::Uuid;

use super::{Cursor, FoundUser, search::UserFilter};

/// Which users to list, and which part of the list.
#[derive(Debug, Clone, PartialEq)]
pub struct ListRequest {
    /// What a user must satisfy.
    pub filter: UserFilter,
    /// Whom the caller may see.
    pub visible_to: Visibility,
    /// Where in the order the list begins.
    pub after: Cursor,
    /// How many users at the most; 0 for no limit.
    pub limit: u32,
    /// How many users to leave out at the beginning.
    pub offset: u32,
}

/// Whom a caller may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Everybody.
    All,
    /// This user alone.
    Only(Uuid),
}

/// A part of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The users of the part.
    pub users: Vec<FoundUser>,
    /// How many users the filter and the cursor leave, before offset and limit; but 0 when the page is empty, as
    /// clients expect.
    pub count: i64,
}

/// Lists at most `request.limit` users. Rows and count are of one moment, as they come from one statement. Without a
/// limit, or with a large one, use [`UserList`](crate::history::UserList): this one holds them all in memory.
pub async fn page(executor: impl PgExecutor<'_>, request: &ListRequest) -> sqlx::Result<Page> {
    let listed = select(request).fetch_all(executor).await?;
    Ok(Page {
        count: listed.first().map_or(0, |first| first.count),
        users: listed.into_iter().map(|listed| listed.user).collect(),
    })
}

#[derive(FromRow)]
struct Listed {
    #[sqlx(flatten)]
    user: FoundUser,
    count: i64,
}

/// The one statement behind every page. Each condition is true by itself when its value is null; the first is whether
/// anybody can match at all, since no user is a machine.
///
/// It is planned for each page, with the values in sight (that is what `persistent(false)` is for): conditions
/// without a value then vanish before the planner chooses, and a search goes by its trigrams. The general plan, to
/// which a prepared statement comes down after a few uses, would read every user every time.
fn select(request: &ListRequest) -> QueryAs<'static, Postgres, Listed, PgArguments> {
    let filter = &request.filter;
    sqlx::query_as(
        "WITH matching AS NOT MATERIALIZED (
             SELECT users.*
                  , activity.last_seen_at
               FROM read.users
               LEFT JOIN live.user_activity AS activity ON activity.user_id = users.id
              WHERE users.deleted_at IS NULL
                AND $1::boolean
                AND ($2::uuid IS NULL OR users.id = $2)
                AND ($3::text IS NULL OR users.username_key > $3)
                AND ($4::text IS NULL OR users.username_key LIKE $4 OR users.email_key LIKE $4
                     OR users.email_search LIKE $4)
                AND ($5::text IS NULL OR users.name_key LIKE $5)
                AND ($6::text[] IS NULL OR users.status = ANY ($6))
                AND ($7::text[] IS NULL OR users.roles && $7)
                AND ($8::text[] IS NULL OR users.login_type = ANY ($8))
                AND ($9::timestamptz IS NULL OR users.created_at <= $9)
                AND ($10::timestamptz IS NULL OR users.created_at >= $10)
                AND ($11::timestamptz IS NULL
                     OR coalesce(activity.last_seen_at, '0001-01-01 00:00:00+00') <= $11)
                AND ($12::timestamptz IS NULL
                     OR coalesce(activity.last_seen_at, '0001-01-01 00:00:00+00') >= $12)
                AND ($15::text IS NULL OR users.id = (
                        SELECT identities.user_id FROM read.identities WHERE identities.key = $15))
                AND ($16::text IS NULL OR users.email_key = $16)
                AND ($17::text IS NULL OR users.username_key = $17)
         )
         SELECT id
              , version
              , username
              , email
              , name
              , avatar_url
              , status
              , login_type
              , roles
              , organization_ids
              , organization_roles
              , created_at
              , updated_at
              , deleted_at
              , position
              , last_seen_at
              , (SELECT count(*) FROM matching) AS count
           FROM matching
          ORDER BY username_key
          LIMIT $13::bigint
         OFFSET $14::bigint",
    )
    .bind(request.may_match())
    .bind(request.visible_to.only())
    .bind(request.after.key().map(str::to_owned))
    .bind(filter.search.as_deref().map(containing))
    .bind(filter.name.as_deref().map(containing))
    .bind(any_of(&filter.statuses, |status: &Status| {
        status.name().to_owned()
    }))
    .bind(roles(&filter.roles))
    .bind(any_of(&filter.login_types, String::clone))
    .bind(filter.created_before)
    .bind(filter.created_after)
    .bind(filter.last_seen_before)
    .bind(filter.last_seen_after)
    .bind(i64::from(request.limit))
    .bind(i64::from(request.offset))
    .bind(filter.github_com_user_id.and_then(github_account))
    .bind(filter.email.clone())
    .bind(filter.username.clone())
    .persistent(false)
}

impl ListRequest {
    /// Whether anybody can be on the list. No user is a machine.
    pub(crate) fn may_match(&self) -> bool {
        self.filter.service_account != Some(true) && self.after != Cursor::End
    }
}

impl Visibility {
    /// Whether the caller may see this user.
    #[must_use]
    pub fn sees(self, id: Uuid) -> bool {
        self.only().is_none_or(|only| only == id)
    }

    pub(crate) fn only(self) -> Option<Uuid> {
        match self {
            Self::All => None,
            Self::Only(id) => Some(id),
        }
    }
}

/// By what an account at github.com is known, and not one of that number at somebody's own server. 0 is nobody's
/// number, and no condition.
pub(crate) fn github_account(number: i64) -> Option<String> {
    let account = Identity {
        issuer: "https://github.com".to_owned(),
        subject: number.to_string(),
    };
    (number != 0).then(|| account.key())
}

/// The pattern for texts with `part` in them. What is special in a pattern is ordinary in a search.
pub(crate) fn containing(part: &str) -> String {
    let mut pattern = String::from("%");
    for char in part.chars() {
        if matches!(char, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(char);
    }
    pattern.push('%');
    pattern
}

/// Everybody is a member, named or not: asked for alone, the role is no condition. Among others it counts when named.
/// Roles that do not exist match nobody, so that the database need not be asked about each.
pub(crate) fn roles(roles: &[String]) -> Option<Vec<String>> {
    if roles.iter().all(|role| role == Role::Member.name()) {
        return None;
    }
    let exists = |role: &Role| roles.iter().any(|name| name == role.name());
    let existing = Role::ALL.into_iter().filter(exists);
    Some(existing.map(|role| role.name().to_owned()).collect())
}

pub(crate) fn any_of<T>(values: &[T], name: impl Fn(&T) -> String) -> Option<Vec<String>> {
    if values.is_empty() {
        return None;
    }
    Some(values.iter().map(name).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sqlx::Execute;

    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_is_special_in_a_pattern_is_ordinary_in_a_search() {
        assert_eq!(containing("ada"), "%ada%");
        assert_eq!(containing(r"50%_\x"), r"%50\%\_\\x%");
    }

    #[test]
    fn member_alone_is_no_condition() {
        assert_eq!(roles(&[]), None);
        assert_eq!(roles(&names(&["member"])), None);
        assert_eq!(roles(&names(&["member", "member"])), None);
    }

    #[test]
    fn roles_are_asked_for_by_name_and_unknown_ones_match_nobody() {
        assert_eq!(roles(&names(&["owner"])), Some(names(&["owner"])));
        assert_eq!(
            roles(&names(&["member", "owner"])),
            Some(names(&["owner", "member"]))
        );
        assert_eq!(roles(&names(&["?"])), Some(Vec::new()));
    }

    #[test]
    fn an_account_at_github_is_asked_for_by_its_number_and_0_is_no_condition() {
        assert_eq!(github_account(0), None);
        for (number, key) in [
            (583_231, "https://github.com||583231"),
            (-1, "https://github.com||-1"),
            (i64::MAX, "https://github.com||9223372036854775807"),
        ] {
            assert_eq!(github_account(number).as_deref(), Some(key));
        }
    }

    #[test]
    fn a_list_is_planned_with_its_values_in_sight() {
        let request = ListRequest {
            filter: UserFilter::default(),
            visible_to: Visibility::All,
            after: Cursor::Start,
            limit: 0,
            offset: 0,
        };
        assert!(!Execute::persistent(&select(&request)));
    }

    proptest! {
        #[test]
        fn an_escaped_search_reads_back_as_it_was(part in any::<String>()) {
            let pattern = containing(&part);
            let mut chars = pattern[1..pattern.len() - 1].chars();
            let mut literal = String::new();
            while let Some(char) = chars.next() {
                prop_assert!(char != '%' && char != '_');
                literal.push(if char == '\\' { chars.next().unwrap() } else { char });
            }
            prop_assert_eq!(literal, part);
        }
    }
}
