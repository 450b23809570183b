//! Creating users: who may, what is a good user, and which complaint comes first.

use rollcall_events::user::{Role, UserCommand};
use serde_json::{Value, json};

use crate::{
    given::{
        LOGIN, ME, USERS, assert_refused, first_complaint, member, post_raw, usernames, wish,
        wish_with, with_role, wrong_fields,
    },
    support::{
        PASSWORD, TestApp,
        client::{Answer, Client},
    },
};

const NOWHERE: &str = "7c60d51f-b44e-4682-87d6-449835ea4de6";

async fn create(app: &TestApp, owner: &Client, username: &str, other: Value) -> Answer {
    owner.post(USERS, &wish_with(app, username, &other)).await
}

#[tokio::test]
async fn a_created_user_can_sign_in() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (id, bob) = member(&app, &owner, "bob").await;
    assert_eq!(bob.get(ME).await.json["id"], id.to_string());
}

#[tokio::test]
async fn an_answer_about_a_write_tells_its_position_in_the_log() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let created = owner.post(USERS, &wish(&app, "bob")).await;
    assert!(created.header("rollcall-position").parse::<i64>().is_ok());
}

// Who may.

#[tokio::test]
async fn who_is_not_signed_in_creates_nobody() {
    let app = TestApp::start().await;
    app.owner().await;
    let answer = app.anonymous().post(USERS, &wish(&app, "bob")).await;
    assert_refused(&answer, 401, "session has expired");
}

#[tokio::test]
async fn members_auditors_and_template_admins_are_refused_before_their_body_is_read() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    let auditor = with_role(&app, &owner, "audit", Role::Auditor).await;
    let templates = with_role(&app, &owner, "templates", Role::TemplateAdmin).await;
    for client in [bob, auditor, templates] {
        for body in [&b""[..], b"{", b"{}", &vec![b' '; 2 << 20]] {
            let answer = post_raw(&client, USERS, body).await;
            assert_refused(&answer, 403, "Forbidden.");
        }
        let answer = client.post(USERS, &wish(&app, "eve")).await;
        assert_refused(&answer, 403, "Forbidden.");
    }
}

#[tokio::test]
async fn a_user_admin_creates_members_and_nobody_more_powerful() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let admin = with_role(&app, &owner, "admin", Role::UserAdmin).await;
    let plain = admin.post(USERS, &wish(&app, "bob")).await;
    assert_eq!(plain.status, 201);
    let named = create(&app, &admin, "eve", json!({ "roles": ["member"] })).await;
    assert_eq!(named.status, 201);
    for role in ["owner", "user-admin", "auditor", "template-admin"] {
        let answer = create(&app, &admin, "dan", json!({ "roles": [role] })).await;
        assert_refused(&answer, 403, "Forbidden.");
    }
    assert_eq!(owner.get("/api/v2/users/dan").await.status, 404);
}

#[tokio::test]
async fn an_owner_grants_any_role_with_the_user() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for (username, role, display_name) in [
        ("u1", "owner", "Owner"),
        ("u2", "user-admin", "User Admin"),
        ("u3", "template-admin", "Template Admin"),
        ("u4", "auditor", "Auditor"),
    ] {
        let created = create(&app, &owner, username, json!({ "roles": [role, role] })).await;
        let expected = json!([{ "name": role, "display_name": display_name }]);
        assert_eq!(created.json["roles"], expected);
    }
}

#[tokio::test]
async fn a_role_that_does_not_exist_is_refused() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for role in ["emperor", "", "Owner", "organization-admin"] {
        let answer = create(&app, &owner, "bob", json!({ "roles": ["auditor", role] })).await;
        assert_eq!(wrong_fields(&answer), ["roles"], "{role}");
    }
}

// What is a good user.

#[tokio::test]
async fn all_that_is_wrong_is_told_at_once() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let answer = owner.post(USERS, &json!({})).await;
    assert_refused(&answer, 400, "Validation failed.");
    assert_eq!(
        wrong_fields(&answer),
        ["email", "organization_ids", "password", "username"]
    );
    let bad = json!({
        "email": "bob",
        "username": "b_b",
        "name": " Bob",
        "password": "",
        "user_status": "asleep",
        "roles": ["emperor"],
    });
    assert_eq!(
        wrong_fields(&owner.post(USERS, &bad).await),
        [
            "email",
            "name",
            "organization_ids",
            "password",
            "roles",
            "user_status",
            "username"
        ]
    );
}

