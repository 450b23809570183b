//! What providers gave, and what is proven by a password: in the vault, with the events that they go with.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use rollcall::command_bus::CommandError;
use rollcall_events::{
    clock::Clock,
    ids::Ids,
    user::{LoginType, UserCommand},
    vault::{ProviderTokens, VaultError, VaultWrite},
};
use sqlx::ConnectOptions;
use uuid::Uuid;

use crate::{
    support::TestApp,
    tools::{
        creation_at_provider, execute, execute_with, in_one_batch_with, new_avatar, user,
        user_at_provider, vouched_at,
    },
};

fn tokens(name: &str) -> ProviderTokens {
    ProviderTokens {
        access_token: format!("access of {name}"),
        refresh_token: Some(format!("refresh of {name}")),
    }
}

async fn sealed(app: &TestApp, user: Uuid, name: &str) -> VaultWrite {
    let vault = app.app.log.vault();
    let in_an_hour = Some(app.clock.now() + TimeDelta::hours(1));
    let write = vault.provider_tokens_write(user, tokens(name), in_an_hour);
    write.await.unwrap()
}

/// The tokens that there are of somebody, by the name that they were given here, and their revision.
async fn kept(app: &TestApp, user: Uuid) -> Option<(String, i64)> {
    let stored = app.app.log.vault().provider_tokens(user).await.unwrap()?;
    let name = stored.tokens.access_token.strip_prefix("access of ");
    let name = name.unwrap().to_owned();
    assert_eq!(stored.tokens, tokens(&name));
    Some((name, stored.revision))
}

async fn hash(app: &TestApp, user: Uuid) -> Option<(String, i64)> {
    let vault = app.app.log.vault();
    let found = vault.credential(app.pool(), user).await.unwrap();
    found.map(|found| (found.password_hash, found.revision))
}

fn password(subject: Uuid, hash: &str, revision: i64) -> VaultWrite {
    VaultWrite::PasswordHash {
        subject,
        hash: hash.to_owned(),
        revision,
    }
}

/// Something that happens.
fn nth_change(nth: usize) -> UserCommand {
    new_avatar(&format!("https://example.com/{nth}.png"))
}

/// Someone with tokens named `old`, of revision 1.
async fn with_tokens(app: &TestApp, username: &str) -> Uuid {
    let id = user_at_provider(app, username).await;
    let secrets = vec![sealed(app, id, "old").await];
    let session = vouched_at(username, LoginType::Oidc, app.clock.now());
    execute_with(app, id, session, secrets).await.unwrap();
    assert_eq!(kept(app, id).await, Some(("old".to_owned(), 1)));
    id
}

async fn destroy_key(app: &TestApp, user: Uuid) {
    let mut superuser = app.superuser.connect().await.unwrap();
    sqlx::query("DELETE FROM vault.subject_keys WHERE subject_id = $1")
        .bind(user)
        .execute(&mut superuser)
        .await
        .unwrap();
}

#[tokio::test]
async fn tokens_are_kept_with_their_end_and_each_sign_in_replaces_them() {
    let app = TestApp::start().await;
    let ada = with_tokens(&app, "ada").await;
    let stored = app.app.log.vault().provider_tokens(ada).await.unwrap();
    let stored = stored.unwrap();
    let in_an_hour = app.clock.now() + TimeDelta::hours(1);
    assert_eq!(stored.expires_at, Some(in_an_hour));
    assert!(!stored.is_expired(in_an_hour - TimeDelta::microseconds(1)));
    assert!(stored.is_expired(in_an_hour));
    let for_ever = app
        .app
        .log
        .vault()
        .provider_tokens_write(ada, tokens("new"), None)
        .await
        .unwrap();
    let again = vouched_at("again", LoginType::Oidc, app.clock.now());
    execute_with(&app, ada, again, vec![for_ever])
        .await
        .unwrap();
    let stored = app.app.log.vault().provider_tokens(ada).await.unwrap();
    let stored = stored.unwrap();
    assert_eq!((stored.revision, stored.expires_at), (2, None));
    assert!(!stored.is_expired(DateTime::<Utc>::MAX_UTC));
}

