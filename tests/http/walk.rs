//! Every operation of the API's description, walked by everybody. What each caller gets follows from the permission
//! table, and an operation that is not listed here fails the test.

use std::collections::BTreeSet;

use axum::http::Method;
use chrono::TimeDelta;
use rollcall::{
    http::openapi::DOCUMENT,
    permissions::{Action, Object, Subject},
};
use rollcall_events::user::{Membership, OrganizationRole, Role, Scope, UserCommand};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    given::{USERS, member, text, wish, with_role},
    support::{TestApp, client::Client},
};

const ORGANIZATIONS: &str = "/api/v2/organizations";

/// An operation, and what it takes.
struct Operation {
    /// Method and path, as the description has them.
    is: &'static str,
    body: fn(&Target) -> Value,
    takes: Takes,
}

enum Takes {
    /// Nothing: this is the status for anybody.
    Nothing(u16),
    /// A good token.
    Token(u16),
    /// A right: the status of who has it, and of who sees the target and has it not.
    Right {
        to: fn(&Subject, &Target) -> bool,
        yes: u16,
        no: u16,
    },
}

/// What an operation is done to: each is done to another.
struct Target {
    user: Uuid,
    username: String,
    /// The user is in it.
    organization: Uuid,
    /// The user is not in it.
    elsewhere: Uuid,
    key: String,
}

/// Who walks.
struct Walker {
    name: &'static str,
    client: Client,
    subject: Subject,
}

fn nothing(_: &Target) -> Value {
    Value::Null
}

const fn open(is: &'static str, status: u16) -> Operation {
    Operation {
        is,
        body: |_| json!({}),
        takes: Takes::Nothing(status),
    }
}

const fn token(is: &'static str, body: fn(&Target) -> Value, status: u16) -> Operation {
    Operation {
        is,
        body,
        takes: Takes::Token(status),
    }
}

const fn right(
    is: &'static str,
    body: fn(&Target) -> Value,
    to: fn(&Subject, &Target) -> bool,
    yes: u16,
    no: u16,
) -> Operation {
    Operation {
        is,
        body,
        takes: Takes::Right { to, yes, no },
    }
}

/// The right to do this to the target's user.
macro_rules! user {
    ($action:ident) => {
        |subject, target| subject.may(Action::$action, &Object::user(target.user))
    };
}

/// The right to do this to the target's keys.
macro_rules! keys {
    ($action:ident) => {
        |subject, target| subject.may(Action::$action, &Object::api_key_of(target.user))
    };
}

/// The right to do this to the target's membership.
macro_rules! membership {
    ($action:ident) => {
        |subject, target| {
            subject.may(
                Action::$action,
                &Object::member_of(target.organization, target.user),
            )
        }
    };
}

