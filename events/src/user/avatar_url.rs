//! Where a user's picture is.

use super::InvalidField;
use crate::unicode::is_hidden;

const MOST_BYTES: usize = 2048;

/// The address of a picture: at a web server, or a path at our own; empty when there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AvatarUrl(String);

impl AvatarUrl {
    /// Accepts an address as somebody typed it. No scheme but those of the web: it ends up in pages.
    ///
    /// # Errors
    /// When the value is too long, holds white space, control or invisible characters, or is neither empty, nor a path, nor the
    /// address of something in the web.
    pub fn parse(value: &str) -> Result<Self, InvalidField> {
        let refused = |must| Err(InvalidField::new("avatar_url", "avatar_url", must, value));
        if value.len() > MOST_BYTES {
            return refused("must be at most 2048 bytes long");
        }
        if value.contains(|character: char| character.is_whitespace() || is_hidden(character)) {
            return refused("must hold no white space and no control or invisible characters");
        }
        let is_path = value.starts_with('/') && !value.starts_with("//") && !value.contains('\\');
        let is_web = ["https://", "http://"].iter().any(|scheme| {
            value
                .get(..scheme.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        });
        if value.is_empty() || is_path || is_web {
            Ok(Self(value.to_owned()))
        } else {
            refused("must be empty, a path, or an address that begins with https:// or http://")
        }
    }

    /// As it was given.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_in_the_web_or_at_our_own_server() {
        for good in ["", "https://example.com/a.png", "HTTP://x", "/emojis/1.png"] {
            assert_eq!(AvatarUrl::parse(good).unwrap().into_string(), good);
        }
        let long = format!("/{}", "x".repeat(MOST_BYTES));
        for bad in [
            "javascript:alert(1)",
            "data:image/png;base64,AA",
            "//evil.example/a.png",
            "/\\evil.example",
            "picture.png",
            "https://a b",
            "https://a\n",
            "https://a\u{202e}gnp.b",
            "/a\u{200b}.png",
            &long,
        ] {
            assert_eq!(AvatarUrl::parse(bad).unwrap_err().field, "avatar_url");
        }
    }
}
