//! Somebody can always manage the service: of the active owners, the last one stays, whoever asks whom to go, how, and on
//! which node.

use std::collections::{BTreeMap, BTreeSet};

use rollcall::command_bus::CommandError;
use rollcall_events::{
    Actor, Claim, Event, EventSourced, Metadata,
    ids::Ids,
    user::{ActivationCause, Role, User, UserCommand, UserError},
};
use sqlx::{ConnectOptions, Executor};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::{
    support::{Readable as _, TestApp},
    tools::{
        self, Answer, count_and_last, execute, execute_as, in_one_batch, spawn, transactions_after,
        until_true, user_at_provider as user,
    },
};

/// Commands at once.
const AT_ONCE: usize = 64;
const ROUNDS: usize = 25;

fn hold(roles: &[Role]) -> UserCommand {
    UserCommand::AssignRoles {
        roles: roles.iter().copied().collect(),
        tokens_end_by: None,
    }
}

async fn owner(app: &TestApp, username: &str) -> Uuid {
    let id = user(app, username).await;
    execute(app, id, hold(&[Role::Owner])).await.unwrap();
    id
}

/// The ways in which an owner would go.
fn ways_to_go() -> [UserCommand; 4] {
    [
        hold(&[]),
        hold(&[Role::Auditor, Role::UserAdmin]),
        UserCommand::DeleteUser,
        UserCommand::SuspendUser,
    ]
}

fn is_last_owner(answer: &Answer) -> bool {
    matches!(answer, Err(CommandError::Taken(Claim::AnotherOwner)))
}

/// The active owners by the read model.
async fn owners(app: &TestApp) -> Vec<Uuid> {
    sqlx::query_scalar(
        "SELECT id FROM read.users
          WHERE 'owner' = ANY (roles) AND status = 'active' AND deleted_at IS NULL",
    )
    .fetch_all(app.pool())
    .await
    .unwrap()
}

/// By the log there has been an active owner ever since there was a first one.
async fn assert_never_without_owner(app: &TestApp) {
    let mut users: BTreeMap<Uuid, User> = BTreeMap::new();
    let mut owners = BTreeSet::new();
    for recorded in app.app.log.after(0, i64::MAX).await.unwrap().readable() {
        let Event::User(event) = recorded.event else {
            continue;
        };
        let state = users.entry(recorded.stream).or_default();
        state.evolve(&event);
        if matches!(state, User::Live(account) if account.is_active_owner()) {
            owners.insert(recorded.stream);
        } else if owners.remove(&recorded.stream) {
            let position = recorded.position;
            assert!(!owners.is_empty(), "the last one went at {position}");
        }
    }
    assert!(!owners.is_empty());
}

/// Two owners, again and again: as many commands as can be are given at once to make them go, in every combination, on
/// these nodes. How often somebody was told that they are the last one.
async fn two_owners_are_asked_to_go(nodes: &[&TestApp]) -> usize {
    let app = nodes[0];
    let mut stays = owner(app, "owner").await;
    let mut refusals = 0;
    for round in 0..ROUNDS {
        let two = [stays, owner(app, &format!("owner{round}")).await];
        let waiting: Vec<JoinHandle<Answer>> = (0..AT_ONCE)
            .map(|_| {
                let any = |among: usize| usize::try_from(Ids.below(among as u64)).unwrap();
                let node = nodes[any(nodes.len())];
                let ways = ways_to_go();
                spawn(node, two[any(2)], ways[any(ways.len())].clone())
            })
            .collect();
        for answer in waiting {
            let answer = answer.await.unwrap();
            refusals += usize::from(is_last_owner(&answer));
            let may_be_slower = nodes.len() > 1 && matches!(answer, Err(CommandError::Contended));
            assert!(may_be_slower || is_sane(&answer), "{answer:?}");
        }
        let left = owners(app).await;
        assert_eq!(left.len(), 1, "round {round}");
        stays = left[0];
    }
    assert_never_without_owner(app).await;
    refusals
}

