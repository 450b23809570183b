//! What becomes of the claims of real and of hostile providers.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn rules(config: &Config) -> ClaimRules {
    ClaimRules::new(config)
}

/// The claims of an ID token whose address is verified, with these over them.
#[expect(clippy::needless_pass_by_value, reason = "callers write it in place")]
fn with(changes: Value) -> Object {
    let mut claims = json!({ "email": "ada@corp.com", "email_verified": true });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims_of(claims)
}

#[expect(clippy::needless_pass_by_value, reason = "callers write it in place")]
fn claims_of(value: Value) -> Object {
    Object::try_from(&value).unwrap()
}

fn read(claims: Value) -> Result<Profile, ProviderError> {
    rules(&Config::default()).read(&claims_of(claims), None)
}

/// Of an ID token and a userinfo.
fn both(id_token: Value, userinfo: Value) -> Result<Profile, ProviderError> {
    rules(&Config::default()).read(&claims_of(id_token), Some(&claims_of(userinfo)))
}

fn status(said: Result<Profile, ProviderError>) -> u16 {
    said.map_or_else(|error| error.status(), |_| 200)
}

fn cause(said: Result<Profile, ProviderError>) -> String {
    let error = said.unwrap_err();
    std::error::Error::source(&error).unwrap().to_string()
}

#[test]
fn everything_that_a_provider_says_is_read() {
    let claims = with(json!({
        "preferred_username": "ada", "name": "  Ada Lovelace\u{7} ", "picture": "https://example.com/ada.png",
    }));
    let said = rules(&Config::default()).read(&claims, None).unwrap();
    let expected = Profile {
        email: EmailAddress::parse("ada@corp.com").unwrap(),
        username: "ada".to_owned(),
        name: DisplayName::parse("Ada Lovelace").unwrap(),
        avatar_url: "https://example.com/ada.png".to_owned(),
    };
    assert_eq!(said, expected);
}

#[test]
fn the_operator_says_which_claim_is_which() {
    let rules = rules(&Config {
        oidc_username_field: "nickname".to_owned(),
        oidc_email_field: "mail".to_owned(),
        oidc_name_field: "display".to_owned(),
        ..Config::default()
    });
    let claims = claims_of(json!({
        "mail": "ada@corp.com", "email": "eve@corp.com", "email_verified": true,
        "nickname": "ada", "preferred_username": "eve", "display": "Ada", "name": "Eve",
    }));
    let said = rules.read(&claims, None).unwrap();
    assert_eq!(said.email.as_str(), "ada@corp.com");
    assert_eq!((said.username.as_str(), said.name.as_str()), ("ada", "Ada"));
}

#[test]
fn lesson_1_only_a_yes_is_a_verified_address() {
    for (claim, is_verified) in [
        (json!(true), true),
        (json!("true"), true),
        (json!(1), true),
        (json!(false), false),
        (json!("false"), false),
        (json!("True"), false),
        (json!("yes"), false),
        (json!("1"), false),
        (json!(""), false),
        (json!(0), false),
        (json!(2), false),
        (json!(-1), false),
        (json!(1.5), false),
        (json!(null), false),
        (json!([]), false),
        (json!([true]), false),
        (json!({}), false),
        (json!({ "value": true }), false),
    ] {
        let claims = with(json!({ "email_verified": claim }));
        let expected = if is_verified { 200 } else { 403 };
        let said = rules(&Config::default()).read(&claims, None);
        assert_eq!(status(said), expected, "{claim}");
    }
    assert_eq!(status(read(json!({ "email": "ada@corp.com" }))), 403);
}

