//! Signing in by e-mail and password, for whoever offers it: the API and the page for people.

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode, header};
use chrono::TimeDelta;
use rollcall_events::{
    Authority,
    attempt::{Action, RefusalReason, RefusedAttempt, ResourceType},
    permissions::{NotAllowed, Requirement},
    user::{EmailAddress, LoginType, Scope, Session, StartSession, Status, UserCommand, UserError},
    vault::VaultWrite,
};
use rollcall_projections::users::{FoundUser, find};
use uuid::Uuid;

use super::fields::Fields;
use crate::{
    app::{App, AppState},
    auth::{
        Token,
        guesses::{Account, Client, GuessError},
        passwords::Verdict,
        proof::{Proof, ProofError},
    },
    command_bus::{CommandError, Done},
    http::{answer::Refusal, cookies::session_cookie, csrf, request_context::RequestContext},
};

/// How often a password is verified again because its hash was renewed meanwhile.
const TRIES: u32 = 3;

/// A session that just began.
pub struct SignedIn {
    /// Its token.
    pub token: Token,
    /// The position in the log at which it began.
    pub position: i64,
}

/// Begins a session for who knows the password. Who is refused is in the log before they hear of it.
///
/// # Errors
/// A field is wrong, password login is off, or the two do not belong to anybody who may sign in.
pub async fn by_password(
    app: &App,
    context: &RequestContext,
    email: &str,
    password: String,
) -> Result<SignedIn, Refusal> {
    let address = read(email, &password)?;
    match sign_in(app, context, &address, password.into()).await {
        Ok(signed_in) => Ok(signed_in),
        Err(Failure::Denied(denial)) => {
            note(app, context, address, &denial).await;
            Err(denial.refusal)
        }
        Err(Failure::Other(refusal)) => Err(refusal),
    }
}

/// Why somebody is not signed in.
enum Failure {
    /// They may not.
    Denied(Box<Denial>),
    /// Nobody could have been.
    Other(Refusal),
}

/// A sign-in that is refused.
struct Denial {
    reason: RefusalReason,
    /// Whose account it would have been.
    account: Option<Uuid>,
    refusal: Refusal,
}

async fn sign_in(
    app: &App,
    context: &RequestContext,
    email: &EmailAddress,
    password: Arc<str>,
) -> Result<SignedIn, Failure> {
    if !app.config.password_login {
        let user = find::by_email(&app.pool, email.as_str()).await?;
        return Err(denied(
            RefusalReason::PasswordLoginOff,
            user.map(|user| user.row.id),
            Refusal::new(
                StatusCode::FORBIDDEN,
                "Password authentication is disabled.",
            ),
        ));
    }
    let token = Token::generate(app.ids);
    let mut tries = 0;
    let done = loop {
        let proven = prove(app, context, email, Arc::clone(&password)).await?;
        tries += 1;
        match start_session(app, context, &proven, &token).await {
            // The hash was renewed, or the password changed, while this one was verified: verify it again.
            Err(CommandError::Refused(UserError::CredentialsChanged)) if tries < TRIES => {}
            Err(error) => return Err(refused(proven.user.row.id, &error)),
            Ok(done) => {
                renew_hash(app, context, proven, password).await;
                break done;
            }
        }
    };
    Ok(SignedIn {
        token,
        position: done.position,
    })
}

/// Somebody has the address, or nobody: the work is the same.
async fn note(app: &App, context: &RequestContext, email: EmailAddress, denial: &Denial) {
    let email = denial.account.is_none().then(|| email.as_str().to_owned());
    let attempt = RefusedAttempt {
        action: Action::Login,
        resource_type: ResourceType::ApiKey,
        resource_id: denial.account,
        user_id: denial.account,
        organization_id: None,
        status: denial.refusal.status().as_u16(),
        reason: Some(denial.reason),
        email,
    };
    let metadata = context.metadata(None, app.ids);
    app.attempts.note(attempt, metadata).await;
}

