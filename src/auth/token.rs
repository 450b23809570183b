//! Tokens: `<id>-<secret>`, ten and twenty-two characters of `[A-Za-z0-9]`. The id is public, the secret is shown
//! once and kept only as its SHA-256.

use std::fmt;

use rollcall_events::{
    ids::Ids,
    user::{SecretHash, SessionId},
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const ID_LENGTH: usize = 10;
const SECRET_LENGTH: usize = 22;

/// A token in the clear. Shows itself only by [`Token::expose`].
pub struct Token {
    id: String,
    secret: String,
}

/// A text that is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token is 10 and 22 letters or digits, with a hyphen between")]
pub struct Malformed;

impl Token {
    /// A new token.
    #[must_use]
    pub fn generate(ids: Ids) -> Self {
        Self {
            id: ids.alphanumeric(ID_LENGTH),
            secret: ids.alphanumeric(SECRET_LENGTH),
        }
    }

    /// Reads a token.
    ///
    /// # Errors
    /// It has not the form of one.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let (id, secret) = text.split_once('-').ok_or(Malformed)?;
        let fits = |part: &str, length| {
            part.len() == length && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        if fits(id, ID_LENGTH) && fits(secret, SECRET_LENGTH) {
            Ok(Self {
                id: id.to_owned(),
                secret: secret.to_owned(),
            })
        } else {
            Err(Malformed)
        }
    }

    /// The public half.
    #[must_use]
    pub fn id(&self) -> SessionId {
        SessionId(self.id.clone())
    }

    /// What is kept of the secret half.
    #[must_use]
    pub fn secret_hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(&self.secret).into())
    }

    /// Whether the secret half is the one that was kept; takes equally long whichever byte differs.
    #[must_use]
    pub fn matches(&self, kept: &[u8; 32]) -> bool {
        self.secret_hash().0.ct_eq(kept).into()
    }

    /// The whole token, to be handed to its owner.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("{}-{}", self.id, self.secret)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Token({}-..)", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_text_and_is_recognised_by_its_hash() {
        let token = Token::generate(Ids);
        let again = Token::parse(&token.expose()).unwrap();
        assert!(again.matches(&token.secret_hash().0));
        assert!(!Token::generate(Ids).matches(&token.secret_hash().0));
    }

    #[test]
    fn debug_shows_no_secret() {
        let token = Token::generate(Ids);
        assert!(!format!("{token:?}").contains(&token.secret));
    }

    #[test]
    fn other_forms_are_no_tokens() {
        let token = Token::generate(Ids).expose();
        for bad in [
            "",
            "-",
            "abc",
            &token[1..],
            &format!("{token}x"),
            &token.replace('-', "_"),
            &format!("{token}-"),
        ] {
            assert_eq!(Token::parse(bad).unwrap_err(), Malformed, "{bad}");
        }
    }
}
