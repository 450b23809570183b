//! The first user: whoever comes first, and nobody after.

use rollcall::command_bus::CommandError;
use rollcall_events::{Authority, Claim, Metadata, ids::Ids, user::UserCommand};
use serde_json::json;

use crate::{
    given::{FIRST, ME, USERS, assert_refused, wrong_fields},
    support::{PASSWORD, TestApp},
};

#[tokio::test]
async fn nobody_is_here_until_the_first_user_comes() {
    let app = TestApp::start().await;
    assert_eq!(app.anonymous().get(FIRST).await.status, 404);
    let owner = app.owner().await;
    assert_eq!(app.anonymous().get(FIRST).await.status, 200);
    let me = owner.get(ME).await;
    assert_eq!(
        me.json["roles"],
        json!([{ "name": "owner", "display_name": "Owner" }])
    );
}

#[tokio::test]
async fn of_fifty_that_race_to_be_first_one_is() {
    let app = TestApp::start().await;
    let racers = (0..50).map(|nth| {
        let client = app.anonymous();
        tokio::spawn(async move {
            let wish = json!({ "email": format!("u{nth}@example.com"), "username": format!("u{nth}"), "password": PASSWORD });
            client.post(FIRST, &wish).await.status
        })
    });
    let mut statuses = Vec::new();
    for racer in racers.collect::<Vec<_>>() {
        statuses.push(racer.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses[0], 201);
    assert!(
        statuses[1..].iter().all(|status| *status == 409),
        "{statuses:?}"
    );
}

#[tokio::test]
async fn the_first_user_is_an_active_member_of_the_default_organization() {
    let app = TestApp::start().await;
    let me = app.owner().await.get(ME).await;
    assert_eq!(me.json["status"], "active");
    assert_eq!(me.json["login_type"], "password");
    let organization = app.app.default_organization;
    assert_eq!(me.json["organization_ids"], json!([organization]));
}

#[tokio::test]
async fn the_first_user_is_not_signed_in_by_being_created() {
    let app = TestApp::start().await;
    let wish = json!({ "email": "ada@example.com", "username": "ada", "password": PASSWORD });
    let created = app.anonymous().post(FIRST, &wish).await;
    assert_eq!(created.cookies(), Vec::<&str>::new());
    assert_eq!(created.json.get("session_token"), None);
}

#[tokio::test]
async fn what_clients_send_about_trials_and_newsletters_is_ignored() {
    let app = TestApp::start().await;
    let wish = json!({
        "email": "ada@example.com",
        "username": "ada",
        "name": "Ada Lovelace",
        "password": PASSWORD,
        "trial": true,
        "trial_info": { "first_name": "Ada", "developers": "1-10" },
        "onboarding_info": null,
    });
    let created = app.anonymous().post(FIRST, &wish).await;
    assert_eq!(created.status, 201, "{created:?}");
    let me = app.sign_in("ada@example.com").await.get(ME).await;
    assert_eq!(me.json["name"], "Ada Lovelace");
}

#[tokio::test]
async fn all_that_is_wrong_with_the_first_user_is_told_at_once() {
    let app = TestApp::start().await;
    let empty = app.anonymous().post(FIRST, &json!({})).await;
    assert_eq!(wrong_fields(&empty), ["email", "password", "username"]);
    let bad = json!({ "email": "ada", "username": "a_", "name": "Ada ", "password": "" });
    let answer = app.anonymous().post(FIRST, &bad).await;
    assert_eq!(
        wrong_fields(&answer),
        ["email", "name", "password", "username"]
    );
}

#[tokio::test]
async fn a_weak_password_makes_no_owner() {
    let app = TestApp::start().await;
    for password in ["testing", "password", "ada@example.com"] {
        let wish = json!({ "email": "ada@example.com", "username": "ada", "password": password });
        let answer = app.anonymous().post(FIRST, &wish).await;
        assert_eq!(wrong_fields(&answer), ["password"], "{password}");
    }
    assert_eq!(app.anonymous().get(FIRST).await.status, 404);
}

#[tokio::test]
async fn once_somebody_is_here_it_is_too_late_however_weak_the_password() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for (username, password) in [("eve", PASSWORD), ("eve", "password"), ("ada", PASSWORD)] {
        let email = format!("{username}@example.com");
        let wish = json!({ "email": email, "username": username, "password": password });
        let answer = app.anonymous().post(FIRST, &wish).await;
        assert_refused(&answer, 409, "already been created");
    }
    let bad = app.anonymous().post(FIRST, &json!({})).await;
    assert_eq!(bad.status, 400);
    assert_eq!(owner.get(USERS).await.json["count"], 1);
}

#[tokio::test]
async fn nobody_is_first_a_second_time_because_the_last_owner_never_goes() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    app.command(bob, UserCommand::SuspendUser).await;
    let me = owner.get(ME).await;
    let ada = me.json["id"].as_str().unwrap().parse().unwrap();
    for command in [
        UserCommand::DeleteUser,
        UserCommand::AssignRoles {
            roles: [].into(),
            tokens_end_by: None,
        },
    ] {
        let authority = Authority::system(Metadata::system(Ids.uuid()));
        let gone = app.app.users.execute(ada, command, authority, Vec::new());
        let refused = gone.await.unwrap_err();
        assert!(matches!(refused, CommandError::Taken(Claim::AnotherOwner)));
    }
    assert_eq!(app.anonymous().get(FIRST).await.status, 200);
}
