//! A long list is read page by page, and is still the list of one position of the log.

use futures_util::{StreamExt, TryStreamExt, stream, stream::BoxStream};
use rollcall_events::{
    ids::Ids,
    user::{OrganizationRole, UserCommand},
};
use rollcall_projections::{
    history::{Moment, UserList},
    members::{self, list::MemberList},
    users::{
        Cursor,
        list::{ListRequest, Visibility},
        search,
    },
};
use sqlx::ConnectOptions;
use uuid::Uuid;

use crate::{
    plans,
    support::TestApp,
    tools::{creation, execute, renaming, until_true},
};

/// More than two pages of what is read at once.
const USERS: usize = 1_100;

/// The same numbers in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % sides
    }
}

async fn users(app: &TestApp) -> Vec<Uuid> {
    let organization = app.app.default_organization;
    let creating = (0..USERS).map(|nth| async move {
        let id = Ids.uuid();
        let name = format!("user{nth:04}");
        let mut command = creation(&name, &format!("{name}@example.com"));
        if let UserCommand::CreateUser(user) = &mut command {
            user.organizations = vec![organization];
        }
        execute(app, id, command).await.unwrap();
        id
    });
    stream::iter(creating).buffered(64).collect().await
}

/// Changes users in ways that would show in a list: who is on it, where, and how they look. Some change more than once.
async fn change(app: &TestApp, dice: &mut Dice, people: &[Uuid], times: usize) {
    let organization_id = app.app.default_organization;
    for _ in 0..times {
        let id = people[dice.roll(people.len())];
        let nth = dice.roll(10_000);
        let command = match dice.roll(8) {
            0..3 => renaming(&format!("user{nth:04}-x")),
            3 => UserCommand::SuspendUser,
            4 => UserCommand::LeaveOrganization(organization_id),
            5 => UserCommand::AssignOrganizationRoles {
                organization_id,
                roles: [OrganizationRole::Admin].into(),
            },
            6 => UserCommand::DeleteUser,
            _ => UserCommand::JoinOrganization(organization_id),
        };
        // Some are refused: the name is taken, or the user is gone.
        drop(execute(app, id, command).await);
        let name = format!("new{nth:04}");
        let newcomer = creation(&name, &format!("{name}@example.com"));
        drop(execute(app, Ids.uuid(), newcomer).await);
    }
}

/// Reads a list, while users change after each part of it.
async fn read_slowly<T>(
    app: &TestApp,
    people: &[Uuid],
    mut list: BoxStream<'static, sqlx::Result<T>>,
) -> Vec<T> {
    let mut dice = Dice(88_172_645_463_325_252);
    let mut read = Vec::new();
    change(app, &mut dice, people, 20).await;
    while let Some(item) = list.try_next().await.unwrap() {
        read.push(item);
        if read.len() % 100 == 0 {
            change(app, &mut dice, people, 10).await;
        }
    }
    read
}

fn everybody() -> ListRequest {
    ListRequest {
        filter: search::parse("").unwrap(),
        visible_to: Visibility::All,
        after: Cursor::Start,
        limit: 0,
        offset: 0,
    }
}

#[tokio::test]
async fn a_list_is_that_of_one_position_whatever_happens_while_it_is_read() {
    let app = TestApp::start().await;
    let people = users(&app).await;
    change(&app, &mut Dice(7), &people, 50).await;
    let pool = app.pool();
    let list = |request| async { UserList::now(pool, request).await.unwrap().stream(pool) };
    let before: Vec<_> = list(everybody()).await.try_collect().await.unwrap();
    let head: i64 = sqlx::query_scalar("SELECT position FROM log.head")
        .fetch_one(pool)
        .await
        .unwrap();
    let limited = ListRequest {
        limit: 1_050,
        offset: 3,
        ..everybody()
    };
    let part = list(limited.clone()).await;
    let read = read_slowly(&app, &people, list(everybody()).await).await;
    assert_eq!(read, before);
    // A part of it, with its count, which is read when all that has happened.
    let part: Vec<_> = part.try_collect().await.unwrap();
    let expected = before.iter().skip(3).take(1_050);
    let expected: Vec<_> = expected.map(|(user, _)| user.clone()).collect();
    let (users, counts): (Vec<_>, Vec<i64>) = part.into_iter().unzip();
    assert_eq!(users, expected);
    let all = i64::try_from(before.len()).unwrap();
    assert!(counts.iter().all(|count| *count == all));
    // And the list of then, asked for now.
    let moment = Moment::Position(head);
    let then = UserList::at(&app.app.log, everybody(), None, moment).await;
    let then: Vec<_> = then.unwrap().stream(pool).try_collect().await.unwrap();
    assert_eq!(then, before);
    let now: Vec<_> = list(everybody()).await.try_collect().await.unwrap();
    assert_ne!(now, before);
}