#[rustfmt::skip]
const OPERATIONS: &[Operation] = &[
    open("GET /healthz", 200),
    open("GET /readyz", 200),
    open("GET /openapi.json", 200),
    open("GET /docs", 200),
    open("GET /api/v2", 200),
    open("GET /api/v2/buildinfo", 200),
    open("GET /api/v2/updatecheck", 200),
    open("GET /api/v2/users/first", 200),
    open("POST /api/v2/users/first", 400),
    open("GET /api/v2/users/authmethods", 200),
    open("POST /api/v2/users/login", 400),
    open("GET /api/v2/users/oauth2/github/callback", 400),
    open("GET /api/v2/users/oidc/callback", 400),

    token("GET /api/v2/users", nothing, 200),
    token("GET /api/v2/users/roles", nothing, 200),
    token("GET /api/v2/organizations", nothing, 200),
    token("GET /api/v2/entitlements", nothing, 200),
    token("POST /api/v2/authcheck", |_| json!({ "checks": {} }), 200),

    right("POST /api/v2/users", new_user, |subject, _| subject.may(Action::Create, &Object::any_user()), 201, 403),
    right("GET /api/v2/users/{user}", nothing, user!(Read), 200, 404),
    right("DELETE /api/v2/users/{user}", nothing, user!(Delete), 200, 403),
    right("DELETE /api/v2/users/{user}/personal-data", |target| json!({ "confirm": target.username }), user!(Erase), 200, 403),
    right("GET /api/v2/users/{user}/history", nothing, user!(ReadHistory), 200, 404),
    right("GET /api/v2/users/{user}/sessions", nothing, user!(ReadHistory), 200, 404),
    right("GET /api/v2/users/{user}/difference", nothing, user!(ReadHistory), 200, 404),
    right("PUT /api/v2/users/{user}/profile", profile, user!(Update), 200, 404),
    right("PUT /api/v2/users/{user}/status/suspend", nothing, user!(Update), 200, 404),
    right("PUT /api/v2/users/{user}/status/activate", nothing, user!(Update), 200, 404),
    right("PUT /api/v2/users/{user}/password", password, user!(UpdatePersonal), 204, 404),
    right("GET /api/v2/users/{user}/roles", nothing, user!(ReadPersonal), 200, 404),
    right("PUT /api/v2/users/{user}/roles", |_| json!({ "roles": ["auditor"] }), gives_auditor, 200, 403),
    right("GET /api/v2/users/{user}/login-type", nothing, |subject, target| subject.user == target.user, 200, 403),
    right("POST /api/v2/users/{user}/convert-login", nothing, |subject, target| subject.user == target.user, 201, 403),
    right("GET /api/v2/users/{user}/organizations", nothing, user!(Read), 200, 404),
    right("GET /api/v2/users/{user}/organizations/{organization}", nothing, reads_organization, 200, 404),

    right("POST /api/v2/users/{user}/keys", nothing, keys!(Create), 201, 403),
    right("GET /api/v2/users/{user}/keys/{id}", nothing, keys!(Read), 200, 403),
    right("DELETE /api/v2/users/{user}/keys/{id}", nothing, keys!(Delete), 204, 403),
    right("PUT /api/v2/users/{user}/keys/{id}/expire", nothing, keys!(Update), 204, 403),
    right("GET /api/v2/users/{user}/keys/tokens", nothing, keys!(Read), 200, 403),
    right("POST /api/v2/users/{user}/keys/tokens", |_| json!({}), keys!(Create), 201, 403),
    right("GET /api/v2/users/{user}/keys/tokens/tokenconfig", nothing, keys!(Read), 200, 403),
    right("GET /api/v2/users/{user}/keys/tokens/{token_name}", nothing, keys!(Read), 200, 403),

    right("POST /api/v2/organizations", new_organization, |subject, _| subject.may(Action::Create, &Object::any_organization()), 201, 403),
    right("GET /api/v2/organizations/{organization}", nothing, reads_organization, 200, 404),
    right("GET /api/v2/organizations/{organization}/members", nothing, reads_organization, 200, 404),
    right("GET /api/v2/organizations/{organization}/paginated-members", nothing, reads_organization, 200, 404),
    right("GET /api/v2/organizations/{organization}/members/roles", nothing, |subject, target| subject.may(Action::Read, &Object::roles_in(target.organization)), 200, 404),
    right("POST /api/v2/organizations/{elsewhere}/members/{user}", nothing, |subject, target| subject.may(Action::Create, &Object::member_of(target.elsewhere, target.user)), 200, 403),
    right("DELETE /api/v2/organizations/{organization}/members/{user}", nothing, membership!(Delete), 204, 403),
    right("PUT /api/v2/organizations/{organization}/members/{user}/roles", |_| json!({ "roles": ["organization-auditor"] }), |subject, target| subject.may(Action::Assign, &Object::roles_in(target.organization)), 200, 403),

    right("GET /api/v2/events", nothing, |subject, _| subject.may(Action::Read, &Object::audit_log()), 200, 403),
    // None was made.
    right("GET /api/v2/log/checkpoint", nothing, |subject, _| subject.may(Action::Read, &Object::audit_log()), 404, 403),
    // Of which event, from where to where: nothing is said.
    right("GET /api/v2/log/proof/inclusion", nothing, |subject, _| subject.may(Action::Read, &Object::audit_log()), 400, 403),
    right("GET /api/v2/log/proof/consistency", nothing, |subject, _| subject.may(Action::Read, &Object::audit_log()), 400, 403),
    right("GET /api/v2/audit", nothing, |subject, _| subject.may(Action::Read, &Object::audit_log()), 200, 403),
    right("POST /api/v2/audit/testgenerate", |_| json!({}), |subject, _| subject.roles.contains(&Role::Owner), 204, 403),

    // Last, because it ends the session.
    token("POST /api/v2/users/logout", nothing, 200),
];

fn new_user(target: &Target) -> Value {
    json!({
        "email": format!("n{}@example.com", target.username),
        "username": format!("n{}", target.username),
        "login_type": "none",
        "organization_ids": [target.organization],
    })
}

