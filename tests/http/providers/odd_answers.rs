//! What providers send that is not quite as the standards say: what is not used does not matter, what is used is read
//! leniently, and what decides who signs in is read strictly.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use super::provider::{Provider, Raw, Says, Sign, session};
use crate::given::{ME, assert_refused};

const DISCOVERY: &str = "/.well-known/openid-configuration";

/// A provider with a service that has its owner, so that Robin comes as anybody.
async fn provider() -> Provider {
    let provider = Provider::start().await;
    provider.app.owner().await;
    provider
}

fn tokens(changes: &Value) -> Value {
    let mut answer = json!({ "access_token": "an access token", "token_type": "Bearer" });
    for (name, value) in changes.as_object().unwrap() {
        answer[name] = value.clone();
    }
    answer
}

fn raw(path: &str, raw: Raw) -> Says {
    Says {
        raw: [(path.to_owned(), raw)].into(),
        ..Says::default()
    }
}

fn json_raw(body: impl Into<Vec<u8>>) -> Raw {
    Raw {
        status: 200,
        headers: vec![("content-type", "application/json".to_owned())],
        body: body.into(),
    }
}

async fn signs_in(provider: &Provider, says: Says, what: &str) -> Value {
    provider.says(says);
    let answer = provider.sign_in().await;
    assert_eq!(answer.status, 307, "{what}: {answer:?}");
    let client = provider.app.with_token(session(&answer).unwrap());
    client.get(ME).await.json
}

async fn stays_out(provider: &Provider, says: Says, status: u16, what: &str) {
    provider.says(says);
    let answer = provider.sign_in().await;
    assert_eq!(answer.status, status, "{what}: {answer:?}");
    assert_eq!(session(&answer), None, "{what}");
}

#[tokio::test]
async fn a_token_response_is_read_as_leniently_as_in_go() {
    let provider = provider().await;
    // The ID token of the provider itself goes with these.
    let with = |changes: Value| Says {
        token_changes: changes,
        ..Says::default()
    };
    for lenient in [
        json!({ "expires_in": "3600" }),
        json!({ "expires_in": 3599.5 }),
        json!({ "expires_in": "3600.0" }),
        json!({ "expires_in": -1 }),
        json!({ "expires_in": null }),
        json!({ "expires_in": 1e300 }),
        json!({ "token_type": null, "scope": ["openid"], "refresh_token": null }),
        json!({ "token_type": 7, "refresh_token": "", "error": null }),
    ] {
        signs_in(&provider, with(lenient.clone()), &lenient.to_string()).await;
    }
    for bad in [
        json!({ "expires_in": "soon" }),
        json!({ "expires_in": [3600] }),
        json!({ "access_token": null }),
        json!({ "refresh_token": 7 }),
    ] {
        stays_out(&provider, with(bad.clone()), 500, &bad.to_string()).await;
    }
    let no_id_token = Says {
        token_answer: Some(tokens(&json!({ "id_token": null }))),
        ..Says::default()
    };
    stays_out(&provider, no_id_token, 400, "no ID token").await;
}

