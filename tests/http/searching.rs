//! The search of the list: the whole language of `q`, as a client sends it.

use chrono::TimeDelta;
use rollcall_events::user::{Identity, LoginType, Role, UserCommand};
use serde_json::json;
use unicode_normalization::UnicodeNormalization;

use crate::{
    given::{
        ME, USERS, first_complaint, member, search, text, usernames, wish, wish_with, with_role,
        wrong_fields,
    },
    support::{TestApp, client::Client},
};

/// Ada the owner; Bob, who was here an hour later; Cleo, suspended, an auditor; Dan, dormant; Eve, who has no password.
async fn people() -> (TestApp, Client) {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    owner.get(ME).await;
    app.pass(TimeDelta::minutes(30));
    let bob = wish_with(&app, "bob", &json!({ "name": "Robert Smith" }));
    assert_eq!(owner.post(USERS, &bob).await.status, 201);
    let cleo = app.user(&owner, "cleo").await;
    let roles = [Role::Auditor].into();
    app.command(
        cleo,
        UserCommand::AssignRoles {
            roles,
            tokens_end_by: None,
        },
    )
    .await;
    app.command(cleo, UserCommand::SuspendUser).await;
    let dan = json!({ "user_status": "dormant", "email": "dan@other.org", "name": "Daniel SMITH" });
    let dan = wish_with(&app, "Dan", &dan);
    assert_eq!(owner.post(USERS, &dan).await.status, 201);
    app.pass(TimeDelta::minutes(30));
    let eve = json!({ "login_type": "none", "password": "", "email": "e_v%e@example.com" });
    let eve = wish_with(&app, "eve", &eve);
    assert_eq!(owner.post(USERS, &eve).await.status, 201);
    app.sign_in("bob@example.com").await.get(ME).await;
    (app, owner)
}

/// Asks for each and expects these, from the streamed list and from the page, with the right count.
async fn assert_found(expected: &[(&str, &[&str])]) {
    let (_app, owner) = people().await;
    for (q, names) in expected {
        let list = owner.get(&search(q)).await;
        assert_eq!(usernames(&list), *names, "{q}");
        assert_eq!(list.json["count"], names.len(), "{q}");
        let page = owner.get(&format!("{}&limit=50", search(q))).await;
        assert_eq!(page.json, list.json, "{q}");
    }
}

async fn assert_not_understood(expected: &[(&str, &str, &str)]) {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for (q, field, complaint) in expected {
        let answer = owner.get(&search(q)).await;
        assert_eq!(wrong_fields(&answer), [*field], "{q}");
        assert!(
            text(&answer, "message").contains("Query parameters have invalid values"),
            "{q}"
        );
        assert!(
            first_complaint(&answer).contains(complaint),
            "{q}: {answer:?}"
        );
    }
}

/// Names as people of many places write them: composed, and with their accents apart.
const NAMES: [&str; 14] = [
    "ΟΔΟΣΑ Οδυσσέας",
    "Straße Größe",
    "İstanbul Işık",
    "Diyarbakır Yılmaz",
    "Eﬃe Ǆemal",
    "ᎠᏂᏴᏫᏯ",
    "Łódź Świętosława",
    "José Nuñez",
    "Jose\u{301} Nun\u{303}ez",
    "Nguyễn Việt",
    "Ядвига Йосип",
    "ΐρις ᾳδης",
    "한국 사람",
    "क्षितिज शर्मा",
];

/// The parts of a text that begin and end where a reader would cut: up to three characters long, and the whole.
fn parts(text: &str) -> Vec<String> {
    let letters = graphemes(text);
    let few = letters.windows(3).step_by(2).map(<[String]>::concat);
    let ends = [letters[..2].concat(), letters[letters.len() - 2..].concat()];
    few.chain(ends)
        .chain([text.to_owned()])
        .filter(|part| part.trim() == part)
        .collect()
}

