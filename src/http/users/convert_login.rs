//! `POST /users/{user}/convert-login`: signing in otherwise from now on. To a provider: the password is proven here, and
//! the account at the provider in the flow that follows. Back to a password: only right after signing in by the provider.

use std::sync::Arc;

use axum::{
    extract::{FromRequest, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use rollcall_events::{
    user::{LoginType, UserCommand},
    vault::VaultWrite,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{fields::Fields, refused::refused, target::target};
use crate::{
    app::{App, AppState},
    auth::{
        guesses::Account,
        new_password::{self, Owner},
        passwords::Verdict,
        proof::Proof,
        providers::Flow,
    },
    command_bus::CommandError,
    http::{
        answer::{Json, Refusal, Validation},
        body::JsonBody,
        caller::Caller,
        oauth2_callback::Conversion,
        openapi::schemas,
        path::Path,
        position::position_header,
        timestamp::Timestamp,
    },
    permissions::{Action, Object},
};

/// How long the browser has to go on to the provider.
const LIFETIME: TimeDelta = TimeDelta::minutes(5);
/// Whoever gives themselves a password must have signed in by the provider just now.
const FRESH: TimeDelta = TimeDelta::minutes(10);

/// How the user wants to sign in.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = ConvertLogin)]
pub struct Request {
    /// `github` or `oidc`; or `password`, to leave the provider.
    #[schema(value_type = schemas::UserLoginType, required)]
    to_type: String,
    /// The password that there is; to leave the provider, the new one.
    #[schema(value_type = schemas::Password, required)]
    password: String,
}

/// What the flow that follows is known by: the value of `oidc_merge_state` at the provider's callback.
#[derive(Serialize, ToSchema)]
#[schema(as = OauthConversion)]
pub struct Answer {
    #[schema(example = "k2Vd0sX7Qm1cYtR8uJ4bNp6hLz3gWf5A")]
    state_string: String,
    expires_at: Timestamp,
    #[schema(value_type = schemas::UserLoginType)]
    to_type: &'static str,
    user_id: Uuid,
}

/// Signs in otherwise from now on.
#[utoipa::path(post, path = "/api/v2/users/{user}/convert-login", tag = "sessions", operation_id = "convert_login",
    request_body(content = Request, example = json!({ "to_type": "github", "password": "correct horse battery staple" })),
    responses(
        (status = 201, body = Answer),
        (status = 409, description = "Others were changing the user at the same moment."),
    ))]
pub async fn convert_login(
    State(app): State<AppState>,
    caller: Caller,
    Path(user): Path<String>,
    body: axum::extract::Request,
) -> Result<Response, Refusal> {
    let found = target(&app, &caller, &user).await?;
    if found.row.deleted_at.is_some() {
        return Err(Refusal::not_found());
    }
    if found.row.id != caller.user().row.id {
        return Err(Refusal::forbidden());
    }
    let JsonBody(request) = JsonBody::<Request>::from_request(body, &app).await?;
    let to = read(&app, &request)?;
    if to == LoginType::Password && !app.config.password_login {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "Password authentication is disabled, so no user can have a password.",
        ));
    }
    if found.row.login_type == to {
        return Err(bad(format!("You sign in with {} already.", to.name())));
    }
    if to == LoginType::Password {
        to_password(&app, &caller, request.password).await
    } else {
        to_provider(&app, &caller, to, request.password).await
    }
}

fn read(app: &App, request: &Request) -> Result<LoginType, Refusal> {
    let mut fields = Fields::default();
    fields.require_password(&request.password);
    let to = LoginType::parse(&request.to_type)
        .filter(|to| *to == LoginType::Password || app.providers.get(*to).is_some());
    if to.is_none() {
        fields.wrong(
            "to_type",
            "must be password, or github or oidc if that is configured",
        );
    }
    fields.finish(to)
}

/// Proves the password. Nothing changes before the provider has proven the account there.
async fn to_provider(
    app: &App,
    caller: &Caller,
    to: LoginType,
    password: String,
) -> Result<Response, Refusal> {
    let id = caller.user().row.id;
    let vault = app.log.vault();
    let credential = vault
        .credential(&app.pool, id)
        .await?
        .ok_or_else(|| bad("You do not sign in with a password."))?;
    let proof = Proof {
        account: Account::User(id),
        address: caller.request.origin.ip,
        password: Arc::from(password),
        hash: credential.trusted_hash().map(str::to_owned),
    };
    if proof.verify(app).await?.0 == Verdict::Wrong {
        let wrong = Validation::new("password", "The password is incorrect.");
        return Err(bad("The password is incorrect.").with_validations(vec![wrong]));
    }
    let wish = Conversion {
        state: Flow::generate(app.ids).state,
        user: id,
        to,
        revision: credential.revision,
        expires_at: app.clock.now() + LIFETIME,
    };
    let cookies: HeaderMap = wish
        .cookie(app)?
        .into_iter()
        .map(|cookie| (header::SET_COOKIE, cookie))
        .collect();
    let answer = Json(
        StatusCode::CREATED,
        answer(wish.state, wish.expires_at, to, id),
    );
    Ok((cookies, answer).into_response())
}

/// Leaves the provider. Every session ends, this one included.
async fn to_password(app: &App, caller: &Caller, password: String) -> Result<Response, Refusal> {
    let session = &caller.session.session;
    let now = app.clock.now();
    let is_fresh =
        session.login_type == caller.user().row.login_type && now - session.created_at <= FRESH;
    if !is_fresh {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "Sign in by your provider again, and then give yourself a password within ten minutes.",
        ));
    }
    let row = &caller.user().row;
    let required = caller
        .requirement()
        .allows(Action::UpdatePersonal, Object::user(row.id));
    let hashed = new_password::accept(app, password, Owner::from(row)).await?;
    let known = app.users.state(row.id).await;
    let known = known.map_err(|error| refused(&CommandError::Log(error)))?;
    let revision = known.password_revision();
    let command = UserCommand::ConvertToPassword {
        scheme: hashed.scheme,
        revision,
    };
    let secrets = vec![
        VaultWrite::PasswordHash {
            subject: row.id,
            hash: hashed.hash,
            revision: revision + 1,
        },
        VaultWrite::NoProviderTokens { subject: row.id },
    ];
    let done = app
        .users
        .execute(row.id, command, caller.authority(app, required), secrets)
        .await
        .map_err(|error| refused(&error))?;
    let body = answer(String::new(), now, LoginType::Password, row.id);
    let answer = Json(StatusCode::CREATED, body);
    Ok((position_header(done.position), answer).into_response())
}

fn answer(state: String, expires_at: DateTime<Utc>, to: LoginType, user_id: Uuid) -> Answer {
    Answer {
        state_string: state,
        expires_at: Timestamp(expires_at),
        to_type: to.name(),
        user_id,
    }
}

fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, message)
}
