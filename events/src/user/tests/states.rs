//! Every pair of state and command.

use super::*;

/// What a command leads to.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Answer {
    Happens,
    Nothing,
    Refused(UserError),
}

/// Of each state: its name, and how it came to be. Who lives has a session that lasts an hour, and a second organisation,
/// so that the first can be left. The first three who live do so by password, the others by a provider.
fn states() -> [(&'static str, Vec<UserEvent>); 8] {
    let home = || [started("A", 60), joined(Uuid::from_u128(3))];
    let living = |first| [vec![first], home().into()].concat();
    let suspended = [living(created()), vec![UserEvent::UserSuspended {}]];
    let linked = [converted_to_provider(), home().into()];
    [
        ("absent", vec![]),
        ("active", living(created())),
        ("dormant", living(created_dormant())),
        ("suspended", suspended.concat()),
        (
            "unlinked",
            living(created_without_password(LoginType::Oidc)),
        ),
        ("linked", linked.concat()),
        ("deleted", deleted()),
        ("erased", erased()),
    ]
}

/// Before and after they live.
const UNKNOWN: Answer = Answer::Refused(UserError::NotFound);
const SUSPENDED: Answer = Answer::Refused(UserError::Suspended);

/// In the order of the states.
fn expected(command: &UserCommand) -> [Answer; 8] {
    use Answer::{Happens, Nothing, Refused};
    const KEPT_OUT: Answer = Refused(UserError::Suspended);
    const BY_PASSWORD: Answer = Refused(UserError::OtherLoginType(LoginType::Password));
    const BY_PROVIDER: Answer = Refused(UserError::OtherLoginType(LoginType::Oidc));
    const NO_PASSWORD: Answer = Refused(UserError::HasNoPassword);
    const OTHER_REVISION: Answer = Refused(UserError::CredentialsChanged);
    match command {
        UserCommand::CreateUser(_) => {
            let mut all = [Refused(UserError::AlreadyExists); 8];
            all[0] = Happens;
            all
        }
        UserCommand::SuspendUser => alive([Happens, Happens, Nothing, Happens, Happens]),
        UserCommand::ActivateUser(ActivationCause::Administrator) => {
            alive([Nothing, Happens, Happens, Nothing, Nothing])
        }
        UserCommand::ActivateUser(ActivationCause::Use) => {
            alive([Nothing, Happens, KEPT_OUT, Nothing, Nothing])
        }
        UserCommand::StartSession(_) => alive([Happens, Happens, KEPT_OUT, Happens, Happens]),
        UserCommand::EraseUser => {
            let mut all = [Happens; 8];
            (all[0], all[7]) = (UNKNOWN, Nothing);
            all
        }
        UserCommand::DeleteUser
        | UserCommand::EndSession { .. }
        | UserCommand::EndSessions { .. }
        | UserCommand::ExpireSession { .. } => {
            let mut all = alive([Happens; 5]);
            all[6..].fill(Nothing);
            all
        }
        UserCommand::ChangePassword { .. } => {
            alive([Happens, Happens, Happens, NO_PASSWORD, NO_PASSWORD])
        }
        UserCommand::RehashPassword { .. } => alive([Happens, Happens, Happens, Nothing, Nothing]),
        UserCommand::LinkIdentity { .. } => alive([
            BY_PASSWORD,
            BY_PASSWORD,
            BY_PASSWORD,
            Happens,
            Refused(UserError::AlreadyLinked),
        ]),
        UserCommand::ConvertToProvider { .. } => {
            alive([Happens, Happens, SUSPENDED, BY_PROVIDER, BY_PROVIDER])
        }
        // Who was never asked for a password has none of that revision.
        UserCommand::ConvertToPassword { .. } => alive([
            BY_PASSWORD,
            BY_PASSWORD,
            BY_PASSWORD,
            OTHER_REVISION,
            Happens,
        ]),
        UserCommand::ChangeProfile(_)
        | UserCommand::AssignRoles { .. }
        | UserCommand::JoinOrganization(_)
        | UserCommand::LeaveOrganization(_)
        | UserCommand::AssignOrganizationRoles { .. } => alive([Happens; 5]),
    }
}

/// These while they live, and nobody is known otherwise.
fn alive([active, dormant, suspended, unlinked, linked]: [Answer; 5]) -> [Answer; 8] {
    [
        UNKNOWN, active, dormant, suspended, unlinked, linked, UNKNOWN, UNKNOWN,
    ]
}

#[test]
fn every_pair_of_state_and_command_has_its_answer() {
    for command in all_commands() {
        for ((state, history), expected) in states().into_iter().zip(expected(&command)) {
            let answer = match given(history).when(command.clone()).inspect_result() {
                Ok(events) if events.is_empty() => Answer::Nothing,
                Ok(_) => Answer::Happens,
                Err(refusal) => Answer::Refused(refusal),
            };
            assert_eq!(answer, expected, "{command:?} when {state}");
        }
    }
}
