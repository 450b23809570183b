//! The discovery document of a provider (OpenID Connect Discovery 1.0). Only what is used is required of it.

use reqwest::Url;

use crate::auth::providers::{
    Cause, ProviderError,
    application::Endpoints,
    client::{Client, without_query},
    json::Object,
    jwt::{self, KeySet},
};

const PATH: &str = "/.well-known/openid-configuration";

/// What is used of a discovery document.
pub struct Discovered {
    /// Where browsers are sent and codes are exchanged.
    pub endpoints: Endpoints,
    /// Where the keys are.
    pub keys: Url,
    /// Where the claims about a user are, if they are asked for.
    pub userinfo: Option<Url>,
    /// Whether the provider takes S256 challenges. One that does not say so is taken to.
    pub takes_challenges: bool,
    /// What `rollcall doctor` remarks on.
    pub remarks: Remarks,
}

/// What an operator should know of a provider before anybody signs in.
#[derive(Default)]
pub struct Remarks {
    /// The address that sent the document, if the first one redirected.
    pub redirected_to: Option<String>,
    /// Whether the document begins with a byte order mark.
    pub has_bom: bool,
    /// Why it cannot be used, by what it says of itself.
    pub obstacles: Vec<String>,
}

/// How discovery documents are read: what the operator chose.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// The issuer, as it is configured.
    pub issuer: &'a str,
    /// Whether endpoints may be http although the issuer is https.
    pub allow_http: bool,
    /// Whether the userinfo endpoint is not used.
    pub ignore_userinfo: bool,
}

/// The address of an issuer's discovery document.
pub fn address(issuer: &str) -> String {
    format!("{}{PATH}", issuer.trim_end_matches('/'))
}

/// Reads the discovery document of an issuer.
pub async fn discover(client: &Client, options: Options<'_>) -> Result<Discovered, ProviderError> {
    let document = async {
        let url = Url::parse(&address(options.issuer)).map_err(Cause::new)?;
        let response = client.get(&url).await?;
        let document = response.object()?;
        let mut discovered = discovered(&document, options)?;
        if response.url != url {
            discovered.remarks.redirected_to = Some(without_query(&response.url));
        }
        Ok(discovered)
    };
    document.await.map_err(|source| ProviderError::Unavailable {
        what: "its discovery document",
        source,
    })
}

/// Reads the keys by which a provider signs.
pub async fn keys(client: &Client, url: &Url) -> Result<KeySet, ProviderError> {
    let keys = async { KeySet::read(&client.get(url).await?.object()?) };
    keys.await.map_err(|source| ProviderError::Unavailable {
        what: "its keys",
        source,
    })
}

fn discovered(document: &Object, options: Options<'_>) -> Result<Discovered, Cause> {
    let issuer = document.required_text("issuer")?;
    if issuer != options.issuer {
        return Err(Cause::new(format_args!(
            "it calls itself {issuer:?}, and the configuration calls it {:?}",
            options.issuer
        )));
    }
    let required = |name: &str| endpoint(name, &document.required_text(name)?, options);
    let userinfo = if options.ignore_userinfo {
        None
    } else {
        document.text("userinfo_endpoint")?
    };
    Ok(Discovered {
        endpoints: Endpoints {
            authorize: required("authorization_endpoint")?,
            token: required("token_endpoint")?,
            secret_in_form: secret_in_form(document),
        },
        keys: required("jwks_uri")?,
        userinfo: userinfo
            .map(|text| endpoint("userinfo_endpoint", &text, options))
            .transpose()?,
        takes_challenges: document
            .texts("code_challenge_methods_supported")
            .is_none_or(|methods| methods.iter().any(|method| method == "S256")),
        remarks: Remarks {
            redirected_to: None,
            has_bom: document.has_bom(),
            obstacles: obstacles(document),
        },
    })
}

/// What begins by https goes on by https, unless the operator allows http.
fn endpoint(name: &str, text: &str, options: Options<'_>) -> Result<Url, Cause> {
    let url = Url::parse(text)
        .map_err(|error| Cause::new(format_args!("its `{name}` is not a URL ({error})")))?;
    let is_http_allowed = options.allow_http || options.issuer.starts_with("http://");
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_http_allowed => Ok(url),
        _ => Err(Cause::new(format_args!(
            "its `{name}` is not https: {}",
            without_query(&url)
        ))),
    }
}

