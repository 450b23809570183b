//! Organisations: which there are, who may see and make them, and to which a user belongs.

use rollcall_events::user::{Role, UserCommand};
use serde_json::{Value, json};
use sqlx::ConnectOptions;
use uuid::Uuid;

use crate::{
    given::{
        ME, NEVER, USERS, assert_refused, history, member, text, wish_with, with_role, wrong_fields,
    },
    support::{
        TestApp,
        client::{Answer, Client},
    },
};

pub const ORGANIZATIONS: &str = "/api/v2/organizations";
pub const NOT_FOUND: &str = "Resource not found or you do not have access";

/// An organisation that the owner makes; its id.
pub async fn organization(owner: &Client, name: &str) -> Uuid {
    let created = owner.post(ORGANIZATIONS, &json!({ "name": name })).await;
    assert_eq!(created.status, 201, "{created:?}");
    id_of(&created.json)
}

/// A user who belongs to this organisation and no other, signed in.
pub async fn member_of(
    app: &TestApp,
    owner: &Client,
    username: &str,
    organization: Uuid,
) -> (Uuid, Client) {
    let there = json!({ "organization_ids": [organization] });
    let wish = wish_with(app, username, &there);
    let created = owner.post(USERS, &wish).await;
    assert_eq!(created.status, 201, "{created:?}");
    let client = app.sign_in(&format!("{username}@example.com")).await;
    (id_of(&created.json), client)
}

pub fn id_of(object: &Value) -> Uuid {
    object["id"].as_str().unwrap().parse().unwrap()
}

/// The names of organisations in a list.
fn names(answer: &Answer) -> Vec<&str> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let listed = answer.json.as_array().unwrap();
    listed
        .iter()
        .map(|organization| organization["name"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn the_default_organization_is_found_by_id_by_name_and_as_the_default() {
    let app = TestApp::start_with(|config| config.default_organization = "Acme".to_owned()).await;
    let owner = app.owner().await;
    let id = app.app.default_organization;
    let by_id = owner.get(&format!("{ORGANIZATIONS}/{id}")).await;
    assert_eq!(by_id.status, 200);
    let created_at = by_id.json["created_at"].clone();
    assert_ne!(created_at, NEVER);
    assert_eq!(
        by_id.json,
        json!({
            "id": id,
            "name": "Acme",
            "display_name": "Acme",
            "description": "",
            "icon": "",
            "is_default": true,
            "created_at": created_at,
            "updated_at": created_at,
            "default_org_member_roles": [],
        })
    );
    for name in ["Acme", "ACME", "default", "Default"] {
        let by_name = owner.get(&format!("{ORGANIZATIONS}/{name}")).await;
        assert_eq!(by_name.json, by_id.json, "{name}");
    }
}

#[tokio::test]
async fn an_organization_is_created_as_it_was_asked_for() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let wish = json!({
        "name": "Rowing-Club",
        "display_name": "The Rowing Club",
        "description": "For all who row.\nAnd for <friends>.",
        "icon": "/emojis/1f6a3.png",
        "is_default": true,
        "id": Uuid::nil(),
    });
    let created = owner.post(ORGANIZATIONS, &wish).await;
    assert_eq!(created.status, 201, "{created:?}");
    assert!(!created.header("rollcall-position").is_empty());
    for field in ["name", "display_name", "description", "icon"] {
        assert_eq!(created.json[field], wish[field], "{field}");
    }
    assert_eq!(created.json["is_default"], false);
    let id = id_of(&created.json);
    assert!(!id.is_nil());
    for name in [&id.to_string(), "rowing-club"] {
        let found = owner.get(&format!("{ORGANIZATIONS}/{name}")).await;
        assert_eq!(found.json, created.json, "{name}");
    }
}

#[tokio::test]
async fn an_organization_without_a_name_for_people_is_called_by_its_name() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let created = owner.post(ORGANIZATIONS, &json!({ "name": "club" })).await;
    assert_eq!(created.json["display_name"], "club");
}