#[tokio::test]
async fn userinfo_may_be_a_token_that_the_provider_signed() {
    let provider = provider().await;
    let issuer = provider.issuer().to_owned();
    let claims = |changes: Value| {
        let mut claims = json!({
            "iss": issuer, "aud": "rollcall", "sub": "subject-1", "email": "robin@example.com",
            "email_verified": true, "name": "Robin of Userinfo",
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        Says {
            signed_userinfo: Some(claims),
            ..Says::default()
        }
    };
    let me = signs_in(&provider, claims(json!({})), "signed").await;
    assert_eq!(me["name"], "Robin of Userinfo");
    signs_in(
        &provider,
        claims(json!({ "aud": ["rollcall", "other"] })),
        "more audiences",
    )
    .await;
    for bad in [
        json!({ "iss": "https://evil.example" }),
        json!({ "iss": null }),
        json!({ "aud": "other" }),
        json!({ "aud": null }),
        json!({ "sub": "subject-2" }),
        json!({ "sub": null }),
        json!({ "exp": 1 }),
    ] {
        stays_out(&provider, claims(bad.clone()), 500, &bad.to_string()).await;
    }
    // Signed by another key than the ID token, which the provider does not publish.
    let ey = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJzdWJqZWN0LTEifQ.";
    let unsigned = Raw {
        status: 200,
        headers: vec![("content-type", "application/jwt; charset=utf-8".to_owned())],
        body: ey.into(),
    };
    stays_out(&provider, raw("/userinfo", unsigned), 500, "alg: none").await;
    let page = Raw {
        status: 200,
        headers: vec![("content-type", "text/html".to_owned())],
        body: "<html>".into(),
    };
    stays_out(&provider, raw("/userinfo", page), 500, "a page").await;
}

#[tokio::test]
async fn of_a_discovery_document_only_what_is_used_is_required() {
    for changes in [
        json!({ "subject_types_supported": "(absent)", "response_types_supported": "(absent)",
                "id_token_signing_alg_values_supported": "(absent)" }),
        json!({ "userinfo_endpoint": "", "end_session_endpoint": "", "registration_endpoint": null }),
        json!({ "scopes_supported": "openid", "claims_supported": { "a": 1 }, "service_documentation": 7 }),
        json!({ "jwks_uri_v2": "nowhere", "code_challenge_methods_supported": null }),
    ] {
        let provider = provider().await;
        let says = Says {
            discovery: changes.clone(),
            ..Says::default()
        };
        signs_in(&provider, says, &changes.to_string()).await;
    }
    for (changes, status) in [
        (json!({ "token_endpoint": "(absent)" }), 503),
        (json!({ "jwks_uri": "" }), 503),
        (json!({ "issuer": "https://evil.example" }), 503),
    ] {
        let provider = provider().await;
        provider.says(Says {
            discovery: changes.clone(),
            ..Says::default()
        });
        let answer = provider.browser().get(super::provider::CALLBACK).await;
        assert_refused(&answer, status, "discovery document");
    }
}

#[tokio::test]
async fn half_a_surrogate_pair_in_a_claim_that_is_not_used_does_not_matter() {
    let provider = provider().await;
    for unused in [
        r#""nick":"\ud800""#,
        r#""\udc00":{"a":["\uD83D"]}"#,
        r#""big":1e999,"deep":[[[[]]]]"#,
        r#""name":"Robin","name":"Robin \ud83d""#,
    ] {
        let says = Says {
            raw_claims: unused.to_owned(),
            ..Says::default()
        };
        signs_in(&provider, says, unused).await;
    }
    let me = signs_in(
        &provider,
        Says {
            raw_claims: r#""name":"Robin \ud83d!""#.to_owned(),
            ..Says::default()
        },
        "a name",
    )
    .await;
    assert_eq!(me["name"], "Robin \u{FFFD}!");
    let userinfo = json_raw(r#"{"sub":"subject-1","x":"\udfff","name":"Robin"}"#);
    signs_in(&provider, raw("/userinfo", userinfo), "userinfo").await;
    // Two subjects must not become one.
    let says = Says {
        raw_claims: r#""sub":"subject-\ud800""#.to_owned(),
        ..Says::default()
    };
    stays_out(&provider, says, 400, "a subject").await;
}

#[tokio::test]
async fn an_id_token_may_be_long_and_one_that_is_too_long_is_called_so() {
    let provider = provider().await;
    let with_groups = |number: usize| Says {
        claims: json!({ "groups": vec!["a group with a name of forty characters"; number] }),
        ..Says::default()
    };
    signs_in(&provider, with_groups(2_500), "2,500 groups").await;
    signs_in(&provider, with_groups(15_000), "15,000 groups").await;
    provider.says(with_groups(30_000));
    let answer = provider.sign_in().await;
    assert_refused(&answer, 400, "too long");
}

#[tokio::test]
async fn discovery_keys_and_userinfo_may_be_gzipped_or_begin_with_a_byte_order_mark() {
    let gzip = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    for (header, with_bom) in [
        (Some("gzip"), false),
        (None, false),
        (Some("gzip"), true),
        (None, true),
    ] {
        let provider = provider().await;
        let bom: &[u8] = if with_bom { b"\xEF\xBB\xBF" } else { b"" };
        let document = [bom, provider.document().to_string().as_bytes()].concat();
        let userinfo = [bom, br#"{"sub":"subject-1"}"#].concat();
        let mut says = Says::default();
        for (path, body) in [(DISCOVERY, document), ("/userinfo", userinfo)] {
            let is_gzipped = header.is_some() || !with_bom;
            let mut response = json_raw(if is_gzipped { gzip(&body) } else { body });
            response
                .headers
                .extend(header.map(|it| ("content-encoding", it.to_owned())));
            says.raw.insert(path.to_owned(), response);
        }
        signs_in(&provider, says, &format!("{header:?} {with_bom}")).await;
    }
    let provider = provider().await;
    let bomb = gzip(&vec![b' '; 64 << 20]);
    provider.says(raw(DISCOVERY, json_raw(bomb)));
    let answer = provider.browser().get(super::provider::CALLBACK).await;
    assert_refused(&answer, 503, "discovery document");
}

#[tokio::test]
async fn documents_may_move_within_their_origin_and_no_further() {
    let redirect = |to: String| Raw {
        status: 301,
        headers: vec![("location", to)],
        body: Vec::new(),
    };
    let moved = provider().await;
    let document = json_raw(moved.document().to_string());
    let mut says = raw(DISCOVERY, redirect("/new/place?x=1".to_owned()));
    says.raw.insert(
        "/new/place".to_owned(),
        redirect(format!("{}/newer", moved.issuer())),
    );
    says.raw.insert("/newer".to_owned(), document);
    says.discovery = json!({});
    signs_in(&moved, says, "discovery moved").await;

    let keys_moved = provider().await;
    let says = Says {
        discovery: json!({ "jwks_uri": format!("{}/old-keys", keys_moved.issuer()) }),
        raw: [("/old-keys".to_owned(), redirect("keys".to_owned()))].into(),
        ..Says::default()
    };
    signs_in(&keys_moved, says, "keys moved").await;

    for target in [
        "http://localhost:1/x",
        "https://example.com/x",
        "/.well-known/openid-configuration",
    ] {
        let provider = provider().await;
        provider.says(raw(DISCOVERY, redirect(target.to_owned())));
        let answer = provider.browser().get(super::provider::CALLBACK).await;
        assert_refused(&answer, 503, "discovery document");
    }
    // A request with a secret goes nowhere else, not even within its origin.
    let provider = provider().await;
    for path in ["/token", "/userinfo"] {
        stays_out(
            &provider,
            raw(path, redirect("/keys".to_owned())),
            500,
            path,
        )
        .await;
    }
}

#[tokio::test]
async fn keys_that_cannot_be_used_leave_the_others_alone() {
    let provider = provider().await;
    let says = Says {
        more_keys: vec![
            json!(null),
            json!({ "kty": "oct", "k": "c2VjcmV0" }),
            json!({ "kty": "RSA", "kid": "key-1", "n": "%", "e": [] }),
            json!({ "kty": "EC", "crv": "P-256", "kid": "key-1", "x": "AQ", "y": "AQ" }),
        ],
        ..Says::default()
    };
    signs_in(&provider, says, "odd keys").await;
}

#[tokio::test]
async fn claims_become_the_nearest_user() {
    let provider = provider().await;
    for (number, (claims, userinfo, field, expected)) in [
        // The same address, in another case, is the verified one.
        (
            json!({}),
            json!({ "email": "N@Example.COM" }),
            "email",
            "N@Example.COM",
        ),
        (
            json!({}),
            json!({ "email": null, "email_verified": null }),
            "email",
            "n@example.com",
        ),
        (
            json!({ "email": ["n@example.com"] }),
            json!({}),
            "email",
            "n@example.com",
        ),
        (
            json!({ "name": "(absent)", "given_name": "Ada", "family_name": "L" }),
            json!({}),
            "name",
            "Ada L",
        ),
        (
            json!({ "picture": "http://example.com/x.png" }),
            json!({}),
            "avatar_url",
            "",
        ),
        (
            json!({ "picture": "/x.png" }),
            json!({ "picture": null }),
            "avatar_url",
            "",
        ),
        (
            json!({ "email_verified": "(absent)", "xms_edov": true }),
            json!({}),
            "email",
            "n@example.com",
        ),
        (
            json!({ "preferred_username": "Chagui-" }),
            json!({}),
            "username",
            "Chagui",
        ),
        (
            json!({ "preferred_username": "a".repeat(39) }),
            json!({}),
            "username",
            &"a".repeat(32),
        ),
        (
            json!({ "preferred_username": "42--is_it" }),
            json!({}),
            "username",
            "42-isit",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let subject = format!("odd-{number}");
        let own = |text: &str| text.replacen(['n', 'N'], &format!("n{number}"), 1);
        let mut claims = claims;
        claims["sub"] = json!(subject);
        let mut userinfo = userinfo;
        userinfo["sub"] = json!(subject);
        if claims.get("email").is_none() {
            claims["email"] = json!(own("n@example.com"));
        } else {
            claims["email"] = json!([own("n@example.com")]);
        }
        if let Some(email) = userinfo["email"].as_str() {
            userinfo["email"] = json!(own(email));
        }
        if claims.get("preferred_username").is_none() {
            claims["preferred_username"] = json!(format!("robin{number}"));
        }
        let expected = if field == "email" {
            own(expected)
        } else {
            expected.to_owned()
        };
        let what = claims.to_string();
        let says = Says {
            claims,
            userinfo: Some(userinfo),
            ..Says::default()
        };
        let me = signs_in(&provider, says, &what).await;
        assert_eq!(me[field], expected, "{what}");
    }
}

#[tokio::test]
async fn an_address_that_differs_in_case_finds_the_user_who_was_made_for_it() {
    let provider = Provider::start().await;
    let owner = provider.app.owner().await;
    let wish = crate::given::wish_with(
        &provider.app,
        "robin",
        &json!({ "login_type": "oidc", "password": "", "email": "Ärger@Example.com" }),
    );
    let made = owner.post(crate::given::USERS, &wish).await;
    assert_eq!(made.status, 201, "{made:?}");
    let says = Says {
        claims: json!({ "email": "ärger@example.com" }),
        userinfo: Some(json!({ "sub": "subject-1", "email": "ÄRGER@example.com" })),
        ..Says::default()
    };
    let me = signs_in(&provider, says, "another case").await;
    assert_eq!(me["id"], made.json["id"]);
}

#[tokio::test]
async fn a_forged_userinfo_is_no_userinfo() {
    let provider = provider().await;
    let claims = json!({ "iss": provider.issuer(), "aud": "rollcall", "sub": "subject-1" });
    let says = Says {
        signed_userinfo: Some(claims),
        sign: Sign::WithAnotherKey,
        // The ID token is good.
        token_signed_honestly: true,
        ..Says::default()
    };
    stays_out(
        &provider,
        says,
        500,
        "signed with a key that is not published",
    )
    .await;
}

/// What is logged while it is there.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_has_the_claim_or_field_that_decided_and_the_person_has_no_secret() {
    let provider = provider().await;
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_writer(move || writer.clone())
        .finish();
    let _logged = tracing::subscriber::set_default(subscriber);
    // While there is only one, the first thread that reaches a line of the log decides whether anybody sees it.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let claims = |claims: Value| Says {
        claims,
        ..Says::default()
    };
    for (says, status, words) in [
        (
            claims(json!({ "email_verified": "(absent)" })),
            403,
            "`email_verified` is missing; oidc_ignore_email_verified = true",
        ),
        (
            claims(json!({ "email_verified": false })),
            403,
            "`email_verified` is false",
        ),
        (
            claims(json!({ "email": "(absent)" })),
            400,
            "the claims that came are aud, email_verified, exp",
        ),
        (
            claims(json!({ "iss": "https://evil.example" })),
            400,
            "its `iss` is",
        ),
        (
            claims(json!({ "nonce": "(absent)" })),
            400,
            "oidc_require_nonce",
        ),
        (
            claims(json!({ "exp": 1 })),
            400,
            "its `exp` is 1970-01-01 00:00:01 UTC",
        ),
        (
            Says {
                token_changes: json!({ "expires_in": "soon" }),
                ..Says::default()
            },
            500,
            "its `expires_in` is not a number",
        ),
        (
            Says {
                userinfo: Some(json!({ "sub": "another" })),
                ..Says::default()
            },
            500,
            "its `sub` is another",
        ),
        (
            raw(
                "/userinfo",
                Raw {
                    status: 502,
                    ..Raw::default()
                },
            ),
            500,
            "its userinfo endpoint: it answers with status 502",
        ),
        (
            Says {
                token_status: 401,
                token_answer: Some(
                    json!({ "error": "invalid_client", "error_description": "no client is so called" }),
                ),
                ..Says::default()
            },
            500,
            "no client is so called",
        ),
    ] {
        log.0.lock().unwrap().clear();
        provider.says(says);
        let answer = provider.sign_in().await;
        assert_eq!(answer.status, status, "{words}: {answer:?}");
        let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert!(logged.contains(words), "{words}: {logged}");
        for secret in ["an access token", "robin@example.com", "code=abc"] {
            assert!(!logged.contains(secret), "{secret}: {logged}");
        }
        assert!(
            !answer.text.contains("oidc_") && !answer.text.contains("no client"),
            "{answer:?}"
        );
    }
}
