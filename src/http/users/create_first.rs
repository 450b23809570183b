//! `POST /users/first`: whoever comes first becomes the owner. Of many who race, one.

use std::collections::BTreeSet;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use rollcall_events::{
    Authority,
    user::{CreateUser, LoginType, Person, Role, Status, UserCommand},
    vault::VaultWrite,
};
use rollcall_projections::users::find;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::fields::Fields;
use crate::{
    app::AppState,
    auth::new_password,
    command_bus::CommandError,
    http::{
        answer::{Json, Refusal},
        body::JsonBody,
        openapi::schemas,
        position::position_header,
        request_context::RequestContext,
    },
};

/// The first user. What else clients send (a trial, its form, newsletters) is of no use here.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = CreateFirstUser)]
pub struct Request {
    #[schema(value_type = schemas::Email, required)]
    pub email: String,
    #[schema(value_type = schemas::Username, required)]
    pub username: String,
    #[schema(value_type = schemas::DisplayName)]
    pub name: String,
    #[schema(value_type = schemas::NewPassword, required)]
    pub password: String,
}

/// Who it is, and where.
#[derive(Serialize, ToSchema)]
#[schema(as = FirstUser)]
pub struct Created {
    #[schema(example = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff")]
    user_id: Uuid,
    #[schema(example = "0b9b3f4e-6d5a-4f0f-9d5d-2f6a3c1e7b8a")]
    organization_id: Uuid,
}

/// Creates the first user, an owner in the default organisation.
#[utoipa::path(post, path = "/api/v2/users/first", tag = "users", operation_id = "create_first_user", request_body = Request,
    responses(
        (status = 201, body = Created),
        (status = 403, description = "A page of another site made the browser send this."),
        (status = 409, description = "There is a first user already."),
    ))]
pub async fn create_first(
    State(app): State<AppState>,
    context: RequestContext,
    JsonBody(request): JsonBody<Request>,
) -> Result<Response, Refusal> {
    let person = read_person(&request)?;
    if find::any_live(&app.pool).await? {
        return Err(somebody_is_here());
    }
    let owner = new_password::Owner {
        texts: vec![request.username, request.email, request.name],
        organizations: Vec::new(),
    };
    let hashed = new_password::accept(&app, request.password, owner).await?;
    let user_id = app.ids.uuid();
    let command = UserCommand::CreateUser(CreateUser {
        person,
        login_type: LoginType::Password,
        status: Status::Active,
        roles: BTreeSet::from([Role::Owner]),
        organizations: vec![app.default_organization],
        password_scheme: Some(hashed.scheme),
        identity: None,
        first: true,
    });
    let secrets = vec![VaultWrite::PasswordHash {
        subject: user_id,
        hash: hashed.hash,
        revision: 1,
    }];
    let authority = Authority::anonymous(context.metadata(None, app.ids));
    let done = app
        .users
        .execute(user_id, command, authority, secrets)
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
