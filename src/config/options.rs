//! The table of options: what each is called, and the rule that its value follows, in words that an
//! error can end with.

use std::ops::RangeInclusive;

use figment::{Figment, Profile};

use super::ConfigError;

/// An option: its name in the file, and the form of its value.
pub(super) struct OptionRule {
    pub name: &'static str,
    pub form: Form,
}

/// The form of a value. The environment holds text only, so the form also says how to read it
/// there.
pub(super) enum Form {
    /// Text, and its rule in words.
    Text(&'static str),
    /// Text that nobody else may read, and its rule in words.
    Secret(&'static str),
    /// A whole number within these bounds.
    Number(RangeInclusive<u64>),
    /// `true` or `false`.
    Switch,
    /// Several texts (in the environment with commas between them), and their rule in words.
    List(&'static str),
}

const LENGTH_OF_TIME: &str = "a length of time up to 36525d, such as 90m, 24h or 30d";

const NOT_EMPTY: &str = "a text that is not empty";

/// Every option, in the order in which they are listed.
pub(super) const OPTIONS: [OptionRule; 73] = [
    text("listen", super::listen::RULE),
    text(
        "database_url",
        "a URL such as postgres://user:password@host/database, with @ / ? # and spaces in the password percent-encoded",
    ),
    text("data_dir", "the path of a folder"),
    text("postgres_bin", "the path of a folder"),
    number("database_connections", 2..=10_000),
    switch("statement_cache"),
    text("database_wait", LENGTH_OF_TIME),
    text("master_key_file", "the path of a file"),
    secret("master_key", "32 bytes in base64"),
    text(
        "access_url",
        "a URL such as https://rollcall.example.com or https://example.com/rollcall, without user, query and fragment",
    ),
    list(
        "trusted_proxies",
        "a list of IP addresses or networks, such as 10.0.0.0/8",
    ),
    switch("secure_cookies"),
    switch("host_cookies"),
    number("body_limit", 1_024..=1_073_741_824),
    text("authmethods_format", "flags or objects"),
    number("api_rate_limit", 0..=1_000_000),
    number("login_rate_limit", 0..=1_000_000),
    number("own_change_limit", 0..=1_000_000),
    number("max_connections", 0..=1_000_000),
    number("max_connections_per_network", 0..=1_000_000),
    text("shutdown_delay", LENGTH_OF_TIME),
    text(
        "default_organization",
        "1 to 32 letters and digits, with single hyphens between them",
    ),
    text("session_duration", LENGTH_OF_TIME),
    text("session_max_age", LENGTH_OF_TIME),
    text("cli_session_duration", LENGTH_OF_TIME),
    text("token_default_lifetime", LENGTH_OF_TIME),
    text("token_max_lifetime", LENGTH_OF_TIME),
    text("token_max_lifetime_owner", LENGTH_OF_TIME),
    switch("password_login"),
    number("password_minimum_score", 0..=4),
    number("guesses_per_network", 0..=1_000_000),
    number("guesses_per_account", 0..=1_000_000),
    text("guess_longest_delay", LENGTH_OF_TIME),
    text("known_networks_kept", LENGTH_OF_TIME),
    text(
        "oidc_issuer_url",
        "a URL such as https://accounts.example.com, and https unless it is of this machine: its answers decide who signs in (oidc_allow_http = true allows http, for private networks)",
    ),
    switch("oidc_allow_http"),
    text("oidc_client_id", NOT_EMPTY),
    secret("oidc_client_secret", NOT_EMPTY),
    list("oidc_scopes", "a list of scopes, openid among them"),
    text(
        "oidc_auth_url_params",
        "parameters such as prompt=select_account&hd=example.com, none of them one that the service sets itself (client_id, redirect_uri, response_type, response_mode, scope, state, nonce, code_challenge, code_challenge_method, request, request_uri)",
    ),
    text("oidc_pkce", "auto, always or never"),
    switch("oidc_require_nonce"),
    switch("oidc_allow_signups"),
    list(
        "oidc_email_domains",
        "a list of domains that an e-mail address can have, such as example.com",
    ),
    switch("oidc_allow_dotless_domains"),
    switch("oidc_ignore_email_verified"),
    switch("oidc_end_tokens"),
    switch("oidc_ignore_userinfo"),
    text("oidc_username_field", NOT_EMPTY),
    text("oidc_email_field", NOT_EMPTY),
    text("oidc_name_field", NOT_EMPTY),
    text("oidc_sign_in_text", "a text"),
    text("oidc_icon_url", "a text"),
    text("github_client_id", NOT_EMPTY),
    secret("github_client_secret", NOT_EMPTY),
    switch("github_allow_signups"),
    switch("github_allow_everyone"),
    list("github_allowed_orgs", "a list of names of organizations"),
    list("github_allowed_teams", "a list of teams, each as org/team"),
    text(
        "github_url",
        "a URL such as https://github.example.com, https unless it is of this machine",
    ),
    text(
        "github_api_url",
        "a URL such as https://github.example.com/api/v3, https unless it is of this machine",
    ),
    number("argon2_memory_kib", 8..=1_048_576),
    number("argon2_passes", 1..=64),
    number("argon2_lanes", 1..=64),
    number("hashing_workers", 1..=1_024),
    number("hashing_waiting", 4..=100_000),
    switch("audit_test_entries"),
    text("attempts_kept", LENGTH_OF_TIME),
    text("checkpoint_every", LENGTH_OF_TIME),
    text(
        "checkpoint_to",
        "the path of a file, or a URL such as https://witness.example.com/{size}, without user, query and fragment",
    ),
    text(
        "checkpoint_origin",
        "a name without blanks and plus signs, such as rollcall.example.com",
    ),
    text("log_format", "text or json"),
    text("log", "a filter such as info or rollcall=debug,sqlx=warn"),
];

const fn text(name: &'static str, rule: &'static str) -> OptionRule {
    OptionRule {
        name,
        form: Form::Text(rule),
    }
}

const fn secret(name: &'static str, rule: &'static str) -> OptionRule {
    OptionRule {
        name,
        form: Form::Secret(rule),
    }
}

const fn number(name: &'static str, bounds: RangeInclusive<u64>) -> OptionRule {
    OptionRule {
        name,
        form: Form::Number(bounds),
    }
}

const fn list(name: &'static str, rule: &'static str) -> OptionRule {
    OptionRule {
        name,
        form: Form::List(rule),
    }
}

const fn switch(name: &'static str) -> OptionRule {
    OptionRule {
        name,
        form: Form::Switch,
    }
}

/// The option of this name.
pub(super) fn find(name: &str) -> Option<&'static OptionRule> {
    const { &OPTIONS }.iter().find(|option| option.name == name)
}

/// The option whose name is most like this one.
pub(super) fn nearest(name: &str) -> &'static str {
    let likeness = |option: &OptionRule| strsim::jaro_winkler(option.name, name);
    let nearest = const { &OPTIONS }
        .iter()
        .max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    nearest.map_or("", |option| option.name)
}

/// What a value of this option must be, in words.
pub(super) fn rule(name: &str) -> String {
    match find(name).map(|option| &option.form) {
        Some(Form::Text(rule) | Form::Secret(rule) | Form::List(rule)) => (*rule).to_owned(),
        Some(Form::Number(bounds)) => {
            format!("a whole number from {} to {}", bounds.start(), bounds.end())
        }
        Some(Form::Switch) => "true or false".to_owned(),
        None => "left out".to_owned(),
    }
}

/// Refuses numbers outside the bounds of their option.
pub(super) fn check_bounds(given: &Figment) -> Result<(), ConfigError> {
    for option in &OPTIONS {
        let Form::Number(bounds) = &option.form else {
            continue;
        };
        let Ok(value) = given.find_value(option.name) else {
            continue;
        };
        let signed = || {
            value
                .to_i128()
                .and_then(|number| u128::try_from(number).ok())
        };
        let number = value
            .to_u128()
            .or_else(signed)
            .and_then(|number| u64::try_from(number).ok());
        if !number.is_some_and(|number| bounds.contains(&number)) {
            return Err(invalid(given, option.name, rule(option.name)));
        }
    }
    Ok(())
}

/// Says that `option` must be as `rule` says, and where it was given.
pub(super) fn invalid(given: &Figment, option: &str, rule: String) -> ConfigError {
    ConfigError::Invalid {
        option: option.to_owned(),
        origin: origin(given, option),
        rule,
    }
}

/// Says that two options exclude each other, and where each was given.
pub(super) fn conflict(given: &Figment, one: &'static str, other: &'static str) -> ConfigError {
    ConfigError::Conflict {
        one,
        one_origin: origin(given, one),
        other,
        other_origin: origin(given, other),
    }
}

/// Says that an option is needed by another, and where that one was given.
pub(super) fn missing(given: &Figment, option: &'static str, with: &'static str) -> ConfigError {
    ConfigError::Missing {
        option,
        with,
        origin: origin(given, with),
    }
}

/// Turns a value that could not be read into the rule that it breaks.
pub(super) fn refused(given: &Figment, error: &figment::Error) -> ConfigError {
    let option = error.path.first().map_or("", String::as_str);
    invalid(given, option, rule(option))
}

/// Where an option was given. Its own default never breaks a rule alone, but may together with
/// another option.
fn origin(given: &Figment, option: &str) -> String {
    given.find_metadata(option).map_or_else(
        || "its default".to_owned(),
        |source| source.interpolate(&Profile::Default, &[option]),
    )
}
