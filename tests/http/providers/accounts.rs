//! Which user an account at the provider is.

use rollcall_events::user::{Role, UserCommand};
use serde_json::{Value, json};

use super::provider::{CALLBACK, Provider, Says, Sign, session};
use crate::given::{ME, USERS, assert_refused, history, usernames, wish_with, with_role};

#[tokio::test]
async fn the_very_first_user_may_come_by_a_provider_and_owns_the_service() {
    let provider = Provider::start_with(|config| config.oidc_allow_signups = false).await;
    let robin = provider.signed_in().await;
    let me = robin.get(ME).await.json;
    assert_eq!(me["roles"][0]["name"], "owner");
    assert_eq!(me["login_type"], "oidc");
    assert_eq!(me["email"], "robin@example.com");
    assert_eq!(me["username"], "robin");
    assert_eq!(me["name"], "Robin");
    assert_eq!(me["avatar_url"], "https://example.com/robin.png");
}

#[tokio::test]
async fn whoever_comes_again_is_the_same_user_whatever_the_address_says_now() {
    let provider = Provider::start().await;
    provider.app.owner().await;
    let first = provider.signed_in().await.get(ME).await.json;
    provider.claims(json!({
        "email": "other@example.com", "preferred_username": "other", "name": "Other", "picture": "https://example.com/o.png",
    }));
    let again = provider.signed_in().await.get(ME).await.json;
    assert_eq!(again["id"], first["id"]);
    assert_eq!(again["email"], "other@example.com");
    assert_eq!(again["name"], "Other");
    assert_eq!(again["avatar_url"], "https://example.com/o.png");
    assert_eq!(again["username"], "robin");
    let id = first["id"].as_str().unwrap().parse().unwrap();
    let expected = [
        "UserCreated",
        "IdentityLinked",
        "SessionStarted",
        "ProfileChanged",
        "SessionStarted",
    ];
    assert_eq!(history(&provider.app, id).await, expected);
}