#[tokio::test]
async fn what_breaks_a_rule_is_told_field_by_field() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let long = "x".repeat(33);
    for name in ["", " ", "a b", "-a", "a--b", "ä", "a_b", "a\u{0}", &long] {
        let answer = owner.post(ORGANIZATIONS, &json!({ "name": name })).await;
        assert_eq!(wrong_fields(&answer), ["name"], "{name}");
    }
    let all = json!({
        "name": "?",
        "display_name": " club",
        "description": "\u{0}",
        "icon": "javascript:alert(1)",
    });
    let answer = owner.post(ORGANIZATIONS, &all).await;
    assert_eq!(
        wrong_fields(&answer),
        ["description", "display_name", "icon", "name"]
    );
    assert_eq!(owner.post(ORGANIZATIONS, &json!([])).await.status, 400);
    assert_eq!(names(&owner.get(ORGANIZATIONS).await), ["default"]);
}

#[tokio::test]
async fn a_name_is_taken_whatever_its_case() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    organization(&owner, "Club").await;
    for name in ["Club", "CLUB", "default", "Default"] {
        let answer = owner.post(ORGANIZATIONS, &json!({ "name": name })).await;
        assert_refused(&answer, 409, "Organization already exists");
    }
}

#[tokio::test]
async fn no_organization_hides_behind_what_the_default_one_is_always_called() {
    let app = TestApp::start_with(|config| config.default_organization = "acme".to_owned()).await;
    let owner = app.owner().await;
    for name in ["default", "DEFAULT"] {
        let answer = owner.post(ORGANIZATIONS, &json!({ "name": name })).await;
        assert_eq!(wrong_fields(&answer), ["name"]);
        assert!(answer.text.contains("reserved"), "{answer:?}");
    }
}

#[tokio::test]
async fn of_many_who_create_one_name_at_once_one_does() {
    let app = TestApp::start().await;
    let second = app.second_node().await;
    let owner = app.owner().await;
    let elsewhere = second.with_token(owner.token());
    let racing = (0..12).map(|nth| {
        let client = if nth % 2 == 0 { &owner } else { &elsewhere };
        let name = if nth % 3 == 0 { "Club" } else { "club" };
        let (client, wish) = (client.clone(), json!({ "name": name }));
        tokio::spawn(async move { client.post(ORGANIZATIONS, &wish).await.status })
    });
    let racing: Vec<_> = racing.collect();
    let mut statuses = Vec::new();
    for answer in racing {
        statuses.push(answer.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses[0], 201);
    assert!(statuses[1..].iter().all(|status| *status == 409));
    // Either spelling may have been the first.
    let there = owner.get(ORGANIZATIONS).await.text.to_lowercase();
    assert_eq!(there.matches("\"name\":\"club\"").count(), 1);
}

#[tokio::test]
async fn only_owners_create_organizations_and_nobody_else_is_even_heard() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for (name, role) in [
        ("admin", Role::UserAdmin),
        ("audit", Role::Auditor),
        ("templates", Role::TemplateAdmin),
        ("nobody", Role::Member),
    ] {
        let client = with_role(&app, &owner, name, role).await;
        for body in [json!({ "name": "club" }), json!({ "name": "?" })] {
            let answer = client.post(ORGANIZATIONS, &body).await;
            assert_refused(&answer, 403, "Forbidden.");
        }
    }
    assert_eq!(names(&owner.get(ORGANIZATIONS).await), ["default"]);
}

#[tokio::test]
async fn who_creates_an_organization_belongs_to_it_because_of_that() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let id = organization(&owner, "club").await;
    let me = owner.get(ME).await;
    assert_eq!(
        me.json["organization_ids"],
        json!([app.app.default_organization, id])
    );
    let ada = id_of(&me.json);
    assert_eq!(
        history(&app, ada).await.last().map(String::as_str),
        Some("OrganizationJoined")
    );
    let mut conn = app.superuser.connect().await.unwrap();
    let metadata = "SELECT metadata->>'command_id', metadata->>'causation_id', metadata->>'correlation_id', metadata->>'actor'
                      FROM log.readable WHERE event_type = $1 ORDER BY position DESC LIMIT 1";
    let mut of = async |event: &str| -> (String, String, String, String) {
        sqlx::query_as(metadata)
            .bind(event)
            .fetch_one(&mut conn)
            .await
            .unwrap()
    };
    let (created, request, correlation, _) = of("OrganizationCreated").await;
    let (joined, cause, joined_in, actor) = of("OrganizationJoined").await;
    assert_eq!(cause, created, "the creation is the cause");
    assert_eq!(
        (request, correlation.as_str()),
        (correlation.clone(), joined_in.as_str())
    );
    assert_ne!(joined, created);
    assert_eq!(actor, format!("user:{ada}"));
}