impl<E> From<E> for Failure
where
    Refusal: From<E>,
{
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

impl SignedIn {
    /// What a browser keeps of the session: its token, and the proof that a change comes from our own page.
    #[must_use]
    pub fn cookies(&self, app: &AppState) -> HeaderMap {
        let token = self.token.expose();
        let cookies = [
            session_cookie(&token, &app.config),
            csrf::cookie_for(app, &token),
        ];
        let cookies = cookies.into_iter().flatten();
        cookies.map(|cookie| (header::SET_COOKIE, cookie)).collect()
    }
}

fn read(email: &str, password: &str) -> Result<EmailAddress, Refusal> {
    let mut fields = Fields::default();
    let email = fields.read(EmailAddress::parse(email));
    fields.require_password(password);
    fields.finish(email)
}

/// Somebody who knows the password.
struct Proven {
    user: FoundUser,
    revision: i64,
    verdict: Verdict,
    client: Client,
}

/// Verifies the password. Unknown people, and those without a password, cost the same work and get the same answer.
async fn prove(
    app: &App,
    context: &RequestContext,
    email: &EmailAddress,
    password: Arc<str>,
) -> Result<Proven, Failure> {
    let asked = app.health.ask(&app.pool, |conn| {
        let email = email.clone();
        Box::pin(async move { find::by_email(conn, email.as_str()).await })
    });
    let user = asked.await?;
    let email = email.key();
    // Asked for nobody too: an unknown address takes as many questions to the database as a known one.
    let id = user.as_ref().map_or(Uuid::nil(), |user| user.row.id);
    let credential = app.log.vault().credential(&app.pool, id).await?;
    let hash = credential
        .as_ref()
        .and_then(|credential| credential.trusted_hash().map(str::to_owned));
    let account = user
        .as_ref()
        .map_or(Account::Unknown(&email), |user| Account::User(user.row.id));
    let proof = Proof {
        account,
        address: context.origin.ip,
        password,
        hash,
    };
    let (verdict, client) = match proof.verify(app).await {
        Ok(verified) => verified,
        Err(error) => return Err(not_verified(user.map(|user| user.row.id), error)),
    };
    match (user, credential) {
        (Some(user), Some(credential)) if verdict != Verdict::Wrong => may_sign_in(Proven {
            user,
            revision: credential.revision,
            verdict,
            client,
        }),
        (user, _) => Err(wrong(user.map(|user| user.row.id))),
    }
}

fn may_sign_in(proven: Proven) -> Result<Proven, Failure> {
    let user = &proven.user;
    if user.row.login_type != LoginType::Password {
        let login_type = user.row.login_type.name();
        return Err(denied(
            RefusalReason::WrongLoginType,
            Some(user.row.id),
            Refusal::new(
                StatusCode::FORBIDDEN,
                format!(
                    "Incorrect login type: this user signs in with {login_type}, not with a password."
                ),
            ),
        ));
    }
    if user.row.status == Status::Suspended {
        return Err(suspended(user.row.id));
    }
    Ok(proven)
}

async fn start_session(
    app: &App,
    context: &RequestContext,
    proven: &Proven,
    token: &Token,
) -> Result<Done, CommandError<UserError>> {
    let id = proven.user.row.id;
    let now = app.clock.now();
    let lifetime = TimeDelta::from_std(app.config.session_duration).unwrap_or(TimeDelta::days(1));
    let max_age = TimeDelta::from_std(app.config.session_max_age).unwrap_or(TimeDelta::days(30));
    let command = UserCommand::StartSession(StartSession {
        session: Session {
            id: token.id(),
            secret_sha256: token.secret_hash(),
            login_type: LoginType::Password,
            scope: Scope::All,
            lifetime_s: lifetime.num_seconds(),
            expires_at: now + lifetime,
            ends_at: now + max_age,
        },
        token_name: None,
        password_revision: Some(proven.revision),
        owner_limit_s: None,
        at: now,
    });
    let authority = authority(app, context, id);
    app.users.execute(id, command, authority, Vec::new()).await
}

/// Renews a hash of another kind or cost. The sign-in has succeeded: if this fails, the next one tries again.
async fn renew_hash(app: &App, context: &RequestContext, proven: Proven, password: Arc<str>) {
    if proven.verdict != Verdict::RightButOutdated {
        return;
    }
    let id = proven.user.row.id;
    let Ok(hashed) = app.passwords.rehash(password, proven.client).await else {
        return;
    };
    let command = UserCommand::RehashPassword {
        scheme: hashed.scheme,
        revision: proven.revision,
    };
    let secrets = vec![VaultWrite::PasswordHash {
        subject: id,
        hash: hashed.hash,
        revision: proven.revision + 1,
    }];
    let authority = authority(app, context, id);
    if let Err(error) = app.users.execute(id, command, authority, secrets).await {
        tracing::warn!(user = %id, error = &error as &dyn std::error::Error, "a password's hash was not renewed");
    }
}

/// That of a user who has just proven their password.
fn authority(app: &App, context: &RequestContext, user: Uuid) -> Authority {
    let metadata = context.metadata(Some("password".to_owned()), app.ids);
    Authority::user(user, Requirement::sign_in(), metadata)
}

fn refused(user: Uuid, error: &CommandError<UserError>) -> Failure {
    match error {
        CommandError::Refused(UserError::Suspended)
        | CommandError::Denied(NotAllowed::Suspended) => suspended(user),
        CommandError::Refused(UserError::NotFound | UserError::CredentialsChanged)
        | CommandError::Denied(_) => wrong(Some(user)),
        other => Failure::Other(Refusal::from_command(other)),
    }
}

/// Too many wrong passwords are a sign-in that is refused, and recorded like one.
fn not_verified(account: Option<Uuid>, error: ProofError) -> Failure {
    let is_refused = matches!(error, ProofError::Guess(GuessError::TooMany { .. }));
    let refusal = Refusal::from(error);
    if is_refused {
        denied(RefusalReason::TooManyFailures, account, refusal)
    } else {
        Failure::Other(refusal)
    }
}

/// Which of the two is wrong, only the log is told.
fn wrong(account: Option<Uuid>) -> Failure {
    let reason = match account {
        Some(_) => RefusalReason::WrongPassword,
        None => RefusalReason::UnknownEmail,
    };
    let refusal = Refusal::unauthenticated("Incorrect email or password.");
    denied(reason, account, refusal)
}

fn suspended(user: Uuid) -> Failure {
    denied(
        RefusalReason::Suspended,
        Some(user),
        Refusal::unauthenticated("Your account is suspended. Contact an admin to reactivate it."),
    )
}

fn denied(reason: RefusalReason, account: Option<Uuid>, refusal: Refusal) -> Failure {
    Failure::Denied(Box::new(Denial {
        reason,
        account,
        refusal,
    }))
}
