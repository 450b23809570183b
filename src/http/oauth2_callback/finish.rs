//! A browser that comes back: who is it, and may they come in?

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::TimeDelta;
use rollcall_events::{
    attempt::{Action, RefusalReason, RefusedAttempt, ResourceType},
    permissions::NotAllowed,
    user::{LoginType, Scope, Session, StartSession, UserCommand, UserError},
};
use uuid::Uuid;

use super::{
    account::{self, Denial, Failure},
    flow::{self, BrowserFlow},
};
use crate::{
    app::{App, AppState},
    auth::{
        Token,
        providers::{Proven, Provider, ProviderError},
    },
    command_bus::CommandError,
    http::{
        answer::Refusal, cookies::session_cookie, csrf, position::position_header,
        request_context::RequestContext,
    },
};

/// Finishes a flow: with a session, or with a refusal that is recorded. Its cookies are taken back in either case.
pub async fn finish(
    app: &AppState,
    context: &RequestContext,
    provider: Provider<'_>,
    by: LoginType,
    flow: BrowserFlow,
    code: &str,
) -> Result<Response, Refusal> {
    match sign_in(app, context, provider, by, &flow, code).await {
        Ok((token, position)) => {
            let mut cookies = flow::cleared(app);
            for cookie in [
                session_cookie(&token, &app.config),
                csrf::cookie_for(app, &token),
            ]
            .into_iter()
            .flatten()
            {
                cookies.append(header::SET_COOKIE, cookie);
            }
            let location =
                HeaderValue::try_from(flow.redirect).map_err(|error| Refusal::internal(&error))?;
            Ok((
                StatusCode::TEMPORARY_REDIRECT,
                cookies,
                position_header(position),
                [(header::LOCATION, location)],
            )
                .into_response())
        }
        Err(Failure::Denied(denial)) => {
            note(app, context, &denial).await;
            Ok(with_cookies(flow::cleared(app), denial.refusal))
        }
        Err(Failure::Other(refusal)) => Ok(with_cookies(flow::cleared(app), refusal)),
    }
}

fn with_cookies(cookies: HeaderMap, refusal: Refusal) -> Response {
    (cookies, refusal).into_response()
}

async fn sign_in(
    app: &App,
    context: &RequestContext,
    provider: Provider<'_>,
    by: LoginType,
    flow: &BrowserFlow,
    code: &str,
) -> Result<(String, i64), Failure> {
    let proven = provider.finish(code, &flow.flow).await;
    let proven = proven.map_err(|error| failure(&error))?;
    let user = match &flow.conversion {
        Some(wish) => account::convert(app, context, by, wish, &proven).await?,
        None => account::resolve(app, context, by, &proven).await?,
    };
    start_session(app, context, by, user, proven).await
}

async fn start_session(
    app: &App,
    context: &RequestContext,
    by: LoginType,
    user: Uuid,
    proven: Proven,
) -> Result<(String, i64), Failure> {
    let token = Token::generate(app.ids);
    let now = app.clock.now();
    let lifetime = TimeDelta::from_std(app.config.session_duration).unwrap_or(TimeDelta::days(1));
    let max_age = TimeDelta::from_std(app.config.session_max_age).unwrap_or(TimeDelta::days(30));
    let command = UserCommand::StartSession(StartSession {
        session: Session {
            id: token.id(),
            secret_sha256: token.secret_hash(),
            login_type: by,
            scope: Scope::All,
            lifetime_s: lifetime.num_seconds(),
            expires_at: now + lifetime,
            ends_at: now + max_age,
        },
        token_name: None,
        password_revision: None,
        owner_limit_s: None,
        at: now,
    });
    let vault = app.log.vault();
    let secrets = vault
        .provider_tokens_write(user, proven.tokens, proven.expires_at)
        .await
        .map_err(Refusal::from)?;
    let authority = account::authority(app, context, by, user);
    match app
        .users
        .execute(user, command, authority, vec![secrets])
        .await
    {
        Ok(done) => Ok((token.expose(), done.position)),
        Err(
            CommandError::Refused(UserError::Suspended)
            | CommandError::Denied(NotAllowed::Suspended),
        ) => Err(account::suspended(user)),
        Err(CommandError::Refused(UserError::OtherLoginType(now))) => {
            Err(account::other_login_type(user, now))
        }
        Err(error) => Err(Refusal::from_command(&error).into()),
    }
}

/// A browser that came back with no flow of its own: somebody may be trying what they should not.
pub async fn not_proven(app: &App, context: &RequestContext, refusal: Refusal) -> Refusal {
    if refusal.status().is_client_error() {
        let denial = Denial {
            reason: RefusalReason::NotProven,
            account: None,
            email: None,
            refusal: refusal.clone(),
        };
        note(app, context, &denial).await;
    }
    refusal
}

/// Who was refused, and why, is in the history.
async fn note(app: &App, context: &RequestContext, denial: &Denial) {
    let attempt = RefusedAttempt {
        action: Action::Login,
        resource_type: ResourceType::ApiKey,
        resource_id: denial.account,
        user_id: denial.account,
        organization_id: None,
        status: denial.refusal.status().as_u16(),
        reason: Some(denial.reason),
        email: denial.email.clone(),
    };
    let metadata = context.metadata(None, app.ids);
    app.attempts.note(attempt, metadata).await;
}

/// The provider proves nothing, or somebody who is not wanted; or it does not answer, which is nobody's attempt.
fn failure(error: &ProviderError) -> Failure {
    let reason = match error {
        ProviderError::Unavailable { .. } | ProviderError::GitHubRateLimit { .. } => {
            return Failure::Other(refusal(error));
        }
        ProviderError::EmailNotVerified(_)
        | ProviderError::ForeignDomain(_)
        | ProviderError::NoVerifiedEmail
        | ProviderError::NotInOrganization
        | ProviderError::NotInTeam
        | ProviderError::GitHubForbids { .. } => RefusalReason::NotAllowed,
        ProviderError::Exchange(_)
        | ProviderError::Person(_)
        | ProviderError::RefreshRefused(_)
        | ProviderError::RefreshFailed(_)
        | ProviderError::NoIdToken(_)
        | ProviderError::IdToken(_)
        | ProviderError::IdTokenTooLong(_)
        | ProviderError::Claim { .. } => RefusalReason::NotProven,
    };
    Failure::Denied(Box::new(Denial {
        reason,
        account: None,
        email: None,
        refusal: refusal(error),
    }))
}

/// What is answered; what lies behind it goes to the log.
pub fn refusal(error: &ProviderError) -> Refusal {
    // As one text: lines in JSON would leave the cause out.
    tracing::warn!(error = error.sentence(), "a sign-in by a provider failed");
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_GATEWAY);
    let refusal = Refusal::new(status, error.to_string());
    match error {
        ProviderError::GitHubRateLimit {
            retry_after_s: Some(seconds),
            ..
        } => refusal.with_header(header::RETRY_AFTER, HeaderValue::from(*seconds)),
        _ => refusal,
    }
}