#[tokio::test]
async fn a_member_sees_their_own_organizations_and_cannot_tell_others_from_none() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let club = organization(&owner, "club").await;
    let secret = organization(&owner, "secret").await;
    let (_, bob) = member_of(&app, &owner, "bob", club).await;
    assert_eq!(names(&bob.get(ORGANIZATIONS).await), ["club"]);
    for name in ["club", &club.to_string()] {
        assert_eq!(
            bob.get(&format!("{ORGANIZATIONS}/{name}")).await.status,
            200
        );
    }
    let nothing = bob.get(&format!("{ORGANIZATIONS}/nothing")).await;
    assert_refused(&nothing, 404, NOT_FOUND);
    for name in [
        "secret",
        "default",
        &secret.to_string(),
        &Uuid::from_u128(1).to_string(),
        "%00",
        "%FF",
    ] {
        let answer = bob.get(&format!("{ORGANIZATIONS}/{name}")).await;
        assert_eq!(
            (answer.status, &answer.text),
            (404, &nothing.text),
            "{name}"
        );
    }
}

#[tokio::test]
async fn who_reads_the_whole_service_sees_all_organizations() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    organization(&owner, "Club").await;
    organization(&owner, "acme").await;
    let mut readers = vec![owner.clone()];
    for (name, role) in [
        ("admin", Role::UserAdmin),
        ("audit", Role::Auditor),
        ("templates", Role::TemplateAdmin),
    ] {
        readers.push(with_role(&app, &owner, name, role).await);
    }
    for reader in readers {
        let listed = reader.get(&format!("{ORGANIZATIONS}/")).await;
        assert_eq!(names(&listed), ["acme", "Club", "default"]);
        assert_eq!(
            reader.get(&format!("{ORGANIZATIONS}/club")).await.status,
            200
        );
    }
}

#[tokio::test]
async fn a_users_organizations_come_in_the_order_of_joining() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let zoo = organization(&owner, "zoo").await;
    let club = organization(&owner, "club").await;
    let acme = organization(&owner, "acme").await;
    let (id, bob) = member_of(&app, &owner, "bob", zoo).await;
    for organization in [club, acme] {
        app.command(id, UserCommand::JoinOrganization(organization))
            .await;
    }
    let own = bob.get(&format!("{ME}/organizations")).await;
    assert_eq!(names(&own), ["zoo", "club", "acme"]);
    assert_eq!(
        own.json[0],
        bob.get(&format!("{ORGANIZATIONS}/zoo")).await.json
    );
    app.command(id, UserCommand::LeaveOrganization(zoo)).await;
    app.command(id, UserCommand::JoinOrganization(zoo)).await;
    let own = bob.get(&format!("{ME}/organizations")).await;
    assert_eq!(names(&own), ["club", "acme", "zoo"]);
    let me = bob.get(ME).await;
    assert_eq!(me.json["organization_ids"], json!([club, acme, zoo]));
}

#[tokio::test]
async fn of_anothers_organizations_one_sees_those_that_one_may_see() {
    use rollcall_events::user::OrganizationRole;
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let club = organization(&owner, "club").await;
    let secret = organization(&owner, "secret").await;
    let (bob, _) = member_of(&app, &owner, "bob", club).await;
    app.command(bob, UserCommand::JoinOrganization(secret))
        .await;
    // Sees all users, and no other organisation than the own.
    let (eve, admin) = member_of(&app, &owner, "eve", club).await;
    app.command(
        eve,
        UserCommand::AssignOrganizationRoles {
            organization_id: club,
            roles: [OrganizationRole::Admin].into(),
        },
    )
    .await;
    let of_bob = |client: Client, rest: &'static str| async move {
        client
            .get(&format!("{USERS}/bob/organizations{rest}"))
            .await
    };
    assert_eq!(names(&of_bob(owner.clone(), "").await), ["club", "secret"]);
    assert_eq!(names(&of_bob(admin.clone(), "").await), ["club"]);
    assert_eq!(of_bob(admin.clone(), "/club").await.status, 200);
    assert_refused(&of_bob(admin, "/secret").await, 404, NOT_FOUND);
    let (_, dora) = member_of(&app, &owner, "dora", club).await;
    assert_refused(&of_bob(dora.clone(), "").await, 404, NOT_FOUND);
    assert_refused(&of_bob(dora, "/club").await, 404, NOT_FOUND);
}