#[tokio::test]
async fn the_members_of_an_organization_are_those_of_one_position_whatever_happens_while_they_are_read()
 {
    let app = TestApp::start().await;
    let people = users(&app).await;
    change(&app, &mut Dice(7), &people, 50).await;
    let pool = app.pool();
    let request = members::list::ListRequest {
        organization_id: app.app.default_organization,
        visible_to: Visibility::All,
        after: Cursor::Start,
        limit: 0,
        offset: 0,
    };
    let list = async || {
        let list = MemberList::now(pool, request.clone()).await;
        list.unwrap().stream(pool)
    };
    let before: Vec<_> = list().await.try_collect().await.unwrap();
    let read = read_slowly(&app, &people, list().await).await;
    assert_eq!(read, before);
    let now: Vec<_> = list().await.try_collect().await.unwrap();
    assert_ne!(now, before);
}

#[tokio::test]
async fn a_person_who_is_erased_while_a_list_is_read_is_on_it_once_or_not_at_all() {
    let app = TestApp::start().await;
    let people = users(&app).await;
    let pool = app.pool();
    let list = UserList::now(pool, everybody()).await.unwrap();
    let mut list = list.stream(pool);
    let mut read = Vec::new();
    for _ in 0..10 {
        read.push(list.try_next().await.unwrap().unwrap().0.row.id);
    }
    // The first and the last of the list, and one who had been erased before.
    for id in [people[0], people[USERS - 1]] {
        execute(&app, id, UserCommand::EraseUser).await.unwrap();
    }
    let rest: Vec<_> = list
        .map_ok(|(user, _)| user.row.id)
        .try_collect()
        .await
        .unwrap();
    read.extend(rest);
    assert_eq!(read, people[..USERS - 1]);
}

#[tokio::test]
async fn no_connection_is_held_while_a_list_is_not_read() {
    let app = TestApp::start().await;
    users(&app).await;
    let pool = app.pool();
    let mut lists = Vec::new();
    for _ in 0..20 {
        let list = UserList::now(pool, everybody()).await.unwrap();
        let mut list = list.stream(pool);
        list.try_next().await.unwrap().unwrap();
        lists.push(list);
    }
    // Of eight connections in all, one listens to the log.
    let is_free = async {
        while pool.num_idle() + 1 < usize::try_from(pool.size()).unwrap() {
            tokio::task::yield_now().await;
        }
    };
    let waiting = tokio::time::timeout(std::time::Duration::from_secs(10), is_free);
    assert!(waiting.await.is_ok(), "connections are in use");
    for list in lists {
        let rest: Vec<_> = list.try_collect().await.unwrap();
        assert_eq!(rest.len(), USERS - 1);
    }
}

#[tokio::test]
async fn a_page_of_a_long_list_reads_no_more_users_than_it_shows() {
    let app = TestApp::start().await;
    let mut superuser = app.superuser.connect().await.unwrap();
    for statement in [
        plans::USERS,
        "VACUUM ANALYZE read.users, read.past_users",
        "SELECT pg_stat_reset()",
    ] {
        sqlx::raw_sql(statement)
            .execute(&mut superuser)
            .await
            .unwrap();
    }
    let pool = app.pool();
    let list = UserList::now(pool, everybody()).await.unwrap();
    let read: Vec<_> = list.stream(pool).try_collect().await.unwrap();
    // What a connection has counted is known when it ends.
    pool.close().await;
    let all_counted = format!(
        "SELECT sum(seq_tup_read + idx_tup_fetch) >= {} FROM pg_stat_user_tables
          WHERE schemaname = 'read' AND relname IN ('users', 'past_users')",
        read.len()
    );
    until_true(&mut superuser, &all_counted).await;
    let fetched: i64 = sqlx::query_scalar(
        "SELECT sum(seq_tup_read + idx_tup_fetch)::bigint FROM pg_stat_user_tables
          WHERE schemaname = 'read' AND relname IN ('users', 'past_users')",
    )
    .fetch_one(&mut superuser)
    .await
    .unwrap();
    // Forty pages: if each read the whole list, it would be forty times as many.
    let most = i64::try_from(read.len()).unwrap() * 2;
    assert!(fetched < most, "{fetched} rows for {} users", read.len());
}
