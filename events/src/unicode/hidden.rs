//! Characters that nobody sees: with them, one name can look like another, or show its letters in another order.
//!
//! Some scripts and emoji need a few of them, at certain places: there they change what is seen, and are accepted.
//! Unicode says where: joiners by the rules of RFC 5892 (appendix A.1 and A.2) and within emoji sequences (UTS 51),
//! selectors of variants after what has variants.

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{
        DefaultIgnorableCodePoint, ExtendedPictographic, GeneralCategory, JoiningType,
        PrependedConcatenationMark, UnifiedIdeograph,
    },
};
use unicode_normalization::char::canonical_combining_class;

const NON_JOINER: char = '\u{200c}';
const JOINER: char = '\u{200d}';
const KEYCAP: char = '\u{20e3}';
const BLACK_FLAG: char = '\u{1f3f4}';
const END_OF_TAGS: char = '\u{e007f}';

/// The first character that is not seen and has no place where it stands. Controls, line breaks and tabs are among them; the separators of
/// lines and paragraphs are white space.
#[must_use]
pub fn hidden_character(text: &str) -> Option<char> {
    if text.is_ascii() {
        return text.chars().find(char::is_ascii_control);
    }
    let chars: Vec<char> = text.chars().collect();
    let is_out_of_place = |at: &usize| is_hidden(chars[*at]) && !has_its_place(&chars, *at);
    (0..chars.len()).find(is_out_of_place).map(|at| chars[at])
}

/// The text without what [`hidden_character`] finds.
#[must_use]
pub fn without_hidden(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let kept = (0..chars.len()).filter(|at| !is_hidden(chars[*at]) || has_its_place(&chars, *at));
    let mut seen: String = kept.map(|at| chars[at]).collect();
    // What went may have been what gave another its place.
    if hidden_character(&seen).is_some() {
        seen.retain(|char| !is_hidden(char));
    }
    seen
}

/// Whether a character is not seen by itself: controls, formats, what Unicode lets programs ignore, and blank symbols.
#[must_use]
pub fn is_hidden(char: char) -> bool {
    if char.is_ascii() {
        return char.is_ascii_control();
    }
    match CodePointMapData::<GeneralCategory>::new().get(char) {
        GeneralCategory::Control => true,
        GeneralCategory::Format => {
            !CodePointSetData::new::<PrependedConcatenationMark>().contains(char)
        }
        _ => {
            CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(char)
                || is_blank_symbol(char)
                || is_no_character(char)
        }
    }
}

/// The Braille pattern without dots, and the note without a head.
fn is_blank_symbol(char: char) -> bool {
    matches!(char, '\u{2800}' | '\u{1d159}')
}

/// What Unicode will never assign.
fn is_no_character(char: char) -> bool {
    matches!(char, '\u{fdd0}'..='\u{fdef}') || u32::from(char) & 0xfffe == 0xfffe
}

/// Whether the hidden character there changes what is seen of its neighbors.
fn has_its_place(chars: &[char], at: usize) -> bool {
    let (before, after) = (&chars[..at], &chars[at + 1..]);
    let Some(last) = before.last().copied() else {
        return chars[at] == JOINER && joins_backward(after);
    };
    match chars[at] {
        NON_JOINER => is_virama(last) || (joins_forward(before) && joins_backward(after)),
        JOINER => {
            is_virama(last)
                || joins_forward(before)
                || joins_backward(after)
                || (last.is_alphabetic() && after.first().copied().is_some_and(is_virama))
                || (is_emoji(before) && after.first().copied().is_some_and(is_pictographic))
        }
        // Variants of ideographs, and of Myanmar letters.
        '\u{fe00}'..='\u{fe0d}' => is_ideograph(last) || matches!(last, '\u{1000}'..='\u{109f}'),
        // As a text, as an emoji: only pictures are both, and digits on a key.
        '\u{fe0e}' | '\u{fe0f}' => {
            is_pictographic(last)
                || (matches!(last, '0'..='9' | '#' | '*') && after.first() == Some(&KEYCAP))
        }
        '\u{e0100}'..='\u{e01ef}' => is_ideograph(last),
        // Variants of Mongolian letters, and the gap before their last vowel.
        '\u{180b}'..='\u{180f}' => matches!(last, '\u{1820}'..='\u{18aa}'),
        '\u{e0020}'..=END_OF_TAGS => is_in_flag(chars, at),
        _ => false,
    }
}

/// A sign that joins the consonant before it to the next one.
fn is_virama(char: char) -> bool {
    canonical_combining_class(char) == 9
}

/// Whether a text ends in a letter that joins the next one, as in Arabic.
fn joins_forward(before: &[char]) -> bool {
    let joining = CodePointMapData::<JoiningType>::new();
    let mut kinds = before.iter().rev().map(|char| joining.get(*char));
    let last = kinds.find(|kind| *kind != JoiningType::Transparent);
    last.is_some_and(|kind| [JoiningType::LeftJoining, JoiningType::DualJoining].contains(&kind))
}