#[tokio::test]
async fn of_what_one_batch_writes_about_somebody_the_last_counts() {
    let app = TestApp::start().await;
    let mut users = Vec::new();
    for name in ["ada", "bob", "cleo", "dan", "eve", "fay"] {
        users.push(with_tokens(&app, name).await);
    }
    let [ada, bob, cleo, dan, eve, fay] = users[..] else {
        panic!()
    };
    let new = |user| sealed(&app, user, "new");
    let newer = |user| sealed(&app, user, "newer");
    let no_tokens = |subject| VaultWrite::NoProviderTokens { subject };
    let no_password = |subject| VaultWrite::NoPassword { subject };
    execute_with(&app, fay, nth_change(0), vec![password(fay, "old", 1)])
        .await
        .unwrap();
    let writes = vec![
        (ada, vec![new(ada).await, password(ada, "one", 1)]),
        (ada, vec![no_tokens(ada), no_password(ada)]),
        (bob, vec![no_tokens(bob), no_password(bob)]),
        (bob, vec![new(bob).await, password(bob, "one", 1)]),
        (cleo, vec![new(cleo).await, password(cleo, "one", 1)]),
        (cleo, vec![newer(cleo).await, password(cleo, "two", 2)]),
        (dan, vec![no_tokens(dan), new(dan).await, no_tokens(dan)]),
        (eve, vec![new(eve).await, no_tokens(eve), newer(eve).await]),
        (fay, vec![no_password(fay)]),
    ];
    let commands = writes
        .into_iter()
        .enumerate()
        .map(|(nth, (user, secrets))| (user, nth_change(nth + 1), secrets));
    for answer in in_one_batch_with(&app, commands.collect()).await {
        answer.unwrap();
    }
    let named = |name: &str, revision| Some((name.to_owned(), revision));
    for (user, tokens, password) in [
        (ada, None, None),
        (bob, named("new", 2), named("one", 1)),
        (cleo, named("newer", 2), named("two", 2)),
        (dan, None, None),
        (eve, named("newer", 2), None),
        (fay, named("old", 1), None),
    ] {
        assert_eq!(kept(&app, user).await, tokens);
        assert_eq!(hash(&app, user).await, password);
    }
}

#[tokio::test]
async fn what_goes_with_a_refused_command_or_with_one_that_changes_nothing_is_not_written() {
    let app = TestApp::start().await;
    let ada = with_tokens(&app, "ada").await;
    let secrets = || async { vec![sealed(&app, ada, "new").await, password(ada, "one", 1)] };
    let refused = vouched_at("other", LoginType::Github, app.clock.now());
    let answer = execute_with(&app, ada, refused, secrets().await).await;
    assert!(
        matches!(answer, Err(CommandError::Refused(_))),
        "{answer:?}"
    );
    let nothing = execute_with(&app, ada, new_avatar(""), secrets().await).await;
    assert!(nothing.unwrap().events.is_empty());
    let bob = user(&app, "bob").await;
    let taken = crate::tools::renaming("bob");
    let answer = execute_with(&app, ada, taken, secrets().await).await;
    assert!(matches!(answer, Err(CommandError::Taken(_))), "{answer:?}");
    assert_eq!(kept(&app, ada).await, Some(("old".to_owned(), 1)));
    assert_eq!((kept(&app, bob).await, hash(&app, ada).await), (None, None));
}

#[tokio::test]
async fn whoever_comes_for_the_first_time_has_a_key_before_tokens_are_sealed_for_them() {
    let app = TestApp::start().await;
    let id = Ids.uuid();
    let vault = app.app.log.vault();
    let early = vault.provider_tokens_write(id, tokens("new"), None).await;
    assert!(matches!(early, Err(VaultError::Erased(_))), "{early:?}");
    execute(&app, id, creation_at_provider("ada", Some("1")))
        .await
        .unwrap();
    let secrets = vec![sealed(&app, id, "new").await];
    let session = vouched_at("first", LoginType::Oidc, app.clock.now());
    execute_with(&app, id, session, secrets).await.unwrap();
    assert_eq!(kept(&app, id).await, Some(("new".to_owned(), 1)));
}

#[tokio::test]
async fn tokens_that_were_put_into_anothers_place_or_altered_are_not_opened() {
    let app = TestApp::start().await;
    let ada = with_tokens(&app, "ada").await;
    let bob = with_tokens(&app, "bob").await;
    let of_ada: String =
        sqlx::query_scalar("SELECT sealed FROM vault.provider_tokens WHERE subject_id = $1")
            .bind(ada)
            .fetch_one(app.pool())
            .await
            .unwrap();
    let bytes = STANDARD_NO_PAD.decode(&of_ada).unwrap();
    let readdressed = [&bytes[..1], bob.as_bytes(), &bytes[17..]].concat();
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let vault = app.app.log.vault();
    for (whose, sealed) in [(bob, readdressed), (ada, flipped)] {
        set_sealed(&app, whose, &STANDARD_NO_PAD.encode(sealed)).await;
        let opened = vault.provider_tokens(whose).await;
        assert!(matches!(opened, Err(VaultError::Altered(id)) if id == whose));
    }
    // Sealed under a key that is not looked for there.
    set_sealed(&app, bob, &of_ada).await;
    assert_eq!(kept(&app, bob).await, None);
    set_sealed(&app, ada, &of_ada).await;
    assert_eq!(kept(&app, ada).await, Some(("old".to_owned(), 1)));
}

