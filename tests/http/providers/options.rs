//! The options of the protocol: nonce, PKCE, parameters, addresses without a dot.

use rollcall::config::Pkce;
use serde_json::{Value, json};

use super::provider::{CALLBACK, Provider, Says, session};
use crate::given::{ME, assert_refused};

fn without_nonce() -> Says {
    Says {
        claims: json!({ "nonce": "(absent)" }),
        ..Says::default()
    }
}

fn with_methods(methods: &Value) -> Says {
    Says {
        discovery: json!({ "code_challenge_methods_supported": methods }),
        ..Says::default()
    }
}

#[tokio::test]
async fn a_missing_nonce_is_for_operators_who_say_so_and_a_wrong_one_for_nobody() {
    let strict = Provider::start().await;
    strict.says(without_nonce());
    assert_refused(&strict.sign_in().await, 400, "ID token");

    let lenient = Provider::start_with(|config| config.oidc_require_nonce = false).await;
    lenient.says(without_nonce());
    assert_eq!(lenient.sign_in().await.status, 307);
    for wrong in [json!("another"), json!(""), json!(7)] {
        lenient.claims(json!({ "nonce": wrong }));
        assert_refused(&lenient.sign_in().await, 400, "ID token");
    }

    // Without a challenge nothing would tie the token to the sign-in.
    let loose = Provider::start_with(|config| config.oidc_require_nonce = false).await;
    loose.says(Says {
        claims: json!({ "nonce": "(absent)" }),
        ..with_methods(&json!(["plain"]))
    });
    let mut browser = loose.browser();
    let query = browser.begin(&loose, "").await;
    let answer = browser.come_back(CALLBACK, &query["state"]).await;
    assert_refused(&answer, 400, "ID token");
}

#[tokio::test]
async fn the_verifier_goes_where_the_challenge_went_and_nowhere_else() {
    for (pkce, methods, is_challenged) in [
        (Pkce::Auto, json!(["S256"]), true),
        (Pkce::Auto, json!("(absent)"), true),
        (Pkce::Auto, json!(null), true),
        (Pkce::Auto, json!(["plain"]), false),
        (Pkce::Auto, json!([]), false),
        (Pkce::Always, json!(["plain"]), true),
        (Pkce::Always, json!([]), true),
        (Pkce::Never, json!(["S256"]), false),
        (Pkce::Never, json!("(absent)"), false),
    ] {
        let provider = Provider::start_with(|config| config.oidc_pkce = pkce).await;
        provider.says(with_methods(&methods.clone()));
        let mut browser = provider.browser();
        let query = browser.begin(&provider, "").await;
        let what = format!("{pkce:?} {methods}");
        assert_eq!(
            query.contains_key("code_challenge"),
            is_challenged,
            "{what}"
        );
        assert_eq!(
            query.contains_key("code_challenge_method"),
            is_challenged,
            "{what}"
        );
        let answer = browser.come_back(CALLBACK, &query["state"]).await;
        assert_eq!(answer.status, 307, "{what}: {answer:?}");
        let form = provider.token_form();
        assert_eq!(form.contains_key("code_verifier"), is_challenged, "{what}");
        assert_eq!(form["grant_type"], "authorization_code");
    }
}

#[tokio::test]
async fn the_provider_may_change_its_mind_during_a_sign_in() {
    let provider = Provider::start().await;
    provider.says(with_methods(&json!([])));
    let mut browser = provider.browser();
    let query = browser.begin(&provider, "").await;
    provider.says(with_methods(&json!(["S256"])));
    let answer = browser.come_back(CALLBACK, &query["state"]).await;
    assert_eq!(answer.status, 307, "{answer:?}");
    assert!(!provider.token_form().contains_key("code_verifier"));
}

#[tokio::test]
async fn parameters_of_the_operator_go_to_the_provider() {
    let provider = Provider::start_with(|config| {
        let claims = r#"claims={"id_token":{"email":null}}&hd=example.com&access_type=online&acr_values=a%20b"#;
        config.oidc_auth_url_params = claims.parse().unwrap();
    })
    .await;
    let mut browser = provider.browser();
    let query = browser.begin(&provider, "").await;
    for (name, value) in [
        ("claims", r#"{"id_token":{"email":null}}"#),
        ("hd", "example.com"),
        ("access_type", "online"),
        ("acr_values", "a b"),
        ("client_id", "rollcall"),
        ("scope", "openid profile email"),
    ] {
        assert_eq!(query[name], value);
    }
    let answer = browser.come_back(CALLBACK, &query["state"]).await;
    assert_eq!(answer.status, 307, "{answer:?}");
    let plain = Provider::start().await;
    let query = plain.browser().begin(&plain, "").await;
    assert_eq!(query["access_type"], "offline");
}

#[tokio::test]
async fn an_address_without_a_dot_is_for_operators_who_say_so() {
    let claims = json!({ "email": "root@localhost" });
    let strict = Provider::start().await;
    strict.claims(claims.clone());
    assert_refused(&strict.sign_in().await, 400, "e-mail address");
    let lenient = Provider::start_with(|config| config.oidc_allow_dotless_domains = true).await;
    lenient.claims(claims);
    let answer = lenient.sign_in().await;
    assert_eq!(answer.status, 307, "{answer:?}");
    let root = lenient.app.with_token(session(&answer).unwrap());
    assert_eq!(root.get(ME).await.json["email"], "root@localhost");
}
