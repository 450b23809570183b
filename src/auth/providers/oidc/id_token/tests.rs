//! Tokens as providers make them, and as others would like them.
//!
//! `vectors.json` was made with the cryptography of Node.js, so that one library's mistake is not checked by itself.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer, SigningKey};
use hmac::{Hmac, KeyInit, Mac};
use rollcall_events::ids::Ids;
use serde::Deserialize;
use serde_json::{Map, json};
use sha2::Sha256;

use super::*;
use crate::auth::providers::{Cause, jwt::MAX_BYTES};

const ISSUER: &str = "https://accounts.example.com";
const US: &str = "rollcall";
const NONCE: &str = "n-0S6_WzA2Mj";
const ACCESS_TOKEN: &str = "an-access-token";
/// When the tokens were made: the first moment of 2030.
const MADE: i64 = 1_893_456_000;

#[derive(Deserialize)]
struct Vectors {
    keys: Value,
    tokens: Map<String, Value>,
    forged: Map<String, Value>,
}

fn vectors() -> (KeySet, Vectors) {
    let vectors: Vectors = serde_json::from_str(include_str!("vectors.json")).unwrap();
    (set(&vectors.keys), vectors)
}

fn set(keys: &Value) -> KeySet {
    KeySet::read(&Object::try_from(&json!({ "keys": keys })).unwrap()).unwrap()
}

/// As it is outside of these tests, but for the words.
fn verify(token: &str, keys: &KeySet, expected: &Expected<'_>) -> Result<Object, Fault> {
    super::verify(token, keys, expected).map_err(|error| error.fault)
}

/// The fault of a token that should have one.
fn fault(token: &str, keys: &KeySet) -> Fault {
    verify(token, keys, &expected()).unwrap_err()
}

fn decode(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn expected() -> Expected<'static> {
    Expected {
        issuer: ISSUER,
        client_id: US,
        nonce: NONCE,
        allow_missing_nonce: false,
        access_token: ACCESS_TOKEN,
        now: DateTime::from_timestamp(MADE + 10, 0).unwrap(),
    }
}

/// A provider of our own.
struct Provider {
    key: SigningKey,
    id: Option<String>,
}

impl Provider {
    fn new(id: Option<&str>) -> Self {
        Self {
            key: SigningKey::from_bytes(&Ids.bytes()),
            id: id.map(str::to_owned),
        }
    }

    fn public(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.key.verifying_key().as_bytes());
        json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": self.id })
    }

    fn keys(&self) -> KeySet {
        set(&json!([self.public()]))
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let signature = self.key.sign(message.as_bytes()).to_bytes();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn with(&self, changes: &Value) -> String {
        let mut claims = claims();
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        self.sign(&json!({ "alg": "EdDSA", "kid": "a" }), &claims)
    }

    /// What becomes of a good token in which this was changed; `null` says as little as nothing.
    #[expect(clippy::needless_pass_by_value, reason = "callers write it in place")]
    fn changed(&self, changes: Value) -> Result<Object, Fault> {
        verify(&self.with(&changes), &self.keys(), &expected())
    }
}

fn message(header: &Value, claims: &Value) -> String {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": US, "sub": "248289761001", "nonce": NONCE,
        "iat": MADE, "exp": MADE + 3600,
    })
}

#[test]
fn every_way_of_signing_that_proves_something_is_understood() {
    let (keys, vectors) = vectors();
    assert_eq!(vectors.tokens.len(), 9);
    for (algorithm, token) in &vectors.tokens {
        let claims = verify(token.as_str().unwrap(), &keys, &expected());
        assert_eq!(
            subject(&claims.unwrap()).unwrap(),
            "248289761001",
            "{algorithm}"
        );
    }
}

#[test]
fn what_was_changed_after_it_was_signed_proves_nothing() {
    let (keys, vectors) = vectors();
    for (algorithm, token) in &vectors.tokens {
        let token = token.as_str().unwrap();
        let [header, payload, signature]: [&str; 3] =
            token.split('.').collect::<Vec<_>>().try_into().unwrap();
        let mut claims = decode(payload);
        claims["sub"] = json!("1");
        let payload = URL_SAFE_NO_PAD.encode(claims.to_string());
        let forged = format!("{header}.{payload}.{signature}");
        assert_eq!(fault(&forged, &keys), Fault::NoKey, "{algorithm}");
        // The signature of another key.
        let others = Provider::new(Some("ed")).keys();
        assert_eq!(fault(token, &others), Fault::NoKey, "{algorithm}");
    }
}

#[test]
fn a_token_signed_with_what_everybody_knows_proves_nothing() {
    let (keys, vectors) = vectors();
    assert_eq!(vectors.forged.len(), 3);
    for (with, token) in &vectors.forged {
        assert_eq!(
            fault(token.as_str().unwrap(), &keys),
            Fault::Algorithm,
            "{with}"
        );
    }
}

