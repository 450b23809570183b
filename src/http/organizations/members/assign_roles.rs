//! `PUT /organizations/{organization}/members/{user}/roles`: a member's roles in an organisation.

use std::collections::BTreeSet;

use axum::{
    extract::{FromRequest, State},
    response::Response,
};
use rollcall_events::user::{OrganizationRole, UserCommand};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{MemberView, target::target};
use crate::{
    app::AppState,
    http::{
        answer::{Refusal, Validation},
        body::JsonBody,
        caller::Caller,
        openapi::schemas,
        path::Path,
    },
    permissions::{Action, Object},
};

/// What every member is. It may be said, and makes no difference.
const MEMBER: &str = "organization-member";

/// The roles that a member is to have in the organization, and no others.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = UpdateOrganizationRoles)]
pub struct Request {
    #[schema(value_type = Vec<schemas::OrganizationRoleThere>)]
    roles: Vec<String>,
}

/// Replaces a member's roles in an organization. Who may give roles there may give and take all of them.
#[utoipa::path(put, path = "/api/v2/organizations/{organization}/members/{user}/roles", tag = "organizations",
    operation_id = "update_organization_member_roles", request_body = Request, responses(
        (status = 200, body = MemberView),
        (status = 400, description = "A role does not exist in this organization, or it is the caller."),
    ))]
pub async fn assign_roles(
    State(app): State<AppState>,
    caller: Caller,
    Path((organization, user)): Path<(String, String)>,
    body: axum::extract::Request,
) -> Result<Response, Refusal> {
    let place = target(&app, &caller, &organization, &user).await?;
    place.member(&app).await?;
    place.must_be_anothers(&caller, "You cannot change your own organization roles.")?;
    let object = Object::roles_in(place.organization_id);
    let required = place
        .managing(&caller, Action::Assign, object)
        .allows(Action::Unassign, object);
    caller.meets(&app, &required, Some(&place.user))?;
    let JsonBody(request) = JsonBody::<Request>::from_request(body, &app).await?;
    let command = UserCommand::AssignOrganizationRoles {
        organization_id: place.organization_id,
        roles: read(&request.roles, place.organization_id)?,
    };
    let done = place
        .execute(&app, caller.authority(&app, required), command)
        .await?;
    place.changed(&app, &done).await
}

/// As either generation of clients spells them. A role in another organisation is none in this one.
fn read(names: &[String], organization: Uuid) -> Result<BTreeSet<OrganizationRole>, Refusal> {
    let mut roles = BTreeSet::new();
    let mut unknown = Vec::new();
    for name in names {
        let (role, is_here) = match name.split_once(':') {
            Some((role, id)) => (role, Uuid::parse_str(id) == Ok(organization)),
            None => (name.as_str(), true),
        };
        match OrganizationRole::parse(role) {
            Some(role) if is_here => drop(roles.insert(role)),
            None if is_here && role == MEMBER => {}
            _ => unknown.push(Validation::new(
                "roles",
                format!("{name:?} is no role in this organization"),
            )),
        }
    }
    if unknown.is_empty() {
        Ok(roles)
    } else {
        Err(Refusal::validation(unknown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: Uuid = Uuid::from_u128(0x40e);

    fn roles(names: &[&str]) -> Option<Vec<OrganizationRole>> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let roles = read(&names, HOME).ok()?;
        Some(roles.into_iter().collect())
    }

    #[test]
    fn roles_are_read_with_and_without_their_organization() {
        use OrganizationRole::{Admin, Auditor};
        let here = format!("organization-admin:{HOME}");
        assert_eq!(roles(&[]), Some(vec![]));
        assert_eq!(
            roles(&["organization-auditor", &here, "organization-admin"]),
            Some(vec![Admin, Auditor])
        );
    }

    #[test]
    fn being_a_member_may_be_said_and_makes_no_difference() {
        let here = format!("organization-member:{HOME}");
        assert_eq!(roles(&[&here, "organization-member"]), Some(vec![]));
    }

    #[test]
    fn what_is_no_role_here_is_refused() {
        let elsewhere = format!("organization-admin:{}", Uuid::from_u128(1));
        let member_elsewhere = format!("organization-member:{}", Uuid::from_u128(1));
        for name in [
            "owner",
            "member",
            "",
            ":",
            "organization-admin:",
            "Organization-Admin",
            "organization-admin:default",
            &elsewhere,
            &member_elsewhere,
        ] {
            assert_eq!(roles(&["organization-auditor", name]), None, "{name}");
        }
    }
}
