//! What a snapshot saves of a user.

use serde_json::json;

use super::*;

/// A user with all there is, once what is personal is sealed.
fn everything() -> User {
    let mut user = replayed(&[
        created_as(Personal::Sealed("c2VhbGVk".into())),
        assigned([Role::Owner]),
        joined(AWAY),
        assigned_at(HOME, [OrganizationRole::Auditor, OrganizationRole::Admin]),
        converted(LoginType::Oidc),
        linked("1"),
    ]);
    let named = UserEvent::SessionStarted {
        session: Session {
            scope: Scope::ApplicationConnect,
            ..token("T", 60)
        },
        token_name: Some(Personal::Known(token_name("laptop"))),
    };
    evolve_all(&mut user, &[named]);
    user
}

/// Whoever changes the shape raises the version: older snapshots are then ignored, and not misunderstood.
#[test]
fn a_snapshot_of_this_version_has_this_shape() {
    assert_eq!(User::STATE_VERSION, 3);
    assert_eq!(
        serde_json::to_value(everything()).unwrap(),
        json!({ "Live": {
            "person": "c2VhbGVk",
            "login_type": "oidc",
            "status": "active",
            "roles": ["owner"],
            "organizations": [
                { "organization_id": HOME, "roles": ["organization-admin", "organization-auditor"] },
                { "organization_id": AWAY, "roles": [] },
            ],
            "password_revision": 1,
            "is_linked": true,
            "sessions": {
                "T": { "login_type": "token", "scope": "application_connect", "ends_at": minute(60) },
            },
        }})
    );
    for (user, shape) in [
        (User::Absent, "Absent"),
        (User::Deleted, "Deleted"),
        (User::Erased, "Erased"),
    ] {
        assert_eq!(serde_json::to_value(user).unwrap(), shape);
    }
}

#[test]
fn what_a_snapshot_saved_is_read_as_it_was() {
    for user in [everything(), User::Absent, User::Deleted, User::Erased] {
        let json = serde_json::to_string(&user).unwrap();
        assert_eq!(serde_json::from_str::<User>(&json).unwrap(), user);
    }
}

#[test]
fn a_state_that_knows_a_person_cannot_be_saved_before_it_is_sealed() {
    let mut user = replayed(&[created()]);
    assert!(serde_json::to_string(&user).is_err());
    user.personal().unwrap().seal("c2VhbGVk".into());
    assert!(serde_json::to_string(&user).is_ok());
}