#[test]
fn a_token_signed_with_a_shared_secret_or_not_at_all_proves_nothing() {
    let (keys, _) = vectors();
    // A secret that is published among the keys is none.
    let with_secret = set(&json!([{ "kty": "oct", "k": "c2VjcmV0", "kid": "a" }]));
    for name in ["HS256", "HS384", "HS512"] {
        let message = message(&json!({ "alg": name, "kid": "a" }), &claims());
        let mut mac = Hmac::<Sha256>::new_from_slice(b"secret").unwrap();
        mac.update(message.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        let token = format!("{message}.{signature}");
        assert_eq!(fault(&token, &keys), Fault::Algorithm);
        assert_eq!(fault(&token, &with_secret), Fault::Algorithm);
    }
    for name in [
        "none", "None", "NONE", "nOnE", "", "rs256", "RS256 ", "ES256K", "Ed448", "RSA-OAEP",
    ] {
        let token = format!("{}.", message(&json!({ "alg": name }), &claims()));
        assert_eq!(fault(&token, &keys), Fault::Algorithm, "{name}");
    }
}

#[test]
fn ed25519_is_another_name_of_eddsa() {
    let provider = Provider::new(Some("a"));
    let token = provider.sign(&json!({ "alg": "Ed25519", "kid": "a" }), &claims());
    for name in [json!(null), json!("EdDSA"), json!("Ed25519")] {
        let mut key = provider.public();
        key["alg"] = name;
        assert!(verify(&token, &set(&json!([key])), &expected()).is_ok());
    }
}

#[test]
fn what_is_no_token_is_refused() {
    let provider = Provider::new(Some("a"));
    let good = provider.sign(&json!({ "alg": "EdDSA", "kid": "a" }), &claims());
    assert!(verify(&good, &provider.keys(), &expected()).is_ok());
    for bad in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        "a.b.c.d.e".to_owned(),
        format!("{good}="),
        format!(" {good}"),
        format!("{good}.{good}"),
        good.replacen('.', "", 1),
    ] {
        assert_eq!(fault(&bad, &provider.keys()), Fault::Malformed, "{bad:.80}");
    }
    for header in [
        json!({ "alg": "EdDSA", "kid": "a", "crit": ["exp"] }),
        json!({ "alg": "EdDSA", "kid": "a", "cty": "JWT" }),
        json!({ "alg": "EdDSA", "kid": "a", "typ": "at+jwt" }),
        json!({ "alg": "EdDSA", "kid": "a", "typ": "logout+jwt" }),
        json!({ "alg": ["EdDSA"], "kid": "a" }),
        json!({ "alg": "EdDSA", "kid": 7 }),
        json!({ "kid": "a" }),
        json!([]),
    ] {
        let token = provider.sign(&header, &claims());
        assert_eq!(
            fault(&token, &provider.keys()),
            Fault::Malformed,
            "{header}"
        );
    }
    for payload in [json!([claims()]), json!("claims"), json!(null)] {
        let token = provider.sign(&json!({ "alg": "EdDSA", "kid": "a" }), &payload);
        assert_eq!(
            fault(&token, &provider.keys()),
            Fault::Malformed,
            "{payload}"
        );
    }
}

#[test]
fn a_key_is_known_by_its_name_and_without_one_by_its_signature() {
    let (named, nameless) = (Provider::new(Some("a")), Provider::new(None));
    let with_name = json!({ "alg": "EdDSA", "kid": "a" });
    let with_other_name = json!({ "alg": "EdDSA", "kid": "b" });
    let without_name = json!({ "alg": "EdDSA" });
    for (provider, header, is_good) in [
        (&named, &with_name, true),
        (&named, &without_name, true),
        (&named, &with_other_name, false),
        (&nameless, &without_name, true),
        (&nameless, &with_name, false),
    ] {
        let token = provider.sign(header, &claims());
        let verified = verify(&token, &provider.keys(), &expected());
        assert_eq!(verified.is_ok(), is_good, "{header}");
    }
    // Of several keys without names, the one that signed; and keys of other kinds do not count against the bound.
    let (keys, vectors) = vectors();
    let mut many: Vec<Value> = (0..3).map(|_| Provider::new(None).public()).collect();
    let rsa = vectors.keys[0].clone();
    many.extend(std::iter::repeat_n(rsa, 50));
    many.push(nameless.public());
    let token = nameless.sign(&without_name, &claims());
    assert!(verify(&token, &set(&json!(many)), &expected()).is_ok());
    assert_eq!(fault(&token, &keys), Fault::NoKey);
}

