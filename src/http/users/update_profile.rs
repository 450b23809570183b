//! `PUT /users/{user}/profile`: another username, another name for people, another picture. The e-mail address never
//! changes here.

use axum::{
    extract::{FromRequest, State},
    response::Response,
};
use rollcall_events::user::{
    AvatarUrl, DisplayName, LoginType, ProfileChange, UserCommand, Username,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{UserView, changed::changed, fields::Fields, refused::refused, target::target};
use crate::{
    app::AppState,
    http::{answer::Refusal, body::JsonBody, caller::Caller, openapi::schemas, path::Path},
    permissions::{Action, Object},
};

/// The profile, as it is to be. What an older client does not know, and leaves out, stays.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = UpdateProfile)]
pub struct Request {
    #[schema(value_type = schemas::Username, required)]
    username: String,
    #[schema(value_type = schemas::DisplayName)]
    name: Option<String>,
    /// Without effect for users who sign in by a provider: theirs comes from there.
    #[schema(value_type = schemas::Picture)]
    avatar_url: Option<String>,
}

/// Changes a profile. Everybody may change their own name and picture; a username, only who manages users.
#[utoipa::path(put, path = "/api/v2/users/{user}/profile", tag = "users", operation_id = "update_profile",
    request_body = Request, responses(
        (status = 200, body = UserView),
        (status = 409, description = "The username is in use."),
    ))]
pub async fn update_profile(
    State(app): State<AppState>,
    caller: Caller,
    Path(user): Path<String>,
    body: axum::extract::Request,
) -> Result<Response, Refusal> {
    let found = target(&app, &caller, &user).await?;
    let object = Object::user(found.row.id);
    let mut required = caller
        .requirement()
        .sees(found.row.id)
        .allows_or_hides(Action::UpdatePersonal, object)
        .outranks(found.row.id);
    caller.meets(&app, &required, Some(&found))?;
    let JsonBody(request) = JsonBody::<Request>::from_request(body, &app).await?;
    let mut change = read(&request)?;
    if change.username.as_ref().map(Username::as_str) == found.row.username.as_deref() {
        // To keep the name is not to take it back from whoever renames the user meanwhile.
        change.username = None;
    } else {
        required = required.allows_or_hides(Action::Update, object);
        caller.meets(&app, &required, Some(&found))?;
    }
    // These come from the provider at every sign-in.
    if matches!(found.row.login_type, LoginType::Github | LoginType::Oidc) {
        change.avatar_url = None;
    }
    let command = UserCommand::ChangeProfile(change);
    let done = app
        .users
        .execute(
            found.row.id,
            command,
            caller.authority(&app, required),
            Vec::new(),
        )
        .await
        .map_err(|error| refused(&error))?;
    changed(&app, found.row.id, &done).await
}

fn read(request: &Request) -> Result<ProfileChange, Refusal> {
    let mut fields = Fields::default();
    let username = fields.read(Username::parse(&request.username));
    let name = request.name.as_deref().map(DisplayName::parse);
    let name = name.and_then(|name| fields.read(name));
    let avatar_url = request.avatar_url.as_deref().map(AvatarUrl::parse);
    let avatar_url = avatar_url.and_then(|url| fields.read(url));
    fields.finish(Some(ProfileChange {
        email: None,
        username,
        name,
        avatar_url: avatar_url.map(AvatarUrl::into_string),
    }))
}