#[tokio::test]
async fn a_complaint_names_the_rule_and_the_value() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for (field, value, rule) in [
        ("email", "bob at home", "email"),
        ("username", "bob b.", "username"),
        ("name", " Bob ", "user_real_name"),
        ("email", "", "required"),
        ("username", "", "required"),
        ("password", "", "required"),
    ] {
        let answer = create(&app, &owner, "bob", json!({ field: value })).await;
        assert_eq!(wrong_fields(&answer), [field]);
        let complaint = first_complaint(&answer);
        assert!(complaint.contains(&format!("{rule:?}")), "{complaint}");
        assert!(complaint.contains(value), "{complaint}");
    }
}

#[tokio::test]
async fn email_addresses_are_kept_as_they_are_spelled() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for (username, email) in [
        ("u1", "Bob.B+tag@Mail.Example.COM"),
        ("u2", "!#$%&'*+-/=?^_`{|}~@example.com"),
        ("u3", r#""bob b"@example.com"#),
        ("u4", "дата@пример.рф"),
    ] {
        let created = create(&app, &owner, username, json!({ "email": email })).await;
        assert_eq!(created.json["email"], email, "{created:?}");
        let wish = json!({ "email": email, "password": PASSWORD });
        let answer = app.anonymous().post(LOGIN, &wish).await;
        assert_eq!(answer.status, 201, "{email}");
    }
}

#[tokio::test]
async fn what_is_no_email_address_is_refused() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for email in [
        "bob",
        "@example.com",
        "bob@",
        "bob@localhost",
        "bob@127.0.0.1",
        "bob@example.c0",
        "bob@example..com",
        ".bob@example.com",
        "b..b@example.com",
        "bob @example.com",
        "bob@a@example.com",
        "Bob <bob@example.com>",
        "bob@example.com\n",
    ] {
        let answer = create(&app, &owner, "bob", json!({ "email": email })).await;
        assert_eq!(wrong_fields(&answer), ["email"], "{email}");
    }
}

#[tokio::test]
async fn usernames_are_letters_and_digits_joined_by_single_hyphens() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let long = "x".repeat(32);
    for (username, email) in [
        ("b", "u1@example.com"),
        ("Bob-B-2", "u2@example.com"),
        ("0", "u3@example.com"),
        (&long, "u4@example.com"),
    ] {
        let created = create(&app, &owner, username, json!({ "email": email })).await;
        assert_eq!(created.json["username"], username);
    }
    let too_long = "x".repeat(33);
    for username in [
        "-b", "b-", "b--b", "-", "b_b", "b b", "b.b", "bób", "b\n", "%62", &too_long,
    ] {
        let wish = json!({ "username": username, "email": "eve@example.com" });
        let answer = create(&app, &owner, "eve", wish).await;
        assert_eq!(wrong_fields(&answer), ["username"], "{username}");
    }
}

#[tokio::test]
async fn names_that_paths_need_are_reserved() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for username in ["new", "create", "me", "First", "LOGIN", "logout"] {
        let answer = owner.post(USERS, &wish(&app, username)).await;
        assert_eq!(wrong_fields(&answer), ["username"], "{username}");
    }
}

#[tokio::test]
async fn a_display_name_is_up_to_128_bytes_without_space_around_it() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (fits, too_long) = ("é".repeat(64), "é".repeat(64) + "e");
    for (username, name) in [("u1", "李 小龍"), ("u2", &fits), ("u3", "O'Brien, Jr.")] {
        let created = create(&app, &owner, username, json!({ "name": name })).await;
        assert_eq!(created.json["name"], name, "{created:?}");
    }
    for name in [" Bob", "Bob\t", "\u{3000}Bob", "B\nob", &too_long] {
        let answer = create(&app, &owner, "bob", json!({ "name": name })).await;
        assert_eq!(wrong_fields(&answer), ["name"], "{name:?}");
    }
}

#[tokio::test]
async fn a_weak_password_is_refused_and_never_repeated() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let long = "correct horse battery staple ".repeat(9);
    for password in [
        "hunter2",
        "p4ssw0rd",
        "testpass",
        "qwertyuiop",
        "aaaaaaaaaaaaaaaa",
        &long[..257],
    ] {
        let answer = create(&app, &owner, "bob", json!({ "password": password })).await;
        assert_eq!(wrong_fields(&answer), ["password"], "{password}");
        let complaint = first_complaint(&answer);
        assert!(!complaint.contains(password), "{complaint}");
    }
    let created = create(&app, &owner, "bob", json!({ "password": &long[..256] })).await;
    assert_eq!(created.status, 201);
}

