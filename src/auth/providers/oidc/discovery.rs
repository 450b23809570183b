//! What a provider says of itself.

use oauth2::AuthType;
use openidconnect::{
    AdditionalProviderMetadata, ProviderMetadata, UserInfoUrl,
    core::{
        CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType,
        CoreJsonWebKey, CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm,
        CoreJweKeyManagementAlgorithm, CoreResponseMode, CoreResponseType,
        CoreSubjectIdentifierType,
    },
    url::Url,
};
use serde::{Deserialize, Serialize};

use crate::auth::providers::{ProviderError, Trouble, application::Endpoints, client::Client};

const DOCUMENT: &str = "/.well-known/openid-configuration";

type Metadata = ProviderMetadata<
    WithPkce,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// What OAuth adds to the discovery document.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct WithPkce {
    code_challenge_methods_supported: Option<Vec<String>>,
}

impl AdditionalProviderMetadata for WithPkce {}

/// Of a discovery document, what we need.
pub struct Discovered {
    /// Where browsers are sent, and codes traded.
    pub endpoints: Endpoints,
    /// Where its keys are.
    pub keys: String,
    /// Where it says what it knows of a person.
    pub userinfo: Option<String>,
    /// Whether it takes challenges. Only who says that it does not is spared them.
    pub with_pkce: bool,
}

/// Where the discovery document of an issuer is.
pub fn address(issuer: &str) -> String {
    format!("{}{DOCUMENT}", issuer.trim_end_matches('/'))
}

/// Reads the discovery document of an issuer.
pub async fn discover(client: &Client, issuer: &str) -> Result<Discovered, ProviderError> {
    let metadata = client.get_json::<Metadata>(&address(issuer), None).await;
    metadata
        .and_then(|metadata| discovered(&metadata, issuer))
        .map_err(|source| ProviderError::Unavailable {
            what: "its discovery document",
            source,
        })
}

/// Reads the keys by which a provider signs.
pub async fn keys(client: &Client, url: &str) -> Result<CoreJsonWebKeySet, ProviderError> {
    let keys = client.get_json(url, None).await;
    keys.map_err(|source| ProviderError::Unavailable {
        what: "its keys",
        source,
    })
}

fn discovered(metadata: &Metadata, issuer: &str) -> Result<Discovered, Trouble> {
    if metadata.issuer().as_str() != issuer {
        return Err(Trouble::new(format_args!(
            "it calls itself {:?}, and the configuration calls it {issuer:?}",
            metadata.issuer().as_str()
        )));
    }
    let token = metadata
        .token_endpoint()
        .ok_or_else(|| Trouble::new("it names no token endpoint"))?;
    let userinfo = metadata.userinfo_endpoint();
    let urls = [
        Some(metadata.authorization_endpoint().url()),
        Some(token.url()),
        Some(metadata.jwks_uri().url()),
        userinfo.map(UserInfoUrl::url),
    ];
    for url in urls.into_iter().flatten() {
        check(url, issuer)?;
    }
    let challenges = &metadata
        .additional_metadata()
        .code_challenge_methods_supported;
    Ok(Discovered {
        with_pkce: challenges
            .as_ref()
            .is_none_or(|methods| methods.iter().any(|method| method == "S256")),
        keys: metadata.jwks_uri().url().to_string(),
        userinfo: userinfo.map(|endpoint| endpoint.url().to_string()),
        endpoints: Endpoints {
            authorize: metadata.authorization_endpoint().clone(),
            token: token.clone(),
            auth_type: auth_type(metadata),
        },
    })
}

/// What is begun by https goes on by https. Only a provider on this very machine may be without.
fn check(url: &Url, issuer: &str) -> Result<(), Trouble> {
    let is_local = issuer.starts_with("http://");
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_local => Ok(()),
        _ => Err(Trouble::new(format_args!(
            "it names an address that is not https: {url}"
        ))),
    }
}

/// In a header, as every provider must take it that says nothing else.
fn auth_type(metadata: &Metadata) -> AuthType {
    let methods = metadata.token_endpoint_auth_methods_supported();
    let takes = |method| methods.is_some_and(|methods| methods.contains(&method));
    if takes(CoreClientAuthMethod::ClientSecretPost)
        && !takes(CoreClientAuthMethod::ClientSecretBasic)
    {
        AuthType::RequestBody
    } else {
        AuthType::BasicAuth
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ISSUER: &str = "https://accounts.example.com/realm";

    fn document() -> Value {
        json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://accounts.example.com/authorize?policy=a",
            "token_endpoint": "https://accounts.example.com/token",
            "userinfo_endpoint": "https://accounts.example.com/userinfo",
            "jwks_uri": "https://keys.example.com/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "XY999"],
        })
    }

    fn read(document: Value) -> Result<Discovered, Trouble> {
        discovered(&serde_json::from_value(document).unwrap(), ISSUER)
    }

    fn with(name: &str, value: Value) -> Result<Discovered, Trouble> {
        let mut document = document();
        document[name] = value;
        read(document)
    }

    #[test]
    fn a_document_names_the_endpoints() {
        let discovered = read(document()).unwrap();
        assert_eq!(discovered.keys, "https://keys.example.com/keys");
        let userinfo = discovered.userinfo.unwrap();
        assert_eq!(userinfo, "https://accounts.example.com/userinfo");
    }

    #[test]
    fn the_issuer_is_compared_to_the_letter() {
        for other in [
            "https://accounts.example.com/realm/",
            "https://accounts.example.com/Realm",
            "https://accounts.example.com",
            "https://evil.example",
        ] {
            assert!(with("issuer", json!(other)).is_err(), "{other}");
        }
    }

    #[test]
    fn what_begins_by_https_goes_on_by_https() {
        for endpoint in [
            "authorization_endpoint",
            "token_endpoint",
            "userinfo_endpoint",
            "jwks_uri",
        ] {
            for bad in ["http://accounts.example.com/x", "file:///etc/passwd"] {
                assert!(with(endpoint, json!(bad)).is_err(), "{endpoint} {bad}");
            }
        }
    }

    #[test]
    fn challenges_are_sent_unless_the_provider_says_it_takes_none() {
        let name = "code_challenge_methods_supported";
        for (methods, with_pkce) in [
            (Value::Null, true),
            (json!(["S256"]), true),
            (json!(["plain", "S256"]), true),
            (json!(["plain"]), false),
            (json!([]), false),
        ] {
            assert_eq!(with(name, methods).unwrap().with_pkce, with_pkce);
        }
    }

    #[test]
    fn the_secret_is_sent_as_the_provider_wants_it() {
        let name = "token_endpoint_auth_methods_supported";
        for (methods, in_body) in [
            (Value::Null, false),
            (json!(["client_secret_basic", "client_secret_post"]), false),
            (json!(["client_secret_post"]), true),
            (json!(["private_key_jwt"]), false),
        ] {
            let auth_type = with(name, methods).unwrap().endpoints.auth_type;
            assert_eq!(matches!(auth_type, AuthType::RequestBody), in_body);
        }
    }
}
