//! The caller: a signed-in user who may come in, checked anew on every request.

use axum::{extract::FromRequestParts, http::request::Parts};
use chrono::{DateTime, TimeDelta, Utc};
use rollcall_events::{
    Authority, Metadata,
    permissions::Requirement,
    user::{ActivationCause, EndReason, LoginType, Scope, Status, UserCommand},
};
use rollcall_projections::{
    sessions::{self, KnownSession},
    standings,
    users::FoundUser,
};

use super::{answer::Refusal, identity::Identity, request_context::RequestContext};
use crate::{
    app::{App, AppState},
    auth::renewal::Standing,
    command_bus::CommandError,
    permissions::{Action, Object, Subject},
};

/// A session's use is noted at most this often.
const ACTIVITY_STEP: TimeDelta = TimeDelta::hours(1);

/// A signed-in user, by a token that is good now.
pub struct Caller {
    /// The session that the token stands for.
    pub session: KnownSession,
    /// The request by which they call.
    pub request: RequestContext,
}

impl Caller {
    /// Who calls.
    #[must_use]
    pub fn user(&self) -> &FoundUser {
        &self.session.user
    }

    /// The caller, as permissions see them.
    #[must_use]
    pub fn subject(&self) -> Subject {
        let row = &self.user().row;
        Subject::new(row.id, &standings::account(row), self.session.session.scope)
    }

    /// Whether they may do this.
    #[must_use]
    pub fn may(&self, action: Action, object: &Object) -> bool {
        self.subject().may(action, object)
    }

    /// Refuses by a 403 what they may not do.
    pub fn require(&self, action: Action, object: &Object) -> Result<(), Refusal> {
        if self.may(action, object) {
            Ok(())
        } else {
            Err(Refusal::forbidden())
        }
    }

    /// Refuses by a 404 what they may not do: where clients expect that, or where what there is to do it to is none of
    /// the caller's business.
    pub fn require_or_hide(&self, action: Action, object: &Object) -> Result<(), Refusal> {
        self.require(action, object)
            .map_err(|_| Refusal::not_found())
    }

    /// What a command requires that they give: that their session is still good.
    #[must_use]
    pub fn requirement(&self) -> Requirement {
        Requirement::session(self.session.session.id.clone())
    }

    /// Refuses what they are not allowed as of now, by the rules by which the log will judge it again. `target` is the
    /// user whom the requirement names, if it names another than the caller.
    pub fn meets(
        &self,
        app: &App,
        requirement: &Requirement,
        target: Option<&FoundUser>,
    ) -> Result<(), Refusal> {
        let me = &self.user().row;
        let targets: Vec<_> = target.iter().map(|target| &target.row).collect();
        let standings = standings::of_found((me, &self.session.session), &targets);
        let judged = standings.judge(me.id, requirement, me.id, app.clock.now());
        judged.map_err(Refusal::from)
    }

    /// The authority of a command that they give, which is decided only if they meet the requirement then.
    #[must_use]
    pub fn authority(&self, app: &App, requirement: Requirement) -> Authority {
        Authority::user(self.user().row.id, requirement, self.metadata(app))
    }

    /// The authority of a command that Rollcall gives because of their request: to end sessions, which always works.
    #[must_use]
    pub fn authority_of_system(&self, app: &App) -> Authority {
        Authority::system(self.metadata(app))
    }

    fn metadata(&self, app: &App) -> Metadata {
        let authentication = format!("session:{}", self.session.session.id.0);
        self.request.metadata(Some(authentication), app.ids)
    }
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Refusal> {
        let request = RequestContext::from_request_parts(parts, app).await?;
        let session = Identity::of(&parts.extensions)?.clone();
        let mut caller = Self { session, request };
        caller.may_come()?;
        // Before anything is done because of the request: a token for something else is no visit here.
        if caller.session.session.scope != Scope::All {
            return Err(Refusal::forbidden());
        }
        caller.is_vouched_for(app).await?;
        caller.activate(app).await?;
        caller.note_use(app, app.clock.now()).await?;
        Ok(caller)
    }
}

impl Caller {
    /// Those who are gone or suspended do not come in.
    fn may_come(&self) -> Result<(), Refusal> {
        let row = &self.session.user.row;
        if row.deleted_at.is_some() {
            return Err(Refusal::signed_out("The token is unknown."));
        }
        match row.status {
            Status::Active | Status::Dormant => Ok(()),
            Status::Suspended => Err(Refusal::not_active(Status::Suspended)),
        }
    }

