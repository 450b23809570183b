//! `POST /users/{user}/keys/tokens`: an API token.
//!
//! It never gives more than was asked for: what is asked for and cannot be kept to is refused.

use std::time::Duration;

use axum::{
    extract::{FromRequest, State},
    response::Response,
};
use chrono::TimeDelta;
use rollcall_events::user::{LoginType, Role, Scope, TokenName};
use rollcall_projections::users::FoundUser;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    create::{self, answer},
    holder,
    mint::{self, BY_TOKEN, Minted},
    random_name::random_name,
    view::EVERYTHING,
};
use crate::{
    app::{App, AppState},
    command_bus::CommandError,
    config::{HumanDuration, TokenLifetimes},
    http::{
        answer::{Refusal, Validation},
        body::JsonBody,
        caller::Caller,
        openapi::schemas,
        path::Path,
        users::{fields::Fields, refused::refused},
    },
    permissions::{Action, Requirement},
};

/// Somebody who sends seconds or milliseconds, and not nanoseconds, should be told.
const SHORTEST: Duration = Duration::from_secs(1);
/// How many names of ours are tried before the last one's being in use is told.
const NAMES_TRIED: u32 = 5;

/// The token to be made, as either generation of clients says it.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = CreateToken)]
pub struct Request {
    #[schema(value_type = schemas::TokenLifetime)]
    lifetime: i64,
    /// `all` unless it is given.
    #[schema(value_type = schemas::TokenScope)]
    scope: String,
    /// The same, and not something else.
    #[schema(value_type = Vec<schemas::TokenScope>)]
    scopes: Vec<String>,
    /// Unique among the user's tokens. Without one it gets a name of ours.
    #[schema(value_type = schemas::TokenName)]
    token_name: String,
    #[schema(value_type = Vec<schemas::AllowListEntry>)]
    allow_list: Vec<String>,
}

/// What the request says, understood.
struct Wish {
    name: Option<TokenName>,
    scope: Scope,
    lifetime: TimeDelta,
}

/// Makes an API token.
#[utoipa::path(post, path = "/api/v2/users/{user}/keys/tokens", tag = "keys", operation_id = "create_token",
    request_body = Request,
    responses(
        (status = 201, body = create::Answer),
        (status = 409, description = "The user has a token of this name."),
    ))]
pub async fn create_token(
    State(app): State<AppState>,
    caller: Caller,
    Path(user): Path<String>,
    body: axum::extract::Request,
) -> Result<Response, Refusal> {
    let (holder, required) = holder(&app, &caller, &user, Action::Create).await?;
    let JsonBody(request) = JsonBody::<Request>::from_request(body, &app).await?;
    let wish = read(&request, lifetimes(&app, &caller, &holder))?;
    let minted = make(&app, &caller, &required, holder.row.id, &wish).await?;
    Ok(answer(&minted))
}

/// How long a token that the caller makes for this user may live. A token that makes another makes it for at most its own
/// whole lifetime: so it can be replaced in time, and a short one cannot become a long one.
pub(super) fn lifetimes(app: &App, caller: &Caller, holder: &FoundUser) -> TokenLifetimes {
    let lifetimes = app
        .config
        .token_lifetimes(holder.row.roles.contains(&Role::Owner));
    let maker = &caller.session.session;
    if maker.login_type != LoginType::Token && maker.login_type != BY_TOKEN {
        return lifetimes;
    }
    let whole = (maker.ends_at - maker.created_at).to_std();
    let max = lifetimes.max.min(whole.unwrap_or_default());
    TokenLifetimes {
        default: lifetimes.default.min(max),
        max,
    }
}

fn read(request: &Request, lifetimes: TokenLifetimes) -> Result<Wish, Refusal> {
    let mut fields = Fields::default();
    let name = match request.token_name.as_str() {
        "" => None,
        name => fields.read(TokenName::parse(name)),
    };
    let scope = read_scope(request, &mut fields);
    if request.allow_list.iter().any(|target| target != EVERYTHING) {
        fields.wrong(
            "allow_list",
            "must be absent, or *:* alone: tokens for some things only are not supported",
        );
    }
    fields.finish(Some(()))?;
    Ok(Wish {
        name,
        scope,
        lifetime: read_lifetime(request.lifetime, lifetimes)?,
    })
}

/// Of several scopes, those that ask for less could not be kept.
fn read_scope(request: &Request, fields: &mut Fields) -> Scope {
    let older = Some(&request.scope).filter(|name| !name.is_empty());
    let older = older.map(|name| ("scope", name));
    let newer = request.scopes.iter().map(|name| ("scopes", name));
    let mut scope = None;
    for (field, name) in older.into_iter().chain(newer) {
        match Scope::parse(name.strip_prefix("coder:").unwrap_or(name)) {
            Some(found) if scope.is_none_or(|scope| scope == found) => scope = Some(found),
            Some(_) => fields.wrong(field, "must agree: a token has one scope"),
            None => fields.wrong(field, "must be all or application_connect"),
        }
    }
    scope.unwrap_or(Scope::All)
}

/// In whole seconds.
fn read_lifetime(nanoseconds: i64, lifetimes: TokenLifetimes) -> Result<TimeDelta, Refusal> {
    let asked = match nanoseconds {
        0 => Ok(lifetimes.default),
        more => u64::try_from(more).map(Duration::from_nanos),
    };
    let allowed = asked
        .ok()
        .filter(|asked| (SHORTEST..=lifetimes.max).contains(asked));
    let seconds = allowed.and_then(|allowed| i64::try_from(allowed.as_secs()).ok());
    seconds.map(TimeDelta::seconds).ok_or_else(|| {
        let detail = format!(
            "lifetime must be less than or equal to {}, and at least {}; it is in nanoseconds",
            HumanDuration::from(lifetimes.max),
            HumanDuration::from(SHORTEST),
        );
        Refusal::validation(vec![Validation::new("lifetime", detail.clone())]).with_detail(detail)
    })
}

async fn make(
    app: &App,
    caller: &Caller,
    required: &Requirement,
    user: Uuid,
    wish: &Wish,
) -> Result<Minted, Refusal> {
    let owner_limit = app.config.token_lifetimes(true).max;
    let mut tried = 0;
    loop {
        let name = match &wish.name {
            Some(name) => name.clone(),
            None => random_name(app.ids).map_err(|invalid| Refusal::internal(&invalid))?,
        };
        let token = mint::Wish {
            login_type: LoginType::Token,
            token_name: Some(name),
            scope: wish.scope,
            lifetime: wish.lifetime,
            max_age: wish.lifetime,
            owner_limit_s: Some(owner_limit.as_secs().try_into().unwrap_or(i64::MAX)),
        };
        tried += 1;
        let authority = caller.authority(app, required.clone());
        match mint::start(app, authority, user, token).await {
            Err(CommandError::Taken(_)) if wish.name.is_none() && tried < NAMES_TRIED => {}
            made => return made.map_err(|error| refused(&error)),
        }
    }
}
