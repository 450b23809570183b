//! `POST /organizations`: an owner creates an organisation, and belongs to it.
//!
//! These are two facts in two streams: first the organisation comes to be, then its creator joins, because of it. If the
//! database is lost in between, the organisation has no member yet, and its creator can add themselves.

use axum::{
    extract::{FromRequest, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use rollcall_events::{
    Authority,
    organization::{
        CreateOrganization, OrganizationCommand, OrganizationDetails, OrganizationName,
    },
    user::UserCommand,
};
use rollcall_projections::organizations::find;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{OrganizationView, target::DEFAULT};
use crate::{
    app::{App, AppState},
    command_bus::{CommandError, Done},
    http::{
        answer::{Json, Refusal, Validation},
        body::JsonBody,
        caller::Caller,
        openapi::schemas,
        position::position_header,
        users::{fields::Fields, refused::refused},
    },
    permissions::{Action, Object},
};

/// The organization to be created.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = CreateOrganization)]
pub struct Request {
    #[schema(value_type = schemas::OrganizationName, required)]
    name: String,
    /// The name for people. Empty: the name.
    #[schema(value_type = schemas::OrganizationTitle)]
    display_name: String,
    #[schema(
        max_length = 1024,
        pattern = r"^[^\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F]*$",
        example = "For all who row."
    )]
    description: String,
    /// The address of a picture.
    #[schema(value_type = schemas::Picture)]
    icon: String,
}

/// Creates an organization. The caller belongs to it.
#[utoipa::path(post, path = "/api/v2/organizations", tag = "organizations", operation_id = "create_organization",
    request_body = Request, responses(
        (status = 201, body = OrganizationView),
        (status = 409, description = "There is an organization of this name."),
    ))]
pub async fn create(
    State(app): State<AppState>,
    caller: Caller,
    body: axum::extract::Request,
) -> Result<Response, Refusal> {
    let required = caller
        .requirement()
        .allows(Action::Create, Object::any_organization());
    caller.meets(&app, &required, None)?;
    let JsonBody(request) = JsonBody::<Request>::from_request(body, &app).await?;
    let wish = read(&request)?;
    must_be_free(&app, &wish.name).await?;
    let id = app.ids.uuid();
    let creation = caller.authority(&app, required);
    let joining = creation.clone().following(app.ids.uuid());
    let command = OrganizationCommand::CreateOrganization(wish);
    app.organizations
        .execute(id, command, creation, Vec::new())
        .await
        .map_err(|error| match error {
            CommandError::Taken(_) => taken(),
            other => Refusal::from_command(&other),
        })?;
    let done = join(&app, &caller, id, joining).await?;
    let row = find::by_id(&app.pool, id)
        .await?
        .ok_or_else(Refusal::not_found)?;
    let created = Json(StatusCode::CREATED, OrganizationView::from(row));
    Ok((position_header(done.position), created).into_response())
}

fn read(request: &Request) -> Result<CreateOrganization, Refusal> {
    let mut fields = Fields::default();
    let name = OrganizationName::parse(&request.name)
        .map_err(|invalid| fields.wrong("name", invalid.to_string()))
        .ok();
    let details =
        OrganizationDetails::parse(&request.display_name, &request.description, &request.icon)
            .map_err(|broken| {
                for invalid in broken {
                    fields.wrong(invalid.field, invalid.to_string());
                }
            })
            .ok();
    let (name, details) = fields.finish(name.zip(details))?;
    Ok(CreateOrganization {
        name,
        details,
        is_default: false,
    })
}

/// Looks before anything is done; the log decides in the end. What is always the default organisation's is reserved, if
/// it is not its name anyway.
async fn must_be_free(app: &App, name: &OrganizationName) -> Result<(), Refusal> {
    let key = name.key();
    if find::by_name(&app.pool, &key).await?.is_some() {
        return Err(taken());
    }
    if key == DEFAULT {
        let reserved = "is reserved: it always means the default organization";
        let validation = Validation::new("name", format!("The name {key:?} {reserved}."));
        return Err(Refusal::validation(vec![validation]));
    }
    Ok(())
}

/// The creator joins, because of the creation.
async fn join(app: &App, caller: &Caller, id: Uuid, authority: Authority) -> Result<Done, Refusal> {
    let command = UserCommand::JoinOrganization(id);
    let user = caller.user().row.id;
    let joined = app
        .users
        .execute(user, command, authority, Vec::new())
        .await;
    joined.map_err(|error| refused(&error))
}

fn taken() -> Refusal {
    Refusal::new(StatusCode::CONFLICT, "Organization already exists.")
        .with_validations(vec![Validation::new("name", "This name is in use.")])
}
