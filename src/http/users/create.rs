//! `POST /users`: an administrator creates a user.

use std::collections::BTreeSet;

use axum::{
    extract::{FromRequest, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use rollcall_events::{
    Claim,
    user::{CreateUser, LoginType, Person, Role, Status, UserCommand},
    vault::VaultWrite,
};
use rollcall_projections::{
    organizations,
    users::{self, FoundUser, find},
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{UserView, fields::Fields};
use crate::{
    app::{App, AppState},
    auth::{new_password, passwords::Hashed},
    command_bus::CommandError,
    http::{
        answer::{Json, Refusal, Validation},
        body::JsonBody,
        caller::Caller,
        openapi::schemas,
        position::position_header,
    },
    permissions::{Action, Object},
};

/// The user to be created, as either generation of clients says it.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = CreateUser)]
pub struct Request {
    #[schema(value_type = schemas::Email, required)]
    email: String,
    #[schema(value_type = schemas::Username, required)]
    username: String,
    #[schema(value_type = schemas::DisplayName)]
    name: String,
    /// Required for the login type `password`, which is the usual one; with another there is none.
    #[schema(value_type = schemas::NewPassword)]
    password: String,
    #[schema(value_type = schemas::NewUserLoginType)]
    login_type: String,
    /// `active`, if nothing else is said.
    #[schema(value_type = schemas::NewUserStatus)]
    user_status: String,
    /// Where the user belongs: at least one organization, here or in `organization_id`.
    #[schema(example = json!([]))]
    organization_ids: Vec<Uuid>,
    /// One more organization. The nil id means the default one.
    #[schema(example = "00000000-0000-0000-0000-000000000000")]
    organization_id: Option<Uuid>,
    /// There are none: `true` is refused.
    #[schema(example = false)]
    service_account: bool,
    /// Only owners may give roles other than `member`.
    #[schema(value_type = Vec<schemas::SiteRole>, example = json!(["member"]))]
    roles: Vec<String>,
}

/// What the request says, understood.
struct Wish {
    person: Person,
    login_type: LoginType,
    status: Status,
    roles: BTreeSet<Role>,
    organizations: Vec<Uuid>,
}

/// Creates a user.
#[utoipa::path(post, path = "/api/v2/users", tag = "users", operation_id = "create_user", request_body = Request,
    responses(
        (status = 201, body = UserView),
        (status = 404, description = "There is no such organization."),
        (status = 409, description = "The e-mail address or the username is in use."),
    ),
    extensions(("x-rules" = json!(rules()))))]
pub async fn create(
    State(app): State<AppState>,
    caller: Caller,
    body: axum::extract::Request,
) -> Result<Response, Refusal> {
    let required = caller
        .requirement()
        .allows(Action::Create, Object::any_user());
    caller.meets(&app, &required, None)?;
    let JsonBody(request) = JsonBody::<Request>::from_request(body, &app).await?;
    if request.service_account {
        return Err(no_service_accounts());
    }
    let wish = read(&app, &request)?;
    must_have_a_way_in(&app, &wish)?;
    let required = required.assigns(wish.roles.clone());
    caller.meets(&app, &required, None)?;
    must_be_free(&app, &wish).await?;
    must_exist(&app, &wish.organizations).await?;
    let hashed = hash(&app, request, &wish).await?;

    let id = app.ids.uuid();
    let secrets = hashed.iter().map(|hashed| VaultWrite::PasswordHash {
        subject: id,
        hash: hashed.hash.clone(),
        revision: 1,
    });
    let secrets = secrets.collect();
    let command = UserCommand::CreateUser(CreateUser {
        person: wish.person,
        login_type: wish.login_type,
        status: wish.status,
        roles: wish.roles,
        organizations: wish.organizations,
        password_scheme: hashed.map(|hashed| hashed.scheme),
        identity: None,
        first: false,
    });
    let done = app
        .users
        .execute(id, command, caller.authority(&app, required), secrets)
        .await
        .map_err(|error| match error {
            CommandError::Taken(claim) => taken(Some(&claim)),
            other => Refusal::from_command(&other),
        })?;
    let row = users::fold(&done.events).ok_or_else(Refusal::not_found)?;
    let user = UserView::from(FoundUser {
        row,
        last_seen_at: None,
    });
    Ok((
        position_header(done.position),
        Json(StatusCode::CREATED, user),
    )
        .into_response())
}

/// What the fields say of each other, for the description of the API.
fn rules() -> Value {
    json!({
        "if": {
            "required": ["login_type"],
            "properties": { "login_type": { "enum": ["none", "github", "oidc"] } },
        },
        "then": { "properties": { "password": { "enum": ["", null] } } },
        "else": {
            "required": ["password"],
            "properties": { "password": { "$ref": "#/components/schemas/NewPassword" } },
        },
        "anyOf": [
            {
                "required": ["organization_ids"],
                "properties": { "organization_ids": { "type": "array", "minItems": 1 } },
            },
            {
                "required": ["organization_id"],
                "properties": { "organization_id": { "type": "string" } },
            },
        ],
    })
}

fn read(app: &App, request: &Request) -> Result<Wish, Refusal> {
    let mut fields = Fields::default();
    let person = fields.person(&request.email, &request.username, &request.name);
    let login_type = read_login_type(app, request, &mut fields);
    let status = read_status(request, &mut fields);
    let roles = read_roles(request, &mut fields);
    let organizations = read_organizations(request, app.default_organization, &mut fields);
    Ok(Wish {
        person: fields.finish(person)?,
        login_type,
        status,
        roles,
        organizations,
    })
}

fn read_login_type(app: &App, request: &Request, fields: &mut Fields) -> LoginType {
    let login_type = match request.login_type.as_str() {
        "" => Some(LoginType::Password),
        name => LoginType::parse(name).filter(|found| *found != LoginType::Token),
    };
    let Some(login_type) = login_type else {
        fields.wrong("login_type", "must be one of: password, none, github, oidc");
        return LoginType::Password;
    };
    match (login_type, request.password.is_empty()) {
        (LoginType::Password, _) => fields.require_password(&request.password),
        (_, true) => {}
        (_, false) => fields.wrong(
            "password",
            "must be empty unless the login type is password",
        ),
    }
    let is_by_provider = matches!(login_type, LoginType::Github | LoginType::Oidc);
    if is_by_provider && app.providers.get(login_type).is_none() {
        fields.wrong("login_type", "this provider is not configured");
    }
    login_type
}

fn read_status(request: &Request, fields: &mut Fields) -> Status {
    match request.user_status.as_str() {
        "" | "active" => Status::Active,
        "dormant" => Status::Dormant,
        _ => {
            fields.wrong("user_status", "must be active or dormant");
            Status::Active
        }
    }
}

fn read_roles(request: &Request, fields: &mut Fields) -> BTreeSet<Role> {
    let mut roles = BTreeSet::new();
    for name in &request.roles {
        match Role::parse(name) {
            Some(role) => drop(roles.insert(role)),
            None => fields.wrong("roles", format!("{name:?} is no site role")),
        }
    }
    roles
}

/// Both ways of naming organisations together. The nil id in the older way means the default one.
fn read_organizations(
    request: &Request,
    default_organization: Uuid,
    fields: &mut Fields,
) -> Vec<Uuid> {
    let legacy = request.organization_id.map(|id| {
        if id.is_nil() {
            default_organization
        } else {
            id
        }
    });
    let mut organizations = Vec::new();
    for id in request.organization_ids.iter().copied().chain(legacy) {
        if !organizations.contains(&id) {
            organizations.push(id);
        }
    }
    if organizations.is_empty() {
        fields.wrong(
            "organization_ids",
            "Validation failed for tag \"required\": at least one organization is required",
        );
    }
    organizations
}

/// Told before the fields are looked at: a service account has neither an e-mail address nor a password.
fn no_service_accounts() -> Refusal {
    Refusal::new(
        StatusCode::FORBIDDEN,
        "Service accounts are a Premium feature, which Rollcall does not have.",
    )
}

fn must_have_a_way_in(app: &App, wish: &Wish) -> Result<(), Refusal> {
    if wish.login_type == LoginType::Password && !app.config.password_login {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "Password authentication is disabled, so no user can have a password.",
        ));
    }
    Ok(())
}

