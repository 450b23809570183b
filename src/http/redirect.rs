//! Where a browser is sent on after signing in: always a place of ours, whatever the address asks for. That is on our own
//! origin, and below the path of the access URL if it has one.
//!
//! A browser reads much that is no path as the name of a host: `//evil.example`, `/\evil.example`, and either with a tab
//! in between. So nothing is taken over as it stands: what is kept begins with exactly one slash, is no dot and no slash
//! after that, encoded or not, and holds only characters that mean the same to everybody.

use std::fmt::Write as _;

use super::normalize_path::below;

/// Where to go when there is nowhere in particular to go, or nowhere that can be trusted.
const HOME: &str = "/";
/// A longer target is nobody's bookmark.
const MOST_BYTES: usize = 2048;

/// The path, query and fragment of `target`, on our own origin and below `base`, which is added where it is missing.
///
/// A host is dropped and its path kept, so that our own full address is as good as its path. What cannot be read with
/// certainty becomes the start page.
#[must_use]
pub fn own_path(base: &str, target: &str) -> String {
    let path = path_of(target);
    if base.is_empty() {
        return path;
    }
    let rest = below(&path, base).unwrap_or(&path);
    format!("{base}{}", path_of(rest))
}

fn path_of(target: &str) -> String {
    if target.len() > MOST_BYTES || target.contains(|char: char| char.is_control()) {
        return HOME.to_owned();
    }
    let rest = without_origin(target.trim_matches(' ')).unwrap_or_default();
    let path_end = rest.find(['?', '#']).unwrap_or(rest.len());
    let (path, beyond) = rest.split_at(path_end);
    let path = path.trim_start_matches('/');
    if is_ambiguous(path) {
        return HOME.to_owned();
    }
    // What is encoded already stays as it is.
    encoded(&format!("/{path}{beyond}"), b"-._~!$&'()*+,;=:@/?#%[]")
}

/// What follows scheme and host, or nothing for what has a scheme and yet no host, such as `javascript:`.
fn without_origin(target: &str) -> Option<&str> {
    let first = target.find(['/', '?', '#', '\\']).unwrap_or(target.len());
    let after_scheme = match target[..first].find(':') {
        Some(colon) => {
            let is_web = ["http", "https"]
                .iter()
                .any(|scheme| target[..colon].eq_ignore_ascii_case(scheme));
            let rest = &target[colon + 1..];
            (is_web && rest.starts_with("//")).then_some(rest)?
        }
        None => target,
    };
    Some(
        after_scheme
            .strip_prefix("//")
            .map_or(after_scheme, |rest| {
                rest.find(['/', '?', '#']).map_or("", |end| &rest[end..])
            }),
    )
}

/// Whether somebody on the way could read this path as another one: backslashes are slashes to browsers, dots are
/// resolved, and some proxies do both after decoding.
fn is_ambiguous(path: &str) -> bool {
    let decoded = path
        .to_ascii_lowercase()
        .replace("%2f", "/")
        .replace("%5c", "\\")
        .replace("%2e", ".");
    let has_dots = decoded.split('/').any(|part| part == "." || part == "..");
    decoded.starts_with('/') || decoded.contains('\\') || has_dots
}

/// A text as the value of a query parameter.
#[must_use]
pub fn as_parameter(text: &str) -> String {
    encoded(text, b"-._~")
}

