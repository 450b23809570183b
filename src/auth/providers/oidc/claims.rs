//! What claims mean to us. Nothing in them has the type or the length that it should until that was seen.

use rollcall_events::user::{AvatarUrl, DisplayName, EmailAddress};
use serde_json::Value;

use crate::{auth::providers::ProviderError, config::Config};

use super::Claims;

const EMAIL_VERIFIED: &str = "email_verified";
/// Of what a provider calls somebody, as much is looked at.
const MOST_USERNAME_BYTES: usize = 512;

/// How claims are read: what the operator chose.
pub struct ClaimRules {
    username_field: String,
    email_field: String,
    name_field: String,
    ignore_email_verified: bool,
    /// In lower case. None: any.
    domains: Vec<String>,
}

/// What a provider says of somebody.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    /// Vouched for, or we were told to believe it.
    pub email: EmailAddress,
    /// Empty when it does not say.
    pub username: String,
    /// Empty when it does not say.
    pub name: DisplayName,
    /// Empty when it does not say, or says what no page may show.
    pub avatar_url: String,
}

impl ClaimRules {
    /// As the operator chose.
    pub fn new(config: &Config) -> Self {
        Self {
            username_field: config.oidc_username_field.clone(),
            email_field: config.oidc_email_field.clone(),
            name_field: config.oidc_name_field.clone(),
            ignore_email_verified: config.oidc_ignore_email_verified,
            domains: config
                .oidc_email_domains
                .iter()
                .map(|domain| domain.trim().trim_start_matches('@').to_lowercase())
                .collect(),
        }
    }

    /// The claims of an ID token, and over them those of the userinfo. The word that an address is verified counts
    /// for that address alone: it does not go over to another one.
    pub fn merge(&self, mut id_token: Claims, userinfo: Claims) -> Claims {
        let email = userinfo.get(&self.email_field);
        if email.is_some() && email != id_token.get(&self.email_field) {
            id_token.remove(EMAIL_VERIFIED);
        }
        id_token.extend(userinfo);
        id_token
    }

    /// What the claims say.
    ///
    /// # Errors
    /// The e-mail address is missing, is none, is not verified, or is of a domain that may not sign in.
    pub fn read(&self, claims: &Claims) -> Result<Said, ProviderError> {
        let text = |field: &str| claims.get(field).and_then(Value::as_str).unwrap_or("");
        let email = self.email(claims)?;
        if !self.ignore_email_verified && !is_true(claims.get(EMAIL_VERIFIED)) {
            return Err(ProviderError::EmailNotVerified);
        }
        if !self.domains.is_empty() && !self.domains.contains(&email.domain().to_lowercase()) {
            return Err(ProviderError::ForeignDomain);
        }
        let mut username = text(&self.username_field).to_owned();
        username.truncate(username.floor_char_boundary(MOST_USERNAME_BYTES));
        Ok(Said {
            email,
            username,
            name: DisplayName::truncated(text(&self.name_field)),
            avatar_url: AvatarUrl::parse(text("picture"))
                .map(AvatarUrl::into_string)
                .unwrap_or_default(),
        })
    }

    /// The claim with the address; without one, the claim with the username if it is an address.
    fn email(&self, claims: &Claims) -> Result<EmailAddress, ProviderError> {
        let refused = |rule| ProviderError::Claim {
            claim: self.email_field.clone(),
            rule,
        };
        match claims.get(&self.email_field) {
            Some(Value::String(email)) => {
                EmailAddress::parse(email).map_err(|_| refused("must be an e-mail address"))
            }
            None | Some(Value::Null) => claims
                .get(&self.username_field)
                .and_then(Value::as_str)
                .and_then(|username| EmailAddress::parse(username).ok())
                .ok_or_else(|| refused("must not be missing")),
            Some(_) => Err(refused("must be a text")),
        }
    }
}

