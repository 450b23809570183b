//! The user as `cqrs-es` and the command bus see it. Thin: the rules are in `decide` and `evolve`.

use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};

use super::{
    Identity, Role, User, UserCommand, UserError, UserEvent, decide::decide, evolve::evolve,
};
use crate::{Claim, EventSourced, personal::PersonalField};

impl Aggregate for User {
    const TYPE: &'static str = "user";
    type Command = UserCommand;
    type Event = UserEvent;
    type Error = UserError;
    type Services = ();

    async fn handle(
        &mut self,
        command: UserCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), UserError> {
        for event in decide(self, &command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: UserEvent) {
        evolve(self, &event);
    }
}

impl DomainEvent for UserEvent {
    fn event_type(&self) -> String {
        self.name().to_owned()
    }

    fn event_version(&self) -> String {
        Self::SCHEMA_VERSION.to_string()
    }
}

impl EventSourced for User {
    const STATE_VERSION: i32 = 3;
    const IS_PERSON: bool = true;

    fn decide(&self, command: &UserCommand) -> Result<Vec<UserEvent>, UserError> {
        decide(self, command)
    }

    fn evolve(&mut self, event: &UserEvent) {
        evolve(self, event);
    }

    fn only_restricts(&self, command: &UserCommand) -> bool {
        match command {
            UserCommand::SuspendUser
            | UserCommand::DeleteUser
            | UserCommand::EraseUser
            | UserCommand::EndSession { .. }
            | UserCommand::EndSessions { .. }
            | UserCommand::ExpireSession { .. }
            | UserCommand::LeaveOrganization(_) => true,
            UserCommand::AssignRoles { roles, .. } => match self {
                Self::Live(account) => roles.is_subset(&account.roles),
                Self::Absent | Self::Deleted | Self::Erased => false,
            },
            UserCommand::AssignOrganizationRoles {
                organization_id,
                roles,
            } => match self {
                Self::Live(account) => account
                    .membership(*organization_id)
                    .is_some_and(|membership| roles.is_subset(&membership.roles)),
                Self::Absent | Self::Deleted | Self::Erased => false,
            },
            UserCommand::CreateUser(_)
            | UserCommand::ChangeProfile(_)
            | UserCommand::ActivateUser(_)
            | UserCommand::ChangePassword { .. }
            | UserCommand::LinkIdentity { .. }
            | UserCommand::ConvertToProvider { .. }
            | UserCommand::ConvertToPassword { .. }
            | UserCommand::RehashPassword { .. }
            | UserCommand::StartSession(_)
            | UserCommand::JoinOrganization(_) => false,
        }
    }

    fn claims(&self, command: &UserCommand) -> Vec<Claim> {
        match command {
            UserCommand::CreateUser(wish) => {
                let mut claims = vec![
                    Claim::Email(wish.person.email.key()),
                    Claim::Username(wish.person.username.key()),
                ];
                if wish.first {
                    claims.push(Claim::FirstUser);
                }
                claims.extend(wish.identity.as_ref().map(identity));
                claims
            }
            UserCommand::ChangeProfile(change) => {
                let username = change.username.iter();
                let username = username.map(|name| Claim::Username(name.key()));
                let email = change.email.iter();
                let email = email.map(|address| Claim::Email(address.key()));
                username.chain(email).collect()
            }
            UserCommand::AssignRoles { roles, .. } if !roles.contains(&Role::Owner) => {
                self.to_be_succeeded()
            }
            UserCommand::DeleteUser | UserCommand::EraseUser => self.to_be_succeeded(),
            UserCommand::StartSession(wish) => {
                let name = wish.token_name.iter();
                name.map(|name| Claim::TokenName(name.as_str().to_owned()))
                    .collect()
            }
            UserCommand::LinkIdentity {
                identity: account, ..
            }
            | UserCommand::ConvertToProvider {
                identity: account, ..
            } => vec![identity(account)],
            UserCommand::AssignRoles { .. }
            | UserCommand::SuspendUser
            | UserCommand::ActivateUser(_)
            | UserCommand::ChangePassword { .. }
            | UserCommand::ConvertToPassword { .. }
            | UserCommand::RehashPassword { .. }
            | UserCommand::EndSession { .. }
            | UserCommand::EndSessions { .. }
            | UserCommand::ExpireSession { .. }
            | UserCommand::JoinOrganization(_)
            | UserCommand::LeaveOrganization(_)
            | UserCommand::AssignOrganizationRoles { .. } => Vec::new(),
        }
    }

    fn personal(&mut self) -> Option<&mut dyn PersonalField> {
        match self {
            Self::Live(account) => Some(&mut account.person),
            Self::Absent | Self::Deleted | Self::Erased => None,
        }
    }
}

impl User {
    /// What an active owner who goes must leave behind.
    fn to_be_succeeded(&self) -> Vec<Claim> {
        match self {
            Self::Live(account) if account.is_active_owner() => vec![Claim::AnotherOwner],
            Self::Live(_) | Self::Absent | Self::Deleted | Self::Erased => Vec::new(),
        }
    }
}

fn identity(identity: &Identity) -> Claim {
    Claim::Identity(identity.key())
}