#[tokio::test]
async fn one_organization_of_a_user_is_found_by_name_by_id_and_as_the_default_if_they_belong_to_it()
{
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let club = organization(&owner, "club").await;
    let (_, bob) = member(&app, &owner, "bob").await;
    let default = app.app.default_organization;
    let expected = owner.get(&format!("{ORGANIZATIONS}/default")).await;
    for name in ["default", "DEFAULT", &default.to_string()] {
        let found = bob.get(&format!("{ME}/organizations/{name}")).await;
        assert_eq!(found.json, expected.json, "{name}");
    }
    for name in ["club", &club.to_string(), "nothing"] {
        let hidden = bob.get(&format!("{ME}/organizations/{name}")).await;
        assert_refused(&hidden, 404, NOT_FOUND);
        let other = owner
            .get(&format!("{USERS}/bob/organizations/{name}"))
            .await;
        assert_refused(&other, 404, NOT_FOUND);
    }
}

#[tokio::test]
async fn who_is_gone_belongs_nowhere() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let id = app.user(&owner, "bob").await;
    app.command(id, UserCommand::DeleteUser).await;
    let answer = owner.get(&format!("{USERS}/{id}/organizations")).await;
    assert_eq!(answer.json, json!([]));
    let answer = owner
        .get(&format!("{USERS}/{id}/organizations/default"))
        .await;
    assert_refused(&answer, 404, NOT_FOUND);
}

#[tokio::test]
async fn everybody_has_the_one_organization_that_the_command_line_creates_users_in() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let admin = with_role(&app, &owner, "admin", Role::UserAdmin).await;
    for client in [owner, admin] {
        let own = client.get(&format!("{ME}/organizations")).await;
        let [only] = own.json.as_array().unwrap().as_slice() else {
            panic!("{own:?}");
        };
        let wish = wish_with(
            &app,
            &format!("u{}", &client.token()[..9]),
            &json!({ "organization_ids": [only["id"]] }),
        );
        assert_eq!(client.post(USERS, &wish).await.status, 201);
    }
}

#[tokio::test]
async fn organizations_are_not_changed_and_not_deleted() {
    use axum::http::Method;
    let app = TestApp::start().await;
    let owner = app.owner().await;
    organization(&owner, "club").await;
    for method in [Method::PATCH, Method::DELETE, Method::PUT] {
        let path = format!("{ORGANIZATIONS}/club");
        let answer = owner.send(method.clone(), &path, &[], b"{}".to_vec()).await;
        assert_eq!(answer.status, 405, "{method}");
    }
    assert_eq!(names(&owner.get(ORGANIZATIONS).await), ["club", "default"]);
}

#[tokio::test]
async fn nobody_without_a_good_token_learns_of_any_organization() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (bob, stale) = member(&app, &owner, "bob").await;
    app.command(bob, UserCommand::SuspendUser).await;
    for client in [app.anonymous(), app.with_token("garbage"), stale] {
        for path in [
            ORGANIZATIONS.to_owned(),
            format!("{ORGANIZATIONS}/default"),
            format!("{ORGANIZATIONS}/nothing"),
            format!("{ME}/organizations"),
            format!("{ME}/organizations/default"),
        ] {
            let answer = client.get(&path).await;
            assert_eq!(answer.status, 401, "{path}");
            assert!(!text(&answer, "message").is_empty());
        }
        let answer = client.post(ORGANIZATIONS, &json!({ "name": "club" })).await;
        assert_eq!(answer.status, 401);
    }
}
