//! The caller: a signed-in user who may come in, checked anew on every request.

use axum::{extract::FromRequestParts, http::request::Parts};
use chrono::{DateTime, TimeDelta, Utc};
use rollcall_events::{
    Actor, Metadata,
    user::{ActivationCause, EndReason, LoginType, Membership, Status, UserCommand},
};
use rollcall_projections::{
    sessions::{self, KnownSession},
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
        let roles_at = |organization_id| {
            let held = row.organization_roles.iter();
            held.filter(move |held| held.organization_id == organization_id)
                .map(|held| held.role)
        };
        let membership = |&organization_id| Membership {
            organization_id,
            roles: roles_at(organization_id).collect(),
        };
        Subject {
            user: row.id,
            roles: row.roles.clone(),
            memberships: row.organization_ids.iter().map(membership).collect(),
            scope: self.session.session.scope,
        }
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

    /// The metadata of a command that they give.
    #[must_use]
    pub fn metadata(&self, app: &App) -> Metadata {
        let authentication = format!("session:{}", self.session.session.id.0);
        self.request.metadata(
            Actor::User(self.user().row.id),
            Some(authentication),
            app.ids,
        )
    }
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Refusal> {
        let request = RequestContext::from_request_parts(parts, app).await?;
        let session = Identity::of(&parts.extensions)?.clone();
        let mut caller = Self { session, request };
        caller.may_come()?;
        caller.is_vouched_for(app).await?;
        caller.activate(app).await?;
        caller.note_use(app, app.clock.now()).await?;
        if caller.session.session.scope != rollcall_events::user::Scope::All {
            return Err(Refusal::forbidden());
        }
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
            Status::Suspended => Err(not_active(Status::Suspended)),
        }
    }

    /// Who signed in by a provider stays for as long as it vouches for them.
    async fn is_vouched_for(&self, app: &App) -> Result<(), Refusal> {
        let session = &self.session.session;
        let Some(provider) = app.providers.get(session.login_type) else {
            return self.is_no_orphan();
        };
        let now = app.clock.now();
        let is_over = self
            .session
            .provider_expires_at
            .is_some_and(|expires_at| expires_at <= now);
        if self.session.has_provider_tokens && !is_over {
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
                let command = UserCommand::EndSession {
                    session_id: session.id.clone(),
                    reason: EndReason::ProviderRefused,
                };
                let metadata = self.metadata(app);
                let ended = app
                    .users
                    .execute(session.user_id, command, metadata, Vec::new());
                ended.await.map_err(|error| Refusal::from_command(&error))?;
                Err(Refusal::signed_out(
                    "The provider by which you signed in has expired your sign-in.",
                ))
            }
        }
    }

    /// A session by a provider that is configured no more is good for nothing.
    fn is_no_orphan(&self) -> Result<(), Refusal> {
        match self.session.session.login_type {
            LoginType::Github | LoginType::Oidc => Err(Refusal::signed_out(
                "The provider by which you signed in is configured no more.",
            )),
            LoginType::Password | LoginType::None | LoginType::Token => Ok(()),
        }
    }

    /// A dormant user becomes active by coming.
    async fn activate(&mut self, app: &App) -> Result<(), Refusal> {
        let row = &self.session.user.row;
        if row.status != Status::Dormant {
            return Ok(());
        }
        let command = UserCommand::ActivateUser(ActivationCause::Use);
        let executed = app
            .users
            .execute(row.id, command, self.metadata(app), Vec::new())
            .await;
        executed.map_err(|error| match error {
            CommandError::Refused(_) => not_active(Status::Suspended),
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

fn not_active(status: Status) -> Refusal {
    Refusal::unauthenticated(format!(
        "Your account is not active (status = {:?}). Contact an admin to reactivate it.",
        status.name()
    ))
}
