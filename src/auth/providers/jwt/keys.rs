//! The keys by which a provider signs (RFC 7517). A key that cannot be used never keeps the others from being used.
//!
//! `openidconnect` verifies the signatures, except by keys that it does not know: P-521, and RSA of more than 4,096 bits.

use base64::{
    Engine,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use openidconnect::{
    AccessToken, AccessTokenHash, JsonWebKey, JwsSigningAlgorithm, SignatureVerificationError,
    core::{CoreJsonCurveType as Curve, CoreJsonWebKey, CoreJwsSigningAlgorithm},
};
use p521::ecdsa::signature::Verifier;
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents,
};
use serde_json::Value;

use crate::auth::providers::{Cause, json::Object};

/// How many of the keys that may have signed a token are tried.
const MAX_TRIED: usize = 16;
/// The bounds of an RSA modulus, in bits. RFC 7518, section 3.3 asks for 2,048 at least.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// The largest RSA modulus that `openidconnect` takes, in bits.
const LIBRARY_RSA_BITS: usize = 4096;

/// How a token is signed.
pub type Algorithm = CoreJwsSigningAlgorithm;

/// The algorithm with this name, if tokens may be signed by it: by a key whose secret half only the provider has.
/// `Ed25519` is the name that RFC 9864 gives to `EdDSA` with a key of that curve.
pub fn algorithm(name: &str) -> Option<Algorithm> {
    let name = if name == "Ed25519" { "EdDSA" } else { name };
    let algorithm: Algorithm = serde_json::from_value(name.into()).ok()?;
    let is_asymmetric = algorithm.key_type().is_some() && !algorithm.uses_shared_secret();
    is_asymmetric.then_some(algorithm)
}

/// The keys of a provider.
#[derive(Default)]
pub struct KeySet {
    keys: Vec<Key>,
    /// What is wrong with each of the others.
    unusable: Vec<Cause>,
}

/// A key that can be used.
pub struct Key {
    id: Option<String>,
    /// The only algorithm that it is for: that of its curve, or the one that it names.
    only: Option<Algorithm>,
    public: CoreJsonWebKey,
    /// The key once more, if the library does not verify by it.
    unknown_to_library: Option<Unknown>,
}

enum Unknown {
    P521(Box<p521::ecdsa::VerifyingKey>),
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

impl KeySet {
    /// Reads a JWK set.
    ///
    /// # Errors
    /// It has no list of keys.
    pub fn read(set: &Object) -> Result<Self, Cause> {
        let keys = match set.value("keys")? {
            Some(Value::Array(keys)) => keys,
            Some(_) => return Err(Cause::new("its `keys` are not a list")),
            None => return Err(Cause::new("its `keys` are missing")),
        };
        let mut read = Self::default();
        for (index, key) in keys.iter().enumerate() {
            match Key::read(key) {
                Ok(key) => read.keys.push(key),
                Err(cause) => {
                    let name = key.get("kid").and_then(Value::as_str);
                    let name = name.map_or_else(
                        || format!("number {}", index + 1),
                        |id| format!("{id:.40?}"),
                    );
                    read.unusable
                        .push(Cause::new(format_args!("key {name} {cause}")));
                }
            }
        }
        Ok(read)
    }

    /// How many of the keys can have signed a token that is believed.
    pub fn usable(&self) -> usize {
        self.keys.len()
    }

    /// Why the other keys cannot be used.
    pub fn unusable(&self) -> &[Cause] {
        &self.unusable
    }

    /// The key that made this signature: one of those with this id, or one of all if there is none.
    pub fn verify(
        &self,
        algorithm: &Algorithm,
        id: Option<&str>,
        message: &[u8],
        signature: &[u8],
    ) -> Option<&Key> {
        self.candidates(algorithm, id)
            .take(MAX_TRIED)
            .find(|key| key.verify(algorithm, message, signature))
    }

    /// Why none of the keys verifies a token with this header.
    pub fn why_not(&self, algorithm: &Algorithm, id: Option<&str>) -> String {
        let tried = self.candidates(algorithm, id).count();
        let named = id.map_or_else(String::new, |id| format!(" with the id {id:.100?}"));
        match tried {
            0 => format!(
                "of {} usable keys, none{named} fits its algorithm",
                self.keys.len()
            ),
            _ => format!(
                "its signature is not by any of the {tried} keys{named} that fit its algorithm"
            ),
        }
    }

