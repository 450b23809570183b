//! Roles in the whole service.

use super::*;

#[test]
fn assigned_roles_replace_those_before() {
    given([created(), assigned([Role::Auditor])])
        .when(assign([Role::UserAdmin, Role::Member]))
        .then_expect_events(vec![assigned([Role::UserAdmin, Role::Member])]);
    let events = [
        created(),
        assigned([Role::Auditor]),
        assigned([Role::UserAdmin]),
    ];
    assert_eq!(live(&events).roles, [Role::UserAdmin].into());
}

#[test]
fn all_roles_can_be_taken_away() {
    given([created(), assigned([Role::Owner])])
        .when(assign([]))
        .then_expect_events(vec![assigned([])]);
}

#[test]
fn assigning_the_roles_that_a_user_has_records_nothing() {
    given([created(), assigned([Role::Auditor, Role::UserAdmin])])
        .when(assign([Role::UserAdmin, Role::Auditor]))
        .then_expect_events(vec![]);
}

#[test]
fn a_dormant_or_suspended_user_is_assigned_roles_too() {
    for past in [vec![created_dormant()], suspended()] {
        given(past)
            .when(assign([Role::Auditor]))
            .then_expect_events(vec![assigned([Role::Auditor])]);
    }
}

#[test]
fn a_role_with_a_shorter_token_limit_shortens_the_tokens_with_it() {
    let past = [
        created(),
        started("A", 900),
        began(token("T", 60)),
        began(token("U", 600)),
        began(token("V", 700)),
    ];
    let promotion = |tokens_end_by| UserCommand::AssignRoles {
        roles: [Role::Owner].into(),
        tokens_end_by,
    };
    let shortened = |id: &str| UserEvent::SessionShortened {
        session_id: SessionId(id.to_owned()),
        ends_at: minute(300),
    };
    given(past.clone())
        .when(promotion(Some(minute(300))))
        .then_expect_events(vec![
            assigned([Role::Owner]),
            shortened("U"),
            shortened("V"),
        ]);
    given(past)
        .when(promotion(None))
        .then_expect_events(vec![assigned([Role::Owner])]);
}

#[test]
fn a_token_that_is_made_for_a_new_owner_keeps_to_the_limit_of_owners() {
    let start = |limit: i64| {
        let UserCommand::StartSession(start) = begin(token("T", 60), 0) else {
            unreachable!()
        };
        UserCommand::StartSession(StartSession {
            owner_limit_s: Some(limit),
            ..start
        })
    };
    for (roles, limit, is_refused) in [
        ([Role::Owner], 3_599, true),
        ([Role::Owner], 3_600, false),
        ([Role::Auditor], 3_599, false),
    ] {
        let user = replayed(&[created(), assigned(roles)]);
        let refused = user.decide(&start(limit)) == Err(UserError::TokenTooLong);
        assert_eq!(refused, is_refused, "{roles:?} {limit}");
    }
}
