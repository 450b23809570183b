//! Texts without their case and without the ways to encode one character.

use unicode_normalization::{UnicodeNormalization, char::canonical_combining_class};

const DOT_ABOVE: char = '\u{307}';
const DOTLESS_I: char = 'ı';

/// The form in which searches compare texts: any part of a text, in any case, is a part of the text in this form.
///
/// Each character is folded by itself, because the case of a character in a text may depend on its neighbors (a final
/// sigma), which a part does not have. Accents are taken apart (NFD), so that a part that ends before an accent is a
/// part as well. The four letters i of the Turkish languages are one, as nobody can say whose rules a search follows.
///
/// A part begins and ends where a reader would cut: not in the middle of a run of combining characters whose order
/// does not matter.
#[must_use]
pub fn search_key(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut key = String::with_capacity(text.len());
    let mut is_after_i = false;
    for char in text.nfd().flat_map(folded).nfd() {
        if is_after_i && char == DOT_ABOVE {
            continue;
        }
        // A dot is still that of the i if only marks at other places are in between.
        match canonical_combining_class(char) {
            0 => is_after_i = char == 'i',
            230 => is_after_i = false,
            _ => {}
        }
        key.push(char);
    }
    key
}

/// The form in which names and addresses are the same: Unicode's canonical caseless matching, composed (NFC).
#[must_use]
pub fn caseless(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let fold = |char| {
        let (kept, folded) = match char {
            DOTLESS_I => (Some(char), None),
            _ => (None, Some(folded(char))),
        };
        kept.into_iter().chain(folded.into_iter().flatten())
    };
    text.nfd().flat_map(fold).nfc().collect()
}