/// In the header, unless the provider takes secrets in the form alone. The header is the default of the standard.
fn secret_in_form(document: &Object) -> bool {
    let methods = document.texts("token_endpoint_auth_methods_supported");
    let takes = |method: &str| {
        let methods = methods.as_ref();
        methods.is_some_and(|methods| methods.iter().any(|it| it == method))
    };
    takes("client_secret_post") && !takes("client_secret_basic")
}

/// What a provider would have to offer so that users can sign in, and says that it does not.
fn obstacles(document: &Object) -> Vec<String> {
    let mut obstacles = Vec::new();
    let mut expect = |name: &str, is_good: &dyn Fn(&str) -> bool, wanted: &str| {
        let values = document.texts(name).unwrap_or_default();
        if !values.is_empty() && !values.iter().any(|value| is_good(value)) {
            obstacles.push(format!(
                "its `{name}` are {}, and {wanted}",
                values.join(", ")
            ));
        }
    };
    expect(
        "id_token_signing_alg_values_supported",
        &|name| jwt::algorithm(name).is_some(),
        "ID tokens are verified by public keys only (RS, PS, ES, EdDSA)",
    );
    expect(
        "response_types_supported",
        &|value| value == "code",
        "only the code flow is used",
    );
    expect(
        "response_modes_supported",
        &|value| value == "query",
        "only the mode query is used",
    );
    expect(
        "token_endpoint_auth_methods_supported",
        &|value| matches!(value, "client_secret_basic" | "client_secret_post"),
        "the client authenticates by its secret only (client_secret_basic, client_secret_post)",
    );
    obstacles
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const OPTIONS: Options<'static> = Options {
        issuer: "https://accounts.example.com/realm",
        allow_http: false,
        ignore_userinfo: false,
    };

    fn document() -> Value {
        json!({
            "issuer": OPTIONS.issuer,
            "authorization_endpoint": "https://accounts.example.com/authorize?policy=a",
            "token_endpoint": "https://accounts.example.com/token",
            "userinfo_endpoint": "https://accounts.example.com/userinfo",
            "jwks_uri": "https://keys.example.com/keys",
        })
    }

    fn read(document: &Value, options: Options<'_>) -> Result<Discovered, Cause> {
        discovered(&Object::try_from(document).unwrap(), options)
    }

    fn with(name: &str, value: Value) -> Result<Discovered, Cause> {
        let mut document = document();
        document[name] = value;
        read(&document, OPTIONS)
    }

    fn cause(read: Result<Discovered, Cause>) -> String {
        read.err().unwrap().to_string()
    }

    #[test]
    fn a_document_names_the_endpoints() {
        let discovered = read(&document(), OPTIONS).unwrap();
        assert_eq!(discovered.keys.as_str(), "https://keys.example.com/keys");
        let userinfo = discovered.userinfo.unwrap();
        assert_eq!(userinfo.as_str(), "https://accounts.example.com/userinfo");
        assert!(discovered.remarks.obstacles.is_empty());
    }

    #[test]
    fn only_what_is_used_is_required() {
        for (name, value) in [
            ("subject_types_supported", json!(null)),
            ("response_types_supported", json!("code")),
            ("id_token_signing_alg_values_supported", json!([])),
            ("scopes_supported", json!({ "openid": true })),
            ("claims_supported", json!(7)),
            ("userinfo_endpoint", json!("")),
            ("userinfo_endpoint", json!(null)),
            ("end_session_endpoint", json!("")),
            ("registration_endpoint", json!("nowhere")),
            ("service_documentation", json!(["a", 1e300])),
            ("token_endpoint_auth_methods_supported", json!(null)),
        ] {
            assert!(with(name, value.clone()).is_ok(), "{name} {value}");
        }
        let without = Options {
            ignore_userinfo: true,
            ..OPTIONS
        };
        let mut document = document();
        document["userinfo_endpoint"] = json!(7);
        assert!(read(&document, without).unwrap().userinfo.is_none());
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for name in [
            "issuer",
            "authorization_endpoint",
            "token_endpoint",
            "jwks_uri",
        ] {
            for bad in [json!(null), json!(""), json!(7), json!([]), json!("here")] {
                let cause = cause(with(name, bad.clone()));
                let is_named = cause.contains(name) || (name == "issuer" && cause.contains("here"));
                assert!(is_named, "{name} {bad}: {cause}");
            }
        }
        assert!(cause(with("userinfo_endpoint", json!(7))).contains("userinfo_endpoint"));
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
    fn what_begins_by_https_goes_on_by_https_unless_http_is_allowed() {
        for endpoint in [
            "authorization_endpoint",
            "token_endpoint",
            "userinfo_endpoint",
            "jwks_uri",
        ] {
            let mut document = document();
            for (bad, is_http) in [
                ("http://accounts.example.com/x", true),
                ("file:///etc/passwd", false),
            ] {
                document[endpoint] = json!(bad);
                let cause = cause(read(&document, OPTIONS));
                assert!(
                    cause.contains(endpoint) && cause.contains("https"),
                    "{cause}"
                );
                let allowing = Options {
                    allow_http: true,
                    ..OPTIONS
                };
                assert_eq!(
                    read(&document, allowing).is_ok(),
                    is_http,
                    "{endpoint} {bad}"
                );
            }
        }
    }

    #[test]
    fn a_provider_takes_challenges_unless_it_says_that_it_does_not() {
        for (methods, takes_challenges) in [
            (Value::Null, true),
            (json!(["S256"]), true),
            (json!("S256"), true),
            (json!(["plain", "S256"]), true),
            (json!(["plain"]), false),
            (json!([]), false),
        ] {
            let discovered = with("code_challenge_methods_supported", methods).unwrap();
            assert_eq!(discovered.takes_challenges, takes_challenges);
        }
    }

    #[test]
    fn the_secret_is_sent_as_the_provider_wants_it() {
        let name = "token_endpoint_auth_methods_supported";
        for (methods, in_form) in [
            (Value::Null, false),
            (json!(["client_secret_basic", "client_secret_post"]), false),
            (json!(["client_secret_post"]), true),
            (json!(["private_key_jwt"]), false),
        ] {
            let endpoints = with(name, methods).unwrap().endpoints;
            assert_eq!(endpoints.secret_in_form, in_form);
        }
    }

    #[test]
    fn a_provider_that_cannot_fit_says_so_before_anybody_signs_in() {
        for (name, values, words) in [
            (
                "id_token_signing_alg_values_supported",
                json!(["HS256"]),
                "HS256",
            ),
            (
                "response_types_supported",
                json!(["id_token", "code token"]),
                "code flow",
            ),
            (
                "response_modes_supported",
                json!(["form_post"]),
                "form_post",
            ),
            (
                "token_endpoint_auth_methods_supported",
                json!(["private_key_jwt"]),
                "private_key_jwt",
            ),
        ] {
            let obstacles = with(name, values).unwrap().remarks.obstacles;
            assert!(
                obstacles.len() == 1 && obstacles[0].contains(words),
                "{obstacles:?}"
            );
        }
    }

    /// From public copies of these documents, reduced to the fields that are read. The names in Cognito's are made up.
    #[test]
    fn the_documents_of_well_known_providers_are_read() {
        let documents: Value =
            serde_json::from_str(include_str!("discovery/documents.json")).unwrap();
        for (provider, secret_in_form, wrong) in [
            ("google", false, None),
            ("entra, any tenant", false, Some("it calls itself")),
            ("apple", true, None),
            ("twitch", true, None),
            ("cognito", false, None),
            ("linkedin", false, None),
            ("slack", false, None),
            ("gitlab", false, None),
            ("facebook", false, Some("`token_endpoint` is missing")),
        ] {
            let document = &documents[provider];
            let issuer = document["issuer"].as_str().unwrap();
            let issuer = issuer.replace("{tenantid}", "common");
            let options = Options {
                issuer: &issuer,
                ..OPTIONS
            };
            match (read(document, options), wrong) {
                (Ok(discovered), None) => {
                    assert!(discovered.takes_challenges, "{provider}");
                    assert!(discovered.remarks.obstacles.is_empty(), "{provider}");
                    assert_eq!(
                        discovered.endpoints.secret_in_form, secret_in_form,
                        "{provider}"
                    );
                }
                (read, wrong) => {
                    let cause = cause(read);
                    assert!(
                        wrong.is_some_and(|wrong| cause.contains(wrong)),
                        "{provider}: {cause}"
                    );
                }
            }
        }
        assert_eq!(documents.as_object().unwrap().len(), 9);
    }
}
