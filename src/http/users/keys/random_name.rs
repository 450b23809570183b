//! Names for API tokens whose makers give none: easier to tell apart, and to tell somebody, than the tokens' ids.

use rollcall_events::{
    ids::Ids,
    user::{InvalidField, TokenName},
};

const ADJECTIVES: [&str; 48] = [
    "amber", "ample", "arctic", "brave", "breezy", "bright", "calm", "candid", "clever", "copper",
    "coral", "crisp", "curious", "dapper", "eager", "early", "fabled", "fair", "gentle", "golden",
    "handy", "hardy", "humble", "ivory", "jolly", "keen", "lively", "lucid", "mellow", "merry",
    "mossy", "nimble", "noble", "patient", "placid", "proud", "quick", "quiet", "ready", "rustic",
    "sage", "silver", "steady", "sunny", "swift", "tidal", "vivid", "witty",
];
const NOUNS: [&str; 48] = [
    "acorn", "anchor", "anvil", "badger", "basil", "beacon", "birch", "bison", "canyon", "cedar",
    "clover", "comet", "condor", "cricket", "delta", "ember", "falcon", "fern", "fjord", "garnet",
    "glacier", "harbor", "heron", "island", "juniper", "kestrel", "lagoon", "lantern", "lark",
    "lichen", "maple", "marten", "meadow", "nutmeg", "orchard", "otter", "pebble", "plover",
    "prairie", "quartz", "raven", "river", "saffron", "sparrow", "thistle", "tundra", "walnut",
    "willow",
];

/// Such as `quiet_otter_7`.
///
/// # Errors
/// Never: each word is fit for a name.
pub fn random_name(ids: Ids) -> Result<TokenName, InvalidField> {
    let adjective = one_of(&ADJECTIVES, ids);
    let noun = one_of(&NOUNS, ids);
    let digit = ids.below(10);
    TokenName::parse(&format!("{adjective}_{noun}_{digit}"))
}

fn one_of(words: &[&'static str; 48], ids: Ids) -> &'static str {
    let index = ids.below(words.len() as u64);
    usize::try_from(index)
        .ok()
        .and_then(|index| words.get(index))
        .unwrap_or(&words[0])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_word_occurs_once_and_is_fit_for_a_name() {
        for words in [ADJECTIVES, NOUNS] {
            assert_eq!(BTreeSet::from(words).len(), words.len());
            for word in words {
                assert!(TokenName::parse(word).is_ok(), "{word}");
                assert!(word.bytes().all(|byte| byte.is_ascii_lowercase()), "{word}");
            }
        }
    }

    #[test]
    fn names_differ() {
        let names: BTreeSet<String> = (0..20)
            .map(|_| random_name(Ids).unwrap().as_str().to_owned())
            .collect();
        assert!(names.len() > 10, "{names:?}");
    }
}
