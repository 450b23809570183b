//! `PUT /users/{user}/password`: another password. Every session and token of the user ends with the old one, the one
//! that asks included.

use std::sync::Arc;

use axum::{
    extract::{FromRequest, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use rollcall_events::{
    Authority,
    user::{LoginType, UserCommand, UserError},
    vault::VaultWrite,
};
use rollcall_projections::users::FoundUser;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{fields::Fields, refused::refused, target::target};
use crate::{
    app::{App, AppState},
    auth::passwords::{Hashed, Verdict},
    command_bus::{CommandError, Done},
    http::{
        answer::{Refusal, Validation},
        body::JsonBody,
        caller::Caller,
        openapi::schemas,
        path::Path,
        position::position_header,
    },
    permissions::{Action, Object},
};

/// How often the old password is verified again because it was replaced meanwhile.
const TRIES: u32 = 3;

/// The old password and the new.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = ChangePassword)]
pub struct Request {
    /// Required for one's own.
    #[schema(value_type = String, format = Password, example = "correct horse battery staple")]
    old_password: String,
    #[schema(value_type = schemas::NewPassword, required)]
    password: String,
}

/// Changes a password. Users who change their own must know the old one; those who manage the user need not.
#[utoipa::path(put, path = "/api/v2/users/{user}/password", tag = "users", operation_id = "change_password",
    request_body = Request, responses(
        (status = 204, description = "It is changed; every session and token of the user has ended."),
        (status = 409, description = "Others were changing the password at the same moment."),
    ))]
pub async fn change_password(
    State(app): State<AppState>,
    caller: Caller,
    Path(user): Path<String>,
    body: axum::extract::Request,
) -> Result<Response, Refusal> {
    let found = target(&app, &caller, &user).await?;
    let id = found.row.id;
    let required = caller
        .requirement()
        .sees(id)
        .allows_or_hides(Action::UpdatePersonal, Object::user(id))
        .outranks(id);
    caller.meets(&app, &required, Some(&found))?;
    let JsonBody(request) = JsonBody::<Request>::from_request(body, &app).await?;
    require(&request)?;
    may_change(&caller, &found, &request)?;
    let authority = caller.authority(&app, required);
    let done = change(&app, authority, &found, request).await?;
    Ok((StatusCode::NO_CONTENT, position_header(done.position)).into_response())
}

fn require(request: &Request) -> Result<(), Refusal> {
    let mut fields = Fields::default();
    fields.require_password(&request.password);
    fields.whole_password("old_password", &request.old_password);
    fields.finish(Some(()))
}

fn may_change(caller: &Caller, found: &FoundUser, request: &Request) -> Result<(), Refusal> {
    let refused = |message| Err(Refusal::new(StatusCode::BAD_REQUEST, message));
    let row = &found.row;
    if row.deleted_at.is_some() {
        return Err(Refusal::not_found());
    }
    if row.id == caller.user().row.id && request.old_password.is_empty() {
        return refused("Old password is required.");
    }
    if row.login_type != LoginType::Password {
        return refused("This user does not sign in with a password.");
    }
    Ok(())
}

async fn change(
    app: &App,
    authority: Authority,
    found: &FoundUser,
    request: Request,
) -> Result<Done, Refusal> {
    let old: Arc<str> = request.old_password.into();
    let new: Arc<str> = request.password.into();
    let id = found.row.id;
    let mut tries = 0;
    loop {
        let credential = app
            .log
            .vault()
            .credential(&app.pool, id)
            .await?
            .ok_or_else(Refusal::not_found)?;
        let hash = credential.trusted_hash();
        if !old.is_empty() && !matches(app, &old, hash).await? {
            let wrong = Validation::new("old_password", "Old password is incorrect.");
            return Err(
                Refusal::new(StatusCode::BAD_REQUEST, "Old password is incorrect.")
                    .with_validations(vec![wrong]),
            );
        }
        let hashed = accept(app, found, &new).await?;
        if matches(app, &new, hash).await? {
            return Err(Refusal::new(
                StatusCode::BAD_REQUEST,
                "New password cannot match old password.",
            ));
        }
        let revision = app.password_revision(id, &credential).await?;
        let command = UserCommand::ChangePassword {
            scheme: hashed.scheme,
            revision,
        };
        let secrets = vec![VaultWrite::PasswordHash {
            subject: id,
            hash: hashed.hash,
            revision: revision + 1,
        }];
        match app
            .users
            .execute(id, command, authority.clone(), secrets)
            .await
        {
            Ok(done) => return Ok(done),
            Err(CommandError::Refused(UserError::CredentialsChanged)) if tries < TRIES => {
                tries += 1;
            }
            Err(error) => return Err(refused(&error)),
        }
    }
}

async fn matches(app: &App, password: &Arc<str>, hash: Option<&str>) -> Result<bool, Refusal> {
    let verdict = app
        .passwords
        .verify(Arc::clone(password), hash.map(str::to_owned))
        .await?;
    Ok(verdict != Verdict::Wrong)
}

async fn accept(app: &App, found: &FoundUser, password: &str) -> Result<Hashed, Refusal> {
    let row = &found.row;
    let hints = [&row.username, &row.email, &row.name];
    let hints = hints.into_iter().flatten().cloned().collect();
    Ok(app.passwords.accept(password.to_owned(), hints).await?)
}
