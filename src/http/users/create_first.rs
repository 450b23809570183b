//! `POST /users/first`: whoever comes first becomes the owner. Of many who race, one.

use std::collections::BTreeSet;

use axum::{
    Extension,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use rollcall_events::{
    Actor,
    user::{
        CreateUser, DisplayName, EmailAddress, LoginType, Person, Role, Status, UserCommand,
        Username,
    },
    vault::VaultWrite,
};
use rollcall_projections::users::find;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::fields::Fields;
use crate::{
    app::AppState,
    auth::RequestContext,
    command_bus::CommandError,
    http::{
        answer::{Json, Refusal, position_header},
        body::JsonBody,
    },
};

/// The first user. What else clients send (a trial, its form, newsletters) is of no use here.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Request {
    email: String,
    username: String,
    name: String,
    password: String,
}

/// Who it is, and where.
#[derive(Serialize)]
pub struct Created {
    user_id: Uuid,
    organization_id: Uuid,
}

/// Creates the first user, an owner in the default organisation.
pub async fn create_first(
    State(app): State<AppState>,
    Extension(context): Extension<RequestContext>,
    JsonBody(request): JsonBody<Request>,
) -> Result<Response, Refusal> {
    let person = read_person(&request)?;
    if find::any_live(&app.pool).await? {
        return Err(somebody_is_here());
    }
    let hints = vec![request.username, request.email, request.name];
    let hashed = app.passwords.accept(request.password, hints).await?;
    let user_id = app.ids.uuid();
    let command = UserCommand::CreateUser(CreateUser {
        person,
        login_type: LoginType::Password,
        status: Status::Active,
        roles: BTreeSet::from([Role::Owner]),
        organizations: vec![app.default_organization],
        password_scheme: Some(hashed.scheme),
        first: true,
    });
    let secrets = vec![VaultWrite::PasswordHash {
        subject: user_id,
        hash: hashed.hash,
        revision: 1,
    }];
    let metadata = context.metadata(Actor::Anonymous, None, app.ids);
    let done = app
        .users
        .execute(user_id, command, metadata, secrets)
        .await
        .map_err(|error| match error {
            CommandError::Taken(_) => somebody_is_here(),
            other => Refusal::from_command(&other),
        })?;
    let created = Created {
        user_id,
        organization_id: app.default_organization,
    };
    Ok((
        position_header(done.position),
        Json(StatusCode::CREATED, created),
    )
        .into_response())
}

fn read_person(request: &Request) -> Result<Person, Refusal> {
    let mut fields = Fields::default();
    let email = fields.read(EmailAddress::parse(&request.email));
    let username = fields.read(Username::parse(&request.username));
    let name = fields.read(DisplayName::parse(&request.name));
    if request.password.is_empty() {
        fields.wrong(
            "password",
            "Validation failed for tag \"required\": a password is required",
        );
    }
    match (email, username, name, fields.finish()) {
        (Some(email), Some(username), Some(name), Ok(())) => Ok(Person {
            email,
            username,
            name,
            avatar_url: String::new(),
        }),
        (_, _, _, Err(refusal)) => Err(refusal),
        _ => Err(Refusal::validation(Vec::new())),
    }
}

fn somebody_is_here() -> Refusal {
    Refusal::new(
        StatusCode::CONFLICT,
        "The initial user has already been created.",
    )
}