/// Whatever is asked, it is done, or refused with the reason.
fn is_sane(answer: &Answer) -> bool {
    use UserError::{NotFound, OwnerCannotBeSuspended};
    match answer {
        Ok(_) => true,
        Err(CommandError::Refused(refusal)) => [NotFound, OwnerCannotBeSuspended].contains(refusal),
        Err(_) => is_last_owner(answer),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_owners_who_are_asked_to_go_in_every_way_at_once_one_stays() {
    let app = TestApp::start().await;
    assert!(two_owners_are_asked_to_go(&[&app]).await > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_owners_who_are_asked_to_go_on_two_nodes_at_once_one_stays() {
    let app = TestApp::start().await;
    let second = app.second_node().await;
    assert!(two_owners_are_asked_to_go(&[&app, &second]).await > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_owners_come_and_go_on_two_nodes_there_is_always_one() {
    let app = TestApp::start().await;
    let second = app.second_node().await;
    owner(&app, "ada").await;
    let mut people = owners(&app).await;
    for name in ["bob", "eve"] {
        people.push(user(&app, name).await);
    }
    let comes_and_goes = [
        hold(&[Role::Owner]),
        hold(&[Role::Owner, Role::Auditor]),
        hold(&[]),
        UserCommand::SuspendUser,
        UserCommand::ActivateUser(ActivationCause::Administrator),
    ];
    for _ in 0..ROUNDS {
        let waiting: Vec<_> = (0..AT_ONCE)
            .map(|nth| {
                let node = if Ids.below(2) == 0 { &app } else { &second };
                let command = comes_and_goes[usize::try_from(Ids.below(5)).unwrap()].clone();
                spawn(node, people[nth % people.len()], command)
            })
            .collect();
        for answer in waiting {
            let answer = answer.await.unwrap();
            let is_slower = matches!(answer, Err(CommandError::Contended));
            assert!(is_slower || is_sane(&answer), "{answer:?}");
        }
    }
    assert!(!owners(&app).await.is_empty());
    assert_never_without_owner(&app).await;
}

#[tokio::test]
async fn the_last_owner_neither_loses_the_role_nor_goes() {
    let app = TestApp::start().await;
    let ada = owner(&app, "ada").await;
    user(&app, "bob").await;
    let before = count_and_last(&app).await;
    for way in ways_to_go() {
        let answer = execute(&app, ada, way.clone()).await;
        let suspended = matches!(
            answer,
            Err(CommandError::Refused(UserError::OwnerCannotBeSuspended))
        );
        assert!(is_last_owner(&answer) || suspended, "{way:?}: {answer:?}");
    }
    assert_eq!(count_and_last(&app).await, before);
    // What leaves the owner's place as it is, is nobody else's business.
    execute(&app, ada, hold(&[Role::Owner, Role::Auditor]))
        .await
        .unwrap();
}

#[tokio::test]
async fn an_owner_who_cannot_come_in_is_no_other_owner_and_may_go() {
    for way in [hold(&[]), UserCommand::DeleteUser] {
        let app = TestApp::start().await;
        let ada = owner(&app, "ada").await;
        let [suspended, gone] = [user(&app, "bob").await, owner(&app, "eve").await];
        execute(&app, suspended, UserCommand::SuspendUser)
            .await
            .unwrap();
        execute(&app, suspended, hold(&[Role::Owner]))
            .await
            .unwrap();
        execute(&app, gone, UserCommand::DeleteUser).await.unwrap();
        let machine = tools::user(&app, "robot").await;
        execute(&app, machine, hold(&[Role::Owner])).await.unwrap();
        assert!(is_last_owner(&execute(&app, ada, way.clone()).await));
        for other in [suspended, machine] {
            execute(&app, other, way.clone()).await.unwrap();
        }
        assert_eq!(owners(&app).await, [ada]);
    }
}

#[tokio::test]
async fn an_owner_who_was_let_in_again_is_another_one() {
    let app = TestApp::start().await;
    let [ada, bob] = [owner(&app, "ada").await, user(&app, "bob").await];
    execute(&app, bob, UserCommand::SuspendUser).await.unwrap();
    execute(&app, bob, hold(&[Role::Owner])).await.unwrap();
    let let_in = UserCommand::ActivateUser(ActivationCause::Administrator);
    execute(&app, bob, let_in).await.unwrap();
    execute(&app, ada, UserCommand::DeleteUser).await.unwrap();
    assert_eq!(owners(&app).await, [bob]);
}

#[tokio::test]
async fn of_two_owners_who_go_in_one_batch_the_second_is_told_that_nobody_else_is_left() {
    for way in [hold(&[]), UserCommand::DeleteUser] {
        for other in [hold(&[]), UserCommand::DeleteUser] {
            let app = TestApp::start().await;
            let [ada, bob] = [owner(&app, "ada").await, owner(&app, "bob").await];
            let answers = in_one_batch(&app, vec![(ada, way.clone()), (bob, other.clone())]).await;
            assert!(answers[0].is_ok(), "{:?}", answers[0]);
            assert!(is_last_owner(&answers[1]), "{:?}", answers[1]);
            assert_eq!(owners(&app).await, [bob]);
        }
    }
}

#[tokio::test]
async fn owners_who_go_in_one_batch_all_go_if_another_stays() {
    let app = TestApp::start().await;
    let mut commands = Vec::new();
    for name in ["bob", "eve", "fay"] {
        commands.push((owner(&app, name).await, UserCommand::DeleteUser));
    }
    // Twice, and in both ways.
    commands.push((commands[0].0, hold(&[])));
    commands.push((commands[0].0, UserCommand::DeleteUser));
    let ada = owner(&app, "ada").await;
    let answers = in_one_batch(&app, commands).await;
    let refused =
        |answer: &Answer| matches!(answer, Err(CommandError::Refused(UserError::NotFound)));
    assert!(answers[..3].iter().all(Result::is_ok), "{answers:?}");
    assert!(refused(&answers[3]), "{:?}", answers[3]);
    assert!(answers[4].as_ref().unwrap().events.is_empty());
    assert_eq!(owners(&app).await, [ada]);
}

#[tokio::test]
async fn ordinary_users_who_go_in_one_batch_go_in_one_transaction_and_ask_for_nobody() {
    let app = TestApp::start().await;
    owner(&app, "ada").await;
    let mut commands = Vec::new();
    for nth in 0..AT_ONCE {
        let id = user(&app, &format!("user{nth}")).await;
        let command = match nth % 3 {
            0 => UserCommand::DeleteUser,
            1 => hold(&[Role::Auditor]),
            _ => UserCommand::SuspendUser,
        };
        commands.push((id, command));
    }
    // With one who must ask, and is answered in the same transaction.
    commands.push((owner(&app, "bob").await, UserCommand::DeleteUser));
    let (_, before) = count_and_last(&app).await;
    for answer in in_one_batch(&app, commands).await {
        assert_eq!(answer.unwrap().events.len(), 1);
    }
    assert_eq!(transactions_after(&app, before + 1).await, 1);
}

/// A command may have been prepared for a user who was no owner yet, and reach the log when they are the only one.
#[tokio::test]
async fn who_became_the_last_owner_while_their_deletion_was_prepared_stays() {
    let app = TestApp::start().await;
    let [ada, bob] = [owner(&app, "ada").await, user(&app, "bob").await];
    // Somebody whose key this node has to ask for first.
    let second = app.second_node().await;
    let asker = Metadata {
        actor: Actor::User(user(&second, "eve").await),
        ..Metadata::system(Ids.uuid())
    };
    app.app.log.vault().keys(&[ada, bob]).await.unwrap();
    let mut superuser = app.superuser.connect().await.unwrap();
    superuser
        .execute("BEGIN; LOCK TABLE vault.subject_keys")
        .await
        .unwrap();
    let overtake = async {
        until_true(
            &mut app.superuser.connect().await.unwrap(),
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')",
        )
        .await;
        execute(&app, bob, hold(&[Role::Owner])).await.unwrap();
        execute(&app, ada, UserCommand::DeleteUser).await.unwrap();
        superuser.execute("COMMIT").await.unwrap();
    };
    let deletion = execute_as(&app, bob, UserCommand::DeleteUser, asker);
    let (answer, ()) = tokio::join!(deletion, overtake);
    assert!(is_last_owner(&answer), "{answer:?}");
    assert_eq!(owners(&app).await, [bob]);
}
