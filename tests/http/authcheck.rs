//! What the caller may, asked beforehand: `POST /authcheck`.

use std::collections::BTreeSet;

use rollcall_events::user::{OrganizationRole, Role, UserCommand};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    given::{USERS, assert_refused, member, post_raw, with_role, wrong_fields},
    support::{
        TestApp,
        client::{Answer, Client},
    },
};

const AUTHCHECK: &str = "/api/v2/authcheck";

/// Asks each of these, named by its place.
async fn ask(client: &Client, checks: &[(&str, Value)]) -> Answer {
    let checks = checks.iter().enumerate().map(|(at, (action, object))| {
        let check = json!({ "action": action, "object": object });
        (at.to_string(), check)
    });
    let checks: serde_json::Map<String, Value> = checks.collect();
    client.post(AUTHCHECK, &json!({ "checks": checks })).await
}

/// Whether each of these is allowed.
async fn may(client: &Client, checks: &[(&str, Value)]) -> Vec<bool> {
    let answer = ask(client, checks).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let answers = (0..checks.len()).map(|at| answer.json[at.to_string()].as_bool().unwrap());
    answers.collect()
}

/// The administrator of the default organisation, signed in.
async fn organization_admin(app: &TestApp, owner: &Client, username: &str) -> Client {
    let (id, client) = member(app, owner, username).await;
    let command = UserCommand::AssignOrganizationRoles {
        organization_id: app.app.default_organization,
        roles: BTreeSet::from([OrganizationRole::Admin]),
    };
    app.command(id, command).await;
    client
}

#[tokio::test]
async fn each_question_is_answered_under_its_key() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, member) = member(&app, &owner, "grace").await;
    let checks = json!({ "checks": {
        "createUsers": { "action": "create", "object": { "resource_type": "user" } },
        "see me": { "action": "read", "object": { "resource_type": "user", "owner_id": "me" } },
    } });
    let by_owner = owner.post(AUTHCHECK, &checks).await;
    assert_eq!(
        by_owner.json,
        json!({ "createUsers": true, "see me": true })
    );
    let by_member = member.post(AUTHCHECK, &checks).await;
    assert_eq!(
        by_member.json,
        json!({ "createUsers": false, "see me": true })
    );
}

#[tokio::test]
async fn the_answers_are_those_of_the_permission_table() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let user_admin = with_role(&app, &owner, "ursula", Role::UserAdmin).await;
    let auditor = with_role(&app, &owner, "audrey", Role::Auditor).await;
    let (grace, member) = member(&app, &owner, "grace").await;
    let home = app.app.default_organization;
    let stranger = Uuid::from_u128(1);
    let questions = [
        (
            "read",
            json!({ "resource_type": "user" }),
            [true, true, true, false],
        ),
        (
            "read_personal",
            json!({ "resource_type": "user" }),
            [true, true, false, false],
        ),
        (
            "read",
            json!({ "resource_type": "user", "owner_id": "me" }),
            [true; 4],
        ),
        (
            "read",
            json!({ "resource_type": "user", "owner_id": grace }),
            [true; 4],
        ),
        (
            "update",
            json!({ "resource_type": "user", "owner_id": "me" }),
            [true, true, false, false],
        ),
        (
            "create",
            json!({ "resource_type": "api_key", "owner_id": "me" }),
            [true; 4],
        ),
        (
            "create",
            json!({ "resource_type": "api_key", "owner_id": stranger }),
            [true, false, false, false],
        ),
        (
            "create",
            json!({ "resource_type": "api_key", "owner_id": "grace" }),
            [true, false, false, false],
        ),
        (
            "read",
            json!({ "resource_type": "audit_log" }),
            [true, false, true, false],
        ),
        (
            "assign",
            json!({ "resource_type": "assign_role" }),
            [true, true, false, false],
        ),
        (
            "create",
            json!({ "resource_type": "organization" }),
            [true, false, false, false],
        ),
        (
            "read",
            json!({ "resource_type": "organization", "organization_id": home }),
            [true; 4],
        ),
        (
            "read",
            json!({ "resource_type": "organization", "organization_id": stranger }),
            [true, true, true, false],
        ),
        (
            "read",
            json!({ "resource_type": "organization", "organization_id": "home" }),
            [true, true, true, false],
        ),
        (
            "read",
            json!({ "resource_type": "organization", "any_org": true }),
            [true; 4],
        ),
        (
            "read",
            json!({ "resource_type": "organization", "any_org": true, "organization_id": stranger }),
            [true, true, true, false],
        ),
    ];
    let asked = questions
        .each_ref()
        .map(|(action, object, _)| (*action, object.clone()));
    let callers = [&owner, &user_admin, &auditor, &member];
    for (at, caller) in callers.into_iter().enumerate() {
        let expected = questions.each_ref().map(|(_, _, expected)| expected[at]);
        assert_eq!(may(caller, &asked).await, expected, "caller {at}");
    }
}

