//! The member whom a path names, and the answer to a change of one.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use rollcall_events::{
    Authority,
    permissions::Requirement,
    user::{UserCommand, UserError},
};
use rollcall_projections::{members::find, users::FoundUser};
use uuid::Uuid;

use super::MemberView;
use crate::{
    app::App,
    command_bus::{CommandError, Done},
    http::{
        answer::{Json, Refusal},
        caller::Caller,
        organizations,
        position::position_header,
        users,
        users::refused::refused,
    },
    permissions::{Action, Object},
};

/// A user and an organisation, each of which the caller may see.
pub struct Place {
    pub organization_id: Uuid,
    pub user: FoundUser,
}

/// What the path names, whether the user belongs to the organisation or not.
pub async fn target(
    app: &App,
    caller: &Caller,
    organization: &str,
    user: &str,
) -> Result<Place, Refusal> {
    let organization = organizations::target::target(app, caller, organization).await?;
    let user = users::target::target(app, caller, user).await?;
    Ok(Place {
        organization_id: organization.id,
        user,
    })
}

impl Place {
    pub fn user_id(&self) -> Uuid {
        self.user.row.id
    }

    /// What it requires to do this to the user's membership.
    pub fn managing(&self, caller: &Caller, action: Action, object: Object) -> Requirement {
        caller
            .requirement()
            .allows_or_hides(Action::Read, Object::organization(self.organization_id))
            .sees(self.user_id())
            .manages_member(self.organization_id, self.user_id(), action, object)
    }

    /// Nobody does to themselves what others are to decide.
    pub fn must_be_anothers(&self, caller: &Caller, message: &str) -> Result<(), Refusal> {
        if self.user_id() == caller.user().row.id {
            return Err(Refusal::new(StatusCode::BAD_REQUEST, message));
        }
        Ok(())
    }

    /// The user's place in the organisation: 404 for who has none.
    pub async fn member(&self, app: &App) -> Result<MemberView, Refusal> {
        let found = find::one(&app.pool, self.organization_id, self.user_id()).await?;
        Ok(found.ok_or_else(Refusal::not_found)?.into())
    }

    /// Executes a command about the user.
    pub async fn execute(
        &self,
        app: &App,
        authority: Authority,
        command: UserCommand,
    ) -> Result<Done, Refusal> {
        let executed = app
            .users
            .execute(self.user_id(), command, authority, Vec::new())
            .await;
        executed.map_err(|error| match error {
            CommandError::Refused(UserError::NotMember) => Refusal::not_found(),
            other => refused(&other),
        })
    }

    /// The answer to a change: the member, as they are after it.
    pub async fn changed(&self, app: &App, done: &Done) -> Result<Response, Refusal> {
        let member = Json(StatusCode::OK, self.member(app).await?);
        Ok((position_header(done.position), member).into_response())
    }
}
