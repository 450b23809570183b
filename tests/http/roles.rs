//! Site roles: who sees them, who gives and takes which.

use rollcall_events::user::Role;
use serde_json::{Value, json};

use crate::{
    given::{ME, USERS, assert_refused, history, member, with_role, wrong_fields},
    support::TestApp,
};

fn roles_of(user: impl std::fmt::Display) -> String {
    format!("{USERS}/{user}/roles")
}

fn wish(roles: &[&str]) -> Value {
    json!({ "roles": roles })
}

#[tokio::test]
async fn the_first_user_is_an_owner_and_a_member_of_the_default_organisation() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let answer = owner.get(&roles_of("me")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json["roles"], json!(["owner"]));
    let organization = app.app.default_organization.to_string();
    let expected = json!({ &organization: [format!("organization-member:{organization}")] });
    assert_eq!(answer.json["organization_roles"], expected);
}

#[tokio::test]
async fn an_owner_gives_and_takes_any_role_and_it_counts_at_the_next_request() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    assert_eq!(bob.get(&format!("{USERS}/ada")).await.status, 404);
    let given = owner
        .put(&roles_of(id), &wish(&["auditor", "member", "auditor"]))
        .await;
    assert_eq!(given.status, 200, "{given:?}");
    let expected = json!([
        { "name": "auditor", "display_name": "Auditor" },
        { "name": "member", "display_name": "Member" },
    ]);
    assert_eq!(given.json["roles"], expected);
    assert_eq!(bob.get(&format!("{USERS}/ada")).await.status, 200);
    let taken = owner.put(&roles_of("bob"), &wish(&[])).await;
    assert_eq!(taken.json["roles"], json!([]));
    assert_eq!(bob.get(&format!("{USERS}/ada")).await.status, 404);
}

#[tokio::test]
async fn nobody_changes_their_own_roles_whatever_the_body_says() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    for client in [&owner, &bob] {
        for body in [wish(&["owner"]), wish(&["nonsense"]), json!("no object")] {
            let answer = client.put(&roles_of("me"), &body).await;
            assert_refused(&answer, 400, "your own roles");
        }
    }
}

#[tokio::test]
async fn a_user_admin_gives_and_takes_nothing_but_being_a_member() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (bob, _) = member(&app, &owner, "bob").await;
    let admin = with_role(&app, &owner, "cleo", Role::UserAdmin).await;
    with_role(&app, &owner, "ann", Role::Auditor).await;
    for role in ["owner", "user-admin", "auditor", "template-admin"] {
        let answer = admin.put(&roles_of(bob), &wish(&[role])).await;
        assert_refused(&answer, 403, "Forbidden");
    }
    assert_eq!(
        admin.put(&roles_of(bob), &wish(&["member"])).await.status,
        200
    );
    assert_eq!(admin.put(&roles_of(bob), &wish(&[])).await.status, 200);
    for user in ["ann", "ada"] {
        assert_refused(
            &admin.put(&roles_of(user), &wish(&[])).await,
            403,
            "Forbidden",
        );
    }
    // Not even by leaving the auditor as they are.
    for same in [wish(&["auditor", "member"]), wish(&["auditor"])] {
        let answer = admin.put(&roles_of("ann"), &same).await;
        assert_refused(&answer, 403, "Forbidden");
    }
}

#[tokio::test]
async fn whoever_may_give_no_roles_may_not_even_confirm_them() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (bob, _) = member(&app, &owner, "bob").await;
    let (_, mallory) = member(&app, &owner, "mallory").await;
    let auditor = with_role(&app, &owner, "ann", Role::Auditor).await;
    assert_refused(
        &auditor.put(&roles_of(bob), &wish(&[])).await,
        403,
        "Forbidden",
    );
    let hidden = mallory.put(&roles_of(bob), &wish(&[])).await;
    assert_refused(&hidden, 404, "Resource not found");
    assert_eq!(history(&app, bob).await, ["UserCreated", "SessionStarted"]);
}

#[tokio::test]
async fn roles_that_are_none_or_belong_to_organisations_are_refused_and_nothing_is_changed() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    let organization = app.app.default_organization;
    for bad in [
        "root",
        "Owner",
        "",
        &format!("organization-admin:{organization}"),
    ] {
        let answer = owner.put(&roles_of(bob), &wish(&["auditor", bad])).await;
        assert_eq!(wrong_fields(&answer), ["roles"], "{bad:?}");
    }
    assert_eq!(history(&app, bob).await, ["UserCreated"]);
}

#[tokio::test]
async fn ones_own_roles_and_those_of_the_managed_are_seen_and_no_others() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    let admin = with_role(&app, &owner, "cleo", Role::UserAdmin).await;
    let auditor = with_role(&app, &owner, "ann", Role::Auditor).await;
    assert_eq!(bob.get(&roles_of("me")).await.status, 200);
    for client in [&owner, &admin] {
        assert_eq!(client.get(&roles_of(id)).await.json["roles"], json!([]));
    }
    assert_refused(&bob.get(&roles_of("ada")).await, 404, "Resource not found");
    assert_refused(&auditor.get(&roles_of(id)).await, 404, "Resource not found");
}

#[tokio::test]
async fn the_roles_to_choose_from_say_which_are_the_callers_to_give() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    let admin = with_role(&app, &owner, "cleo", Role::UserAdmin).await;
    for (client, assignable) in [(&owner, true), (&admin, false), (&bob, false)] {
        let answer = client.get(&format!("{USERS}/roles")).await;
        let mut names = Vec::new();
        for role in answer.json.as_array().unwrap() {
            assert_eq!(role["assignable"], assignable, "{role}");
            assert_eq!(role["built_in"], true);
            assert!(role["site_permissions"].is_array());
            names.push(role["name"].as_str().unwrap());
        }
        assert_eq!(names, ["owner", "user-admin", "auditor", "template-admin"]);
    }
}

#[tokio::test]
async fn how_somebody_signs_in_is_told_to_nobody_else() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    let mine = bob.get(&format!("{ME}/login-type")).await;
    assert_eq!(mine.json, json!({ "login_type": "password" }));
    let answer = owner.get(&format!("{USERS}/bob/login-type")).await;
    assert_refused(&answer, 403, "Forbidden");
    let answer = bob.get(&format!("{USERS}/ada/login-type")).await;
    assert_refused(&answer, 404, "Resource not found");
}
