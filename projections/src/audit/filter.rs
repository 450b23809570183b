//! What is asked for, by what entries are found by: names have become identifiers.

use std::collections::BTreeSet;

use chrono::{DateTime, Days, NaiveDate, Utc};
use rollcall_events::attempt::ResourceType;
use sqlx::PgExecutor;
use uuid::Uuid;

use super::{Kind, Place, search::AuditQuery};

/// Which entries are asked for. Each condition that is there must hold; of a list, for one of its values.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditFilter {
    /// Each of the kinds that can be, by its number; all of them when it makes no difference.
    pub(super) kinds: Vec<i16>,
    /// Whether there are others.
    pub(super) is_by_kind: bool,
    pub(super) users: Option<Vec<Uuid>>,
    pub(super) resources: Option<Vec<Uuid>>,
    pub(super) organizations: Option<Vec<Uuid>>,
    pub(super) request: Option<Uuid>,
    pub(super) first_day: NaiveDate,
    /// It is the first that is not asked for.
    pub(super) end_day: NaiveDate,
    /// Whether no entry can be what is asked for.
    pub(super) is_in_vain: bool,
}

/// Before all entries and after them; nothing is recorded beyond these.
const FIRST_DAY: NaiveDate = NaiveDate::from_ymd_opt(1970, 1, 1).expect("there was such a day");
const END_DAY: NaiveDate = NaiveDate::from_ymd_opt(10_000, 1, 1).expect("there will be such a day");

/// Reads the names of a query as `me` means them. One round trip to the database, or none.
pub async fn resolve(
    executor: impl PgExecutor<'_>,
    query: &AuditQuery,
    me: Uuid,
) -> sqlx::Result<AuditFilter> {
    let organization_id = query.organization.as_deref().and_then(uuid);
    let is_me = query.username.as_deref() == Some("me");
    let names = Names {
        username: query.username.as_deref().filter(|_| !is_me),
        email: query.email.as_deref(),
        target: query.resource_target.as_deref(),
        organization: query
            .organization
            .as_deref()
            .filter(|_| organization_id.is_none()),
    };
    let mut found = find(executor, &names).await?;
    if is_me {
        found.with_username.push(me);
    }
    found.organizations.extend(organization_id);
    Ok(filter(query, found))
}

fn filter(query: &AuditQuery, found: Found) -> AuditFilter {
    let targets = query.resource_target.as_ref().map(|_| found.targets());
    let kinds: Vec<i16> = Kind::all(query.action, query.resource_type)
        .filter(|kind| query.resource_target.is_none() || found.is_named(kind.resource_type))
        .map(Kind::number)
        .collect();
    let with_username = query.username.as_ref().map(|_| found.with_username);
    let with_email = query.email.as_ref().map(|_| found.with_email);
    let organizations = query.organization.as_ref().map(|_| found.organizations);
    let users = both(with_username, with_email);
    let resources = both(targets, query.resource_id.map(|id| vec![id]));
    let end_day = query
        .date_to
        .and_then(|day| day.checked_add_days(Days::new(1)));
    let is_empty = |ids: &Option<Vec<Uuid>>| ids.as_ref().is_some_and(Vec::is_empty);
    AuditFilter {
        is_in_vain: query.build_reason.is_some()
            || kinds.is_empty()
            || [&users, &resources, &organizations]
                .into_iter()
                .any(is_empty),
        is_by_kind: query.action.is_some()
            || query.resource_type.is_some()
            || query.resource_target.is_some(),
        kinds,
        users,
        resources,
        organizations,
        request: query.request_id,
        first_day: query.date_from.unwrap_or(FIRST_DAY),
        end_day: end_day.unwrap_or(END_DAY),
    }
}

impl AuditFilter {
    /// Before the first entry that can be.
    pub(super) fn start(&self) -> Place {
        start_of(self.first_day)
    }

    /// After the last one.
    pub(super) fn end(&self) -> Place {
        start_of(self.end_day)
    }

    /// The kinds, if it makes a difference.
    pub(super) fn kinds_asked_for(&self) -> Option<&[i16]> {
        Some(&self.kinds[..]).filter(|_| self.is_by_kind)
    }

    /// Whether entries are found by who did it, or to what: those about oneself are then in an index of their own.
    pub(super) fn is_by_user_or_resource(&self) -> bool {
        self.request.is_none() && (self.users.is_some() || self.resources.is_some())
    }

    /// Whether entries are only chosen by what the counts tell apart.
    pub(super) fn is_counted(&self) -> bool {
        self.users.is_none()
            && self.resources.is_none()
            && self.organizations.is_none()
            && self.request.is_none()
    }
}

fn start_of(day: NaiveDate) -> Place {
    let midnight = day.and_time(chrono::NaiveTime::MIN);
    Place {
        at: DateTime::<Utc>::from_naive_utc_and_offset(midnight, Utc),
        position: 0,
    }
}

/// What two conditions leave.
fn both(one: Option<Vec<Uuid>>, other: Option<Vec<Uuid>>) -> Option<Vec<Uuid>> {
    match (one, other) {
        (Some(one), Some(other)) => {
            let other: BTreeSet<Uuid> = other.into_iter().collect();
            Some(one.into_iter().filter(|id| other.contains(id)).collect())
        }
        (one, other) => one.or(other),
    }
}

fn uuid(text: &str) -> Option<Uuid> {
    Uuid::parse_str(text).ok()
}

/// Names to be found, in the form in which they are compared.
struct Names<'a> {
    username: Option<&'a str>,
    email: Option<&'a str>,
    target: Option<&'a str>,
    organization: Option<&'a str>,
}