/// Whether a provider says yes. Some say it as a text or as a number; what is anything else, or nothing, is no.
fn is_true(claim: Option<&Value>) -> bool {
    match claim {
        Some(Value::Bool(yes)) => *yes,
        Some(Value::String(text)) => text == "true",
        Some(Value::Number(number)) => number.as_u64() == Some(1),
        None | Some(Value::Null | Value::Array(_) | Value::Object(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules(config: &Config) -> ClaimRules {
        ClaimRules::new(config)
    }

    fn claims(value: Value) -> Claims {
        serde_json::from_value(value).unwrap()
    }

    fn verified() -> Claims {
        claims(json!({ "email": "ada@corp.com", "email_verified": true }))
    }

    fn status(said: Result<Said, ProviderError>) -> u16 {
        said.map_or_else(|error| error.status(), |_| 200)
    }

    #[test]
    fn everything_that_a_provider_says_is_read() {
        let mut claims = verified();
        claims.extend(self::claims(json!({
            "preferred_username": "ada", "name": "  Ada Lovelace\u{7} ", "picture": "https://example.com/ada.png",
        })));
        let said = rules(&Config::default()).read(&claims).unwrap();
        let expected = Said {
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
        let claims = claims(json!({
            "mail": "ada@corp.com", "email": "eve@corp.com", "email_verified": true,
            "nickname": "ada", "preferred_username": "eve", "display": "Ada", "name": "Eve",
        }));
        let said = rules.read(&claims).unwrap();
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
            let mut claims = verified();
            claims.insert(EMAIL_VERIFIED.to_owned(), claim.clone());
            let expected = if is_verified { 200 } else { 403 };
            let rules = rules(&Config::default());
            assert_eq!(status(rules.read(&claims)), expected, "{claim}");
        }
        let mut claims = verified();
        claims.remove(EMAIL_VERIFIED);
        assert_eq!(status(rules(&Config::default()).read(&claims)), 403);
    }

    #[test]
    fn an_operator_may_believe_addresses_that_nobody_verified() {
        let rules = rules(&Config {
            oidc_ignore_email_verified: true,
            ..Config::default()
        });
        for claim in [json!(false), json!(null), json!({})] {
            let mut claims = verified();
            claims.insert(EMAIL_VERIFIED.to_owned(), claim);
            assert!(rules.read(&claims).is_ok());
        }
    }

    #[test]
    fn an_address_is_a_text_and_an_address() {
        for (email, username, expected) in [
            (json!("ada@corp.com"), json!("x"), 200),
            (json!(null), json!("ada@corp.com"), 200),
            (json!(null), json!("ada"), 400),
            (json!(null), json!(7), 400),
            (json!(""), json!("ada@corp.com"), 400),
            (json!("ada"), json!("ada@corp.com"), 400),
            (json!(7), json!("ada@corp.com"), 400),
            (json!(true), json!("ada@corp.com"), 400),
            (json!(["ada@corp.com"]), json!("ada@corp.com"), 400),
            (json!({ "a": "ada@corp.com" }), json!("ada@corp.com"), 400),
        ] {
            let claims = claims(json!({
                "email": email, "preferred_username": username, "email_verified": true,
            }));
            let said = rules(&Config::default()).read(&claims);
            assert_eq!(status(said), expected, "{email} {username}");
        }
        let claims =
            claims(json!({ "preferred_username": "ada@corp.com", "email_verified": true }));
        let said = rules(&Config::default()).read(&claims).unwrap();
        assert_eq!(said.email.as_str(), "ada@corp.com");
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
            let mut claims = verified();
            claims.insert("email".to_owned(), json!(email));
            let said = rules.read(&claims);
            if let Err(error) = &said {
                assert!(!error.to_string().to_lowercase().contains("corp"));
            }
            assert_eq!(status(said), expected, "{email}");
        }
    }

    #[test]
    fn the_userinfo_wins() {
        let rules = rules(&Config::default());
        let id_token = claims(json!({
            "sub": "1", "email": "old@corp.com", "email_verified": false, "name": "Old", "picture": "/old.png",
        }));
        let userinfo = claims(json!({
            "sub": "1", "email": "new@corp.com", "email_verified": true, "name": "New",
        }));
        let said = rules.read(&rules.merge(id_token, userinfo)).unwrap();
        assert_eq!(said.email.as_str(), "new@corp.com");
        assert_eq!(
            (said.name.as_str(), said.avatar_url.as_str()),
            ("New", "/old.png")
        );
    }

    #[test]
    fn lesson_7_an_address_is_not_verified_by_the_word_on_another() {
        let rules = rules(&Config::default());
        let userinfo = claims(json!({ "sub": "1", "email": "victim@corp.com" }));
        let said = rules.read(&rules.merge(verified(), userinfo));
        assert_eq!(status(said), 403);
        let userinfo = claims(json!({ "sub": "1", "email": "ada@corp.com" }));
        let said = rules.read(&rules.merge(verified(), userinfo));
        assert_eq!(status(said), 200);
    }

    #[test]
    fn what_has_no_use_or_no_end_is_cut_or_left_out() {
        let rules = rules(&Config::default());
        let long = "x".repeat(1_000_000);
        for value in [json!(long), json!(7), json!(null), json!(["x"])] {
            let mut claims = verified();
            for field in ["name", "preferred_username", "picture"] {
                claims.insert(field.to_owned(), value.clone());
            }
            let said = rules.read(&claims).unwrap();
            assert!(said.name.as_str().len() <= 128);
            assert!(said.username.len() <= MOST_USERNAME_BYTES);
            assert_eq!(said.avatar_url, "");
        }
        for bad in [
            "javascript:alert(1)",
            "data:text/html,x",
            "//evil.example/x",
        ] {
            let mut claims = verified();
            claims.insert("picture".to_owned(), json!(bad));
            assert_eq!(rules.read(&claims).unwrap().avatar_url, "");
        }
    }
}