#[test]
fn a_token_may_list_thousands_of_groups_up_to_a_mebibyte() {
    let provider = Provider::new(Some("a"));
    let keys = provider.keys();
    let groups: Vec<String> = (0..2_500).map(|group| format!("{group:0>36}")).collect();
    let token = provider.with(&json!({ "groups": groups }));
    assert!(token.len() > 64 * 1024);
    assert!(verify(&token, &keys, &expected()).is_ok());
    let token = provider.with(&json!({ "groups": "x".repeat(MAX_BYTES) }));
    let error = super::verify(&token, &keys, &expected()).unwrap_err();
    assert_eq!(error.fault, Fault::TooLong);
    let error = ProviderError::from(error);
    assert!(error.to_string().contains("too long"), "{error}");
}

#[test]
fn a_claim_that_is_not_used_does_not_matter() {
    let provider = Provider::new(Some("a"));
    let mut payload = claims().to_string();
    payload.truncate(payload.len() - 1);
    payload +=
        r#","nick":"\ud800","big":1e999,"nbf":null,"azp":null,"at_hash":null,"x":"a","x":{}}"#;
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let message = format!(
        "{}.{}",
        part(r#"{"alg":"EdDSA","kid":"a","x":"\udfff"}"#),
        part(&payload)
    );
    let signature = provider.key.sign(message.as_bytes()).to_bytes();
    let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
    verify(&token, &provider.keys(), &expected()).unwrap();
}

#[test]
fn each_fault_says_which_claim_decided() {
    let provider = Provider::new(Some("a"));
    for (changes, words) in [
        (
            json!({ "iss": "https://evil.example" }),
            "`iss` is \"https://evil.example\"",
        ),
        (json!({ "iss": null }), "`iss` is missing"),
        (json!({ "aud": "other" }), "`aud` is \"other\""),
        (json!({ "aud": [US, "other"] }), "`azp` is missing"),
        (json!({ "azp": "other" }), "`azp`"),
        (
            json!({ "exp": MADE - 3600 }),
            "`exp` is 2029-12-31 23:00:00 UTC",
        ),
        (json!({ "exp": null }), "`exp` is missing"),
        (json!({ "exp": "soon" }), "`exp` is not a number"),
        (json!({ "iat": null }), "`iat` is missing"),
        (
            json!({ "nbf": MADE + 3600 }),
            "`nbf` is 2030-01-01 01:00:00 UTC",
        ),
        (json!({ "nonce": "other" }), "`nonce` is another"),
        (
            json!({ "nonce": null }),
            "it has no nonce (oidc_require_nonce = false",
        ),
        (json!({ "at_hash": "other" }), "`at_hash`"),
        (json!({ "sub": null }), "`sub` is missing"),
        (json!({ "sub": 7 }), "`sub` is not a text"),
    ] {
        let token = provider.with(&changes);
        let error = super::verify(&token, &provider.keys(), &expected()).unwrap_err();
        let cause = Cause::from(error).to_string();
        assert!(
            cause.contains(words) && !cause.contains(NONCE),
            "{changes}: {cause}"
        );
    }
    for (header, words) in [
        (
            json!({ "alg": "HS256" }),
            "`alg` of its header is \"HS256\"",
        ),
        (
            json!({ "alg": "EdDSA", "kid": "b" }),
            "none with the id \"b\"",
        ),
        (
            json!({ "alg": "RS256", "kid": "a" }),
            "none with the id \"a\" fits",
        ),
        (json!({ "alg": "EdDSA", "typ": "at+jwt" }), "`typ`"),
        (json!({ "alg": "EdDSA", "crit": ["b64"] }), "`crit`"),
    ] {
        let token = provider.sign(&header, &claims());
        let error = super::verify(&token, &provider.keys(), &expected()).unwrap_err();
        let cause = Cause::from(error).to_string();
        assert!(cause.contains(words), "{header}: {cause}");
    }
    let error = super::verify("a.b.c.d.e", &provider.keys(), &expected()).unwrap_err();
    assert!(Cause::from(error).to_string().contains("encrypted"));
}

#[test]
fn only_the_issuer_that_we_were_told_of_counts() {
    let provider = Provider::new(Some("a"));
    for issuer in [
        json!("https://accounts.example.com/"),
        json!("https://Accounts.example.com"),
        json!("http://accounts.example.com"),
        json!("https://evil.example"),
        json!(""),
        json!([ISSUER]),
        json!(null),
    ] {
        let verified = provider.changed(json!({ "iss": issuer }));
        assert_eq!(verified.unwrap_err(), Fault::Issuer, "{issuer}");
    }
}

#[test]
fn it_has_to_be_for_us() {
    let provider = Provider::new(Some("a"));
    for (audience, party, is_good) in [
        (json!(US), json!(null), true),
        (json!(US), json!(US), true),
        (json!([US]), json!(null), true),
        (json!([US, "other"]), json!(US), true),
        (json!(["other", US]), json!(US), true),
        (json!([US, "other"]), json!(null), false),
        (json!([US, "other"]), json!("other"), false),
        (json!(US), json!("other"), false),
        (json!(US), json!([US]), false),
        (json!("other"), json!(null), false),
        (json!("other"), json!(US), false),
        (json!(["other"]), json!(US), false),
        (json!("Rollcall"), json!(null), false),
        (json!("rollcall2"), json!(null), false),
        (json!([]), json!(US), false),
        (json!(null), json!(US), false),
        (json!({ "rollcall": true }), json!(US), false),
    ] {
        let verified = provider.changed(json!({ "aud": audience, "azp": party }));
        assert_eq!(verified.is_ok(), is_good, "{audience} {party}");
        assert!(is_good || verified.unwrap_err() == Fault::Audience);
    }
}

#[test]
fn a_token_has_its_time() {
    let provider = Provider::new(Some("a"));
    let now = MADE + 10;
    for (changes, expected) in [
        (json!({ "exp": now + 1 }), None),
        // Within what clocks may differ.
        (json!({ "exp": now - 59 }), None),
        (json!({ "exp": now - 60 }), Some(Fault::Expired)),
        (json!({ "exp": 0 }), Some(Fault::Expired)),
        (json!({ "exp": -1 }), Some(Fault::Expired)),
        (json!({ "exp": null }), Some(Fault::Expired)),
        (json!({ "exp": "2040-01-01" }), Some(Fault::Malformed)),
        (json!({ "exp": i64::MAX }), Some(Fault::Malformed)),
        (json!({ "exp": 1e300 }), Some(Fault::Malformed)),
        (json!({ "exp": 1_893_459_600.5 }), None),
        (json!({ "exp": "1893459600" }), None),
        (json!({ "iat": now + 60 }), None),
        (json!({ "iat": now + 61 }), Some(Fault::NotYet)),
        (json!({ "iat": null }), Some(Fault::NotYet)),
        (json!({ "iat": true }), Some(Fault::Malformed)),
        (json!({ "nbf": now }), None),
        (json!({ "nbf": now + 60 }), None),
        (json!({ "nbf": now + 61 }), Some(Fault::NotYet)),
        (json!({ "nbf": "now" }), Some(Fault::Malformed)),
    ] {
        let verified = provider.changed(changes.clone());
        assert_eq!(verified.err(), expected, "{changes}");
    }
}

#[test]
fn it_has_to_answer_this_sign_in() {
    let provider = Provider::new(Some("a"));
    for nonce in [
        json!("another"),
        json!(format!("{NONCE}x")),
        json!(""),
        json!(7),
        json!([NONCE]),
    ] {
        let verified = provider.changed(json!({ "nonce": nonce }));
        assert_eq!(verified.unwrap_err(), Fault::Nonce, "{nonce}");
        // Allowing none does not allow another.
        let expected = Expected {
            allow_missing_nonce: true,
            ..expected()
        };
        let token = provider.with(&json!({ "nonce": nonce }));
        let verified = verify(&token, &provider.keys(), &expected);
        assert_eq!(verified.unwrap_err(), Fault::Nonce, "{nonce}");
        let token = provider.with(&json!({ "nonce": null }));
        assert!(verify(&token, &provider.keys(), &expected).is_ok());
    }
    let verified = provider.changed(json!({ "nonce": null }));
    assert_eq!(verified.unwrap_err(), Fault::NoNonce);
}

#[test]
fn it_has_to_name_somebody() {
    let provider = Provider::new(Some("a"));
    let longest = "x".repeat(MAX_SUBJECT_BYTES);
    assert!(provider.changed(json!({ "sub": longest })).is_ok());
    for subject in [
        json!(format!("{longest}x")),
        json!(""),
        json!(null),
        json!(248_289_761_001_u64),
        json!(["1"]),
        json!("a\u{0}b"),
        json!("a\u{FFFD}b"),
    ] {
        let verified = provider.changed(json!({ "sub": subject }));
        assert_eq!(verified.unwrap_err(), Fault::Subject, "{subject}");
    }
}

#[test]
fn it_has_to_have_come_with_its_access_token() {
    let (keys, vectors) = vectors();
    for (algorithm, token) in &vectors.tokens {
        let expected = Expected {
            access_token: "another",
            ..expected()
        };
        let verified = verify(token.as_str().unwrap(), &keys, &expected);
        assert_eq!(verified.unwrap_err(), Fault::AccessToken, "{algorithm}");
    }
    let provider = Provider::new(Some("a"));
    for hash in [json!(""), json!(7), json!("AAAA")] {
        let verified = provider.changed(json!({ "at_hash": hash }));
        assert_eq!(verified.unwrap_err(), Fault::AccessToken, "{hash}");
    }
}
