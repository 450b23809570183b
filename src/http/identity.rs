//! Whose token a request brings: looked up once, by the rate limiter, before anything that wants to know it.
//!
//! What is found is left among the request's extensions. Whether the user may come in is another question, which
//! `Caller` asks: here even a suspended user is somebody.

use axum::http::{Extensions, HeaderMap, StatusCode, Uri};
use rollcall_events::user::{Status, UserError};
use rollcall_projections::sessions::{self, KnownSession};

use super::{
    answer::Refusal,
    cookies::{self, OLD_SESSION_COOKIE, SESSION_COOKIE},
    is_api,
    pages::is_page,
    query::Parameters,
};
use crate::{app::App, auth::Token, command_bus::CommandError};

const SESSION_HEADER: &str = "coder-session-token";

/// What a request's token stands for.
#[derive(Clone)]
pub struct Identity(Result<KnownSession, Refusal>);

impl Identity {
    /// Looks a token up. One that is not good, or that cannot be looked up, refuses nothing here: there are routes for
    /// anybody.
    pub async fn find(app: &App, token: Result<Token, Refusal>) -> Self {
        match token {
            Ok(token) => Self(find(app, token).await),
            Err(refusal) => Self(Err(refusal)),
        }
    }

    /// The session, if there is one.
    #[must_use]
    pub fn session(&self) -> Option<&KnownSession> {
        self.0.as_ref().ok()
    }

    /// Whether the token is known not to be good.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        let status = self.0.as_ref().err().map(Refusal::status);
        status == Some(StatusCode::UNAUTHORIZED)
    }

    /// The session, or why there is none.
    ///
    /// # Errors
    /// The token is absent or not good, or could not be looked up.
    pub fn of(extensions: &Extensions) -> Result<&KnownSession, Refusal> {
        match extensions.get::<Self>() {
            Some(Self(found)) => found.as_ref().map_err(Refusal::clone),
            None => Err(Refusal::internal(&NoIdentity)),
        }
    }
}

/// Whatever wants a token is a page or under the API's path: anything else is not asked whose it is.
#[derive(Debug, thiserror::Error)]
#[error("a request was not identified")]
struct NoIdentity;

/// The token that a request presents, or why it presents none. `None` where it does not matter who calls.
pub fn token(uri: &Uri, headers: &HeaderMap) -> Option<Result<Token, Refusal>> {
    let text = if is_api(uri.path()) {
        presented(headers, uri.query())
    } else if is_page(uri.path()) {
        // An address that holds a token must not make a page somebody else's.
        cookies::cookie(headers, SESSION_COOKIE).filter(|token| !token.is_empty())
    } else {
        return None;
    };
    let text = text.ok_or_else(|| Refusal::signed_out("There is no token."));
    Some(text.and_then(|text| {
        Token::parse(&text).map_err(|error| Refusal::signed_out(error.to_string()))
    }))
}

/// The session of a token that is good now.
async fn find(app: &App, token: Token) -> Result<KnownSession, Refusal> {
    let id = token.id();
    let session = app
        .health
        .ask(&app.pool, |conn| {
            let id = id.clone();
            Box::pin(async move { sessions::find(conn, &id).await })
        })
        .await?
        .ok_or_else(|| Refusal::signed_out("The token is unknown."))?;
    if !token.matches(&session.session.secret_sha256.0) {
        return Err(Refusal::signed_out("The token's secret is wrong."));
    }
    if app.clock.now() >= session.session.expiry(session.last_used) {
        return Err(Refusal::signed_out("The token has expired."));
    }
    Ok(session)
}

/// The same session as it is now, if its user may still come in.
///
/// # Errors
/// It has ended, or the user was suspended or deleted.
pub async fn still_good(app: &App, before: &KnownSession) -> Result<KnownSession, Refusal> {
    let found = sessions::find(&app.pool, &before.session.id).await?;
    let may_come_in = |found: &KnownSession| {
        let row = &found.user.row;
        let is_over = app.clock.now() >= found.session.expiry(found.last_used);
        !is_over && row.deleted_at.is_none() && row.status != Status::Suspended
    };
    found
        .filter(may_come_in)
        .ok_or_else(|| Refusal::signed_out("It ended while the request was served."))
}

/// Makes sure that whose token it was is still here, with the same rights: for whoever took their time, and might
/// otherwise do what they may not do any more.
///
/// # Errors
/// They are not.
pub async fn must_be_unchanged(app: &App, before: &KnownSession) -> Result<(), Refusal> {
    let now = still_good(app, before).await?;
    let (before, now) = (&before.user.row, &now.user.row);
    let has_same_rights = before.roles == now.roles
        && before.organization_ids == now.organization_ids
        && before.organization_roles == now.organization_roles;
    if has_same_rights {
        Ok(())
    } else {
        Err(Refusal::from_command(&CommandError::<UserError>::Contended))
    }
}

/// The token that a request presents: the first that is not empty, in the order on which the API's clients rely. One
/// that is no text counts as well: it is refused, and not passed over in favour of a weaker place.
#[must_use]
pub fn presented(headers: &HeaderMap, query: Option<&str>) -> Option<String> {
    let header = |name: &str| {
        headers
            .get(name)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let query = Parameters::parse(query);
    [
        cookies::cookie(headers, SESSION_COOKIE),
        Some(query.text(SESSION_COOKIE)),
        header(SESSION_HEADER),
        cookies::cookie(headers, OLD_SESSION_COOKIE),
        header("authorization").and_then(|value| bearer(&value)),
        Some(query.text("access_token")),
    ]
    .into_iter()
    .flatten()
    .find(|token| !token.is_empty())
}

/// The token of a bearer header; the scheme's case does not matter.
#[must_use]
pub fn bearer(value: &str) -> Option<String> {
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim().to_owned())
}
