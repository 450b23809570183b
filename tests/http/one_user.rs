//! One user: by id, by username, oneself.

use rollcall_events::user::{Role, UserCommand};

use crate::{
    given::{ME, USERS, assert_refused, member, with_role},
    support::TestApp,
};

const NOT_FOUND: &str = "Resource not found or you do not have access";

#[tokio::test]
async fn a_user_is_found_by_id_and_by_username_in_any_case() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let id = app.user(&owner, "Bob-B").await;
    let by_id = owner.get(&format!("{USERS}/{id}")).await;
    assert_eq!(by_id.json["username"], "Bob-B");
    for name in ["Bob-B", "bob-b", "BOB-B"] {
        let by_name = owner.get(&format!("{USERS}/{name}")).await;
        assert_eq!(by_name.json, by_id.json, "{name}");
    }
    let upper = id.to_string().to_uppercase();
    let by_upper = owner.get(&format!("{USERS}/{upper}")).await;
    assert_eq!(by_upper.json, by_id.json);
}

#[tokio::test]
async fn a_user_is_not_found_by_email() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for name in ["ada@example.com", "ada%40example.com"] {
        let answer = owner.get(&format!("{USERS}/{name}")).await;
        assert_refused(&answer, 404, NOT_FOUND);
    }
}

#[tokio::test]
async fn nobody_is_not_found() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for name in ["nobody", "00000000-0000-0000-0000-000000000000"] {
        let answer = owner.get(&format!("{USERS}/{name}")).await;
        assert_refused(&answer, 404, NOT_FOUND);
    }
}

#[tokio::test]
async fn a_deleted_user_is_found_by_id_and_not_by_name() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let id = app.user(&owner, "bob").await;
    app.command(id, UserCommand::DeleteUser).await;
    assert_eq!(owner.get(&format!("{USERS}/{id}")).await.status, 200);
    let by_name = owner.get("/api/v2/users/bob").await;
    assert_refused(&by_name, 404, NOT_FOUND);
}

#[tokio::test]
async fn a_name_means_who_has_it_now() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let old = app.user(&owner, "bob").await;
    app.command(old, UserCommand::DeleteUser).await;
    let new = app.user(&owner, "bob").await;
    let by_name = owner.get("/api/v2/users/bob").await;
    assert_eq!(by_name.json["id"], new.to_string());
    assert_ne!(old, new);
}

#[tokio::test]
async fn a_member_finds_only_themselves_and_cannot_tell_others_from_nobody() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    for path in [
        ME,
        "/api/v2/users/bob",
        "/api/v2/users/BOB",
        &format!("{USERS}/{id}"),
    ] {
        assert_eq!(bob.get(path).await.status, 200, "{path}");
    }
    let other = bob.get("/api/v2/users/ada").await;
    let nobody = bob.get("/api/v2/users/nobody").await;
    assert_refused(&other, 404, NOT_FOUND);
    assert_eq!(other.text, nobody.text);
}

#[tokio::test]
async fn who_reads_users_by_role_finds_everybody() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for (name, role) in [
        ("admin", Role::UserAdmin),
        ("audit", Role::Auditor),
        ("templates", Role::TemplateAdmin),
    ] {
        let client = with_role(&app, &owner, name, role).await;
        assert_eq!(client.get("/api/v2/users/ada").await.status, 200, "{name}");
    }
}

#[tokio::test]
async fn a_role_counts_from_the_next_request_on() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let auditor = with_role(&app, &owner, "eve", Role::Auditor).await;
    assert_eq!(auditor.get("/api/v2/users/ada").await.status, 200);
    let me = auditor.get(ME).await;
    let id = me.json["id"].as_str().unwrap().parse().unwrap();
    app.command(
        id,
        UserCommand::AssignRoles {
            roles: [].into(),
            tokens_end_by: None,
        },
    )
    .await;
    assert_eq!(auditor.get("/api/v2/users/ada").await.status, 404);
}