/// Whose they are.
#[derive(Default)]
struct Found {
    with_username: Vec<Uuid>,
    with_email: Vec<Uuid>,
    target_users: Vec<Uuid>,
    target_organizations: Vec<Uuid>,
    organizations: Vec<Uuid>,
}

impl Found {
    fn targets(&self) -> Vec<Uuid> {
        [&self.target_users[..], &self.target_organizations].concat()
    }

    /// Whether entries of this type have the name of one of the targets. A session's is its own, and not its user's.
    fn is_named(&self, resource_type: ResourceType) -> bool {
        match resource_type {
            ResourceType::User | ResourceType::OrganizationMember => !self.target_users.is_empty(),
            ResourceType::Organization => !self.target_organizations.is_empty(),
            _ => false,
        }
    }
}

/// Who has these names. Of users also those who are gone: they had them to the end.
async fn find(executor: impl PgExecutor<'_>, names: &Names<'_>) -> sqlx::Result<Found> {
    let all = [
        names.username,
        names.email,
        names.target,
        names.organization,
    ];
    if all.iter().all(Option::is_none) {
        return Ok(Found::default());
    }
    let rows: Vec<(String, Uuid)> = sqlx::query_as(
        "SELECT 'username', id FROM read.users WHERE username_key = $1 AND deleted_at IS NULL
          UNION ALL
         SELECT 'username', id FROM read.users WHERE username_key = $1 AND deleted_at IS NOT NULL
          UNION ALL
         SELECT 'email', id FROM read.users WHERE email_key = $2 AND deleted_at IS NULL
          UNION ALL
         SELECT 'email', id FROM read.users WHERE email_key = $2 AND deleted_at IS NOT NULL
          UNION ALL
         SELECT 'target user', id FROM read.users WHERE username_key = $3 AND deleted_at IS NULL
          UNION ALL
         SELECT 'target user', id FROM read.users WHERE username_key = $3 AND deleted_at IS NOT NULL
          UNION ALL
         SELECT 'target organization', id FROM read.organizations WHERE name_key = $3
          UNION ALL
         SELECT 'organization', id FROM read.organizations WHERE name_key = $4",
    )
    .bind(names.username)
    .bind(names.email)
    .bind(names.target)
    .bind(names.organization)
    .fetch_all(executor)
    .await?;
    let mut found = Found::default();
    for (what, id) in rows {
        match what.as_str() {
            "username" => found.with_username.push(id),
            "email" => found.with_email.push(id),
            "target user" => found.target_users.push(id),
            "target organization" => found.target_organizations.push(id),
            _ => found.organizations.push(id),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use rollcall_events::attempt::Action;

    use super::*;

    const ADA: Uuid = Uuid::from_u128(0xada);
    const BOB: Uuid = Uuid::from_u128(0xb0b);

    fn text() -> String {
        "x".to_owned()
    }

    #[test]
    fn nothing_asked_for_is_everything() {
        let filter = filter(&AuditQuery::default(), Found::default());
        assert!(!filter.is_in_vain && !filter.is_by_kind && filter.is_counted());
        assert_eq!(filter.kinds.len(), Kind::all(None, None).count());
        assert!(filter.start() < filter.end());
    }

    #[test]
    fn a_name_that_nobody_has_is_asked_for_in_vain() {
        for query in [
            AuditQuery {
                username: Some(text()),
                ..AuditQuery::default()
            },
            AuditQuery {
                email: Some(text()),
                ..AuditQuery::default()
            },
            AuditQuery {
                resource_target: Some(text()),
                ..AuditQuery::default()
            },
            AuditQuery {
                organization: Some(text()),
                ..AuditQuery::default()
            },
            AuditQuery {
                build_reason: Some(text()),
                ..AuditQuery::default()
            },
        ] {
            assert!(filter(&query, Found::default()).is_in_vain, "{query:?}");
        }
    }

    #[test]
    fn who_is_named_twice_must_have_both_names() {
        let query = AuditQuery {
            username: Some(text()),
            email: Some(text()),
            ..AuditQuery::default()
        };
        let found = Found {
            with_username: vec![ADA, BOB],
            with_email: vec![BOB],
            ..Found::default()
        };
        assert_eq!(filter(&query, found).users, Some(vec![BOB]));
    }

    #[test]
    fn a_target_is_what_has_the_name_and_not_what_belongs_to_it() {
        let query = AuditQuery {
            resource_target: Some(text()),
            action: Some(Action::Create),
            ..AuditQuery::default()
        };
        let found = Found {
            target_users: vec![ADA],
            ..Found::default()
        };
        let filter = filter(&query, found);
        assert_eq!(filter.resources, Some(vec![ADA]));
        let of = |resource_type| {
            [
                Kind::done(Action::Create, resource_type).number(),
                Kind::refused(Action::Create, resource_type).number(),
            ]
        };
        let expected = [of(ResourceType::User), of(ResourceType::OrganizationMember)].concat();
        assert_eq!(filter.kinds, expected);
    }

    #[test]
    fn the_last_day_is_asked_for_to_its_end() {
        let query = AuditQuery {
            date_from: Some("2026-01-31".parse().unwrap()),
            date_to: Some("2026-01-31".parse().unwrap()),
            ..AuditQuery::default()
        };
        let filter = filter(&query, Found::default());
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        assert_eq!(filter.start().at, at("2026-01-31T00:00:00Z"));
        assert_eq!(filter.end().at, at("2026-02-01T00:00:00Z"));
    }
}