#[tokio::test]
async fn an_address_alone_opens_no_account_that_belongs_to_another_subject() {
    let provider = Provider::start().await;
    let owner = provider.app.owner().await;
    let robin = provider.signed_in().await.get(ME).await.json;
    provider.claims(json!({ "sub": "subject-2" }));
    let answer = provider.sign_in().await;
    assert_refused(&answer, 403, "not linked");
    assert_eq!(session(&answer), None);
    assert_eq!(usernames(&owner.get(USERS).await), ["ada", "robin"]);
    let id = robin["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(history(&provider.app, id).await.len(), 3);
}

#[tokio::test]
async fn what_nobody_sees_in_a_providers_name_is_left_out_and_in_its_address_is_refused() {
    let provider = Provider::start().await;
    provider.app.owner().await;
    provider.claims(json!({ "name": " Rob\u{202e}in\u{200b} 👩🏽\u{200d}🚀 ", "picture": "https://example.com/\u{202e}gnp.a" }));
    let me = provider.signed_in().await.get(ME).await.json;
    assert_eq!(me["name"], "Robin 👩🏽\u{200d}🚀");
    assert_eq!(me["avatar_url"], "");
    provider.claims(json!({ "sub": "subject-2", "email": "robin\u{200b}@example.com" }));
    let answer = provider.sign_in().await;
    assert!((400..500).contains(&answer.status), "{answer:?}");
    assert_eq!(session(&answer), None);
}

#[tokio::test]
async fn an_address_in_another_form_is_the_same_and_in_other_letters_is_not() {
    for (here, there, status) in [
        (
            "jose\u{301}@b\u{fc}cher.example",
            "jos\u{e9}@xn--bcher-kva.example",
            307,
        ),
        ("kim@example.com", "\u{212a}im@example.com", 403),
        ("strasse@example.com", "stra\u{df}e@example.com", 403),
    ] {
        let provider = Provider::start().await;
        let owner = provider.app.owner().await;
        let wish = json!({ "login_type": "oidc", "password": "", "email": here });
        let made = owner
            .post(USERS, &wish_with(&provider.app, "jose", &wish))
            .await;
        assert_eq!(made.status, 201, "{made:?}");
        provider.claims(json!({ "email": there }));
        let answer = provider.sign_in().await;
        assert_eq!(answer.status, status, "{there}: {answer:?}");
        assert_eq!(usernames(&owner.get(USERS).await), ["ada", "jose"]);
    }
}

#[tokio::test]
async fn an_allowed_domain_allows_it_in_the_letters_of_people_and_of_dns() {
    for allowed in [
        "b\u{fc}cher.example",
        "@B\u{dc}CHER.example",
        "xn--bcher-kva.example",
    ] {
        let provider =
            Provider::start_with(|config| config.oidc_email_domains = vec![allowed.to_owned()])
                .await;
        provider.app.owner().await;
        for (number, domain) in [
            "b\u{fc}cher.example",
            "xn--bcher-kva.example",
            "bu\u{308}cher.EXAMPLE",
        ]
        .iter()
        .enumerate()
        {
            provider.claims(
                json!({ "sub": format!("{number}"), "email": format!("robin{number}@{domain}") }),
            );
            assert_eq!(
                provider.sign_in().await.status,
                307,
                "{domain} where {allowed} is allowed"
            );
        }
        for domain in [
            "bucher.example",
            "xn--bcher-kvb.example",
            "x.b\u{fc}cher.example",
        ] {
            provider.claims(json!({ "sub": domain, "email": format!("eve@{domain}") }));
            assert_eq!(
                provider.sign_in().await.status,
                403,
                "{domain} where {allowed} is allowed"
            );
        }
    }
}

#[tokio::test]
async fn a_password_account_is_never_linked_by_its_address() {
    let provider = Provider::start().await;
    let owner = provider.app.owner().await;
    provider.app.user(&owner, "robin").await;
    let answer = provider.sign_in().await;
    assert_refused(&answer, 403, "Incorrect login type");
    assert_eq!(session(&answer), None);
}

#[tokio::test]
async fn a_user_made_for_the_provider_is_linked_once_by_their_verified_address() {
    let provider = Provider::start().await;
    let owner = provider.app.owner().await;
    let wish = wish_with(
        &provider.app,
        "robin",
        &json!({ "login_type": "oidc", "password": "", "user_status": "dormant" }),
    );
    let made = owner.post(USERS, &wish).await;
    assert_eq!(made.status, 201, "{made:?}");
    let me = provider.signed_in().await.get(ME).await.json;
    assert_eq!(me["id"], made.json["id"]);
    assert_eq!(me["status"], "active");
}

#[tokio::test]
async fn an_address_that_nobody_verified_links_nobody_even_when_that_is_ignored() {
    let provider = Provider::start_with(|config| config.oidc_ignore_email_verified = true).await;
    let owner = provider.app.owner().await;
    let wish = wish_with(
        &provider.app,
        "robin",
        &json!({ "login_type": "oidc", "password": "" }),
    );
    assert_eq!(owner.post(USERS, &wish).await.status, 201);
    provider.claims(json!({ "email_verified": false }));
    assert_refused(&provider.sign_in().await, 403, "not linked");
    provider.claims(json!({ "email_verified": false, "sub": "subject-2", "email": "new@example.com", "preferred_username": "nina" }));
    assert_eq!(
        provider.signed_in().await.get(ME).await.json["username"],
        "nina"
    );
}

#[tokio::test]
async fn the_word_that_an_address_is_verified_is_understood_as_documented() {
    let provider = Provider::start().await;
    provider.app.owner().await;
    for (number, verified) in [json!(true), json!("true"), json!(1)].iter().enumerate() {
        provider.claims(json!({
            "sub": format!("subject-{number}"), "email": format!("robin{number}@example.com"), "email_verified": verified,
        }));
        assert_eq!(provider.sign_in().await.status, 307, "{verified}");
    }
}

#[tokio::test]
async fn a_suspended_user_gets_no_session() {
    let provider = Provider::start().await;
    provider.app.owner().await;
    let robin = provider.signed_in().await;
    let id = robin.get(ME).await.json["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    provider.app.command(id, UserCommand::SuspendUser).await;
    let answer = provider.sign_in().await;
    assert_refused(&answer, 403, "suspended");
    assert_eq!(session(&answer), None);
}

#[tokio::test]
async fn nobody_new_comes_in_when_sign_ups_are_off() {
    let provider = Provider::start_with(|config| config.oidc_allow_signups = false).await;
    let owner = provider.app.owner().await;
    assert_refused(&provider.sign_in().await, 403, "Sign-ups are off");
    assert_eq!(usernames(&owner.get(USERS).await), ["ada"]);
}

#[tokio::test]
async fn allowed_domains_are_compared_as_a_whole_and_not_told() {
    let provider = Provider::start_with(|config| {
        config.oidc_email_domains = vec!["corp.com".to_owned()];
    })
    .await;
    provider.app.owner().await;
    for email in [
        "robin@exploitcorp.com",
        "robin@corp.com.evil.example",
        "corp.com@evil.example",
    ] {
        provider.claims(json!({ "email": email }));
        let answer = provider.sign_in().await;
        assert_eq!(answer.status, 403, "{email}");
        assert!(!answer.text.contains("corp.com"), "{answer:?}");
    }
    provider.claims(json!({ "email": "robin@CORP.com" }));
    assert_eq!(provider.sign_in().await.status, 307);
}

#[tokio::test]
async fn a_username_that_is_taken_gets_a_number() {
    let provider = Provider::start().await;
    let owner = provider.app.owner().await;
    let wish = wish_with(
        &provider.app,
        "robin",
        &json!({ "email": "else@example.com" }),
    );
    assert_eq!(owner.post(USERS, &wish).await.status, 201);
    let me = provider.signed_in().await.get(ME).await.json;
    let username = me["username"].as_str().unwrap();
    assert!(username.starts_with("robin-"), "{username}");
}

#[tokio::test]
async fn two_browsers_that_sign_up_at_the_same_moment_are_one_user_with_two_sessions() {
    let provider = Provider::start().await;
    let owner = provider.app.owner().await;
    let (mut one, mut other) = (provider.browser(), provider.browser());
    let first = one.start(&provider, "").await;
    provider.claims(json!({ "nonce": "(absent)" }));
    // The provider knows one nonce at a time: whoever comes second finds their own again.
    let second = other.start(&provider, "").await;
    provider.claims(json!({}));
    let (ended, ends) = tokio::join!(other.come_back(CALLBACK, &second), async {
        let mut again = provider.browser();
        let state = again.start(&provider, "").await;
        again.come_back(CALLBACK, &state).await
    });
    drop(first);
    let statuses = [ended.status, ends.status];
    assert!(statuses.contains(&307), "{ended:?} {ends:?}");
    assert_eq!(usernames(&owner.get(USERS).await), ["ada", "robin"]);
}

#[tokio::test]
async fn a_key_that_the_provider_begins_to_use_is_learnt() {
    let provider = Provider::start().await;
    provider.app.owner().await;
    provider.signed_in().await;
    provider.says(Says {
        sign: Sign::WithANewKey,
        ..Says::default()
    });
    provider.app.pass(chrono::TimeDelta::minutes(2));
    assert_eq!(provider.sign_in().await.status, 307);
}

#[tokio::test]
async fn who_may_come_in_by_what_is_told_as_it_is_configured() {
    let provider = Provider::start().await;
    provider.app.owner().await;
    let answer = provider
        .app
        .anonymous()
        .get("/api/v2/users/authmethods")
        .await;
    let expected: Value = json!({ "password": true, "github": false, "oidc": true });
    assert_eq!(answer.json, expected);
    let page = provider.app.anonymous().get("/login").await;
    assert!(page.text.contains("OpenID Connect"), "{page:?}");
}

#[tokio::test]
async fn refused_sign_ins_by_a_provider_are_in_the_audit_log() {
    let provider = Provider::start_with(|config| config.oidc_allow_signups = false).await;
    let owner = provider.app.owner().await;
    let auditor = with_role(&provider.app, &owner, "ann", Role::Auditor).await;
    provider.sign_in().await;
    let log = auditor.get("/api/v2/audit?q=action:login").await;
    let entries = log.json["audit_logs"].as_array().unwrap();
    let refused = entries.iter().find(|entry| entry["status_code"] == 403);
    assert!(refused.is_some(), "{log:?}");
}

#[tokio::test]
async fn all_sessions_of_a_user_whom_the_provider_refuses_end_together_and_tokens_if_configured() {
    for ends_tokens in [false, true] {
        let provider = Provider::start_with(|config| config.oidc_end_tokens = ends_tokens).await;
        let app = &provider.app;
        app.owner().await;
        let browser = provider.signed_in().await;
        let made = async |path: &str| {
            let answer = browser.post(&format!("{ME}/{path}"), &json!({})).await;
            app.with_token(answer.json["key"].as_str().unwrap())
        };
        let command_line = made("keys").await;
        let token = made("keys/tokens").await;
        for client in [&browser, &command_line, &token] {
            assert_eq!(client.get(ME).await.status, 200);
        }
        // The provider's token is over, and there is none to renew it with.
        app.pass(chrono::TimeDelta::hours(2));
        let first = if ends_tokens { &token } else { &command_line };
        assert_eq!(first.get(ME).await.status, 401);
        for client in [&browser, &command_line] {
            assert_eq!(client.get(ME).await.status, 401);
        }
        let expected = if ends_tokens { 401 } else { 200 };
        assert_eq!(token.get(ME).await.status, expected);
        let sessions: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM read.sessions JOIN read.users ON users.id = sessions.user_id
              WHERE users.username = 'robin'",
        )
        .fetch_one(app.pool())
        .await
        .unwrap();
        assert_eq!(sessions, i64::from(!ends_tokens));
    }
}
