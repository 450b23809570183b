//! A role in one organisation is none in another, and nobody takes a place for themselves.

use std::collections::BTreeSet;

use rollcall_events::user::{OrganizationRole, Role, UserCommand};
use serde_json::{Value, json};
use uuid::Uuid;

use super::every::{Named, changes, operations};
use crate::{
    given::{USERS, member, post_raw, text, wish_with, with_role},
    organizations::{ORGANIZATIONS, member_of, organization},
    support::{TestApp, client::Client},
};

/// Rita, who holds every role that there is in an organisation of her own; its id.
async fn rival(app: &TestApp, owner: &Client) -> (Uuid, Client) {
    let rivals = organization(owner, "rivals").await;
    let (rita, client) = member_of(app, owner, "rita", rivals).await;
    let assign = UserCommand::AssignOrganizationRoles {
        organization_id: rivals,
        roles: BTreeSet::from(OrganizationRole::ALL),
    };
    app.command(rita, assign).await;
    (rivals, client)
}

#[tokio::test]
async fn the_admin_of_another_organization_changes_nobody_of_this_one_by_any_operation() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (rivals, rita) = rival(&app, &owner).await;
    let club = organization(&owner, "club").await;
    let (bob, _) = member_of(&app, &owner, "bob", club).await;
    let key = post_raw(&owner, &format!("{USERS}/bob/keys/tokens"), b"{}").await;
    let key = text(&key, "key").split_once('-').unwrap().0.to_owned();
    let body = json!({
        "username": "robert",
        "password": "a quite different sentence",
        "roles": ["organization-admin", format!("organization-admin:{club}"), "owner"],
        "organization_id": rivals,
        "organization_ids": [rivals],
    });
    let before = changes(&app).await;
    for operation in operations() {
        if !operation.changes_something() || !operation.names("user") {
            continue;
        }
        for organization in [club.to_string(), "club".to_owned(), "default".to_owned()] {
            for user in [bob.to_string(), "bob".to_owned(), "ada".to_owned()] {
                let named = Named::BOB.with("organization", &organization);
                let named = named.with("user", &user).with("id", &key);
                let answer = operation.send(&rita, named, &[], &body.to_string()).await;
                let is_refused = [400, 403, 404].contains(&answer.status);
                assert!(is_refused, "{operation:?}: {answer:?}");
            }
        }
    }
    assert_eq!(changes(&app).await, before);
    let wish = wish_with(&app, "eve", &json!({ "organization_ids": [rivals] }));
    assert_eq!(rita.post(USERS, &wish).await.status, 403);
}

#[tokio::test]
async fn nobody_makes_a_place_for_themselves_where_they_run_nothing() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    organization(&owner, "club").await;
    let (_, rita) = rival(&app, &owner).await;
    let auditor = with_role(&app, &owner, "auditor", Role::Auditor).await;
    let templates = with_role(&app, &owner, "templates", Role::TemplateAdmin).await;
    let (_, plain) = member(&app, &owner, "bob").await;
    for (who, client) in [
        ("the admin of another organisation", rita),
        ("an auditor", auditor),
        ("a template admin", templates),
        ("a member", plain),
    ] {
        let name = text(&client.get("/api/v2/users/me").await, "username").to_owned();
        for user in ["me", &name] {
            let path = format!("{ORGANIZATIONS}/club/members/{user}");
            let added = post_raw(&client, &path, b"").await;
            assert!([403, 404].contains(&added.status), "{who}: {added:?}");
            let roles = json!({ "roles": ["organization-admin"] });
            let given = client.put(&format!("{path}/roles"), &roles).await;
            assert_eq!(given.status, 404, "{who}: {given:?}");
        }
        let belongs = client.get("/api/v2/users/me/organizations").await;
        assert_eq!(belongs.json.as_array().unwrap().len(), 1, "{who}");
    }
}

#[tokio::test]
async fn who_manages_members_gives_themselves_no_role_there_by_coming_in() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let club = organization(&owner, "club").await;
    let (_, carol) = member_of(&app, &owner, "carol", club).await;
    let admin = with_role(&app, &owner, "admin", Role::UserAdmin).await;
    let place = format!("{ORGANIZATIONS}/club/members/admin");
    assert_eq!(post_raw(&admin, &place, b"").await.status, 200);
    let roles = json!({ "roles": ["organization-admin"] });
    for user in ["me", "admin", "carol"] {
        let path = format!("{ORGANIZATIONS}/club/members/{user}/roles");
        let given = admin.put(&path, &roles).await;
        assert!([400, 403].contains(&given.status), "{user}: {given:?}");
    }
    let roles = carol.get("/api/v2/users/me/roles").await;
    let there = &roles.json["organization_roles"][club.to_string()];
    assert_eq!(*there, json!([format!("organization-member:{club}")]));
}

#[tokio::test]
async fn what_may_be_done_in_one_organization_is_not_answered_for_another() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (rivals, rita) = rival(&app, &owner).await;
    let club = organization(&owner, "club").await;
    let ask = async |organization: Value, any: bool| {
        let object = json!({
            "resource_type": "organization_member",
            "organization_id": organization,
            "any_org": any,
        });
        let check = json!({ "checks": { "may": { "action": "delete", "object": object } } });
        let answer = rita.post("/api/v2/authcheck", &check).await;
        answer.json["may"].as_bool()
    };
    assert_eq!(ask(json!(rivals), false).await, Some(true));
    for (organization, any) in [
        (json!(club), false),
        (json!(club), true),
        (json!(app.app.default_organization), true),
        (json!("00000000-0000-0000-0000-000000000000"), true),
        (json!("nonsense"), true),
        (json!(""), false),
        (Value::Null, false),
    ] {
        assert_eq!(
            ask(organization.clone(), any).await,
            Some(false),
            "{organization}"
        );
    }
}