#[test]
fn the_log_says_why_an_address_is_not_verified_and_what_can_be_done() {
    let mut claims =
        json!({ "email": "ada@corp.com", "sub": "1", "tid": "2", "nonce": "swordfish" });
    let said = cause(read(claims.clone()));
    for words in [
        "`email_verified` is missing",
        "oidc_ignore_email_verified = true",
        "email, nonce, sub, tid",
    ] {
        assert!(said.contains(words), "{said}");
    }
    assert!(
        !said.contains("swordfish") && !said.contains("ada@"),
        "{said}"
    );
    for (claim, value, words) in [
        ("email_verified", json!(false), "`email_verified` is false"),
        ("email_verified", json!("no"), "`email_verified` is \"no\""),
        ("xms_edov", json!(0), "`xms_edov` is 0"),
    ] {
        let mut claims = claims.clone();
        claims[claim] = value;
        let said = cause(read(claims));
        assert!(said.contains(words), "{said}");
    }
    claims["email"] = json!(7);
    let said = cause(read(claims));
    assert!(said.contains("email, nonce, sub, tid"), "{said}");
}

#[test]
fn entra_says_in_xms_edov_that_the_owner_of_the_domain_is_verified() {
    let email = |changes: Value| {
        let mut claims = json!({ "email": "ada@corp.com" });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        status(read(claims))
    };
    assert_eq!(email(json!({ "xms_edov": true })), 200);
    assert_eq!(email(json!({ "xms_edov": 1 })), 200);
    assert_eq!(
        email(json!({ "xms_edov": true, "email_verified": null })),
        200
    );
    assert_eq!(email(json!({ "xms_edov": false })), 403);
    assert_eq!(email(json!({ "xms_edov": null })), 403);
    assert_eq!(email(json!({ "xms_edov": "yes" })), 403);
    // What is denied by the standard claim stays denied.
    assert_eq!(
        email(json!({ "xms_edov": true, "email_verified": false })),
        403
    );
    assert_eq!(
        email(json!({ "xms_edov": false, "email_verified": true })),
        200
    );
    // It speaks of the claim `email`, and of no other.
    let upn = json!({ "preferred_username": "ada@corp.com", "xms_edov": true });
    assert_eq!(status(read(upn)), 403);
    let rules = rules(&Config {
        oidc_email_field: "upn".to_owned(),
        ..Config::default()
    });
    let upn = json!({ "upn": "ada@corp.com", "email": "eve@corp.com", "xms_edov": true });
    assert_eq!(status(rules.read(&claims_of(upn), None)), 403);
}

#[test]
fn an_operator_may_believe_addresses_that_nobody_verified() {
    let rules = rules(&Config {
        oidc_ignore_email_verified: true,
        ..Config::default()
    });
    for claim in [json!(false), json!(null), json!({})] {
        let claims = with(json!({ "email_verified": claim }));
        assert!(rules.read(&claims, None).is_ok());
    }
}

#[test]
fn an_address_is_a_text_and_an_address() {
    for (email, username, expected) in [
        (json!("ada@corp.com"), json!("x"), 200),
        (json!(null), json!("ada@corp.com"), 200),
        (json!(null), json!(["ada@corp.com"]), 200),
        (json!(null), json!("ada"), 400),
        (json!(null), json!(7), 400),
        (json!(""), json!("ada@corp.com"), 400),
        (json!("ada"), json!("ada@corp.com"), 400),
        (json!(7), json!("ada@corp.com"), 400),
        (json!(true), json!("ada@corp.com"), 400),
        (json!(["ada@corp.com"]), json!("x"), 200),
        (
            json!(["ada@corp.com", "eve@corp.com"]),
            json!("ada@corp.com"),
            400,
        ),
        (json!([]), json!("ada@corp.com"), 400),
        (json!([7]), json!("ada@corp.com"), 400),
        (json!([["ada@corp.com"]]), json!("ada@corp.com"), 400),
        (json!({ "a": "ada@corp.com" }), json!("ada@corp.com"), 400),
    ] {
        let claims =
            json!({ "email": email, "preferred_username": username, "email_verified": true });
        let said = read(claims);
        assert_eq!(status(said), expected, "{email} {username}");
    }
    let said = read(json!({ "preferred_username": "ada@corp.com", "email_verified": true }));
    assert_eq!(said.unwrap().email.as_str(), "ada@corp.com");
}

