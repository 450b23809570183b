//! Tokens as providers make them, and as others would like them.
//!
//! `vectors.json` was made with the cryptography of Node.js, so that one library's mistake is not checked by itself.

use base64::engine::general_purpose::STANDARD;
use openidconnect::{
    JsonWebKeyId, PrivateSigningKey,
    core::{CoreEdDsaPrivateSigningKey, CoreHmacKey},
};
use rollcall_events::ids::Ids;
use serde_json::{Map, json};

use super::*;

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

fn vectors() -> (CoreJsonWebKeySet, Vectors) {
    let vectors: Vectors = serde_json::from_str(include_str!("vectors.json")).unwrap();
    let keys = serde_json::from_value(json!({ "keys": vectors.keys })).unwrap();
    (keys, vectors)
}

fn expected() -> Expected<'static> {
    Expected {
        issuer: ISSUER,
        client_id: US,
        nonce: NONCE,
        access_token: ACCESS_TOKEN,
        now: DateTime::from_timestamp(MADE + 10, 0).unwrap(),
    }
}

/// A provider of our own.
struct Provider(CoreEdDsaPrivateSigningKey);

impl Provider {
    fn new(key_id: Option<&str>) -> Self {
        // PKCS#8 of an Ed25519 key: always the same start, then the secret.
        let mut der = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
        der.extend(Ids.bytes::<32>());
        let name = "PRIVATE KEY";
        let pem = format!(
            "-----BEGIN {name}-----\n{}\n-----END {name}-----\n",
            STANDARD.encode(der)
        );
        let key_id = key_id.map(|id| JsonWebKeyId::new(id.to_owned()));
        Self(CoreEdDsaPrivateSigningKey::from_ed25519_pem(&pem, key_id).unwrap())
    }

    fn keys(&self) -> CoreJsonWebKeySet {
        CoreJsonWebKeySet::new(vec![self.0.as_verification_key()])
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let signature = self.0.sign(&Algorithm::EdDsa, message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// What becomes of a good token in which this was changed; `null` takes a claim away.
    fn changed(&self, changes: Value) -> Result<Claims, Fault> {
        let mut claims = claims();
        let Value::Object(changes) = changes else {
            panic!("changes are an object");
        };
        for (name, value) in changes {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(&name);
            } else {
                claims[name] = value;
            }
        }
        let token = self.sign(&json!({ "alg": "EdDSA", "kid": "a" }), &claims);
        verify(&token, &self.keys(), &expected())
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
        assert_eq!(claims.unwrap()["sub"], "248289761001", "{algorithm}");
    }
}

#[test]
fn what_was_changed_after_it_was_signed_proves_nothing() {
    let (keys, vectors) = vectors();
    for (algorithm, token) in &vectors.tokens {
        let token = token.as_str().unwrap();
        let [header, payload, signature]: [&str; 3] =
            token.split('.').collect::<Vec<_>>().try_into().unwrap();
        let mut claims: Value = decode(payload).unwrap();
        claims["sub"] = json!("1");
        let payload = URL_SAFE_NO_PAD.encode(claims.to_string());
        let forged = format!("{header}.{payload}.{signature}");
        assert_eq!(
            verify(&forged, &keys, &expected()),
            Err(Fault::NoKey),
            "{algorithm}"
        );
        // The signature of another key.
        let others = Provider::new(Some("ed")).keys();
        assert_eq!(
            verify(token, &others, &expected()),
            Err(Fault::NoKey),
            "{algorithm}"
        );
    }
}

#[test]
fn a_token_signed_with_what_everybody_knows_proves_nothing() {
    let (keys, vectors) = vectors();
    assert_eq!(vectors.forged.len(), 3);
    for (with, token) in &vectors.forged {
        let verified = verify(token.as_str().unwrap(), &keys, &expected());
        assert_eq!(verified, Err(Fault::Algorithm), "{with}");
    }
}

#[test]
fn a_token_signed_with_our_own_secret_or_not_at_all_proves_nothing() {
    let (keys, _) = vectors();
    let secret = CoreHmacKey::new("our client secret");
    for (name, algorithm) in [
        ("HS256", Algorithm::HmacSha256),
        ("HS384", Algorithm::HmacSha384),
        ("HS512", Algorithm::HmacSha512),
    ] {
        let message = message(&json!({ "alg": name }), &claims());
        let signature = secret.sign(&algorithm, message.as_bytes()).unwrap();
        let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
        assert_eq!(verify(&token, &keys, &expected()), Err(Fault::Algorithm));
    }
    for name in [
        "none", "None", "NONE", "nOnE", "", "rs256", "RS256 ", "ES512", "RSA-OAEP",
    ] {
        let token = format!("{}.", message(&json!({ "alg": name }), &claims()));
        assert_eq!(
            verify(&token, &keys, &expected()),
            Err(Fault::Algorithm),
            "{name}"
        );
    }
}

#[test]
fn a_secret_key_among_the_providers_keys_checks_nothing() {
    let key = json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "a" });
    let keys = serde_json::from_value(json!({ "keys": [key] })).unwrap();
    let message = message(&json!({ "alg": "HS256", "kid": "a" }), &claims());
    let secret = CoreHmacKey::new("secret");
    let signature = secret
        .sign(&Algorithm::HmacSha256, message.as_bytes())
        .unwrap();
    let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
    assert_eq!(verify(&token, &keys, &expected()), Err(Fault::Algorithm));
}

