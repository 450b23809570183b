//! What a hostile provider, or somebody between it and us, may try. Nothing comes of it but a recorded failure.

use serde_json::{Value, json};

use super::provider::{CALLBACK, Provider, Says, Sign, session};
use crate::given::assert_refused;

/// The sign-in is refused with this status; there is no session, and nobody new; and the attempt is in the log.
async fn assert_in_vain(provider: &Provider, says: Says, status: u16, what: &str) {
    let (attempts, sessions, users) = provider.counts().await;
    provider.says(says);
    let answer = provider.sign_in().await;
    assert_eq!(answer.status, status, "{what}: {answer:?}");
    assert_refused(&answer, status, "");
    assert_eq!(session(&answer), None, "{what}");
    provider.app.app.attempts.record_counts().await;
    let (more_attempts, same_sessions, same_users) = provider.counts().await;
    assert_eq!((same_sessions, same_users), (sessions, users), "{what}");
    assert!(more_attempts > attempts, "{what} is not in the log");
}

fn claims(claims: Value) -> Says {
    Says {
        claims,
        ..Says::default()
    }
}

#[tokio::test]
async fn a_token_that_is_not_from_the_provider_for_us_and_now_proves_nothing() {
    let provider = Provider::start().await;
    provider.app.owner().await;
    let now = 1_767_268_800; // when tests begin
    for (what, lie) in [
        ("another issuer", json!({ "iss": "https://evil.example" })),
        ("another audience", json!({ "aud": "somebody-else" })),
        ("no audience", json!({ "aud": "(absent)" })),
        (
            "two audiences and another party",
            json!({ "aud": ["rollcall", "evil"], "azp": "evil" }),
        ),
        ("expired", json!({ "exp": now - 3600 })),
        ("no end", json!({ "exp": "(absent)" })),
        (
            "made in the future",
            json!({ "iat": now + 3600, "nbf": now + 3600 }),
        ),
        ("another nonce", json!({ "nonce": "another" })),
        ("no nonce", json!({ "nonce": "(absent)" })),
        ("no subject", json!({ "sub": "(absent)" })),
        ("an empty subject", json!({ "sub": "" })),
        ("a subject that is a number", json!({ "sub": 7 })),
        ("a subject without end", json!({ "sub": "s".repeat(256) })),
    ] {
        assert_in_vain(&provider, claims(lie), 400, what).await;
    }
}

#[tokio::test]
async fn a_token_that_is_not_signed_by_a_published_key_proves_nothing() {
    let provider = Provider::start().await;
    provider.app.owner().await;
    for (what, sign) in [
        ("alg: none", Sign::NotAtAll),
        ("HS256 with the public key", Sign::WithThePublicKey),
        ("a key that is not published", Sign::WithAnotherKey),
    ] {
        let says = Says {
            sign,
            ..Says::default()
        };
        assert_in_vain(&provider, says, 400, what).await;
    }
}

