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
/// so that the first can be left.
fn states() -> [(&'static str, Vec<UserEvent>); 6] {
    let living = |first| vec![first, started("A", 60), joined(Uuid::from_u128(3))];
    let mut suspended = living(created());
    suspended.push(UserEvent::UserSuspended {});
    [
        ("absent", vec![]),
        ("active", living(created())),
        ("dormant", living(created_dormant())),
        ("suspended", suspended),
        ("deleted", deleted()),
        ("erased", erased()),
    ]
}

/// In the order of the states.
fn expected(command: &UserCommand) -> [Answer; 6] {
    use Answer::{Happens, Nothing, Refused};
    const EXISTS: Answer = Refused(UserError::AlreadyExists);
    const UNKNOWN: Answer = Refused(UserError::NotFound);
    const KEPT_OUT: Answer = Refused(UserError::Suspended);
    match command {
        UserCommand::CreateUser(_) => [Happens, EXISTS, EXISTS, EXISTS, EXISTS, EXISTS],
        UserCommand::SuspendUser => [UNKNOWN, Happens, Happens, Nothing, UNKNOWN, UNKNOWN],
        UserCommand::ActivateUser(ActivationCause::Administrator) => {
            [UNKNOWN, Nothing, Happens, Happens, UNKNOWN, UNKNOWN]
        }
        UserCommand::ActivateUser(ActivationCause::Use) => {
            [UNKNOWN, Nothing, Happens, KEPT_OUT, UNKNOWN, UNKNOWN]
        }
        UserCommand::StartSession(_) => [UNKNOWN, Happens, Happens, KEPT_OUT, UNKNOWN, UNKNOWN],
        UserCommand::DeleteUser
        | UserCommand::EndSession { .. }
        | UserCommand::ExpireSession { .. }
        | UserCommand::ForgetSessions { .. } => {
            [UNKNOWN, Happens, Happens, Happens, Nothing, Nothing]
        }
        UserCommand::LinkIdentity { .. } | UserCommand::ConvertToPassword { .. } => {
            let by_password = Refused(UserError::OtherLoginType(LoginType::Password));
            [
                UNKNOWN,
                by_password,
                by_password,
                by_password,
                UNKNOWN,
                UNKNOWN,
            ]
        }
        UserCommand::ChangeProfile(_)
        | UserCommand::ConvertToProvider { .. }
        | UserCommand::AssignRoles { .. }
        | UserCommand::ChangePassword { .. }
        | UserCommand::RehashPassword { .. }
        | UserCommand::JoinOrganization(_)
        | UserCommand::LeaveOrganization(_)
        | UserCommand::AssignOrganizationRoles { .. } => {
            [UNKNOWN, Happens, Happens, Happens, UNKNOWN, UNKNOWN]
        }
    }
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