fn profile(target: &Target) -> Value {
    json!({ "username": target.username, "name": "Somebody Else" })
}

fn password(_: &Target) -> Value {
    json!({ "password": "a quite different sentence" })
}

fn new_organization(target: &Target) -> Value {
    json!({ "name": format!("o-{}", target.username) })
}

fn gives_auditor(subject: &Subject, _: &Target) -> bool {
    subject.may_change_roles(&BTreeSet::new(), &BTreeSet::from([Role::Auditor]))
}

fn reads_organization(subject: &Subject, target: &Target) -> bool {
    subject.may(Action::Read, &Object::organization(target.organization))
}

impl Operation {
    /// What the walker is to get: nothing is told of a user or an organisation that they may not see.
    fn expected(&self, subject: &Subject, target: &Target) -> u16 {
        let hides_user =
            self.is.contains("{user}") && !subject.may(Action::Read, &Object::user(target.user));
        let hides = |place: &str, id| {
            self.is.contains(place) && !subject.may(Action::Read, &Object::organization(id))
        };
        match self.takes {
            Takes::Nothing(status) | Takes::Token(status) => status,
            _ if hides_user
                || hides("{organization}", target.organization)
                || hides("{elsewhere}", target.elsewhere) =>
            {
                404
            }
            Takes::Right { to, yes, .. } if to(subject, target) => yes,
            Takes::Right { no, .. } => no,
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.takes, Takes::Nothing(_))
    }

    async fn status(&self, client: &Client, target: &Target) -> u16 {
        let (method, path) = self.is.split_once(' ').unwrap();
        let path = path
            .replace("{user}", &target.user.to_string())
            .replace("{organization}", &target.organization.to_string())
            .replace("{elsewhere}", &target.elsewhere.to_string())
            .replace("{id}", &target.key)
            .replace("{token_name}", "ci");
        let body = match (self.body)(target) {
            Value::Null => Vec::new(),
            body => serde_json::to_vec(&body).unwrap(),
        };
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = client.send(method, &path, &[], body).await;
        if answer.status >= 400 && path.starts_with("/api") {
            assert!(!text(&answer, "message").is_empty(), "{path}: {answer:?}");
        }
        answer.status
    }
}

async fn start() -> TestApp {
    TestApp::start_with(|config| config.audit_test_entries = true).await
}

async fn organization(owner: &Client, name: &str) -> Uuid {
    let created = owner.post(ORGANIZATIONS, &json!({ "name": name })).await;
    assert_eq!(created.status, 201, "{created:?}");
    created.json["id"].as_str().unwrap().parse().unwrap()
}

/// A new user with a token, in that organisation.
async fn target(app: &TestApp, owner: &Client, places: [Uuid; 2], nth: usize) -> Target {
    let username = format!("target{nth}");
    let mut wish = wish(app, &username);
    wish["organization_ids"] = json!([app.app.default_organization, places[0]]);
    let created = owner.post(USERS, &wish).await;
    let user: Uuid = created.json["id"].as_str().unwrap().parse().unwrap();
    let tokens = format!("{USERS}/{user}/keys/tokens");
    let made = owner.post(&tokens, &json!({ "token_name": "ci" })).await;
    let (key, _) = made.json["key"].as_str().unwrap().split_once('-').unwrap();
    Target {
        user,
        username,
        organization: places[0],
        elsewhere: places[1],
        key: key.to_owned(),
    }
}