#[test]
fn a_list_of_exactly_one_text_is_that_text() {
    let rules = rules(&Config {
        oidc_email_field: "emails".to_owned(),
        ..Config::default()
    });
    let claims = json!({
        "emails": ["ada@corp.com"], "email_verified": true, "preferred_username": ["ada"],
        "name": ["Ada"], "picture": ["https://example.com/a.png"],
    });
    let said = rules.read(&claims_of(claims), None).unwrap();
    assert_eq!(said.email.as_str(), "ada@corp.com");
    assert_eq!((said.username.as_str(), said.name.as_str()), ("ada", "Ada"));
    assert_eq!(said.avatar_url, "https://example.com/a.png");
}

#[test]
fn lesson_2_domains_are_whole_domains() {
    let rules = rules(&Config {
        oidc_email_domains: vec!["Corp.com".to_owned(), "@example.org".to_owned()],
        ..Config::default()
    });
    for (email, expected) in [
        ("ada@corp.com", 200),
        ("ada@CORP.COM", 200),
        ("ada@example.org", 200),
        (r#""a@b.c"@corp.com"#, 200),
        ("ada@exploitcorp.com", 403),
        ("ada@corp.com.evil.example", 403),
        ("ada@mail.corp.com", 403),
        (r#""ada@corp.com"@evil.example"#, 403),
        ("corp.com@evil.example", 403),
    ] {
        let said = rules.read(&with(json!({ "email": email })), None);
        if let Err(error) = &said {
            assert!(!error.to_string().to_lowercase().contains("corp"));
        }
        assert_eq!(status(said), expected, "{email}");
    }
}

#[test]
fn a_domain_without_a_dot_is_for_operators_who_say_so() {
    for (allow, expected) in [(false, 400), (true, 200)] {
        let rules = rules(&Config {
            oidc_allow_dotless_domains: allow,
            ..Config::default()
        });
        for claims in [
            with(json!({ "email": "root@localhost" })),
            with(json!({ "email": null, "preferred_username": "root@db1" })),
        ] {
            assert_eq!(status(rules.read(&claims, None)), expected);
        }
    }
}

#[test]
fn the_userinfo_wins() {
    let said = both(
        json!({
            "sub": "1", "email": "old@corp.com", "email_verified": false, "name": "Old",
            "picture": "https://example.com/old.png",
        }),
        json!({ "sub": "1", "email": "new@corp.com", "email_verified": true, "name": "New" }),
    );
    let said = said.unwrap();
    assert_eq!(said.email.as_str(), "new@corp.com");
    assert_eq!(
        (said.name.as_str(), said.avatar_url.as_str()),
        ("New", "https://example.com/old.png")
    );
}

#[test]
fn a_claim_of_userinfo_that_says_nothing_leaves_the_id_token_s() {
    let id_token = json!({
        "email": "ada@corp.com", "email_verified": true, "preferred_username": "ada", "name": "Ada",
        "picture": "https://example.com/ada.png",
    });
    for nothing in [json!(null), json!(""), json!([])] {
        let mut userinfo = json!({ "sub": "1" });
        for name in [
            "email",
            "email_verified",
            "preferred_username",
            "name",
            "picture",
        ] {
            userinfo[name] = if name == "email_verified" {
                json!(null)
            } else {
                nothing.clone()
            };
        }
        let said = both(id_token.clone(), userinfo).unwrap();
        assert_eq!(said, read(id_token.clone()).unwrap(), "{nothing}");
    }
}

#[test]
fn lesson_7_an_address_is_not_verified_by_the_word_on_another() {
    let verified = json!({ "email": "ada@corp.com", "email_verified": true });
    for (id_token, userinfo, expected) in [
        (verified.clone(), json!({ "email": "victim@corp.com" }), 403),
        (verified.clone(), json!({ "email": "ada@corp.com" }), 200),
        (verified.clone(), json!({ "email": "ADA@Corp.com" }), 200),
        (
            verified.clone(),
            json!({ "email": "ada@corp.com", "email_verified": false }),
            403,
        ),
        // The sign of the Kelvin is a k in lower case, and the long s an s in upper case.
        (
            json!({ "email": "k@corp.com", "email_verified": true }),
            json!({ "email": "\u{212A}@corp.com" }),
            403,
        ),
        // The word of userinfo is about the address of userinfo.
        (
            json!({ "email": "ada@corp.com", "email_verified": false }),
            json!({ "email_verified": true }),
            403,
        ),
        (
            verified.clone(),
            json!({ "preferred_username": "victim@corp.com", "email_verified": false }),
            200,
        ),
        // An address may be a username, and then it is one address of its own too.
        (
            json!({ "preferred_username": "ada@corp.com", "email_verified": true }),
            json!({ "preferred_username": "victim@corp.com" }),
            403,
        ),
        (
            json!({ "email": "ada@corp.com", "xms_edov": true }),
            json!({ "email": "victim@corp.com" }),
            403,
        ),
    ] {
        let said = both(id_token.clone(), userinfo.clone());
        assert_eq!(status(said), expected, "{id_token} {userinfo}");
    }
}

proptest! {
    #[test]
    fn addresses_that_differ_in_case_alone_are_the_same(address in "[a-zäöüéßя]{1,12}@[a-zöя]{1,8}\\.com", upper in any::<u64>()) {
        let other: String = address.chars().enumerate().flat_map(|(at, char)| {
            let changes = upper >> (at % 64) & 1 == 1 && char.to_uppercase().count() == 1;
            if changes { char.to_uppercase().collect::<Vec<_>>() } else { vec![char] }
        }).collect();
        prop_assert!(is_same_address(&address, &other));
        let longer = format!("x{address}");
        prop_assert!(!is_same_address(&address, &longer));
        let said = both(
            json!({ "email": address, "email_verified": true }),
            json!({ "email": other }),
        );
        prop_assert_eq!(status(said), 200);
    }
}

#[test]
fn a_name_may_come_in_two_parts() {
    let name = |claims: Value| {
        let rules = rules(&Config::default());
        rules
            .read(&with(claims), None)
            .unwrap()
            .name
            .as_str()
            .to_owned()
    };
    assert_eq!(
        name(json!({ "given_name": "Ada", "family_name": "Lovelace" })),
        "Ada Lovelace"
    );
    assert_eq!(
        name(json!({ "given_name": " Ada ", "family_name": null })),
        "Ada"
    );
    assert_eq!(name(json!({ "family_name": ["Lovelace"] })), "Lovelace");
    assert_eq!(name(json!({ "name": "", "given_name": "Ada" })), "Ada");
    assert_eq!(
        name(json!({ "name": "A. L.", "given_name": "Ada" })),
        "A. L."
    );
    // Whoever names another claim means that one.
    let rules = rules(&Config {
        oidc_name_field: "display".to_owned(),
        ..Config::default()
    });
    let said = rules
        .read(&with(json!({ "given_name": "Ada" })), None)
        .unwrap();
    assert_eq!(said.name.as_str(), "");
}

#[test]
fn a_picture_of_a_provider_is_https() {
    let picture = |url: &str| {
        let claims = with(json!({ "picture": url }));
        rules(&Config::default())
            .read(&claims, None)
            .unwrap()
            .avatar_url
    };
    for good in ["https://example.com/a.png", "HTTPS://example.com/a.png"] {
        assert_eq!(picture(good), good);
    }
    for bad in [
        "http://example.com/a.png",
        "/a.png",
        "//evil.example/x",
        "javascript:alert(1)",
        "data:text/html,x",
        "https:",
        "httpsä//",
    ] {
        assert_eq!(picture(bad), "", "{bad}");
    }
}

#[test]
fn what_has_no_use_or_no_end_is_cut_or_left_out() {
    let rules = rules(&Config::default());
    let long = "x".repeat(1_000_000);
    for value in [json!(long), json!(7), json!(null), json!(["x", "y"])] {
        let claims = with(json!({ "name": value, "preferred_username": value, "picture": value }));
        let said = rules.read(&claims, None).unwrap();
        assert!(said.name.as_str().len() <= 128);
        assert!(said.username.len() <= MAX_USERNAME_BYTES);
        assert_eq!(said.avatar_url, "");
    }
}