#[test]
fn what_is_no_token_is_refused() {
    let provider = Provider::new(Some("a"));
    let good = provider.sign(&json!({ "alg": "EdDSA", "kid": "a" }), &claims());
    assert!(verify(&good, &provider.keys(), &expected()).is_ok());
    let padding = "x".repeat(MOST_TOKEN_BYTES);
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
        format!("{good}{padding}"),
    ] {
        let verified = verify(&bad, &provider.keys(), &expected());
        assert_eq!(verified, Err(Fault::Malformed), "{bad:.80}");
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
        let verified = verify(&token, &provider.keys(), &expected());
        assert_eq!(verified, Err(Fault::Malformed), "{header}");
    }
    for payload in [json!([claims()]), json!("claims"), json!(null)] {
        let token = provider.sign(&json!({ "alg": "EdDSA", "kid": "a" }), &payload);
        let verified = verify(&token, &provider.keys(), &expected());
        assert_eq!(verified, Err(Fault::Malformed), "{payload}");
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
    // Of several keys without names, the one that signed.
    let mut keys = vec![Provider::new(None).0.as_verification_key(); 3];
    keys.push(nameless.0.as_verification_key());
    let token = nameless.sign(&without_name, &claims());
    assert!(verify(&token, &CoreJsonWebKeySet::new(keys), &expected()).is_ok());
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
        assert_eq!(verified, Err(Fault::Issuer), "{issuer}");
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
        assert!(is_good || verified == Err(Fault::Audience));
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
        json!(null),
        json!(7),
        json!([NONCE]),
    ] {
        let verified = provider.changed(json!({ "nonce": nonce }));
        assert_eq!(verified, Err(Fault::Nonce), "{nonce}");
    }
}

#[test]
fn it_has_to_name_somebody() {
    let provider = Provider::new(Some("a"));
    let longest = "x".repeat(MOST_SUBJECT_BYTES);
    assert!(provider.changed(json!({ "sub": longest })).is_ok());
    for subject in [
        json!(format!("{longest}x")),
        json!(""),
        json!(null),
        json!(248_289_761_001_u64),
        json!(["1"]),
        json!("a\u{0}b"),
    ] {
        let verified = provider.changed(json!({ "sub": subject }));
        assert_eq!(verified, Err(Fault::Subject), "{subject}");
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
        assert_eq!(verified, Err(Fault::AccessToken), "{algorithm}");
    }
    let provider = Provider::new(Some("a"));
    for hash in [json!(""), json!(7), json!("AAAA")] {
        let verified = provider.changed(json!({ "at_hash": hash }));
        assert_eq!(verified, Err(Fault::AccessToken), "{hash}");
    }
}