    fn candidates(&self, algorithm: &Algorithm, id: Option<&str>) -> impl Iterator<Item = &Key> {
        self.keys
            .iter()
            .filter(move |key| key.fits(algorithm) && (id.is_none() || id == key.id.as_deref()))
    }
}

impl Key {
    fn read(key: &Value) -> Result<Self, Cause> {
        let key = Object::try_from(key)?;
        let lenient = |name: &str| key.text(name).ok().flatten();
        if let Some(usage) = lenient("use")
            && !usage.eq_ignore_ascii_case("sig")
        {
            return Err(Cause::new("is not for signatures"));
        }
        if key
            .texts("key_ops")
            .is_some_and(|operations| !operations.iter().any(|it| it == "verify"))
        {
            return Err(Cause::new("is not for verifying"));
        }
        let named = lenient("alg")
            .map(|name| {
                algorithm(&name)
                    .ok_or_else(|| Cause::new(format_args!("is for the algorithm {name:.40?}")))
            })
            .transpose()?;
        let mut read = match key.required_text("kty")?.as_str() {
            "RSA" => rsa(&key)?,
            "EC" => curve(&key)?,
            "OKP" => edwards(&key)?,
            other => return Err(Cause::new(format_args!("is of the kind {other:.40?}"))),
        };
        if named.as_ref().is_some_and(|named| !read.fits(named)) {
            return Err(Cause::new("is of another kind than its `alg`"));
        }
        read.only = named.or(read.only);
        read.id = lenient("kid");
        Ok(read)
    }

    fn new(public: CoreJsonWebKey, only: Option<Algorithm>) -> Self {
        Self {
            id: None,
            only,
            public,
            unknown_to_library: None,
        }
    }

    fn fits(&self, algorithm: &Algorithm) -> bool {
        algorithm.key_type().as_ref() == Some(self.public.key_type())
            && self.only.as_ref().is_none_or(|only| only == algorithm)
    }

    /// The hash of an access token that comes with a token signed by this key (OpenID Connect Core 1.0, section 3.1.3.6).
    pub fn access_token_hash(&self, algorithm: &Algorithm, token: &str) -> Option<String> {
        let token = AccessToken::new(token.to_owned());
        AccessTokenHash::from_token(&token, algorithm, &self.public)
            .ok()
            .map(|hash| hash.to_string())
    }

