//! `POST /users/first`: whoever comes first becomes the owner. Of many who race, one.

use std::collections::BTreeSet;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use rollcall_events::{
    Actor,
    user::{CreateUser, LoginType, Person, Role, Status, UserCommand},
    vault::VaultWrite,
};
use rollcall_projections::users::find;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::fields::Fields;
use crate::{
    app::AppState,
    command_bus::CommandError,
    http::{
        answer::{Json, Refusal, position_header},
        body::JsonBody,
        request_context::RequestContext,
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
    context: RequestContext,
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
    let person = fields.person(&request.email, &request.username, &request.name);
    fields.require_password(&request.password);
    fields.finish(person)
}

fn somebody_is_here() -> Refusal {
    Refusal::new(
        StatusCode::CONFLICT,
        "The initial user has already been created.",
    )
}
