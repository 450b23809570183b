//! The username of a user whom a provider calls something else.

use rollcall_events::{ids::Ids, user::Username};

/// The longest username.
const MAX_BYTES: usize = 32;
/// The digits after a name that is taken: enough that the next user of that name gets others.
const DIGITS: usize = 6;
/// How many numbers these digits have.
const NUMBERS: u64 = 1_000_000;

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

/// The username nearest to a claim: the claim itself if it is one; else its letters, digits and single hyphens (or those of
/// the e-mail address if there is no claim), cut to 32; a number behind it if that is a reserved word. Only when nothing is
/// left it is made up.
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
    let nearest = joined(&kept, MAX_BYTES);
    match Username::parse(&nearest) {
        Ok(username) => username,
        Err(_) if nearest.is_empty() => made_up(ids),
        Err(_) => with_number(&nearest, ids),
    }
}

/// Another username for a user whose name is taken: the same, cut if need be, with a number behind it.
#[must_use]
pub fn numbered(name: &Username, ids: Ids) -> Username {
    with_number(name.as_str(), ids)
}

fn with_number(name: &str, ids: Ids) -> Username {
    let start = joined(name, MAX_BYTES - DIGITS - 1);
    let number = u64::from_le_bytes(ids.bytes()) % NUMBERS;
    Username::parse(&format!("{start}-{number:0DIGITS$}")).unwrap_or_else(|_| made_up(ids))
}

/// The groups of a name, joined by single hyphens, as far as they fit. The log may hold names of older rules: nothing is
/// known of where their characters end.
fn joined(name: &str, max_bytes: usize) -> String {
    let groups: Vec<&str> = name.split('-').filter(|group| !group.is_empty()).collect();
    let mut joined = groups.join("-");
    joined.truncate(joined.floor_char_boundary(max_bytes));
    joined.truncate(joined.trim_end_matches('-').len());
    joined
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
        let long = "x".repeat(39);
        let hyphens = format!("{}-{}", "x".repeat(31), "y".repeat(7));
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
            ("ada-", "ada@example.com", Some("ada")),
            ("-ada", "ada@example.com", Some("ada")),
            ("Chagui-", "ada@example.com", Some("Chagui")),
            ("a--b---c", "ada@example.com", Some("a-b-c")),
            ("7up", "ada@example.com", Some("7up")),
            ("__init__", "ada@example.com", Some("init")),
            ("José.Ñandú", "ada@example.com", Some("Josand")),
            ("a..-..b", "ada@example.com", Some("a-b")),
            (&long, "ada@example.com", Some(&long[..32])),
            (&hyphens, "ada@example.com", Some(&hyphens[..31])),
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
    fn a_reserved_word_gets_a_number() {
        for (claim, start) in [
            ("me", "me-"),
            ("new@example.com", "new-"),
            ("OIDC-", "OIDC-"),
        ] {
            let name = derive(claim, "ada@example.com", Ids);
            let number = name.as_str().strip_prefix(start);
            assert!(number.is_some_and(|it| it.parse::<u32>().is_ok()), "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_claim_has_a_username_that_begins_as_it_does(claim in "\\PC{0,60}") {
            let kept: String = claim
                .rsplit_once('@')
                .map_or(claim.as_str(), |(local, _)| local)
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .collect();
            let name = derive(&claim, "", Ids);
            proptest::prop_assert!(Username::parse(name.as_str()).is_ok());
            let first: String = name.as_str().chars().filter(char::is_ascii_alphanumeric).take(8).collect();
            let is_near = kept.is_empty() || kept.starts_with(&first) || first.starts_with(&kept);
            proptest::prop_assert!(is_near, "{} became {}", claim, name);
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
