//! The little language of `q`, with which users are searched: `ada status:active,dormant role:owner`.
//!
//! The string is cut at spaces outside of double quotes, and read in any case. An element with a `:`
//! outside of quotes is a filter; all others together are the one text that is searched for. Where
//! the generations of the upstream API differ, the stricter later one is followed: what is not
//! understood is refused, since a filter that is silently dropped shows more users than were asked
//! for. One difference: a quoted text is searched for without its quotes. Upstream keeps them, and finds nobody.

use chrono::{DateTime, Utc};
use rollcall_events::{
    unicode::search_key,
    user::{EmailAddress, LoginType, Status, Username},
};

pub use crate::terms::InvalidQuery;
use crate::terms::Terms;

/// A login type of upstream that nobody has here.
const OAUTH2_PROVIDER_APP: &str = "oauth2_provider_app";

/// Which users are asked for. A user must satisfy every condition; an absent or empty one is none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UserFilter {
    /// A part of the e-mail address or of the username, as [`search_key`] forms it.
    pub search: Option<String>,
    /// A part of the display name, as [`search_key`] forms it.
    pub name: Option<String>,
    /// The key of the whole e-mail address.
    pub email: Option<String>,
    /// The key of the whole username.
    pub username: Option<String>,
    /// Any of these.
    pub statuses: Vec<Status>,
    /// Any of these, whether they exist or not.
    pub roles: Vec<String>,
    /// Any of these; each one exists.
    pub login_types: Vec<String>,
    /// Last seen at this moment or earlier.
    pub last_seen_before: Option<DateTime<Utc>>,
    /// Last seen at this moment or later.
    pub last_seen_after: Option<DateTime<Utc>>,
    /// Created at this moment or earlier.
    pub created_before: Option<DateTime<Utc>>,
    /// Created at this moment or later.
    pub created_after: Option<DateTime<Utc>>,
    /// The number of the linked account at github.com.
    pub github_com_user_id: Option<i64>,
    /// Whether the user is a machine.
    pub service_account: Option<bool>,
}

/// Reads `q`.
///
/// # Errors
///
/// All that is wrong with it at once, so that it can be mended in one go.
pub fn parse(q: &str) -> Result<UserFilter, Vec<InvalidQuery>> {
    let mut terms = Terms::read(q, "search");
    let filter = UserFilter {
        search: terms.text("search", search_key),
        name: terms.text("name", search_key),
        email: terms.text("email", EmailAddress::key_of),
        username: terms.text("username", Username::key_of),
        statuses: terms.list("status", Status::parse),
        roles: terms.list("role", text),
        login_types: terms.list("login_type", login_type),
        last_seen_before: terms.moment("last_seen_before"),
        last_seen_after: terms.moment("last_seen_after"),
        created_before: terms.moment("created_before"),
        created_after: terms.moment("created_after"),
        github_com_user_id: terms.single("github_com_user_id", "64-bit integer", |value| {
            value.parse().ok()
        }),
        service_account: terms.single("service_account", "boolean", boolean),
    };
    let problems = terms.finish();
    if problems.is_empty() {
        Ok(filter)
    } else {
        Err(problems)
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it stands where others read what may be wrong"
)]
fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

fn login_type(value: &str) -> Option<String> {
    let exists = LoginType::parse(value).is_some() || value == OAUTH2_PROVIDER_APP;
    exists.then(|| value.to_owned())
}