/// Pages ask about more than users, by names of their own.
#[tokio::test]
async fn types_that_nobody_knows_follow_the_rules_for_everything() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, member) = member(&app, &owner, "grace").await;
    let home = app.app.default_organization;
    let admin = organization_admin(&app, &owner, "otto").await;
    let asked = [
        ("read", json!({ "resource_type": "users" })),
        (
            "read",
            json!({ "resource_type": "users", "owner_id": "me" }),
        ),
        (
            "start",
            json!({ "resource_type": "workspaces", "owner_id": "me" }),
        ),
        (
            "read",
            json!({ "resource_type": "workspaces", "organization_id": home }),
        ),
        (
            "read",
            json!({ "resource_type": "workspaces", "owner_id": "me", "organization_id": home }),
        ),
        (
            "view_insights",
            json!({ "resource_type": "template", "any_org": true }),
        ),
    ];
    assert_eq!(may(&owner, &asked).await, [true; 6]);
    let by_admin = [false, true, true, true, true, true];
    assert_eq!(may(&admin, &asked).await, by_admin);
    let by_member = [false, true, true, false, true, false];
    assert_eq!(may(&member, &asked).await, by_member);
}

#[tokio::test]
async fn a_role_in_an_organization_counts_there_and_nowhere_else() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let admin = organization_admin(&app, &owner, "otto").await;
    let (home, elsewhere) = (app.app.default_organization, Uuid::from_u128(1));
    let of = |kind: &str, organization| json!({ "resource_type": kind, "organization_id": organization });
    let asked = [
        ("create", of("organization_member", home)),
        ("assign", of("assign_org_role", home)),
        ("create", of("organization_member", elsewhere)),
        ("assign", of("assign_org_role", elsewhere)),
        ("assign", of("assign_role", home)),
        ("create", of("user", home)),
        ("read", json!({ "resource_type": "user" })),
    ];
    let expected = [true, true, false, false, false, false, true];
    assert_eq!(may(&admin, &asked).await, expected);
    assert_eq!(admin.get(USERS).await.json["count"], 2);
}

#[tokio::test]
async fn a_user_asked_about_by_id_is_looked_up() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (grace, member) = member(&app, &owner, "grace").await;
    let ada = owner.get("/api/v2/users/me").await.json["id"].clone();
    let of = |id: &Value| json!({ "resource_type": "user", "resource_id": id });
    let asked = [
        ("read", of(&json!(grace))),
        ("update_personal", of(&json!(grace))),
        ("delete", of(&json!(grace))),
        ("read", of(&ada)),
        ("read", of(&json!(Uuid::from_u128(1)))),
    ];
    assert_eq!(may(&owner, &asked).await, [true, true, true, true, false]);
    assert_eq!(
        may(&member, &asked).await,
        [true, true, false, false, false]
    );

    // Whose it is is known then, whatever the question says.
    let claimed = json!({ "resource_type": "user", "resource_id": ada, "owner_id": "me" });
    assert_eq!(may(&member, &[("read", claimed)]).await, [false]);
}

#[tokio::test]
async fn what_is_not_here_is_allowed_to_nobody() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for kind in ["user", "group", "template", "workspace"] {
        let object = json!({ "resource_type": kind, "resource_id": Uuid::from_u128(1) });
        assert_eq!(may(&owner, &[("read", object)]).await, [false], "{kind}");
    }
}

#[tokio::test]
async fn a_question_that_makes_no_sense_is_a_400() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for (object, field) in [
        (json!({}), "checks.0.object.resource_type"),
        (
            json!({ "resource_type": "" }),
            "checks.0.object.resource_type",
        ),
        (
            json!({ "resource_type": "user", "resource_id": "grace" }),
            "checks.0.object.resource_id",
        ),
        (
            json!({ "resource_type": "organization", "resource_id": Uuid::from_u128(1) }),
            "checks.0.object.resource_id",
        ),
    ] {
        let answer = ask(&owner, &[("read", object)]).await;
        assert_refused(&answer, 400, "Validation failed.");
        assert_eq!(wrong_fields(&answer), [field]);
    }
    let several = [("read", json!({})), ("read", json!({}))];
    assert_eq!(wrong_fields(&ask(&owner, &several).await).len(), 2);
    let answer = post_raw(&owner, AUTHCHECK, b"{").await;
    assert_refused(&answer, 400, "valid JSON");
    let answer = post_raw(&owner, AUTHCHECK, b"{}").await;
    assert_eq!(answer.json, json!({}));
}

#[tokio::test]
async fn there_is_a_limit_to_how_much_is_asked_at_once() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let described = ("read", json!({ "resource_type": "user" }));
    let by_id = (
        "read",
        json!({ "resource_type": "user", "resource_id": Uuid::from_u128(1) }),
    );
    for (question, most) in [(by_id, 10), (described, 1000)] {
        let mut asked = vec![question; most];
        assert_eq!(ask(&owner, &asked).await.status, 200, "{most}");
        asked.push(asked[0].clone());
        assert_refused(&ask(&owner, &asked).await, 400, "too many checks");
    }
}