/// Letters with the marks that follow them.
fn graphemes(text: &str) -> Vec<String> {
    let mut letters: Vec<String> = Vec::new();
    for char in text.chars() {
        match letters.last_mut() {
            Some(last) if !char.is_alphanumeric() && !char.is_whitespace() => last.push(char),
            Some(last) if matches!(char, '\u{900}'..='\u{97f}') => last.push(char),
            _ => letters.push(char.to_string()),
        }
    }
    letters
}

#[tokio::test]
async fn any_part_of_a_name_finds_it_in_any_case_and_encoding() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for (number, name) in NAMES.into_iter().enumerate() {
        let wish = wish_with(&app, &format!("user{number}"), &json!({ "name": name }));
        let created = owner.post(USERS, &wish).await;
        assert_eq!(created.status, 201, "{created:?}");
    }
    let mut searches = 0;
    for (number, name) in NAMES.into_iter().enumerate() {
        for part in parts(name) {
            let composed: String = part.nfc().collect();
            let apart: String = part.nfd().collect();
            for part in [
                part.to_lowercase(),
                part.to_uppercase(),
                composed,
                apart,
                part,
            ] {
                let found = owner.get(&search(&format!("name:\"{part}\""))).await;
                let user = format!("user{number}");
                assert!(
                    usernames(&found).contains(&&*user),
                    "{part:?} does not find {name:?}"
                );
                searches += 1;
            }
        }
    }
    assert!(searches > 200);
    // And no other names.
    assert_eq!(usernames(&owner.get(&search("name:οδος")).await), ["user0"]);
    assert_eq!(
        usernames(&owner.get(&search("name:GRÖSSE")).await),
        ["user1"]
    );
    assert_eq!(
        usernames(&owner.get(&search("name:NUÑEZ")).await),
        ["user7", "user8"]
    );
}

#[tokio::test]
async fn the_past_is_searched_by_the_same_rules() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let wish = json!({ "name": "ΟΔΟΣΑ", "email": "Jose\u{301}@b\u{fc}cher.example" });
    let created = owner.post(USERS, &wish_with(&app, "bob", &wish)).await;
    let position = created.header("rollcall-position").to_owned();
    let renamed = json!({ "username": "robert", "name": "Robert" });
    let answer = owner.put("/api/v2/users/bob/profile", &renamed).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    for q in [
        "name:ΟΔΟΣ",
        "name:οδος",
        "jos\u{e9}",
        "BÜCHER",
        "xn--bcher",
        "email:jos\u{e9}@xn--bcher-kva.example",
        "username:BOB",
    ] {
        let then = format!("{}&position={position}", search(q));
        assert_eq!(usernames(&owner.get(&then).await), ["bob"], "{q}");
    }
    for (q, found) in [
        ("name:ΟΔΟΣ", &[][..]),
        ("username:robert", &["robert"]),
        ("username:bob", &[]),
    ] {
        assert_eq!(usernames(&owner.get(&search(q)).await), found, "{q}");
    }
}