#[tokio::test]
async fn a_password_made_of_its_owner_is_weak() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let person = json!({
        "email": "zwettlinger.b@example.com",
        "name": "Augusta Kowalczyk",
    });
    for password in ["countess1815", "zwettlinger.b@example.com", "kowalczyk"] {
        let mut wish = person.clone();
        wish["password"] = json!(password);
        let answer = create(&app, &owner, "countess1815", wish).await;
        assert_eq!(wrong_fields(&answer), ["password"], "{password}");
    }
}

#[tokio::test]
async fn how_strong_a_password_must_be_is_configured() {
    let app = TestApp::start_with(|config| config.password_minimum_score = 0).await;
    let owner = app.owner().await;
    let created = create(&app, &owner, "bob", json!({ "password": "password" })).await;
    assert_eq!(created.status, 201);
    let short = create(&app, &owner, "eve", json!({ "password": "testing" })).await;
    assert_eq!(wrong_fields(&short), ["password"]);
}

#[tokio::test]
async fn a_user_is_active_unless_they_shall_be_dormant() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for (username, wished, status) in [
        ("u1", json!(null), "active"),
        ("u2", json!(""), "active"),
        ("u3", json!("active"), "active"),
        ("u4", json!("dormant"), "dormant"),
    ] {
        let created = create(&app, &owner, username, json!({ "user_status": wished })).await;
        assert_eq!(created.json["status"], status);
        let found = owner.get(&format!("{USERS}/{username}")).await;
        assert_eq!(found.json["status"], status);
    }
    for status in ["suspended", "Active", "asleep"] {
        let answer = create(&app, &owner, "bob", json!({ "user_status": status })).await;
        assert_eq!(wrong_fields(&answer), ["user_status"], "{status}");
    }
}

#[tokio::test]
async fn a_user_without_a_password_exists_and_cannot_sign_in() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let other = json!({ "login_type": "none", "password": "" });
    let created = create(&app, &owner, "bob", other).await;
    assert_eq!(created.json["login_type"], "none", "{created:?}");
    for password in [PASSWORD, "none", " "] {
        let wish = json!({ "email": "bob@example.com", "password": password });
        let answer = app.anonymous().post(LOGIN, &wish).await;
        assert_refused(&answer, 401, "Incorrect email or password.");
    }
}

#[tokio::test]
async fn a_password_goes_with_no_other_way_to_sign_in() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let answer = create(&app, &owner, "bob", json!({ "login_type": "none" })).await;
    assert_eq!(wrong_fields(&answer), ["password"]);
}

#[tokio::test]
async fn a_way_to_sign_in_that_is_not_there_is_refused() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for login_type in ["github", "oidc", "token", "magic"] {
        let other = json!({ "login_type": login_type, "password": "" });
        let answer = create(&app, &owner, "bob", other).await;
        assert!(wrong_fields(&answer).contains(&"login_type"), "{answer:?}");
    }
}

#[tokio::test]
async fn without_passwords_only_users_without_one_are_created() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let name = app.database.get_database().unwrap();
    let no_passwords = |config: &mut rollcall::config::Config| config.password_login = false;
    let node = TestApp::on(name, app.clock.clone(), no_passwords).await;
    let owner = node.with_token(owner.token());
    let answer = owner.post(USERS, &wish(&node, "bob")).await;
    assert_refused(&answer, 403, "Password authentication is disabled");
    let other = json!({ "login_type": "none", "password": "" });
    assert_eq!(create(&node, &owner, "bob", other).await.status, 201);
}

#[tokio::test]
async fn service_accounts_are_a_premium_feature() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let with_email = create(&app, &owner, "bot", json!({ "service_account": true })).await;
    assert_refused(&with_email, 403, "Premium feature");
    // As a client sends it: without an address and a password.
    let without = json!({
        "username": "bot",
        "login_type": "none",
        "service_account": true,
        "organization_ids": [app.app.default_organization],
    });
    assert_refused(&owner.post(USERS, &without).await, 403, "Premium feature");
}

// Organisations.