    fn verify(&self, algorithm: &Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match &self.unknown_to_library {
            None => self
                .public
                .verify_signature(algorithm, message, signature)
                .is_ok(),
            Some(Unknown::P521(key)) => p521::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Some(Unknown::Rsa { n, e }) => parameters(algorithm).is_some_and(|parameters| {
                RsaPublicKeyComponents { n, e }
                    .verify(parameters, message, signature)
                    .is_ok()
            }),
        }
    }
}

fn rsa(key: &Object) -> Result<Key, Cause> {
    let (n, e) = (number(key, "n")?, number(key, "e")?);
    let zeros = n.first().map_or(0, |byte| byte.leading_zeros() as usize);
    let bits = n.len() * 8 - zeros;
    if !RSA_BITS.contains(&bits) {
        return Err(Cause::new(format_args!(
            "is an RSA key of {bits} bits, and {} to {} can be used",
            RSA_BITS.start(),
            RSA_BITS.end()
        )));
    }
    let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
    let is_exponent = is_odd(&e) && e != [1] && e.len() <= 4;
    if !is_odd(&n) || !is_exponent {
        return Err(Cause::new("is no RSA key"));
    }
    let public = CoreJsonWebKey::new_rsa(n.clone(), e.clone(), None);
    let mut key = Key::new(public, None);
    key.unknown_to_library = (bits > LIBRARY_RSA_BITS).then_some(Unknown::Rsa { n, e });
    Ok(key)
}

fn parameters(algorithm: &Algorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        Algorithm::RsaSsaPkcs1V15Sha256 => Some(&RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RsaSsaPkcs1V15Sha384 => Some(&RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RsaSsaPkcs1V15Sha512 => Some(&RSA_PKCS1_2048_8192_SHA512),
        Algorithm::RsaSsaPssSha256 => Some(&RSA_PSS_2048_8192_SHA256),
        Algorithm::RsaSsaPssSha384 => Some(&RSA_PSS_2048_8192_SHA384),
        Algorithm::RsaSsaPssSha512 => Some(&RSA_PSS_2048_8192_SHA512),
        _ => None,
    }
}

fn curve(key: &Object) -> Result<Key, Cause> {
    let name = key.required_text("crv")?;
    let (curve, algorithm, size): (_, _, usize) = match name.as_str() {
        "P-256" => (Curve::P256, Algorithm::EcdsaP256Sha256, 32),
        "P-384" => (Curve::P384, Algorithm::EcdsaP384Sha384, 48),
        "P-521" => (Curve::P521, Algorithm::EcdsaP521Sha512, 66),
        other => return Err(Cause::new(format_args!("is of the curve {other:.40?}"))),
    };
    let coordinate = |name: &str| -> Result<Vec<u8>, Cause> {
        let bytes = number(key, name)?;
        let missing = size.checked_sub(bytes.len());
        let missing =
            missing.ok_or_else(|| Cause::new(format_args!("has a `{name}` that is too long")))?;
        Ok([vec![0; missing], bytes].concat())
    };
    let (x, y) = (coordinate("x")?, coordinate("y")?);
    let point = [&[4], &*x, &*y].concat();
    let public = CoreJsonWebKey::new_ec(x, y, curve, None);
    let mut key = Key::new(public, Some(algorithm.clone()));
    if algorithm == Algorithm::EcdsaP521Sha512 {
        let point = p521::ecdsa::VerifyingKey::from_sec1_bytes(&point);
        let point = point.map_err(|_| Cause::new("is no point of its curve"))?;
        key.unknown_to_library = Some(Unknown::P521(Box::new(point)));
    }
    // No signature is empty: this asks only whether the key is one.
    match key.public.verify_signature(&algorithm, &[], &[]) {
        Err(SignatureVerificationError::InvalidKey(_)) => {
            Err(Cause::new("is no point of its curve"))
        }
        _ => Ok(key),
    }
}

fn edwards(key: &Object) -> Result<Key, Cause> {
    let curve = key.required_text("crv")?;
    if curve != "Ed25519" {
        return Err(Cause::new(format_args!("is of the curve {curve:.40?}")));
    }
    let x = decoded(key, "x")?;
    let point = ed25519_dalek::VerifyingKey::try_from(&*x);
    if !point.is_ok_and(|point| !point.is_weak()) {
        return Err(Cause::new("is no point of its curve"));
    }
    let public = CoreJsonWebKey::new_okp(x, Curve::Ed25519, None);
    Ok(Key::new(public, Some(Algorithm::EdDsa)))
}

/// An unsigned number, without zeros at its start.
fn number(key: &Object, name: &str) -> Result<Vec<u8>, Cause> {
    let bytes = decoded(key, name)?;
    let start = bytes.iter().position(|byte| *byte != 0);
    Ok(start.map_or_else(Vec::new, |start| bytes[start..].to_vec()))
}

/// Bytes in base64, of either alphabet, with or without padding and line breaks: keys are often copied from PEM files.
fn decoded(key: &Object, name: &str) -> Result<Vec<u8>, Cause> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &URL_SAFE,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let text: String = key
        .required_text(name)?
        .chars()
        .filter(|char| !char.is_ascii_whitespace())
        .map(|char| match char {
            '+' => '-',
            '/' => '_',
            other => other,
        })
        .collect();
    LENIENT
        .decode(text)
        .map_err(|_| Cause::new(format_args!("has a `{name}` that is not base64")))
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use serde_json::json;

    use super::*;

    /// A P-521 key and a signature of RFC 6979, appendix A.2.7: of the text `sample`, with SHA-512.
    const P521_X: &str = "01894550D0785932E00EAA23B694F213F8C3121F86DC97A04E5A7167DB4E5BCD371123D46E45DB6B5D5370A7F20FB633155D38FFA16D2BD761DCAC474B9A2F5023A4";
    const P521_Y: &str = "00493101C962CD4D2FDDF782285E64584139C2F91B47F87FF82354D6630F746A28A0DB25741B5B34A828008B22ACC23F924FAAFBD4D33F81EA66956DFEAA2BFDFCF5";
    const P521_SIGNATURE: &str = "00C328FAFCBD79DD77850370C46325D987CB525569FB63C5D3BC53950E6D4C5F174E25A1EE9017B5D450606ADD152B534931D7D4E8455CC91F9B15BF05EC36E377FA00617CCE7CF5064806C467F678D3B4080D6F1CC50AF26CA209417308281B68AF282623EAA63E5B5C0723D8B8C37FF0777B1A20F8CCB1DCCC43997F1EE0E44DA4A67A";

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect()
    }