/// A text in letters, digits and the other characters that are `allowed`.
fn encoded(text: &str, allowed: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || allowed.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;

    const OURS: &str = "https://rollcall.example";

    /// Where a browser goes that is sent there from our sign-in page.
    fn followed(target: &str) -> Url {
        let page = Url::parse(&format!("{OURS}/login")).expect("an address");
        page.join(target).expect("an address")
    }

    #[test]
    fn a_path_on_our_own_origin_is_kept_with_query_and_fragment() {
        for target in [
            "/",
            "/cli-auth",
            "/api/v2/users?q=status:active&limit=10#top",
            "/a//b/",
            "/?next=//evil.example",
            "/login?redirect=https://evil.example",
            "/#//evil.example",
            "/%41%20b",
        ] {
            assert_eq!(own_path("", target), target);
        }
    }

    #[test]
    fn nobody_leaves_the_base() {
        for (target, path) in [
            ("", "/sub/"),
            ("/", "/sub/"),
            ("/sub", "/sub/"),
            ("/sub?a", "/sub/?a"),
            ("/sub/cli-auth?a#b", "/sub/cli-auth?a#b"),
            ("/cli-auth", "/sub/cli-auth"),
            ("https://rollcall.example/sub/cli-auth", "/sub/cli-auth"),
            ("/subway", "/sub/subway"),
            ("/other/app", "/sub/other/app"),
            ("//evil.example/x", "/sub/x"),
            ("/sub//evil.example", "/sub/"),
            ("/sub/\\evil.example", "/sub/"),
            ("/sub/../x", "/sub/"),
            ("javascript:alert(1)", "/sub/"),
        ] {
            assert_eq!(own_path("/sub", target), path, "{target}");
        }
    }

    #[test]
    fn of_a_full_address_the_path_is_kept() {
        for (target, path) in [
            ("https://rollcall.example/cli-auth?a=b#c", "/cli-auth?a=b#c"),
            ("HTTP://rollcall.example:8080/cli-auth", "/cli-auth"),
            ("https://ada:secret@evil.example/x", "/x"),
            ("//evil.example/x", "/x"),
            ("//evil.example?x", "/?x"),
            ("https://evil.example", "/"),
            ("https://evil", "/"),
            ("//evil.example", "/"),
            ("//evil.example\\@rollcall.example", "/"),
        ] {
            assert_eq!(own_path("", target), path, "{target}");
        }
    }

    #[test]
    fn slashes_at_the_beginning_are_one() {
        for (target, path) in [
            ("", "/"),
            ("cli-auth", "/cli-auth"),
            ("///evil.example", "/evil.example"),
            ("////evil.example/x", "/evil.example/x"),
            ("https:////evil.example", "/evil.example"),
            ("?x", "/?x"),
            (" /cli-auth ", "/cli-auth"),
        ] {
            assert_eq!(own_path("", target), path, "{target}");
        }
    }

    #[test]
    fn what_could_be_read_as_a_host_or_a_script_is_the_start_page() {
        for target in [
            "/\\evil.example",
            "\\evil.example",
            "\\\\evil.example",
            "\\/evil.example",
            "///\\evil.example",
            "/%5Cevil.example",
            "/%5c%5Cevil.example",
            "/%2Fevil.example",
            "/%2f%2fevil.example",
            "%2F%2Fevil.example",
            "//rollcall.example/\\evil.example",
            "//rollcall.example/%2Fevil.example",
            "/.//evil.example",
            "/..//evil.example",
            "/%2e/evil.example",
            "/a/%2E%2e//evil.example",
            "/./\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "\t//evil.example",
            "/x\r\nSet-Cookie: a=b",
            "/\0/evil.example",
            "/\u{85}/evil.example",
            "javascript:alert(1)",
            "JavaScript://rollcall.example/%0Aalert(1)",
            "data:text/html,x",
            "mailto:eve@evil.example",
            "https:evil.example",
            "https:/evil.example",
            "https:\\\\evil.example",
            "http:",
        ] {
            assert_eq!(own_path("", target), "/", "{target}");
        }
    }

    #[test]
    fn other_characters_are_encoded() {
        for (target, path) in [
            ("/caf\u{e9}", "/caf%C3%A9"),
            ("/a b?c d", "/a%20b?c%20d"),
            ("/?q=\"<b>\\", "/?q=%22%3Cb%3E%5C"),
            ("/\u{2215}evil.example", "/%E2%88%95evil.example"),
        ] {
            assert_eq!(own_path("", target), path, "{target}");
        }
    }

    #[test]
    fn a_parameter_holds_nothing_that_ends_it() {
        assert_eq!(
            as_parameter("/a?b=c&d#\u{e9} "),
            "%2Fa%3Fb%3Dc%26d%23%C3%A9%20"
        );
    }

    #[test]
    fn a_target_without_end_is_the_start_page() {
        assert_eq!(own_path("", &format!("/{}", "x".repeat(MOST_BYTES))), "/");
    }

    proptest! {
        #[test]
        fn nobody_is_ever_sent_to_another_origin(target in "[/\\\\.%25fFcCeE:@?# \t\na-e\u{e9}]{0,24}") {
            let path = own_path("", &target);
            prop_assert!(path.starts_with('/'));
            prop_assert!(!path[1..].starts_with(['/', '\\']));
            prop_assert!(path.bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert_eq!(followed(&path).origin().ascii_serialization(), OURS);
            prop_assert!(!followed(&path).path().starts_with("//"), "{}", path);
        }

        #[test]
        fn nor_by_any_other_text(target in any::<String>()) {
            prop_assert_eq!(followed(&own_path("", &target)).origin().ascii_serialization(), OURS);
        }

        #[test]
        fn reducing_twice_is_reducing_once(target in "(https?:)?[/\\\\]{0,3}[a-c.%/?#]{0,12}") {
            for base in ["", "/a", "/a/b"] {
                let once = own_path(base, &target);
                prop_assert_eq!(own_path(base, &once), once);
            }
        }
    }
}