#[test]
fn every_operation_of_the_description_is_walked_here() {
    let document: Value = serde_json::from_str(&DOCUMENT).unwrap();
    let mut described = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            if method != "parameters" {
                described.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    let walked = OPERATIONS.iter();
    let walked = walked.map(|operation| operation.is.replace("{elsewhere}", "{organization}"));
    assert_eq!(described, walked.collect());
}

#[tokio::test]
async fn without_a_good_token_nothing_opens_that_takes_one() {
    let app = start().await;
    let owner = app.owner().await;
    let (_, expired) = member(&app, &owner, "expired").await;
    app.pass(TimeDelta::hours(25));
    let owner = app.sign_in("ada@example.com").await;
    let (id, suspended) = member(&app, &owner, "suspended").await;
    app.command(id, UserCommand::SuspendUser).await;
    let (id, deleted) = member(&app, &owner, "deleted").await;
    app.command(id, UserCommand::DeleteUser).await;
    let (_, gone) = member(&app, &owner, "gone").await;
    assert_eq!(
        gone.post("/api/v2/users/logout", &Value::Null).await.status,
        200
    );
    let (id, _) = owner.token().split_once('-').unwrap();
    let places = [
        organization(&owner, "lab").await,
        organization(&owner, "annex").await,
    ];
    let target = target(&app, &owner, places, 0).await;
    let callers = [
        ("no token", app.anonymous()),
        ("an empty token", app.with_token("")),
        ("garbage", app.with_token("garbage")),
        (
            "a wrong secret",
            app.with_token(&format!("{id}-0000000000000000000000")),
        ),
        ("an expired token", expired),
        ("a suspended user's token", suspended),
        ("a deleted user's token", deleted),
        ("a token that was signed out", gone),
    ];
    for (who, client) in &callers {
        for operation in OPERATIONS {
            let expected = match operation.takes {
                Takes::Nothing(status) => status,
                Takes::Token(_) | Takes::Right { .. } => 401,
            };
            let status = operation.status(client, &target).await;
            assert_eq!(status, expected, "{} with {who}", operation.is);
        }
    }
}

#[tokio::test]
async fn everybody_gets_from_every_operation_what_the_permission_table_says() {
    let app = start().await;
    let owner = app.owner().await;
    let places = [
        organization(&owner, "lab").await,
        organization(&owner, "annex").await,
    ];
    let mut nth = 0;
    for walker in walkers(&app, &owner, places[0]).await {
        for operation in OPERATIONS.iter().filter(|operation| !operation.is_open()) {
            nth += 1;
            let target = target(&app, &owner, places, nth).await;
            let expected = operation.expected(&walker.subject, &target);
            let status = operation.status(&walker.client, &target).await;
            assert_eq!(status, expected, "{} by {}", operation.is, walker.name);
        }
    }
}

/// One of each kind; all are in the default organisation, and the last in the target's too, as its administrator.
async fn walkers(app: &TestApp, owner: &Client, lab: Uuid) -> Vec<Walker> {
    let mut walkers = Vec::new();
    let roles = [
        ("member", None),
        ("auditor", Some(Role::Auditor)),
        ("user-admin", Some(Role::UserAdmin)),
        ("template-admin", Some(Role::TemplateAdmin)),
        ("another-owner", Some(Role::Owner)),
    ];
    let default = Membership::new(app.app.default_organization);
    for (name, role) in roles {
        let client = match role {
            Some(role) => with_role(app, owner, name, role).await,
            None => member(app, owner, name).await.1,
        };
        walkers.push(walker(name, client, role, vec![default.clone()]).await);
    }
    let (id, client) = member(app, owner, "lab-admin").await;
    app.command(id, UserCommand::JoinOrganization(lab)).await;
    let admin = BTreeSet::from([OrganizationRole::Admin]);
    let assign = UserCommand::AssignOrganizationRoles {
        organization_id: lab,
        roles: admin.clone(),
    };
    app.command(id, assign).await;
    let lab = Membership {
        organization_id: lab,
        roles: admin,
    };
    walkers.push(walker("organization's admin", client, None, vec![default, lab]).await);
    walkers
}

async fn walker(
    name: &'static str,
    client: Client,
    role: Option<Role>,
    memberships: Vec<Membership>,
) -> Walker {
    let me = client.get("/api/v2/users/me").await;
    Walker {
        name,
        client,
        subject: Subject {
            user: me.json["id"].as_str().unwrap().parse().unwrap(),
            roles: role.into_iter().collect(),
            memberships,
            scope: Scope::All,
        },
    }
}

#[tokio::test]
async fn a_token_in_the_wrong_place_opens_nothing() {
    let app = start().await;
    let owner = app.owner().await;
    let places = [
        organization(&owner, "lab").await,
        organization(&owner, "annex").await,
    ];
    let target = target(&app, &owner, places, 0).await;
    let cookie = format!("csrf_token={}", owner.token());
    let headers = [
        ("Cookie", cookie.as_str()),
        ("X-Session-Token", owner.token()),
        ("X-CSRF-TOKEN", owner.token()),
    ];
    for operation in OPERATIONS.iter().filter(|operation| !operation.is_open()) {
        let (method, path) = operation.is.split_once(' ').unwrap();
        let path = path.replace("{user}", &target.user.to_string());
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = app
            .anonymous()
            .send(method, &path, &headers, Vec::new())
            .await;
        assert_eq!(answer.status, 401, "{path}");
    }
}
