//! A request that is held open gives no more time: what its sender may do is what they may when it is all there.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::ConnectInfo,
    http::{Method, Request},
};
use futures_util::stream;
use rollcall::http;
use rollcall_events::user::{OrganizationRole, Role, UserCommand};
use serde_json::{Value, json};
use tokio::{sync::oneshot, task::JoinHandle};
use tower::ServiceExt;

use super::{every::changes, proof};
use crate::{
    given::{ME, USERS, member, text, wish_with, with_role},
    organizations::{ORGANIZATIONS, member_of, organization},
    support::{TestApp, client::Client},
};

/// Longer than anybody's network needs for a small body.
const A_WHILE: Duration = Duration::from_millis(150);

/// A request of which all but the body has arrived, and been looked at.
struct HeldOpen {
    body: oneshot::Sender<Bytes>,
    status: JoinHandle<u16>,
}

impl HeldOpen {
    async fn begin(app: &TestApp, client: &Client, method: Method, path: &str) -> Self {
        let token = ("Coder-Session-Token", client.token());
        Self::begin_with(app, token, method, path).await
    }

    async fn begin_with(
        app: &TestApp,
        credentials: (&str, &str),
        method: Method,
        path: &str,
    ) -> Self {
        let (looked_at, is_looked_at) = oneshot::channel();
        let (body, rest) = oneshot::channel::<Bytes>();
        // The body is asked for when the caller is known and allowed.
        let arriving = stream::once(async move {
            looked_at.send(()).unwrap();
            Ok::<_, Infallible>(rest.await.unwrap())
        });
        let peer = ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 40_000)));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(credentials.0, credentials.1)
            .extension(peer)
            .body(Body::from_stream(arriving))
            .unwrap();
        let service = http::service(app.app.clone());
        let status =
            tokio::spawn(async { service.oneshot(request).await.unwrap().status().as_u16() });
        is_looked_at.await.unwrap();
        Self { body, status }
    }

    /// The status, after the rest has come.
    async fn end(self, body: &Value) -> u16 {
        self.end_with(body.to_string()).await
    }

    async fn end_with(self, body: String) -> u16 {
        tokio::time::sleep(A_WHILE).await;
        self.body.send(body.into()).unwrap();
        self.status.await.unwrap()
    }
}

#[tokio::test]
async fn who_is_kept_out_meanwhile_does_nothing_by_a_request_that_was_held_open() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    let another_owner = wish_with(&app, "eve", &json!({ "roles": ["owner"] }));
    let tokens = format!("{USERS}/{bob}/keys/tokens");
    let roles = format!("{USERS}/{bob}/roles");
    for (nth, (method, path, body)) in [
        (Method::POST, USERS, another_owner),
        (Method::PUT, &roles, json!({ "roles": ["owner"] })),
        (Method::POST, &tokens, json!({})),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("rogue{nth}");
        let rogue = with_role(&app, &owner, &name, Role::Owner).await;
        let id = text(&rogue.get(ME).await, "id").to_owned();
        let sign_out = app.sign_in(&format!("{name}@example.com")).await;
        let ended = HeldOpen::begin(&app, &sign_out, method.clone(), path).await;
        sign_out.post("/api/v2/users/logout", &Value::Null).await;
        let demoted = HeldOpen::begin(&app, &rogue, method.clone(), path).await;
        let suspended = HeldOpen::begin(&app, &rogue, method.clone(), path).await;
        let deleted = HeldOpen::begin(&app, &rogue, method, path).await;
        let user = format!("{USERS}/{id}");
        let none = json!({ "roles": [] });
        let before = changes(&app).await;
        assert_eq!(ended.end(&body).await, 401, "{path}");
        assert_eq!(owner.put(&format!("{user}/roles"), &none).await.status, 200);
        assert_eq!(demoted.end(&body).await, 409, "{path}");
        let suspend = owner.put(&format!("{user}/status/suspend"), &none).await;
        assert_eq!(suspend.status, 200);
        assert_eq!(suspended.end(&body).await, 401, "{path}");
        assert_eq!(owner.delete(&user).await.status, 200);
        assert_eq!(deleted.end(&body).await, 401, "{path}");
        assert_eq!(changes(&app).await, before + 3, "{path}");
    }
}

#[tokio::test]
async fn who_loses_a_role_in_an_organization_meanwhile_gives_none_there() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let club = organization(&owner, "club").await;
    let (id, admin) = member_of(&app, &owner, "admin", club).await;
    member_of(&app, &owner, "carol", club).await;
    let assign = |roles: &[OrganizationRole]| UserCommand::AssignOrganizationRoles {
        organization_id: club,
        roles: roles.iter().copied().collect(),
    };
    app.command(id, assign(&[OrganizationRole::Admin])).await;
    let path = format!("{ORGANIZATIONS}/club/members/carol/roles");
    let held = HeldOpen::begin(&app, &admin, Method::PUT, &path).await;
    app.command(id, assign(&[])).await;
    let body = json!({ "roles": ["organization-admin"] });
    assert_eq!(held.end(&body).await, 409);
    assert_eq!(admin.put(&path, &body).await.status, 404);
}

#[tokio::test]
async fn who_is_signed_out_meanwhile_is_shown_no_key_on_a_page() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for is_over in [false, true] {
        let ada = app.sign_in("ada@example.com").await;
        let cookie = format!("coder_session_token={}", ada.token());
        let credentials = ("Cookie", cookie.as_str());
        let page = app
            .anonymous()
            .send(Method::GET, "/cli-auth", &[credentials], Vec::new())
            .await;
        let form = format!("proof={}", proof(&page, "/cli-auth"));
        let held = HeldOpen::begin_with(&app, credentials, Method::POST, "/cli-auth").await;
        if is_over {
            ada.post("/api/v2/users/logout", &Value::Null).await;
        }
        let before = changes(&app).await;
        let status = if is_over { 401 } else { 200 };
        assert_eq!(held.end_with(form).await, status);
        assert_eq!(changes(&app).await, before + i64::from(!is_over));
    }
    assert_eq!(owner.get(ME).await.status, 200);
}

#[tokio::test]
async fn who_is_merely_slow_is_served() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let held = HeldOpen::begin(&app, &owner, Method::POST, USERS).await;
    // Whatever else happens to them.
    let profile = json!({ "username": "ada", "name": "Ada" });
    assert_eq!(
        owner
            .put(&format!("{USERS}/me/profile"), &profile)
            .await
            .status,
        200
    );
    app.sign_in("ada@example.com").await;
    assert_eq!(held.end(&wish_with(&app, "bob", &json!({}))).await, 201);
    // The first request of somebody who was dormant, too.
    let dormant = json!({ "user_status": "dormant" });
    owner.post(USERS, &wish_with(&app, "carol", &dormant)).await;
    let made = owner
        .post(&format!("{USERS}/carol/keys/tokens"), &json!({}))
        .await;
    let carol = app.with_token(text(&made, "key"));
    let path = format!("{USERS}/me/profile");
    let held = HeldOpen::begin(&app, &carol, Method::PUT, &path).await;
    assert_eq!(held.end(&json!({ "username": "carol" })).await, 200);
    let (_, dan) = member(&app, &owner, "dan").await;
    let held = HeldOpen::begin(&app, &dan, Method::PUT, &path).await;
    assert_eq!(held.end(&json!({ "username": "ada" })).await, 404);
}