    fn set(keys: &Value) -> KeySet {
        KeySet::read(&Object::try_from(&json!({ "keys": keys })).unwrap()).unwrap()
    }

    fn base64(bytes: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn modulus(bits: usize) -> Vec<u8> {
        let mut n = vec![0xFF; bits.div_ceil(8)];
        n[0] = 0xFF >> (n.len() * 8 - bits);
        n
    }

    fn p521() -> Value {
        json!({ "kty": "EC", "crv": "P-521", "kid": "a", "x": base64(&bytes(P521_X)), "y": base64(&bytes(P521_Y)) })
    }

    fn ed25519(x: &[u8]) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "x": base64(x) })
    }

    #[test]
    fn es512_is_verified() {
        let keys = set(&json!([p521()]));
        let signature = bytes(P521_SIGNATURE);
        let verify = |algorithm, message: &[u8], signature: &[u8]| {
            keys.verify(&algorithm, Some("a"), message, signature)
                .is_some()
        };
        assert!(verify(Algorithm::EcdsaP521Sha512, b"sample", &signature));
        assert!(!verify(Algorithm::EcdsaP521Sha512, b"Sample", &signature));
        assert!(!verify(Algorithm::EcdsaP384Sha384, b"sample", &signature));
        assert!(!verify(
            Algorithm::EcdsaP521Sha512,
            b"sample",
            &signature[1..]
        ));
        assert!(!verify(Algorithm::EcdsaP521Sha512, b"sample", &[0; 132]));
    }

    /// Made with OpenSSL.
    #[test]
    fn an_rsa_key_that_the_library_refuses_is_verified_all_the_same() {
        let vector: Value = serde_json::from_str(include_str!("rsa_5120.json")).unwrap();
        let keys = set(&json!([vector["key"]]));
        let message = vector["message"].as_str().unwrap().as_bytes();
        for (name, signature) in vector["signatures"].as_object().unwrap() {
            let name = algorithm(name).unwrap();
            let signature = URL_SAFE_NO_PAD.decode(signature.as_str().unwrap()).unwrap();
            assert!(keys.verify(&name, None, message, &signature).is_some());
            assert!(keys.verify(&name, None, b"Sample", &signature).is_none());
            let other = Algorithm::RsaSsaPkcs1V15Sha512;
            assert!(keys.verify(&other, None, message, &signature).is_none());
        }
    }

    #[test]
    fn base64_of_any_kind_is_understood() {
        let mut key = p521();
        let (x, y) = (bytes(P521_X), bytes(P521_Y));
        let padded = STANDARD.encode(&x);
        let (start, end) = padded.split_at(64);
        for (x, y) in [
            (padded.clone(), STANDARD.encode(&y)),
            (format!("{start}\r\n{end}\n"), base64(&y)),
            // Without the zeros at its start, or with more of them.
            (base64(&x), base64(&y[1..])),
            (base64(&x), base64(&[&[0, 0], y.as_slice()].concat())),
        ] {
            key["x"] = json!(x);
            key["y"] = json!(y);
            let keys = set(&json!([key]));
            let message = b"sample";
            assert!(
                keys.verify(
                    &Algorithm::EcdsaP521Sha512,
                    None,
                    message,
                    &bytes(P521_SIGNATURE)
                )
                .is_some(),
                "{x}"
            );
        }
    }

    #[test]
    fn an_rsa_key_has_2048_bits_at_least() {
        for (bits, is_usable) in [
            (512, false),
            (1024, false),
            (2047, false),
            (2048, true),
            (3072, true),
            (4096, true),
            (8192, true),
            (8200, false),
        ] {
            let n = modulus(bits);
            for n in [n.clone(), [vec![0], n].concat()] {
                let keys = set(&json!([{ "kty": "RSA", "n": base64(&n), "e": "AQAB" }]));
                assert_eq!(keys.usable() == 1, is_usable, "{bits}");
                let why: Vec<String> = keys.unusable().iter().map(ToString::to_string).collect();
                assert!(
                    is_usable || why[0].contains(&format!("{bits} bits")),
                    "{why:?}"
                );
            }
        }
    }

    #[test]
    fn a_key_that_cannot_be_used_is_named_and_leaves_the_others_alone() {
        let n = base64(&modulus(2048));
        for (bad, words) in [
            (json!(null), "not an object"),
            (json!("key"), "not an object"),
            (json!({}), "`kty` is missing"),
            (json!({ "kty": 7 }), "`kty` is a number"),
            (json!({ "kty": "oct", "k": "c2VjcmV0" }), "kind \"oct\""),
            (json!({ "kty": "AKP", "alg": "ML-DSA-44" }), "ML-DSA-44"),
            (json!({ "kty": "RSA", "n": n }), "`e` is missing"),
            (
                json!({ "kty": "RSA", "n": "%%", "e": "AQAB" }),
                "`n` that is not base64",
            ),
            (json!({ "kty": "RSA", "n": n, "e": "AQ" }), "no RSA key"),
            (json!({ "kty": "RSA", "n": n, "e": "AA" }), "no RSA key"),
            (
                json!({ "kty": "RSA", "n": n, "e": "AQAB", "use": "enc" }),
                "not for signatures",
            ),
            (
                json!({ "kty": "RSA", "n": n, "e": "AQAB", "key_ops": ["encrypt"] }),
                "not for verifying",
            ),
            (
                json!({ "kty": "RSA", "n": n, "e": "AQAB", "alg": "RSA-OAEP" }),
                "RSA-OAEP",
            ),
            (
                json!({ "kty": "RSA", "n": n, "e": "AQAB", "alg": "ES256" }),
                "another kind",
            ),
            (
                json!({ "kty": "EC", "crv": "secp256k1", "x": "AQ", "y": "AQ" }),
                "secp256k1",
            ),
            (
                json!({ "kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ" }),
                "no point",
            ),
            (
                json!({ "kty": "EC", "crv": "P-256", "x": n, "y": "AQ" }),
                "too long",
            ),
            (
                json!({ "kty": "OKP", "crv": "X25519", "x": "AQ" }),
                "X25519",
            ),
            (ed25519(&[1; 31]), "no point"),
            // Of small order: it verifies almost anything.
            (ed25519(&[0; 32]), "no point"),
        ] {
            let keys = set(&json!([bad, p521(), bad]));
            assert_eq!(keys.usable(), 1, "{bad}");
            let signature = bytes(P521_SIGNATURE);
            let by = keys.verify(
                &Algorithm::EcdsaP521Sha512,
                Some("a"),
                b"sample",
                &signature,
            );
            assert!(by.is_some());
            let why: Vec<String> = keys.unusable().iter().map(ToString::to_string).collect();
            assert!(why.len() == 2 && why[0].contains(words), "{bad}: {why:?}");
        }
    }

    #[test]
    fn what_a_key_says_in_vain_does_not_matter() {
        for (name, value) in [
            ("use", json!(null)),
            ("use", json!("SIG")),
            ("key_ops", json!(["verify"])),
            ("key_ops", json!(null)),
            ("alg", json!("")),
            ("alg", json!("ES512")),
            ("x5c", json!([7])),
            ("kid", json!(7)),
            ("exp", json!(1e300)),
        ] {
            let mut key = p521();
            key[name] = value;
            assert_eq!(set(&json!([key])).usable(), 1, "{key}");
        }
    }

    #[test]
    fn a_set_is_a_list() {
        for (set, words) in [
            (json!({}), "missing"),
            (json!({ "keys": null }), "missing"),
            (json!({ "keys": {} }), "not a list"),
        ] {
            let cause = KeySet::read(&Object::try_from(&set).unwrap())
                .err()
                .unwrap();
            assert!(cause.to_string().contains(words), "{set}: {cause}");
        }
    }
}