/// Whether a text begins with a letter that joins the one before.
fn joins_backward(after: &[char]) -> bool {
    let joining = CodePointMapData::<JoiningType>::new();
    let mut kinds = after.iter().map(|char| joining.get(*char));
    let first = kinds.find(|kind| *kind != JoiningType::Transparent);
    first.is_some_and(|kind| [JoiningType::RightJoining, JoiningType::DualJoining].contains(&kind))
}

/// Whether a text ends in an emoji, perhaps with a color of skin or shown as a picture.
fn is_emoji(text: &[char]) -> bool {
    let is_modifier = |char: &&char| matches!(char, '\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}');
    let base = text.iter().rev().find(|char| !is_modifier(char));
    base.copied().is_some_and(is_pictographic)
}

fn is_pictographic(char: char) -> bool {
    CodePointSetData::new::<ExtendedPictographic>().contains(char)
}

fn is_ideograph(char: char) -> bool {
    CodePointSetData::new::<UnifiedIdeograph>().contains(char)
}

/// Whether a tag belongs to the flag of a region: a black flag, the region's code in tags, and the end.
fn is_in_flag(chars: &[char], at: usize) -> bool {
    let is_tag = |char: &char| matches!(char, '\u{e0020}'..=END_OF_TAGS);
    let start = chars[..at].iter().rposition(|char| !is_tag(char));
    let Some(flag) = start.filter(|flag| chars[*flag] == BLACK_FLAG) else {
        return false;
    };
    let tags: Vec<char> = chars[flag + 1..]
        .iter()
        .copied()
        .take_while(is_tag)
        .collect();
    let Some((END_OF_TAGS, code)) = tags.split_last().map(|(end, code)| (*end, code)) else {
        return false;
    };
    let is_code =
        |char: &char| matches!(char, '\u{e0030}'..='\u{e0039}' | '\u{e0061}'..='\u{e007a}');
    (3..=6).contains(&code.len()) && code.iter().all(is_code)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn characters_that_nobody_sees_are_found() {
        for hidden in [
            '\0',
            '\t',
            '\n',
            '\u{7f}',
            '\u{85}',
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{115f}',
            '\u{17b4}',
            '\u{180e}',
            '\u{200b}',
            '\u{200c}',
            '\u{200d}',
            '\u{200e}',
            '\u{200f}',
            '\u{202a}',
            '\u{202b}',
            '\u{202c}',
            '\u{202d}',
            '\u{202e}',
            '\u{2060}',
            '\u{2061}',
            '\u{2066}',
            '\u{2067}',
            '\u{2068}',
            '\u{2069}',
            '\u{206f}',
            '\u{2800}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{fff9}',
            '\u{ffff}',
            '\u{1bca0}',
            '\u{1d159}',
            '\u{1d173}',
            '\u{e0001}',
            '\u{e0041}',
            '\u{e0100}',
            '\u{10ffff}',
        ] {
            assert!(is_hidden(hidden), "{hidden:?}");
            let name = format!("Ada{hidden}Lovelace");
            assert_eq!(hidden_character(&name), Some(hidden));
            assert_eq!(without_hidden(&name), "AdaLovelace");
        }
    }

    #[test]
    fn what_scripts_and_emoji_need_is_accepted_where_they_need_it() {
        for name in [
            "می\u{200c}خواهم",
            "ക്\u{200d}ഷ",
            "മോഹന്\u{200d}",
            "শর্\u{200c}মা",
            "র\u{200d}\u{9cd}যাব",
            "ක්\u{200d}රි",
            "葛\u{e0100}城",
            "Ada 👩🏽\u{200d}🚀",
            "👨\u{200d}👩\u{200d}👧",
            "🏳\u{fe0f}\u{200d}🌈",
            "Ada ❤\u{fe0f}",
            "1\u{fe0f}\u{20e3}",
            "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
            "\u{1820}\u{180b}\u{1828}\u{180e}\u{1820}",
            "Zoë Ångström",
            "\u{600}123",
        ] {
            assert_eq!(hidden_character(name), None, "{name}");
            assert_eq!(without_hidden(name), name);
        }
    }

    #[test]
    fn the_same_characters_are_found_anywhere_else() {
        for name in [
            "Ada\u{200d}",
            "\u{200c}Ada",
            "ا\u{200c}ب",
            "👩\u{200d}",
            "👩\u{200d}\u{200d}🚀",
            "A\u{fe0f}",
            "1\u{fe0f}",
            "A\u{e0100}",
            "🏴\u{e0067}\u{e0062}",
            "🏴\u{e0067}\u{e007f}",
            "🚀\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
            "ä\u{180b}",
        ] {
            assert!(hidden_character(name).is_some(), "{name:?}");
            assert_eq!(hidden_character(&without_hidden(name)), None, "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_left(text in "[a\u{200d}\u{200c}\u{fe0f}👩🏽🏴\u{e0067}\u{e007f}\u{628}\u{915}\u{94d}\u{202e}]{0,12}") {
            prop_assert_eq!(hidden_character(&without_hidden(&text)), None);
        }

        #[test]
        fn nothing_that_is_seen_is_lost(text in any::<String>()) {
            let seen = |text: &str| text.chars().filter(|char| !is_hidden(*char)).collect::<String>();
            prop_assert_eq!(seen(&without_hidden(&text)), seen(&text));
        }
    }
}