/// Looks before anything costly is done; the log decides in the end.
async fn must_be_free(app: &App, wish: &Wish) -> Result<(), Refusal> {
    let person = &wish.person;
    if find::taken(&app.pool, &person.username.key(), &person.email.key()).await? {
        return Err(taken(None));
    }
    Ok(())
}

async fn must_exist(app: &App, ids: &[Uuid]) -> Result<(), Refusal> {
    let found = organizations::find::by_ids(&app.pool, ids).await?;
    match ids.iter().find(|id| !found.contains(id)) {
        Some(missing) => {
            Err(Refusal::not_found().with_detail(format!("There is no organization {missing}.")))
        }
        None => Ok(()),
    }
}

async fn hash(app: &App, request: Request, wish: &Wish) -> Result<Option<Hashed>, Refusal> {
    if wish.login_type != LoginType::Password {
        return Ok(None);
    }
    let owner = new_password::Owner {
        texts: vec![request.username, request.email, request.name],
        organizations: wish.organizations.clone(),
    };
    let hashed = new_password::accept(app, request.password, owner).await?;
    Ok(Some(hashed))
}

fn taken(claim: Option<&Claim>) -> Refusal {
    let validations = match claim {
        Some(Claim::Email(_)) => vec![Validation::new("email", "This e-mail address is in use.")],
        Some(Claim::Username(_)) => vec![Validation::new("username", "This username is in use.")],
        _ => Vec::new(),
    };
    Refusal::new(StatusCode::CONFLICT, "User already exists.").with_validations(validations)
}