async fn set_sealed(app: &TestApp, user: Uuid, sealed: &str) {
    let mut superuser = app.superuser.connect().await.unwrap();
    sqlx::query("UPDATE vault.provider_tokens SET sealed = $2 WHERE subject_id = $1")
        .bind(user)
        .bind(sealed)
        .execute(&mut superuser)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_tokens_of_the_erased_are_gone_and_none_are_kept_for_them() {
    let app = TestApp::start().await;
    let ada = with_tokens(&app, "ada").await;
    destroy_key(&app, ada).await;
    // It has not known them.
    let second = app.second_node().await;
    let vault = second.app.log.vault();
    assert!(vault.provider_tokens(ada).await.unwrap().is_none());
    let write = vault.provider_tokens_write(ada, tokens("new"), None).await;
    assert!(matches!(write, Err(VaultError::Erased(id)) if id == ada));
    let renewal = vault.renew_provider_tokens(ada, 1, tokens("new"), None);
    assert!(matches!(renewal.await, Err(VaultError::Erased(id)) if id == ada));
}

#[tokio::test]
async fn of_many_who_renew_the_tokens_of_one_revision_one_wins() {
    let app = TestApp::start().await;
    let second = app.second_node().await;
    let ada = with_tokens(&app, "ada").await;
    let bob = with_tokens(&app, "bob").await;
    let waiting: Vec<_> = (0..16)
        .map(|nth| {
            let node = if nth % 2 == 0 { &app } else { &second };
            let vault = node.app.log.vault().clone();
            tokio::spawn(async move {
                let new = tokens(&nth.to_string());
                let won = vault.renew_provider_tokens(ada, 1, new, None);
                (nth, won.await.unwrap())
            })
        })
        .collect();
    let mut won = Vec::new();
    for renewal in waiting {
        let (nth, has_won) = renewal.await.unwrap();
        if has_won {
            won.push(nth);
        }
    }
    assert_eq!(won.len(), 1);
    assert_eq!(kept(&app, ada).await, Some((won[0].to_string(), 2)));
    let vault = app.app.log.vault();
    for revision in [0, 1, 3] {
        let late = vault.renew_provider_tokens(ada, revision, tokens("late"), None);
        assert!(!late.await.unwrap());
    }
    let next = vault.renew_provider_tokens(ada, 2, tokens("next"), None);
    assert!(next.await.unwrap());
    assert_eq!(kept(&app, ada).await, Some(("next".to_owned(), 3)));
    assert_eq!(kept(&app, bob).await, Some(("old".to_owned(), 1)));
}

#[tokio::test]
async fn a_renewal_does_not_overtake_a_sign_in_and_brings_nothing_back() {
    let app = TestApp::start().await;
    let ada = with_tokens(&app, "ada").await;
    let vault = app.app.log.vault();
    let secrets = vec![sealed(&app, ada, "new").await];
    let again = vouched_at("again", LoginType::Oidc, app.clock.now());
    execute_with(&app, ada, again, secrets).await.unwrap();
    let late = vault.renew_provider_tokens(ada, 1, tokens("late"), None);
    assert!(!late.await.unwrap());
    assert_eq!(kept(&app, ada).await, Some(("new".to_owned(), 2)));
    let gone = vec![VaultWrite::NoProviderTokens { subject: ada }];
    execute_with(&app, ada, UserCommand::DeleteUser, gone)
        .await
        .unwrap();
    let late = vault.renew_provider_tokens(ada, 2, tokens("late"), None);
    assert!(!late.await.unwrap());
    assert_eq!(kept(&app, ada).await, None);
}

#[tokio::test]
async fn nothing_that_prints_tokens_shows_them() {
    let app = TestApp::start().await;
    let ada = with_tokens(&app, "ada").await;
    let stored = app.app.log.vault().provider_tokens(ada).await.unwrap();
    let write = sealed(&app, ada, "new").await;
    for shown in [format!("{stored:?}"), format!("{write:?}")] {
        assert!(
            !shown.contains("access") && !shown.contains("refresh") && shown.len() < 250,
            "{shown}"
        );
    }
}