    /// Users who sign in by a provider stay for as long as it vouches for them, whichever of their sessions they come by.
    async fn is_vouched_for(&self, app: &App) -> Result<(), Refusal> {
        let Some(login_type) = self.voucher(app) else {
            return Ok(());
        };
        let session = &self.session.session;
        let is_by_provider = session.login_type == login_type;
        let Some(provider) = app.providers.get(login_type) else {
            return if is_by_provider {
                Err(Refusal::signed_out(
                    "The provider by which you signed in is configured no more.",
                ))
            } else {
                Ok(())
            };
        };
        let now = app.clock.now();
        let is_over = self
            .session
            .provider_expires_at
            .is_some_and(|expires_at| expires_at <= now);
        // A key may have been made for a user who has never come by the provider: then there is nothing to ask it with.
        if !is_over && (self.session.has_provider_tokens || !is_by_provider) {
            return Ok(());
        }
        let vault = app.log.vault();
        let standing = app
            .renewals
            .renew(vault, provider, session.user_id, now)
            .await;
        match standing.map_err(Refusal::from)? {
            Standing::Good => Ok(()),
            Standing::Unknown => Err(Refusal::signed_out(
                "The provider by which you signed in does not answer.",
            )),
            Standing::Refused => {
                self.end_all(app, login_type).await?;
                Err(Refusal::signed_out(
                    "The provider by which you signed in has expired your sign-in.",
                ))
            }
        }
    }

    /// The provider that must vouch for the user. Sessions of the command line are tied to it like those of a browser; API
    /// tokens only if the operator wants that.
    fn voucher(&self, app: &App) -> Option<LoginType> {
        let user = self.session.user.row.login_type;
        let login_type = match self.session.session.login_type {
            LoginType::Token if app.config.oidc_end_tokens && user == LoginType::Oidc => user,
            LoginType::Token => return None,
            LoginType::Password | LoginType::None => user,
            by_provider @ (LoginType::Github | LoginType::Oidc) => by_provider,
        };
        matches!(login_type, LoginType::Github | LoginType::Oidc).then_some(login_type)
    }

    /// Ends all sessions of a user whom a provider refuses.
    async fn end_all(&self, app: &App, refused_by: LoginType) -> Result<(), Refusal> {
        let command = UserCommand::EndSessions {
            with_tokens: app.config.oidc_end_tokens && refused_by == LoginType::Oidc,
            reason: EndReason::ProviderRefused,
            at: app.clock.now(),
        };
        let authority = self.authority_of_system(app);
        let user = self.session.session.user_id;
        let ended = app.users.execute(user, command, authority, Vec::new());
        ended.await.map_err(|error| Refusal::from_command(&error))?;
        Ok(())
    }

    /// A dormant user becomes active by coming.
    async fn activate(&mut self, app: &App) -> Result<(), Refusal> {
        let row = &self.session.user.row;
        if row.status != Status::Dormant {
            return Ok(());
        }
        let command = UserCommand::ActivateUser(ActivationCause::Use);
        let authority = self.authority(app, self.requirement());
        let executed = app
            .users
            .execute(row.id, command, authority, Vec::new())
            .await;
        executed.map_err(|error| match error {
            CommandError::Refused(_) => Refusal::not_active(Status::Suspended),
            // Not told as a conflict: the request may be one that changes nothing.
            CommandError::Contended => Refusal::unavailable("Your account was being changed."),
            other => Refusal::from_command(&other),
        })?;
        self.session.user.row.status = Status::Active;
        Ok(())
    }

    /// Notes, about hourly, that the session was used and the user seen, before the request is answered.
    async fn note_use(&mut self, app: &App, now: DateTime<Utc>) -> Result<(), Refusal> {
        let is_recent = self
            .session
            .last_used
            .is_some_and(|last| now - last <= ACTIVITY_STEP);
        if !is_recent {
            sessions::touch(
                &app.pool,
                &self.session.session.id,
                self.session.session.user_id,
                now,
            )
            .await?;
            self.session.last_used = Some(now);
            self.session.user.last_seen_at = self.session.user.last_seen_at.max(Some(now));
        }
        Ok(())
    }
}
