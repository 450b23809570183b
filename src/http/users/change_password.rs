//! `PUT /users/{user}/password`: another password. Every session and token of the user ends with the old one, the one
//! that asks included.

use std::{net::IpAddr, sync::Arc};

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
use uuid::Uuid;

use super::{fields::Fields, refused::refused, target::target};
use crate::{
    app::{App, AppState},
    auth::{
        guesses::{Account, Client},
        new_password::{self, Owner},
        passwords::Verdict,
        proof::Proof,
    },
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
    let address = caller.request.origin.ip;
    let authority = caller.authority(&app, required);
    let done = change(&app, authority, address, &found, request).await?;
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
    address: Option<IpAddr>,
    found: &FoundUser,
    request: Request,
) -> Result<Done, Refusal> {
    let old: Arc<str> = request.old_password.into();
    let new: Arc<str> = request.password.into();
    let id = found.row.id;
    let client = Client::signed_in(address);
    let mut tries = 0;
    loop {
        let credential = app
            .log
            .vault()
            .credential(&app.pool, id)
            .await?
            .ok_or_else(Refusal::not_found)?;
        let hash = credential.trusted_hash();
        if !old.is_empty() {
            prove_old(app, address, id, &old, hash).await?;
        }
        let owner = Owner::from(&found.row);
        let hashed = new_password::accept(app, new.to_string(), owner).await?;
        let hash = hash.map(str::to_owned);
        let same = app.passwords.verify(Arc::clone(&new), hash, client);
        if same.await? != Verdict::Wrong {
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

/// A wrong old password counts like a failed sign-in.
async fn prove_old(
    app: &App,
    address: Option<IpAddr>,
    id: Uuid,
    old: &Arc<str>,
    hash: Option<&str>,
) -> Result<(), Refusal> {
    let proof = Proof {
        account: Account::User(id),
        address,
        password: Arc::clone(old),
        hash: hash.map(str::to_owned),
    };
    if proof.verify(app).await?.0 == Verdict::Wrong {
        let wrong = Validation::new("old_password", "Old password is incorrect.");
        return Err(
            Refusal::new(StatusCode::BAD_REQUEST, "Old password is incorrect.")
                .with_validations(vec![wrong]),
        );
    }
    Ok(())
}