/// A character in lower case, after its upper case: what has one upper case in common becomes the same. This is full
/// case folding (`ß` is `ss`, `ς` is `σ`), and of `ı` also `i`, whose upper case is `I`.
fn folded(char: char) -> impl Iterator<Item = char> {
    char.to_lowercase()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    /// Characters with a case of their own kind, and marks that go together.
    const ODD: &[&str] = &[
        "ß",
        "ẞ",
        "ς",
        "σ",
        "Σ",
        "ı",
        "İ",
        "i",
        "I",
        "ﬁ",
        "ﬃ",
        "ŉ",
        "ǰ",
        "ΐ",
        "ᾳ",
        "ᾼ",
        "ῇ",
        "Å",
        "K",
        "Ω",
        "ſ",
        "Ꭰ",
        "ꭰ",
        "ა",
        "Ა",
        "ǆ",
        "ǅ",
        "é",
        "e\u{301}",
        "ệ",
        "a\u{323}\u{307}",
        "한",
        "ᄒ",
        "क्षि",
        "𐐀",
        "𞤀",
        " ",
        ".",
        "-",
        "x",
        "Я",
        "漢",
        "\u{200d}",
        "👩🏽‍🚀",
    ];

    fn odd_text() -> impl Strategy<Value = String> {
        vec(prop_oneof![3 => select(ODD).prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from)], 0..12)
            .prop_map(|parts| parts.concat())
    }

    /// Whether a reader would cut before the rest of a text: no combining character comes first.
    fn may_be_cut_before(rest: &str) -> bool {
        let first = rest.nfd().next();
        first.is_none_or(|char| canonical_combining_class(char) == 0)
    }

    fn any_case(text: &str, case: u8) -> String {
        match case {
            0 => text.to_owned(),
            1 => text.to_lowercase(),
            2 => text.to_uppercase(),
            _ => text
                .chars()
                .flat_map(|char| {
                    let (upper, lower) = (char.to_uppercase(), char.to_lowercase());
                    if char.is_lowercase() {
                        upper.collect::<Vec<_>>()
                    } else {
                        lower.collect()
                    }
                })
                .collect(),
        }
    }

    #[test]
    fn a_part_in_another_case_is_found_in_every_script() {
        for (text, part) in [
            ("ΟΔΟΣΑ", "ΟΔΟΣ"),
            ("οδοσα", "ΟΔΟΣ"),
            ("ΟΔΟΣ", "οδος"),
            ("Straße", "STRASS"),
            ("STRASSE", "straße"),
            ("İstanbul", "istanbul"),
            ("İSTANBUL", "istanbul"),
            ("Diyarbakır", "DIYARBAKIR"),
            ("Eﬃe", "EFFIE"),
            ("ᎠᏂ", "ꭰꮒ"),
            ("Łódź", "łÓDŹ"),
            ("José", "Jose\u{301}"),
            ("Jose\u{301}", "JOSÉ"),
            ("Việt", "vi\u{ea}\u{323}t"),
            ("한국", "\u{1112}\u{1161}\u{11ab}"),
        ] {
            let (text_key, part_key) = (search_key(text), search_key(part));
            assert!(text_key.contains(&part_key), "{part} in {text}");
        }
    }

    #[test]
    fn every_character_is_the_same_in_every_case() {
        let has_case = |char: &char| {
            char.to_lowercase()
                .chain(char.to_uppercase())
                .any(|other| other != *char)
        };
        for char in ('\0'..=char::MAX).filter(has_case) {
            let text = String::from(char);
            let key = search_key(&text);
            assert_eq!(search_key(&text.to_uppercase()), key, "{char:?}");
            assert_eq!(search_key(&text.to_lowercase()), key, "{char:?}");
            assert_eq!(search_key(&key), key, "{char:?}");
            let starts = |text: &str| text.nfd().next().map_or(0, canonical_combining_class) == 0;
            assert!(!starts(&text) || starts(&key), "{char:?} folds to a mark");
        }
    }

    #[test]
    fn addresses_are_compared_by_canonical_caseless_matching() {
        assert_eq!(caseless("E\u{301}LODIE"), "élodie");
        assert_eq!(caseless("STRAẞE"), caseless("strasse"));
        assert_ne!(caseless("ı"), caseless("i"));
        assert_ne!(caseless("İ"), caseless("i"));
        assert_ne!(caseless("jose"), caseless("josé"));
    }

    proptest! {
        #[test]
        fn any_part_of_a_text_in_any_case_and_form_is_part_of_its_key(
            text in odd_text(),
            cuts in any::<(prop::sample::Index, prop::sample::Index)>(),
            case in 0..4_u8,
            form in 0..3_u8,
        ) {
            let text: String = if form == 0 { text.nfc().collect() } else { text.nfd().collect() };
            let places: Vec<usize> = text
                .char_indices()
                .map(|(at, _)| at)
                .chain([text.len()])
                .filter(|at| may_be_cut_before(&text[*at..]))
                .collect();
            prop_assume!(!places.is_empty());
            let (one, other) = (places[cuts.0.index(places.len())], places[cuts.1.index(places.len())]);
            let part = any_case(&text[one.min(other)..one.max(other)], case);
            let part: String = if form == 1 { part.nfc().collect() } else { part };
            let key = search_key(&text);
            prop_assert!(key.contains(&search_key(&part)), "{part:?} in {text:?}");
        }

        #[test]
        fn a_part_may_end_before_an_accent(text in odd_text(), cut in any::<prop::sample::Index>()) {
            let text: String = text.nfd().collect();
            let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let part = &text[..ends[cut.index(ends.len())]];
            prop_assert!(search_key(&text).starts_with(&search_key(part)), "{part:?} in {text:?}");
        }

        #[test]
        fn both_encodings_of_a_text_are_the_same(text in any::<String>()) {
            let (composed, apart): (String, String) = (text.nfc().collect(), text.nfd().collect());
            prop_assert_eq!(search_key(&composed), search_key(&apart));
            prop_assert_eq!(caseless(&composed), caseless(&apart));
            prop_assert_eq!(caseless(&caseless(&text)), caseless(&text));
        }
    }
}
