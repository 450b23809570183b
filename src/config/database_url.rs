//! The address of a Postgres server, which carries a password.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

use super::{
    secret::{HIDDEN, Secret},
    text::{Refused, as_text},
};

/// What a query may show. Everything else in it is hidden, so that a new way to carry a secret is
/// hidden too.
const SHOWN: [&str; 8] = [
    "application_name",
    "dbname",
    "host",
    "port",
    "sslmode",
    "sslrootcert",
    "ssl-mode",
    "user",
];

/// `postgres://user:password@host/database?options`: printed or serialized, the password is
/// `(hidden)`.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(Secret);

impl DatabaseUrl {
    /// The whole URL, password included. Give it to the driver, and to nothing that might print it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Whether printing it hides something.
    pub(super) fn holds_secret(&self) -> bool {
        self.to_string() != self.expose()
    }

    /// The scheme, the part before the host (if any), host and path, and the query (if any).
    fn parts(&self) -> Option<(&str, Option<&str>, &str, Option<&str>)> {
        let (scheme, rest) = self.expose().split_once("://")?;
        let (rest, query) = split_optional(rest, '?');
        let authority = rest.find('/').unwrap_or(rest.len());
        match rest[..authority].rfind('@') {
            Some(at) => Some((scheme, Some(&rest[..at]), &rest[at + 1..], query)),
            None => Some((scheme, None, rest, query)),
        }
    }
}

fn split_optional(text: &str, separator: char) -> (&str, Option<&str>) {
    text.split_once(separator)
        .map_or((text, None), |(before, after)| (before, Some(after)))
}

impl FromStr for DatabaseUrl {
    type Err = Refused;

    /// Checks no more than is needed to hide the password with certainty: the driver knows the
    /// rest. A `@` outside its place means that a password holds `/`, `?` or `#` unescaped, and
    /// what is meant then cannot be told.
    fn from_str(text: &str) -> Result<Self, Refused> {
        let url = Self(Secret::new(text.trim().to_owned()));
        let (scheme, _, rest, query) = url.parts().ok_or(Refused)?;
        let known = matches!(scheme, "postgres" | "postgresql");
        let misplaced = rest.contains('@') || query.is_some_and(|query| query.contains('@'));
        let printed = url.expose().contains(HIDDEN);
        if !known || misplaced || printed || url.expose().contains(['#', ' ']) {
            Err(Refused)
        } else {
            Ok(url)
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, user, rest, query)) = self.parts() else {
            return f.write_str(HIDDEN);
        };
        write!(f, "{scheme}://")?;
        match user.map(|user| split_optional(user, ':')) {
            Some((user, Some(_))) => write!(f, "{user}:{HIDDEN}@")?,
            Some((user, None)) => write!(f, "{user}@")?,
            None => {}
        }
        f.write_str(rest)?;
        let pairs = query.into_iter().flat_map(|query| query.split('&'));
        for (place, pair) in pairs.enumerate() {
            f.write_str(if place == 0 { "?" } else { "&" })?;
            match pair.split_once('=') {
                Some((name, _)) if !SHOWN.contains(&name) => write!(f, "{name}={HIDDEN}")?,
                _ => f.write_str(pair)?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

as_text!(DatabaseUrl);

/// Writes the URL as it is. The flags are a source of configuration like the file, and there the
/// password is needed.
#[expect(
    clippy::ref_option,
    reason = "serde calls it with a reference to the field"
)]
pub(super) fn serialize_exposed<S: Serializer>(
    url: &Option<DatabaseUrl>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    url.as_ref().map(DatabaseUrl::expose).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_url_hides_what_is_secret_and_shows_the_rest() {
        for (given, shown) in [
            (
                "postgres://ada:swordfish@db:5432/roll",
                "postgres://ada:(hidden)@db:5432/roll",
            ),
            (
                "postgres://ada:sword@fish@db/roll",
                "postgres://ada:(hidden)@db/roll",
            ),
            (
                "postgresql://ada@db/roll?sslmode=require",
                "postgresql://ada@db/roll?sslmode=require",
            ),
            (
                "postgres:///roll?host=/run/pg&password=swordfish",
                "postgres:///roll?host=/run/pg&password=(hidden)",
            ),
            (
                "postgres://db?%70assword=swordfish",
                "postgres://db?%70assword=(hidden)",
            ),
        ] {
            let url: DatabaseUrl = given.parse().unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), shown);
            assert_eq!(serde_json::to_value(&url).unwrap(), shown);
            assert_eq!(url.expose(), given);
        }
    }

    #[test]
    fn a_url_whose_password_could_not_be_hidden_is_refused() {
        for bad in [
            "",
            "db",
            "mysql://db/roll",
            "postgres://ada:12/fish@db/roll",
            "postgres://ada:12?fish@db/roll",
            "postgres://ada:12#fish@db/roll",
            "postgres://ada:(hidden)@db/roll",
        ] {
            assert!(
                bad.parse::<DatabaseUrl>().is_err(),
                "{bad:?} was taken for a database URL"
            );
        }
    }
}