#[tokio::test]
async fn what_is_no_email_address_that_the_provider_vouches_for_is_none() {
    let provider = Provider::start().await;
    provider.app.owner().await;
    for email in [
        json!(7),
        json!(null),
        json!(["robin@example.com", "ada@example.com"]),
        json!({}),
        json!("robin"),
    ] {
        let lie = json!({ "email": email, "preferred_username": "robin" });
        assert_in_vain(&provider, claims(lie), 400, &format!("e-mail {email}")).await;
    }
    for verified in [
        json!(false),
        json!("false"),
        json!(0),
        json!(null),
        json!([]),
        json!([true]),
        json!({ "verified": true }),
        json!("yes"),
        json!(""),
        json!("(absent)"),
    ] {
        let lie = json!({ "email_verified": verified });
        assert_in_vain(&provider, claims(lie), 403, &format!("verified {verified}")).await;
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_or_none_at_all_is_refused() {
    let provider = Provider::start().await;
    provider.app.owner().await;
    let huge = claims(json!({ "name": "x".repeat(4 << 20) }));
    assert_in_vain(&provider, huge, 500, "four megabytes of a name").await;
    for (what, answer) in [
        (
            "no ID token",
            json!({ "access_token": "a", "token_type": "Bearer" }),
        ),
        (
            "an ID token that is none",
            json!({ "access_token": "a", "token_type": "Bearer", "id_token": "a.b" }),
        ),
    ] {
        let says = Says {
            token_answer: Some(answer),
            ..Says::default()
        };
        provider.says(says);
        let answer = provider.sign_in().await;
        assert!([400, 500].contains(&answer.status), "{what}: {answer:?}");
        assert_eq!(session(&answer), None);
    }
    let replayed = Says {
        token_status: 400,
        token_answer: Some(json!({ "error": "invalid_grant" })),
        ..Says::default()
    };
    assert_in_vain(&provider, replayed, 500, "a code that was used before").await;
}

#[tokio::test]
async fn userinfo_of_somebody_else_is_refused() {
    let provider = Provider::start().await;
    provider.app.owner().await;
    let says = Says {
        userinfo: Some(
            json!({ "sub": "subject-2", "email": "ada@example.com", "email_verified": true }),
        ),
        ..Says::default()
    };
    provider.says(says);
    let answer = provider.sign_in().await;
    assert!(answer.status >= 400, "{answer:?}");
    assert_eq!(session(&answer), None);
}

#[tokio::test]
async fn a_provider_whose_keys_never_come_harms_its_own_sign_ins_alone() {
    let provider = Provider::start().await;
    let owner = provider.app.owner().await;
    provider.says(Says {
        jwks_hangs: true,
        ..Says::default()
    });
    let (answer, me) = tokio::join!(provider.sign_in(), owner.get("/api/v2/users/me"));
    assert_refused(&answer, 503, "");
    assert_eq!(me.status, 200);
}

#[tokio::test]
async fn a_flow_ends_once_and_in_its_own_browser_alone() {
    let provider = Provider::start().await;
    provider.app.owner().await;
    let mut victim = provider.browser();
    let state = victim.start(&provider, "").await;
    let mut other = provider.browser();
    assert_refused(
        &other.come_back(CALLBACK, &state).await,
        401,
        "state cookie",
    );
    other.start(&provider, "").await;
    assert_refused(&other.come_back(CALLBACK, &state).await, 401, "mismatch");
    other.set("oauth_state", &state);
    assert_refused(&other.come_back(CALLBACK, &state).await, 401, "mismatch");
    let mut thief = provider.browser();
    thief.steal(&victim);
    assert_refused(&victim.come_back(CALLBACK, "").await, 400, "State");

    let state = victim.start(&provider, "").await;
    let mut again = provider.browser();
    again.steal(&victim);
    assert_eq!(victim.come_back(CALLBACK, &state).await.status, 307);
    assert!(!victim.carries("oauth_state") && !victim.carries("oauth_flow"));
    assert_refused(
        &again.come_back(CALLBACK, &state).await,
        401,
        "finished before",
    );
}

#[tokio::test]
async fn a_flow_ends_in_time_and_with_the_provider_with_which_it_began() {
    let provider = Provider::start_with(|config| {
        config.github_client_id = Some("github".to_owned());
        config.github_client_secret = Some(rollcall::config::Secret::new("secret".to_owned()));
        config.github_allow_everyone = true;
    })
    .await;
    let mut browser = provider.browser();
    let state = browser.start(&provider, "").await;
    let github = "/api/v2/users/oauth2/github/callback";
    assert_refused(&browser.come_back(github, &state).await, 401, "mismatch");
    let state = browser.start(&provider, "").await;
    provider.app.pass(chrono::TimeDelta::minutes(11));
    assert_refused(&browser.come_back(CALLBACK, &state).await, 401, "too long");
    let state = browser.start(&provider, "").await;
    browser.set("oauth_flow", "nonsense");
    assert_refused(&browser.come_back(CALLBACK, &state).await, 400, "PKCE");
}

#[tokio::test]
async fn after_signing_in_one_is_always_at_our_own_origin() {
    let provider = Provider::start().await;
    for (asked, lands) in [
        ("", "/"),
        ("%2Fcli-auth", "/cli-auth"),
        ("%2F%2Fevil.example", "/"),
        ("%2F%5Cevil.example", "/"),
        ("https%3A%2F%2Fevil.example", "/"),
        ("https%3A%2F%2Fevil.example%2Fpath%3Fq%3D1", "/path?q=1"),
        ("%252F%252Fevil.example", "/"),
        ("javascript%3Aalert(1)", "/"),
        ("%09%2F%2Fevil.example", "/"),
    ] {
        let mut browser = provider.browser();
        let state = browser.start(&provider, asked).await;
        let answer = browser.come_back(CALLBACK, &state).await;
        let location = answer.header("location");
        let base = url::Url::parse("https://rollcall.example.com/").unwrap();
        let landed = base.join(location).unwrap();
        assert_eq!(landed.origin(), base.origin(), "{asked}: {location}");
        assert!(location == lands || lands == "/", "{asked}: {location}");
    }
}

#[tokio::test]
async fn what_the_provider_refuses_is_told_and_nothing_of_it_is_markup() {
    let provider = Provider::start().await;
    let mut browser = provider.browser();
    browser.start(&provider, "").await;
    let refused = "?error=access_denied&error_description=%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    let answer = browser.get(&format!("{CALLBACK}{refused}")).await;
    assert_refused(&answer, 400, "refused the sign-in");
    assert!(!answer.text.contains("<script>"), "{answer:?}");
    assert!(!browser.carries("oauth_flow"));
}