/// The forms of Go's `strconv.ParseBool`, in lower case.
fn boolean(value: &str) -> Option<bool> {
    match value {
        "1" | "t" | "true" => Some(true),
        "0" | "f" | "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn searching(text: &str) -> UserFilter {
        UserFilter {
            search: Some(text.to_owned()),
            ..UserFilter::default()
        }
    }

    fn moment(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn problems(q: &str) -> Vec<(String, String)> {
        let problems = parse(q).unwrap_err().into_iter();
        problems
            .map(|problem| (problem.field, problem.detail))
            .collect()
    }

    #[track_caller]
    fn assert_refused(q: &str, field: &str, detail: &str) {
        let problems = problems(q);
        let [(actual_field, actual_detail)] = &problems[..] else {
            panic!("{q} has not one problem: {problems:?}");
        };
        assert_eq!(actual_field, field, "{q}");
        assert!(actual_detail.contains(detail), "{q}: {actual_detail}");
    }

    #[test]
    fn nothing_asked_for_is_everybody() {
        for q in ["", "   ", r#""""#, "search:\"\" name:\"\" status:\"\""] {
            assert_eq!(parse(q), Ok(UserFilter::default()), "{q}");
        }
    }

    #[test]
    fn bare_words_are_joined_by_single_spaces_around_filters() {
        let expected = UserFilter {
            name: Some("byron".to_owned()),
            ..searching("ada of lovelace")
        };
        assert_eq!(parse(r#" Ada  of "" name:Byron   LOVELACE "#), Ok(expected));
    }

    #[test]
    fn a_quoted_phrase_matches_its_text_without_the_quotes() {
        for q in [
            r#""Ada  Lovelace""#,
            r#"search:"ada  lovelace""#,
            r#""search":"ada  lovelace""#,
            r#""ada  lovelace"#,
        ] {
            assert_eq!(parse(q), Ok(searching("ada  lovelace")), "{q}");
        }
    }

    #[test]
    fn colons_in_quotes_are_text() {
        assert_eq!(parse(r#"search:"user:name""#), Ok(searching("user:name")));
        assert_eq!(parse(r#""user:name" x"#), Ok(searching("user:name x")));
        assert_eq!(parse(r#"search:":""#), Ok(searching(":")));
    }

    #[test]
    fn quotes_inside_of_a_word_stay() {
        assert_eq!(parse(r#"o"bri"en"#), Ok(searching(r#"o"bri"en"#)));
    }

    #[test]
    fn tabs_do_not_separate() {
        assert_eq!(parse("a\tb"), Ok(searching("a\tb")));
    }

    #[test]
    fn lists_accumulate_over_commas_and_repetition_in_any_case() {
        let expected = UserFilter {
            statuses: vec![Status::Active, Status::Suspended, Status::Dormant],
            roles: vec!["owner".to_owned(), "no-such-role".to_owned()],
            login_types: vec!["password".to_owned(), "github".to_owned()],
            ..UserFilter::default()
        };
        assert_eq!(
            parse(
                r#""status":active,Suspended role:owner STATUS:"dormant" role:no-such-role
                login_type:password,github"#
                    .replace('\n', " ")
                    .as_str()
            ),
            Ok(expected)
        );
    }

    #[test]
    fn times_are_read_in_quotes_with_fractions_and_offsets() {
        let expected = UserFilter {
            last_seen_before: Some(moment("2026-01-02T03:04:05.123456789Z")),
            last_seen_after: Some(moment("2026-01-01T22:00:00Z")),
            created_before: Some(moment("2026-02-01T00:00:00Z")),
            created_after: Some(moment("2025-02-01T00:00:00Z")),
            ..UserFilter::default()
        };
        let q = [
            r#"last_seen_before:"2026-01-02T03:04:05.123456789Z""#,
            r#"last_seen_after:"2026-01-02t00:00:00+02:00""#,
            r#"created_before:"2026-02-01T00:00:00z""#,
            r#"created_after:"2025-02-01T00:00:00Z""#,
        ];
        assert_eq!(parse(&q.join(" ")), Ok(expected));
    }

    #[test]
    fn numbers_and_booleans_are_read_as_go_reads_them() {
        let github = |q| parse(q).unwrap().github_com_user_id;
        assert_eq!(github("github_com_user_id:583231"), Some(583_231));
        assert_eq!(github("github_com_user_id:-1"), Some(-1));
        for (value, expected) in [("1", true), ("T", true), ("True", true), ("F", false)] {
            let filter = parse(&format!("service_account:{value}")).unwrap();
            assert_eq!(filter.service_account, Some(expected));
        }
    }

    #[test]
    fn values_of_another_type_are_refused() {
        assert_refused("status:inactive", "status", "has invalid values");
        assert_refused("status:active,", "status", "has invalid values");
        assert_refused("login_type:ldap", "login_type", "has invalid values");
        assert_refused("created_after:2026-01-02", "created_after", "RFC 3339");
        assert_refused("github_com_user_id:ada", "github_com_user_id", "integer");
        assert_refused("service_account:yes", "service_account", "boolean");
    }

    #[test]
    fn elements_of_another_form_are_refused() {
        for q in ["status:", ":active", ":", r#":"""#, "a:b:"] {
            assert_refused(q, "q", "cannot start or end with ':'");
        }
        for q in [
            "role:a:e",
            "name::ada",
            "created_after:2026-01-02T03:04:05Z",
        ] {
            assert_refused(q, "q", "can only contain 1 ':'");
        }
        assert_refused("a\0b", "q", "NUL");
    }

    #[test]
    fn an_exact_filter_has_the_key_of_its_value_whatever_that_is() {
        let email = |q| parse(q).unwrap().email;
        assert_eq!(
            email("email:Ada@Example.com").as_deref(),
            Some("ada@example.com")
        );
        assert_eq!(
            email("email:ada@BÜCHER.example").as_deref(),
            Some("ada@xn--bcher-kva.example")
        );
        assert_eq!(email("email:nobody").as_deref(), Some("nobody"));
        assert_eq!(email("email:\"\""), None);
        let username = |q| parse(q).unwrap().username;
        assert_eq!(username("USERNAME:Ada").as_deref(), Some("ada"));
        assert_eq!(username("username:\"not one\"").as_deref(), Some("not one"));
        // No name holds the sign for kelvins, and it is no k.
        assert_eq!(
            username("username:\u{212a}im").as_deref(),
            Some("\u{212a}im")
        );
    }

    #[test]
    fn a_single_valued_key_may_not_be_repeated() {
        let detail = "provided more than once";
        assert_refused("name:ada name:byron", "name", detail);
        assert_refused("email:a@b.c email:a@b.c", "email", detail);
        assert_refused("username:ada username:ada", "username", detail);
        assert_refused("search:ada byron", "search", detail);
    }

    #[test]
    fn an_unknown_key_is_refused() {
        assert_refused("Id:ada id:b", "id", r#""id" is not a valid query param"#);
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let fields: Vec<_> = problems("a:b:c x: status:?,active id:1 name:a name:b ada")
            .into_iter()
            .map(|(field, _)| field)
            .collect();
        assert_eq!(fields, ["q", "q", "name", "status", "id"]);
    }

    proptest! {
        #[test]
        fn any_string_gets_an_answer(q in any::<String>()) {
            let _ = parse(&q);
        }

        #[test]
        fn anything_near_the_grammar_gets_an_answer(
            q in r#"(status|name|role|created_after|x|[ :",\x00é]|active|2026-01-02T03:04:05Z){0,12}"#
        ) {
            let _ = parse(&q);
        }

        #[test]
        fn a_plain_word_is_searched_for_in_its_folded_form(word in r#"[^ :"\x00]{1,20}"#) {
            prop_assert_eq!(parse(&word), Ok(searching(&search_key(&word))));
        }
    }
}