#[tokio::test]
async fn an_exact_filter_finds_who_has_just_this_and_refuses_nothing() {
    assert_found(&[
        ("email:ada@example.com", &["ada"]),
        ("EMAIL:ADA@Example.COM", &["ada"]),
        (r#"email:"ada@example.com""#, &["ada"]),
        ("email:da@example.com", &[]),
        ("email:ada", &[]),
        ("email:%", &[]),
        ("email:e_v%e@example.com", &["eve"]),
        ("email:\"not an address\"", &[]),
        (r#"email:"""#, ALL),
        ("username:ada", &["ada"]),
        ("USERNAME:ADA", &["ada"]),
        ("username:dan", &["Dan"]),
        ("username:ad", &[]),
        ("username:a%", &[]),
        ("username:\"not a name\"", &[]),
        ("username:ada@example.com", &[]),
        ("username:bob email:bob@example.com", &["bob"]),
        ("username:bob email:ada@example.com", &[]),
        ("username:cleo status:active", &[]),
        ("username:cleo status:suspended", &["cleo"]),
        ("ada username:ada", &["ada"]),
    ])
    .await;
}

#[tokio::test]
async fn an_address_is_found_by_each_of_its_forms() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for (username, email) in [
        ("bob", "bob@b\u{fc}cher.example"),
        ("eve", "eve@xn--mnchen-3ya.example"),
    ] {
        let created = owner
            .post(
                USERS,
                &wish_with(&app, username, &json!({ "email": email })),
            )
            .await;
        assert_eq!(created.status, 201, "{created:?}");
        assert_eq!(created.json["email"], email);
    }
    for (q, found) in [
        ("BÜCHER", "bob"),
        ("bu\u{308}cher", "bob"),
        ("bob@b\u{fc}", "bob"),
        ("xn--bcher", "bob"),
        ("münchen", "eve"),
        ("XN--MNCHEN", "eve"),
        ("email:bob@XN--bcher-kva.example", "bob"),
        ("email:bob@BU\u{308}CHER.example", "bob"),
        ("email:eve@MÜNCHEN.example", "eve"),
    ] {
        assert_eq!(usernames(&owner.get(&search(q)).await), [found], "{q}");
    }
    let audit = owner
        .get("/api/v2/audit?q=email%3Aada%40EXAMPLE.com&limit=5")
        .await;
    assert_ne!(audit.json["count"], 0, "{audit:?}");
}

const ALL: &[&str] = &["ada", "bob", "cleo", "Dan", "eve"];

#[tokio::test]
async fn an_empty_search_finds_everybody() {
    assert_found(&[
        ("", ALL),
        ("   ", ALL),
        (r#""""#, ALL),
        (r#"search:"""#, ALL),
    ])
    .await;
}

#[tokio::test]
async fn a_word_is_looked_for_in_username_and_address_in_any_case() {
    assert_found(&[
        ("bob", &["bob"]),
        ("BOB", &["bob"]),
        ("dan", &["Dan"]),
        ("OTHER.org", &["Dan"]),
        ("example", &["ada", "bob", "cleo", "eve"]),
        ("@", ALL),
        ("search:leo", &["cleo"]),
        ("SEARCH:LEO", &["cleo"]),
        ("smith", &[]),
        ("nobody", &[]),
    ])
    .await;
}

#[tokio::test]
async fn words_are_one_text_joined_by_single_spaces() {
    assert_found(&[
        ("bob example", &[]),
        ("a  b", &[]),
        (r#""bob""#, &["bob"]),
        (r#""bob@example.com""#, &["bob"]),
        (r#"status:active "bob" "#, &["bob"]),
        ("bob status:active", &["bob"]),
    ])
    .await;
}

#[tokio::test]
async fn percent_underscore_and_backslash_are_ordinary_characters() {
    assert_found(&[
        ("%", &["eve"]),
        ("_", &["eve"]),
        ("e_v%e", &["eve"]),
        ("b_b", &[]),
        ("b%b", &[]),
        (r"\", &[]),
        (r"\%", &[]),
        ("name:%", &[]),
        ("name:_", &[]),
        ("'; DROP TABLE read.users; --", &[]),
    ])
    .await;
}

#[tokio::test]
async fn users_are_found_by_status() {
    assert_found(&[
        ("status:active", &["ada", "bob", "eve"]),
        ("status:suspended", &["cleo"]),
        ("status:dormant", &["Dan"]),
        ("status:suspended,dormant", &["cleo", "Dan"]),
        ("status:suspended status:dormant", &["cleo", "Dan"]),
        (
            r#"status:"Suspended,ACTIVE""#,
            &["ada", "bob", "cleo", "eve"],
        ),
        (r#""status":active"#, &["ada", "bob", "eve"]),
        ("status:active,active", &["ada", "bob", "eve"]),
    ])
    .await;
}

#[tokio::test]
async fn users_are_found_by_role() {
    assert_found(&[
        ("role:owner", &["ada"]),
        ("role:auditor", &["cleo"]),
        ("role:owner,auditor", &["ada", "cleo"]),
        ("role:owner role:auditor", &["ada", "cleo"]),
        ("role:OWNER", &["ada"]),
        ("role:member", ALL),
        ("role:emperor", &[]),
        ("role:emperor,owner", &["ada"]),
    ])
    .await;
}

#[tokio::test]
async fn users_are_found_by_display_name_and_way_to_sign_in() {
    assert_found(&[
        ("name:smith", &["bob", "Dan"]),
        (r#"name:"robert smith""#, &["bob"]),
        ("name:bob", &[]),
        ("login_type:none", &["eve"]),
        ("login_type:password", &["ada", "bob", "cleo", "Dan"]),
        ("login_type:none,password", ALL),
        ("login_type:github,oidc,token,oauth2_provider_app", &[]),
    ])
    .await;
}

#[tokio::test]
async fn users_are_found_by_when_they_came_to_be_ends_included() {
    assert_found(&[
        (r#"created_before:"2026-01-01T12:00:00Z""#, &["ada"]),
        (r#"created_before:"2026-01-01T11:59:59.999999Z""#, &[]),
        (r#"created_after:"2026-01-01T13:00:00Z""#, &["eve"]),
        (r#"created_after:"2026-01-01T14:00:00+01:00""#, &["eve"]),
        (r#"created_after:"2026-01-01T13:00:00.000001Z""#, &[]),
        (
            r#"created_after:"2026-01-01t12:30:00z" created_before:"2026-01-01T12:30:00Z""#,
            &["bob", "cleo", "Dan"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn users_are_found_by_when_they_were_last_seen_and_never_is_long_ago() {
    assert_found(&[
        (r#"last_seen_after:"2026-01-01T13:00:00Z""#, &["bob"]),
        (
            r#"last_seen_before:"2026-01-01T12:00:00Z""#,
            &["ada", "cleo", "Dan", "eve"],
        ),
        (
            r#"last_seen_before:"2000-01-01T00:00:00Z""#,
            &["cleo", "Dan", "eve"],
        ),
        (
            r#"last_seen_before:"0001-01-01T00:00:00Z""#,
            &["cleo", "Dan", "eve"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn nobody_is_a_machine_and_nobody_is_linked_to_github_unless_they_are() {
    assert_found(&[
        ("service_account:false", ALL),
        ("service_account:true", &[]),
        ("github_com_user_id:583231", &[]),
        ("github_com_user_id:-1", &[]),
        ("github_com_user_id:0", ALL),
    ])
    .await;
}

#[tokio::test]
async fn a_user_is_found_by_the_number_of_their_account_at_github_com() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for (name, provider, issuer, subject) in [
        ("bob", LoginType::Github, "https://github.com", "583231"),
        ("cleo", LoginType::Github, "https://github.com", "58323"),
        ("dan", LoginType::Github, "https://github.example.com", "77"),
        ("eve", LoginType::Oidc, "https://id.example.com", "77"),
    ] {
        let user = app.user(&owner, name).await;
        let identity = Identity {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
        };
        let command = UserCommand::ConvertToProvider {
            provider,
            identity,
            revision: 1,
        };
        app.command(user, command).await;
    }
    for (q, names) in [
        ("github_com_user_id:583231", &["bob"][..]),
        ("github_com_user_id:58323", &["cleo"]),
        ("github_com_user_id:77", &[]),
        ("github_com_user_id:583231 bob status:active", &["bob"]),
        ("github_com_user_id:583231 status:suspended", &[]),
        ("login_type:github", &["bob", "cleo", "dan"]),
    ] {
        let list = owner.get(&search(q)).await;
        assert_eq!(usernames(&list), *names, "{q}");
        let page = owner.get(&format!("{}&limit=50", search(q))).await;
        assert_eq!(page.json, list.json, "{q}");
        assert_eq!(page.json["count"], names.len(), "{q}");
    }
    let bob = owner.get("/api/v2/users/bob").await.json["id"].clone();
    let gone = format!("{USERS}/{}", bob.as_str().unwrap());
    assert_eq!(owner.delete(&gone).await.status, 200);
    let list = owner.get(&search("github_com_user_id:583231")).await;
    assert_eq!(usernames(&list), Vec::<&str>::new());
}

#[tokio::test]
async fn a_plain_member_finds_nobody_elses_account_at_github_com() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let bob = app.user(&owner, "bob").await;
    let (_, cleo) = member(&app, &owner, "cleo").await;
    let command = UserCommand::ConvertToProvider {
        provider: LoginType::Github,
        identity: Identity {
            issuer: "https://github.com".to_owned(),
            subject: "583231".to_owned(),
        },
        revision: 1,
    };
    app.command(bob, command).await;
    let list = cleo.get(&search("github_com_user_id:583231")).await;
    assert_eq!(usernames(&list), Vec::<&str>::new());
}

#[tokio::test]
async fn all_conditions_must_be_met() {
    assert_found(&[
        ("status:active role:owner", &["ada"]),
        ("status:suspended role:owner", &[]),
        ("example status:active login_type:password", &["ada", "bob"]),
        ("smith name:smith", &[]),
        ("dan name:smith status:dormant", &["Dan"]),
    ])
    .await;
}

#[tokio::test]
async fn colons_and_spaces_in_quotes_are_part_of_the_value() {
    assert_found(&[
        (r#"search:"user:name""#, &[]),
        (r#"name:"t s""#, &["bob"]),
        (r#""a:b""#, &[]),
    ])
    .await;
}

#[tokio::test]
async fn an_element_has_one_colon_and_not_at_an_end() {
    assert_not_understood(&[
        ("status:", "q", "cannot start or end with ':'"),
        (":active", "q", "cannot start or end with ':'"),
        (":", "q", "cannot start or end with ':'"),
        ("a:b:c", "q", "can only contain 1 ':'"),
        (
            "created_before:2026-01-01T12:00:00Z",
            "q",
            "can only contain 1 ':'",
        ),
    ])
    .await;
}

#[tokio::test]
async fn an_unknown_key_is_refused_by_its_name() {
    assert_not_understood(&[
        ("e-mail:ada", "e-mail", "is not a valid query param"),
        ("user:ada", "user", "is not a valid query param"),
        ("id:1", "id", r#""id" is not a valid query param"#),
        (
            r#""sta tus":active"#,
            "sta tus",
            "is not a valid query param",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_bad_value_is_refused_by_its_key() {
    assert_not_understood(&[
        ("status:asleep", "status", "has invalid values"),
        ("status:active,asleep", "status", "asleep"),
        ("login_type:magic", "login_type", "has invalid values"),
        ("created_before:yesterday", "created_before", "RFC 3339"),
        (r#"created_after:"2026-01-01""#, "created_after", "RFC 3339"),
        ("last_seen_before:0", "last_seen_before", "RFC 3339"),
        ("last_seen_after:x", "last_seen_after", "RFC 3339"),
        ("service_account:perhaps", "service_account", "boolean"),
        (
            "github_com_user_id:x",
            "github_com_user_id",
            "64-bit integer",
        ),
        (
            "github_com_user_id:9223372036854775808",
            "github_com_user_id",
            "64-bit integer",
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_has_one_value_is_given_once() {
    assert_not_understood(&[
        ("name:a name:b", "name", "provided more than once"),
        ("search:a search:b", "search", "provided more than once"),
        ("search:a b", "search", "provided more than once"),
    ])
    .await;
}

#[tokio::test]
async fn moments_beyond_what_the_database_knows_are_no_fault_of_ours() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for moment in ["0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z"] {
        for key in ["created_before", "created_after", "last_seen_before"] {
            let answer = owner.get(&search(&format!("{key}:{moment:?}"))).await;
            assert_eq!(answer.status, 200, "{key} {moment}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn all_that_is_wrong_with_a_search_is_told_at_once() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let answer = owner
        .get(&search("a: color:red status:asleep name:x name:y"))
        .await;
    assert_eq!(wrong_fields(&answer), ["color", "name", "q", "status"]);
}

#[tokio::test]
async fn with_a_bad_search_only_the_search_is_complained_about() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let answer = owner.get(&format!("{}&limit=x", search("color:red"))).await;
    assert_eq!(wrong_fields(&answer), ["color"]);
}

#[tokio::test]
async fn all_bad_parameters_are_told_at_once() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let path = format!("{USERS}?after_id=bogus&limit=-1&offset=x&q=fine");
    let answer = owner.get(&path).await;
    assert_eq!(wrong_fields(&answer), ["after_id", "limit", "offset"]);
    assert!(first_complaint(&answer).contains("must be a valid uuid"));
}

#[tokio::test]
async fn counts_that_are_no_counts_are_refused() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for field in ["limit", "offset"] {
        for value in [
            "-1",
            "2147483648",
            "99999999999999999999",
            "1.5",
            "x",
            "0x1",
        ] {
            let answer = owner.get(&format!("{USERS}?{field}={value}")).await;
            assert_eq!(wrong_fields(&answer), [field], "{value}");
        }
    }
}

#[tokio::test]
async fn a_search_of_more_than_4096_bytes_is_refused() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for (length, status) in [(4096, 200), (4097, 400)] {
        let q = "a".repeat(length);
        let answer = owner.get(&format!("{USERS}?q={q}")).await;
        assert_eq!(answer.status, status, "{length}");
    }
}

#[tokio::test]
async fn parameters_that_cannot_be_decoded_are_refused() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for value in ["%", "%zz", "%ff", "a;b"] {
        let answer = owner.get(&format!("{USERS}?q={value}")).await;
        assert_eq!(wrong_fields(&answer), ["q"], "{value}");
    }
}

#[tokio::test]
async fn empty_and_unknown_parameters_are_ignored() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let path = format!("{USERS}?q=&after_id=&limit=&offset=&color=red");
    assert_eq!(usernames(&owner.get(&path).await), ["ada"]);
}

#[tokio::test]
async fn a_member_finds_only_themselves_however_they_search() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let (_, bob) = member(&app, &owner, "bob").await;
    for q in ["", "role:member", "example", "status:active"] {
        for limit in ["", "&limit=5"] {
            let list = bob.get(&format!("{}{limit}", search(q))).await;
            assert_eq!(usernames(&list), ["bob"], "{q}");
            assert_eq!(list.json["count"], 1, "{q}");
        }
    }
    let other = bob.get(&search("ada")).await;
    assert_eq!(other.json, json!({ "users": [], "count": 0 }));
}

#[tokio::test]
async fn who_reads_users_by_role_finds_everybody() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    for (name, role) in [
        ("admin", Role::UserAdmin),
        ("audit", Role::Auditor),
        ("templates", Role::TemplateAdmin),
    ] {
        let client = with_role(&app, &owner, name, role).await;
        assert_eq!(usernames(&client.get(&search("ada")).await), ["ada"]);
    }
}

#[tokio::test]
async fn deleted_users_are_not_found_and_their_successors_are() {
    let app = TestApp::start().await;
    let owner = app.owner().await;
    let old = app.user(&owner, "bob").await;
    app.command(old, UserCommand::DeleteUser).await;
    assert_eq!(usernames(&owner.get(USERS).await), ["ada"]);
    owner.post(USERS, &wish(&app, "bob")).await;
    let list = owner.get(&search("bob")).await;
    assert_eq!(list.json["count"], 1);
    assert_ne!(list.json["users"][0]["id"], old.to_string());
}