#[tokio::test]
async fn an_organization_is_named_in_the_old_way_the_new_way_or_both() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let id = app.app.default_organization;
    let nil = uuid::Uuid::nil();
    for (username, organizations) in [
        (
            "u1",
            json!({ "organization_ids": [id], "organization_id": null }),
        ),
        (
            "u2",
            json!({ "organization_ids": null, "organization_id": id }),
        ),
        (
            "u3",
            json!({ "organization_ids": [], "organization_id": id }),
        ),
        (
            "u4",
            json!({ "organization_ids": [id], "organization_id": id }),
        ),
        ("u5", json!({ "organization_ids": [id, id] })),
        (
            "u6",
            json!({ "organization_ids": [], "organization_id": nil }),
        ),
        (
            "u7",
            json!({ "organization_ids": [id], "organization_id": nil }),
        ),
    ] {
        let created = create(&app, &owner, username, organizations).await;
        assert_eq!(created.json["organization_ids"], json!([id]), "{username}");
    }
}

#[tokio::test]
async fn a_user_must_belong_somewhere() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for organizations in [json!([]), json!(null)] {
        let other = json!({ "organization_ids": organizations });
        let answer = create(&app, &owner, "bob", other).await;
        assert_eq!(wrong_fields(&answer), ["organization_ids"]);
    }
}

#[tokio::test]
async fn an_unknown_organization_is_not_found() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for organizations in [
        json!({ "organization_ids": [NOWHERE] }),
        json!({ "organization_ids": [], "organization_id": NOWHERE }),
        json!({ "organization_id": NOWHERE }),
        json!({ "organization_ids": [uuid::Uuid::nil()] }),
    ] {
        let answer = create(&app, &owner, "bob", organizations).await;
        assert_refused(&answer, 404, "Resource not found or you do not have access");
    }
    assert_eq!(owner.get("/api/v2/users/bob").await.status, 404);
}

// Names that are taken, and which complaint comes first.

#[tokio::test]
async fn a_name_or_address_that_somebody_has_is_taken_in_any_case() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    app.user(&owner, "Bob").await;
    for other in [
        json!({ "email": "else@example.com", "username": "bob" }),
        json!({ "email": "else@example.com", "username": "BOB" }),
        json!({ "email": "BOB@Example.Com", "username": "else" }),
        json!({ "email": "bob@example.com", "username": "bob" }),
    ] {
        let answer = create(&app, &owner, "else", other).await;
        assert_refused(&answer, 409, "User already exists");
    }
}

#[tokio::test]
async fn a_suspended_user_keeps_their_names_and_a_deleted_one_does_not() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let old = app.user(&owner, "bob").await;
    app.command(old, UserCommand::SuspendUser).await;
    let answer = owner.post(USERS, &wish(&app, "bob")).await;
    assert_refused(&answer, 409, "User already exists");
    app.command(old, UserCommand::DeleteUser).await;
    let created = owner.post(USERS, &wish(&app, "bob")).await;
    assert_eq!(created.status, 201);
    assert_ne!(created.json["id"], old.to_string());
}

#[tokio::test]
async fn taken_comes_before_an_unknown_organization_and_a_weak_password() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let both = json!({ "organization_ids": [NOWHERE], "password": "password" });
    let answer = create(&app, &owner, "ada", both.clone()).await;
    assert_refused(&answer, 409, "User already exists");
    let unknown = create(&app, &owner, "bob", both).await;
    assert_refused(&unknown, 404, "Resource not found");
}

#[tokio::test]
async fn a_bad_field_comes_before_taken() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let answer = create(&app, &owner, "ada", json!({ "name": " Ada" })).await;
    assert_eq!(wrong_fields(&answer), ["name"]);
}

#[tokio::test]
async fn nothing_remains_of_a_refused_user() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    create(&app, &owner, "bob", json!({ "password": "password" })).await;
    create(&app, &owner, "bob", json!({ "email": "ADA@example.com" })).await;
    assert_eq!(usernames(&owner.get(USERS).await), ["ada"]);
    assert_eq!(owner.post(USERS, &wish(&app, "bob")).await.status, 201);
}

#[tokio::test]
async fn of_two_hundred_that_want_one_address_at_once_one_gets_it() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let wishes: Vec<_> = (0..200)
        .map(|nth| {
            let email = if nth % 2 == 0 {
                "bob@example.com"
            } else {
                "BOB@example.com"
            };
            let wish = wish_with(&app, &format!("bob-{nth}"), &json!({ "email": email }));
            let owner = owner.clone();
            tokio::spawn(async move { owner.post(USERS, &wish).await.status })
        })
        .collect();
    let mut statuses = Vec::new();
    for wish in wishes {
        statuses.push(wish.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses[0], 201);
    assert_eq!(statuses[1..], [409; 199]);
    let list = owner.get("/api/v2/users?q=bob&limit=5").await;
    assert_eq!(list.json["count"], 1);
}
