//! What somebody is called here whom a provider calls something else.

use rollcall_events::{ids::Ids, user::Username};

/// How long a username may be.
const MOST_BYTES: usize = 32;
/// Enough that two who are called the same are not called the same again.
const SUFFIX_LENGTH: usize = 6;

const ADJECTIVES: [&str; 32] = [
    "amber", "bold", "brave", "bright", "brisk", "calm", "clear", "clever", "cool", "crisp",
    "eager", "early", "fair", "fleet", "fond", "gentle", "glad", "golden", "keen", "kind", "light",
    "lucky", "mellow", "merry", "nimble", "proud", "quick", "quiet", "rapid", "silver", "sunny",
    "wise",
];
const NOUNS: [&str; 32] = [
    "badger", "beaver", "bison", "crane", "curlew", "dolphin", "eagle", "falcon", "finch", "fox",
    "gecko", "hare", "heron", "ibis", "kestrel", "lark", "lynx", "marten", "mole", "newt", "orca",
    "osprey", "otter", "owl", "plover", "puffin", "raven", "robin", "seal", "stork", "swift",
    "wren",
];

/// The username for a claim: the claim itself if it is one, else what is left of it, or of the e-mail address if there
/// is no claim, else a made-up one.
#[must_use]
pub fn derive(claim: &str, email: &str, ids: Ids) -> Username {
    if let Ok(username) = Username::parse(claim) {
        return username;
    }
    let claim = if claim.is_empty() { email } else { claim };
    let local = claim.rsplit_once('@').map_or(claim, |(local, _)| local);
    let kept: String = local
        .chars()
        .filter(|char| char.is_ascii_alphanumeric() || *char == '-')
        .collect();
    Username::parse(&kept).unwrap_or_else(|_| made_up(ids))
}

/// Another username for somebody whose name is taken: the same, cut if need be, with something after it.
#[must_use]
pub fn numbered(name: &Username, ids: Ids) -> Username {
    let suffix = ids.alphanumeric(SUFFIX_LENGTH).to_ascii_lowercase();
    // The log may hold names of older rules: nothing is known of where their characters end.
    let end = name
        .as_str()
        .floor_char_boundary(MOST_BYTES - SUFFIX_LENGTH - 1);
    let start = name.as_str()[..end].trim_end_matches('-');
    Username::parse(&format!("{start}-{suffix}")).unwrap_or_else(|_| made_up(ids))
}

fn made_up(ids: Ids) -> Username {
    let word = |words: &[&'static str; 32]| words[usize::from(ids.bytes::<1>()[0]) % words.len()];
    // Once is enough: every word is letters.
    loop {
        let name = format!("{}-{}", word(&ADJECTIVES), word(&NOUNS));
        if let Ok(username) = Username::parse(&name) {
            return username;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_username_follows_the_documented_table() {
        let long = "x".repeat(33);
        for (claim, email, expected) in [
            ("ada", "a@example.com", Some("ada")),
            ("Ada-Lovelace", "a@example.com", Some("Ada-Lovelace")),
            ("ada.lovelace", "a@example.com", Some("adalovelace")),
            ("ada lovelace", "a@example.com", Some("adalovelace")),
            ("ada_lovelace", "a@example.com", Some("adalovelace")),
            ("ada@example.com", "a@example.com", Some("ada")),
            ("ada.l@b@example.com", "a@example.com", Some("adalb")),
            ("", "ada.lovelace+x@example.com", Some("adalovelacex")),
            ("", "", None),
            ("Ядвига", "ada@example.com", None),
            ("-", "ada@example.com", None),
            ("ada-", "ada@example.com", None),
            ("a..-..b", "ada@example.com", Some("a-b")),
            ("me", "ada@example.com", None),
            ("new@example.com", "ada@example.com", None),
            (&long, "ada@example.com", None),
            ("@example.com", "ada@example.com", None),
        ] {
            let name = derive(claim, email, Ids);
            match expected {
                Some(expected) => assert_eq!(name.as_str(), expected, "{claim:?}"),
                None => assert!(is_made_up(&name), "{claim:?} became {name}"),
            }
        }
    }

    #[test]
    fn a_taken_name_gets_an_end_of_its_own() {
        for name in [
            "ada",
            "a-b",
            &"x".repeat(32),
            &format!("{}-b", "x".repeat(24)),
        ] {
            let name = Username::parse(name).unwrap();
            let (one, other) = (numbered(&name, Ids), numbered(&name, Ids));
            assert_ne!(one, other);
            assert!(
                one.as_str()
                    .starts_with(&name.as_str()[..3.min(name.as_str().len())])
            );
            assert!(Username::parse(one.as_str()).is_ok(), "{one}");
        }
    }

    #[test]
    fn every_made_up_name_is_one() {
        for adjective in ADJECTIVES {
            for noun in NOUNS {
                assert!(Username::parse(&format!("{adjective}-{noun}")).is_ok());
            }
        }
    }

    fn is_made_up(name: &Username) -> bool {
        name.as_str()
            .split_once('-')
            .is_some_and(|(adjective, noun)| {
                ADJECTIVES.contains(&adjective) && NOUNS.contains(&noun)
            })
    }
}
