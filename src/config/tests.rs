//! What an operator can rely on: who wins, what is refused and in which words, and that no secret
//! is shown.

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use clap::Parser;

use super::{sources::Layer, *};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    args: Args,
}

fn flags(given: &[&str]) -> Args {
    CommandLine::try_parse_from([&["rollcall"], given].concat())
        .unwrap()
        .args
}

fn variables(given: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    given
        .iter()
        .map(|(name, value)| (OsString::from(name), OsString::from(value)))
        .collect()
}

/// A file that is gone when the test is over.
struct File(PathBuf);

impl File {
    fn new(text: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(format!("rollcall-config-{process}-{count}.toml"));
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok();
    }
}

fn load(
    file: Option<Layer>,
    environment: &[(&str, &str)],
    given: &[&str],
) -> Result<Config, String> {
    let environment =
        sources::environment(variables(environment)).map_err(|error| error.to_string())?;
    sources::merge(file, environment.layer, &flags(given))
        .and_then(|given| Config::from_figment(&given))
        .map_err(|error| error.to_string())
}

fn from_file(text: &str) -> Result<Config, String> {
    let file = File::new(text);
    sources::file(Some(&file.0), &[])
        .map_err(|error| error.to_string())
        .and_then(|layer| load(layer, &[], &[]))
        .map_err(|error| error.replace(&file.0.display().to_string(), "FILE"))
}

fn from_environment(given: &[(&str, &str)]) -> Result<Config, String> {
    load(None, given, &[])
}

#[test]
fn given_nothing_the_defaults_hold() {
    let config = load(None, &[], &[]).unwrap();
    assert_eq!(config, Config::default());
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.session_duration, Duration::from_hours(24));
    assert_eq!(config.session_max_age, Duration::from_hours(30 * 24));
}

#[test]
fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
    let file = File::new("body_limit = 1111\nargon2_passes = 3\nargon2_lanes = 3\n");
    let layer = sources::file(Some(&file.0), &[]).unwrap();
    let environment = [
        ("ROLLCALL_ARGON2_PASSES", "4"),
        ("ROLLCALL_ARGON2_LANES", "4"),
    ];
    let config = load(layer, &environment, &["--argon2-lanes", "5"]).unwrap();
    let won = (
        config.database_connections,
        config.body_limit,
        config.argon2_passes,
        config.argon2_lanes,
    );
    assert_eq!(won, (20, 1_111, 4, 5));
}

#[test]
fn a_list_replaces_the_list_below_it() {
    let environment = [("ROLLCALL_TRUSTED_PROXIES", "10.0.0.0/8, ::1")];
    let config = from_environment(&environment).unwrap();
    assert_eq!(
        config.trusted_proxies,
        ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]
    );
    let config = load(
        None,
        &environment,
        &["--trusted-proxies", "192.168.0.1,192.168.0.2"],
    )
    .unwrap();
    assert_eq!(config.trusted_proxies.len(), 2);
    assert!(config.trusted_proxies[0].contains("192.168.0.1".parse().unwrap()));
}

/// One value of every option, none of them the default; but for those that exclude one of these.
const EVERY_OPTION: [(&str, &str); 69] = [
    ("listen", "[::1]:9090"),
    ("database_url", "postgres://ada:swordfish@db/roll"),
    ("postgres_bin", "/opt/postgres/bin"),
    ("database_connections", "21"),
    ("statement_cache", "false"),
    ("database_wait", "45s"),
    ("master_key", KEY),
    ("access_url", "https://rollcall.example"),
    ("trusted_proxies", "10.0.0.0/8"),
    ("secure_cookies", "false"),
    ("body_limit", "2048"),
    ("authmethods_format", "objects"),
    ("api_rate_limit", "0"),
    ("login_rate_limit", "5"),
    ("own_change_limit", "6"),
    ("max_connections", "7"),
    ("max_connections_per_network", "8"),
    ("shutdown_delay", "9s"),
    ("default_organization", "1234"),
    ("session_duration", "2d"),
    ("session_max_age", "60d"),
    ("cli_session_duration", "8d"),
    ("token_default_lifetime", "1d"),
    ("token_max_lifetime", "30d"),
    ("token_max_lifetime_owner", "12h"),
    ("password_login", "false"),
    ("password_minimum_score", "4"),
    ("guesses_per_network", "10"),
    ("guesses_per_account", "0"),
    ("guess_longest_delay", "10m"),
    ("known_networks_kept", "30d"),
    ("oidc_issuer_url", "https://accounts.example.com/"),
    ("oidc_allow_http", "true"),
    ("oidc_client_id", "rollcall"),
    ("oidc_client_secret", "swordfish"),
    ("oidc_scopes", "openid,offline_access"),
    ("oidc_auth_url_params", "prompt=login&hd=example.com"),
    ("oidc_pkce", "always"),
    ("oidc_require_nonce", "false"),
    ("oidc_allow_signups", "false"),
    ("oidc_email_domains", "example.com,example.org"),
    ("oidc_allow_dotless_domains", "true"),
    ("oidc_ignore_email_verified", "true"),
    ("oidc_end_tokens", "true"),
    ("oidc_ignore_userinfo", "true"),
    ("oidc_username_field", "nickname"),
    ("oidc_email_field", "mail"),
    ("oidc_name_field", "display_name"),
    ("oidc_sign_in_text", "Example"),
    ("oidc_icon_url", "/icon.png"),
    ("github_client_id", "Iv1.8a61f9b3a7aba766"),
    ("github_client_secret", "haddock"),
    ("github_allow_signups", "true"),
    ("github_allowed_orgs", "example,example-labs"),
    ("github_allowed_teams", "Example/core,example-labs/all"),
    ("github_url", "https://github.example.com"),
    ("github_api_url", "https://github.example.com/api/v3"),
    ("argon2_memory_kib", "64"),
    ("argon2_passes", "3"),
    ("argon2_lanes", "2"),
    ("hashing_workers", "7"),
    ("hashing_waiting", "100"),
    ("audit_test_entries", "true"),
    ("attempts_kept", "30d"),
    ("checkpoint_every", "1h"),
    ("checkpoint_to", "/srv/{size}"),
    ("checkpoint_origin", "example.com/log"),
    ("log_format", "json"),
    ("log", "rollcall=debug"),
];

#[test]
fn every_option_can_be_given_by_the_environment_and_is_listed() {
    let names: Vec<String> = EVERY_OPTION
        .iter()
        .map(|(name, _)| format!("ROLLCALL_{}", name.to_ascii_uppercase()))
        .collect();
    let given: Vec<(&str, &str)> = names
        .iter()
        .zip(EVERY_OPTION)
        .map(|(name, (_, value))| (&**name, value))
        .collect();
    let listed = from_environment(&given).unwrap().to_toml();
    assert_eq!(
        listed,
        r#"listen = "[::1]:9090"
database_url = "postgres://ada:(hidden)@db/roll"
# data_dir is not set
postgres_bin = "/opt/postgres/bin"
database_connections = 21
statement_cache = false
database_wait = "45s"
# master_key_file is not set
master_key = "(hidden)"
access_url = "https://rollcall.example"
trusted_proxies = ["10.0.0.0/8"]
secure_cookies = false
host_cookies = false
body_limit = 2048
authmethods_format = "objects"
api_rate_limit = 0
login_rate_limit = 5
own_change_limit = 6
max_connections = 7
max_connections_per_network = 8
shutdown_delay = "9s"
default_organization = "1234"
session_duration = "2d"
session_max_age = "60d"
cli_session_duration = "8d"
token_default_lifetime = "1d"
token_max_lifetime = "30d"
token_max_lifetime_owner = "12h"
password_login = false
password_minimum_score = 4
guesses_per_network = 10
guesses_per_account = 0
guess_longest_delay = "10m"
known_networks_kept = "30d"
oidc_issuer_url = "https://accounts.example.com/"
oidc_allow_http = true
oidc_client_id = "rollcall"
oidc_client_secret = "(hidden)"
oidc_scopes = ["openid","offline_access"]
oidc_auth_url_params = "prompt=login&hd=example.com"
oidc_pkce = "always"
oidc_require_nonce = false
oidc_allow_signups = false
oidc_email_domains = ["example.com","example.org"]
oidc_allow_dotless_domains = true
oidc_ignore_email_verified = true
oidc_end_tokens = true
oidc_ignore_userinfo = true
oidc_username_field = "nickname"
oidc_email_field = "mail"
oidc_name_field = "display_name"
oidc_sign_in_text = "Example"
oidc_icon_url = "/icon.png"
github_client_id = "Iv1.8a61f9b3a7aba766"
github_client_secret = "(hidden)"
github_allow_signups = true
github_allow_everyone = false
github_allowed_orgs = ["example","example-labs"]
github_allowed_teams = ["Example/core","example-labs/all"]
github_url = "https://github.example.com"
github_api_url = "https://github.example.com/api/v3"
argon2_memory_kib = 64
argon2_passes = 3
argon2_lanes = 2
hashing_workers = 7
hashing_waiting = 100
audit_test_entries = true
attempts_kept = "30d"
checkpoint_every = "1h"
checkpoint_to = "/srv/{size}"
checkpoint_origin = "example.com/log"
log_format = "json"
log = "rollcall=debug"
"#
    );
}

/// Other users of the machine can see flags.
const SECRETS: [&str; 3] = ["master_key", "oidc_client_secret", "github_client_secret"];

#[test]
fn every_option_except_the_secrets_is_also_a_flag() {
    let flag = |name: &str| format!("--{}", name.replace('_', "-"));
    let is_secret = |name: &&(&str, &str)| SECRETS.contains(&name.0);
    let (secret, open): (Vec<_>, Vec<_>) = EVERY_OPTION.iter().partition(is_secret);
    let words: Vec<String> = open
        .iter()
        .flat_map(|(name, value)| [flag(name), (*value).to_owned()])
        .collect();
    let words: Vec<&str> = words.iter().map(|word| &**word).collect();
    let given: Vec<(String, &str)> = secret
        .iter()
        .map(|(name, value)| (format!("ROLLCALL_{}", name.to_ascii_uppercase()), *value))
        .collect();
    let given: Vec<(&str, &str)> = given
        .iter()
        .map(|(name, value)| (&**name, *value))
        .collect();
    let config = load(None, &given, &words).unwrap();
    assert_eq!(config.oidc_client_secret.unwrap().expose(), "swordfish");
    assert_eq!(config.github_client_secret.unwrap().expose(), "haddock");
    assert_eq!(
        config.database_url.unwrap().expose(),
        "postgres://ada:swordfish@db/roll"
    );
    for (name, value) in secret {
        let words = ["rollcall", &flag(name), value];
        assert!(CommandLine::try_parse_from(words).is_err(), "{name}");
    }
}

#[test]
fn the_table_of_options_has_every_option_once() {
    let listed = serde_json::to_value(Config::default()).unwrap();
    let mut fields: Vec<&String> = listed.as_object().unwrap().keys().collect();
    let mut table: Vec<&str> = options::OPTIONS.iter().map(|option| option.name).collect();
    fields.sort();
    table.sort_unstable();
    assert_eq!(fields, table);
}

#[test]
fn what_is_listed_can_be_loaded_again() {
    let text = "trusted_proxies = ['10.0.0.0/8']\nhashing_workers = 3\ndata_dir = 'a\"\\b'";
    let config = from_file(text).unwrap();
    assert_eq!(config.data_dir.as_deref(), Some(Path::new("a\"\\b")));
    assert_eq!(from_file(&config.to_toml()).unwrap(), config);
}

#[test]
fn nothing_that_prints_a_configuration_shows_a_secret() {
    let config = from_environment(&[
        ("ROLLCALL_DATABASE_URL", "postgres://ada:swordfish@db/roll"),
        ("ROLLCALL_MASTER_KEY", KEY),
        ("ROLLCALL_OIDC_CLIENT_SECRET", "swordfish"),
        ("ROLLCALL_GITHUB_CLIENT_SECRET", "swordfish"),
    ])
    .unwrap();
    let json = serde_json::to_string(&config).unwrap();
    let mut args = flags(&["--database-url", "postgres://ada:swordfish@db/roll"]);
    args.oidc_client_secret = Some(Secret::new("swordfish".to_owned()));
    args.github_client_secret = Some(Secret::new("swordfish".to_owned()));
    let args = format!("{args:?}");
    for shown in [config.to_toml(), format!("{config:?}"), json, args] {
        assert!(
            !shown.contains("swordfish") && !shown.contains(KEY),
            "a secret shows in {shown}"
        );
        assert!(shown.contains("(hidden)"), "nothing is hidden in {shown}");
    }
    assert_eq!(config.master_key.unwrap().expose()[31], 31);
}

#[test]
fn no_error_quotes_the_value() {
    for (name, value) in [
        ("DATABASE_URL", "mysql://ada:swordfish@db"),
        ("MASTER_KEY", "swordfish"),
        (
            "OIDC_ISSUER_URL",
            "http://ada:swordfish@accounts.example.com",
        ),
    ] {
        let error = from_environment(&[(&format!("ROLLCALL_{name}"), value)]).unwrap_err();
        assert!(!error.contains("swordfish"), "{error}");
    }
}

#[test]
fn an_error_names_the_option_where_it_was_given_and_the_rule() {
    let rule = format!("must be {}", listen::RULE);
    assert_eq!(
        from_environment(&[("ROLLCALL_LISTEN", "everywhere")]).unwrap_err(),
        format!("the option `listen`, given by ROLLCALL_LISTEN in the environment, {rule}")
    );
    assert_eq!(
        from_file("listen = 'everywhere'").unwrap_err(),
        format!("the option `listen`, given by the file FILE, {rule}")
    );
    assert_eq!(
        load(None, &[], &["--argon2-passes", "0"]).unwrap_err(),
        "the option `argon2_passes`, given by the flag --argon2-passes, must be a whole number from 1 to 64"
    );
    assert_eq!(
        from_file("trusted_proxies = ['10.0.0.0/8', 'home']").unwrap_err(),
        "the option `trusted_proxies`, given by the file FILE, must be a list of IP addresses or networks, such as 10.0.0.0/8"
    );
}

#[test]
fn every_number_is_held_within_its_bounds() {
    let bounded = options::OPTIONS
        .iter()
        .filter_map(|option| match &option.form {
            options::Form::Number(bounds) => Some((option.name, bounds)),
            _ => None,
        });
    for (name, bounds) in bounded {
        let variable = format!("ROLLCALL_{}", name.to_ascii_uppercase());
        let with = |value: String| {
            // The most memory, so that no number of lanes asks for more.
            let memory = ("ROLLCALL_ARGON2_MEMORY_KIB", "1048576");
            let others: &[(&str, &str)] = if name == "argon2_memory_kib" {
                &[]
            } else {
                &[memory]
            };
            from_environment(&[others, &[(&variable, &value)]].concat())
        };
        for good in [*bounds.start(), *bounds.end()] {
            assert!(
                with(good.to_string()).is_ok(),
                "{name} = {good} was refused"
            );
        }
        for bad in [
            (bounds.start().wrapping_sub(1)).to_string(),
            (bounds.end() + 1).to_string(),
            "many".to_owned(),
        ] {
            let error = with(bad.clone()).expect_err(&format!("{name} = {bad} was taken"));
            assert!(
                error.contains(&format!("`{name}`")) && error.ends_with(&options::rule(name)),
                "{error}"
            );
        }
    }
}

#[test]
fn every_text_is_held_to_its_rule() {
    for (name, bad) in [
        ("listen", "localhost"),
        ("database_url", "sqlite://roll"),
        ("master_key", "c2hvcnQ="),
        ("access_url", "rollcall.example"),
        ("trusted_proxies", "10.0.0.0/40"),
        ("statement_cache", "perhaps"),
        ("secure_cookies", "2"),
        ("password_login", "yes"),
        ("authmethods_format", "list"),
        ("default_organization", "two words"),
        ("session_duration", "24"),
        ("session_max_age", "40000d"),
        ("cli_session_duration", "1w"),
        ("token_default_lifetime", "0s"),
        ("token_max_lifetime", "100y"),
        ("token_max_lifetime_owner", "-1h"),
        ("oidc_issuer_url", "http://accounts.example.com"),
        ("oidc_client_id", " "),
        ("oidc_client_secret", " "),
        ("oidc_scopes", "profile,email"),
        ("oidc_scopes", "openid profile"),
        ("oidc_auth_url_params", "prompt=login&state=mine"),
        ("oidc_auth_url_params", "prompt"),
        ("oidc_pkce", "sometimes"),
        ("oidc_require_nonce", "maybe"),
        ("oidc_allow_http", "yes"),
        ("oidc_allow_dotless_domains", "1"),
        ("oidc_allow_signups", "no"),
        ("oidc_email_domains", "example.com,*.example.org"),
        ("oidc_email_domains", "ada@example.com"),
        ("oidc_email_domains", "exam ple.com"),
        ("oidc_email_domains", "example..com"),
        ("oidc_email_domains", "example.com."),
        ("oidc_email_domains", "xn--zzzzzzz99999.example"),
        ("oidc_email_domains", "@@example.com"),
        ("host_cookies", "please"),
        ("oidc_ignore_email_verified", "1"),
        ("oidc_end_tokens", "1"),
        ("oidc_ignore_userinfo", "TRUE"),
        ("oidc_username_field", " "),
        ("oidc_email_field", " "),
        ("oidc_name_field", " "),
        ("github_client_id", " "),
        ("github_client_secret", " "),
        ("github_allow_signups", "on"),
        ("github_allow_everyone", "some"),
        ("github_allowed_orgs", "example,two words"),
        ("github_allowed_orgs", "example/core"),
        ("github_allowed_teams", "core"),
        ("github_url", "github.example.com"),
        ("github_api_url", "http://github.example.com/api/v3"),
        ("audit_test_entries", "maybe"),
        ("attempts_kept", "90"),
        ("checkpoint_every", "hourly"),
        ("checkpoint_to", "ftp://witness.example.com"),
        ("checkpoint_origin", "two words"),
        ("log_format", "xml"),
        ("log", "info,=="),
    ] {
        let variable = format!("ROLLCALL_{}", name.to_ascii_uppercase());
        let error =
            from_environment(&[(&variable, bad)]).expect_err(&format!("{name} = {bad} was taken"));
        let said = format!(
            "the option `{name}`, given by {variable} in the environment, must be {}",
            options::rule(name)
        );
        assert_eq!(error, said);
    }
}

#[test]
fn a_session_cannot_outlive_its_greatest_age() {
    let error = from_environment(&[("ROLLCALL_SESSION_MAX_AGE", "1h")]).unwrap_err();
    assert_eq!(
        error,
        "the option `session_duration`, given by its default, must be at most session_max_age"
    );
    let error = from_environment(&[("ROLLCALL_SESSION_MAX_AGE", "2d")]).unwrap_err();
    assert_eq!(
        error,
        "the option `cli_session_duration`, given by its default, must be at most session_max_age"
    );
}

#[test]
fn a_token_lives_no_longer_by_default_than_it_may() {
    let error = from_environment(&[("ROLLCALL_TOKEN_MAX_LIFETIME", "1d")]).unwrap_err();
    assert_eq!(
        error,
        "the option `token_default_lifetime`, given by its default, must be at most token_max_lifetime"
    );
}

#[test]
fn the_tokens_of_owners_are_held_shorter_and_never_longer() {
    let days = |days: u64| Duration::from_hours(days * 24);
    for (default, max, owners, everybody_lives, owners_live) in [
        (7, 30, 7, (7, 30), (7, 7)),
        (7, 30, 2, (7, 30), (2, 2)),
        (7, 10, 20, (7, 10), (7, 10)),
    ] {
        let config = Config {
            token_default_lifetime: days(default),
            token_max_lifetime: days(max),
            token_max_lifetime_owner: days(owners),
            ..Config::default()
        };
        for (is_owner, (default, max)) in [(false, everybody_lives), (true, owners_live)] {
            let expected = TokenLifetimes {
                default: days(default),
                max: days(max),
            };
            assert_eq!(config.token_lifetimes(is_owner), expected);
        }
    }
}

/// What a provider is reached with: enough of it, and nothing else.
const OIDC: [(&str, &str); 4] = [
    ("ROLLCALL_ACCESS_URL", "https://rollcall.example"),
    ("ROLLCALL_OIDC_ISSUER_URL", "https://accounts.example.com"),
    ("ROLLCALL_OIDC_CLIENT_ID", "rollcall"),
    ("ROLLCALL_OIDC_CLIENT_SECRET", "swordfish"),
];
const GITHUB: [(&str, &str); 4] = [
    ("ROLLCALL_ACCESS_URL", "https://rollcall.example"),
    ("ROLLCALL_GITHUB_CLIENT_ID", "rollcall"),
    ("ROLLCALL_GITHUB_CLIENT_SECRET", "swordfish"),
    ("ROLLCALL_GITHUB_ALLOWED_ORGS", "example"),
];

fn without<'a>(left_out: &str, given: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let name = format!("ROLLCALL_{}", left_out.to_ascii_uppercase());
    let rest = given.iter().filter(|(given, _)| *given != name);
    rest.copied().collect()
}

#[test]
fn a_provider_is_configured_with_all_that_it_takes_or_the_operator_is_told_what_is_missing() {
    from_environment(&OIDC).unwrap();
    from_environment(&GITHUB).unwrap();
    for (given, missing, with) in [
        (OIDC, "access_url", "oidc_client_id"),
        (OIDC, "oidc_issuer_url", "oidc_client_id"),
        (OIDC, "oidc_client_secret", "oidc_client_id"),
        (OIDC, "oidc_client_id", "oidc_issuer_url"),
        (GITHUB, "access_url", "github_client_id"),
        (GITHUB, "github_client_secret", "github_client_id"),
    ] {
        let variable = format!("ROLLCALL_{}", with.to_ascii_uppercase());
        assert_eq!(
            from_environment(&without(missing, &given)).unwrap_err(),
            format!(
                "the option `{missing}` is missing: `{with}`, given by {variable} in the environment, needs it"
            )
        );
    }
}

#[test]
fn a_secret_that_nobody_needs_yet_is_no_mistake() {
    for secret in ["OIDC_CLIENT_SECRET", "GITHUB_CLIENT_SECRET"] {
        from_environment(&[(&format!("ROLLCALL_{secret}"), "swordfish")]).unwrap();
    }
}

#[test]
fn nobody_is_let_in_from_github_whom_the_operator_did_not_choose() {
    let open = without("github_allowed_orgs", &GITHUB);
    assert_eq!(
        from_environment(&open).unwrap_err(),
        "the option `github_allowed_orgs`, given by its default, must be not empty, unless github_allow_everyone is true"
    );
    let everyone = ("ROLLCALL_GITHUB_ALLOW_EVERYONE", "true");
    let config = from_environment(&[open.as_slice(), &[everyone]].concat()).unwrap();
    assert!(config.github_allow_everyone);
    let refusal = "the option `github_allow_everyone`, given by ROLLCALL_GITHUB_ALLOW_EVERYONE in the environment, \
                   must be false when organizations or teams are named";
    let team = ("ROLLCALL_GITHUB_ALLOWED_TEAMS", "example/core");
    for given in [
        [GITHUB.as_slice(), &[everyone]].concat(),
        [open.as_slice(), &[everyone, team]].concat(),
    ] {
        assert_eq!(from_environment(&given).unwrap_err(), refusal);
    }
}

#[test]
fn http_beyond_this_machine_is_for_operators_who_say_so() {
    let http = (
        "ROLLCALL_OIDC_ISSUER_URL",
        "http://keycloak:8080/realms/staff",
    );
    let given = [without("oidc_issuer_url", &OIDC).as_slice(), &[http]].concat();
    let error = from_environment(&given).unwrap_err();
    assert!(
        error.contains("https unless it is of this machine"),
        "{error}"
    );
    assert!(error.contains("oidc_allow_http = true"), "{error}");
    let allowed = [given.as_slice(), &[("ROLLCALL_OIDC_ALLOW_HTTP", "true")]].concat();
    let config = from_environment(&allowed).unwrap();
    assert_eq!(config.oidc_issuer_url.unwrap().as_str(), http.1);
}

#[test]
fn something_ties_an_id_token_to_its_sign_in() {
    let nonce = ("ROLLCALL_OIDC_REQUIRE_NONCE", "false");
    from_environment(&[OIDC.as_slice(), &[nonce]].concat()).unwrap();
    let both = [nonce, ("ROLLCALL_OIDC_PKCE", "never")];
    let error = from_environment(&[OIDC.as_slice(), &both].concat()).unwrap_err();
    assert!(
        error.contains("`oidc_require_nonce`") && error.contains("oidc_pkce"),
        "{error}"
    );
}

#[test]
fn the_api_of_github_follows_its_address() {
    for (given, api) in [
        (None, "https://api.github.com"),
        (
            Some("https://github.example.com"),
            "https://github.example.com/api/v3",
        ),
        (Some("https://acme.ghe.com"), "https://api.acme.ghe.com"),
    ] {
        let given: Vec<_> = given
            .map(|url| ("ROLLCALL_GITHUB_URL", url))
            .into_iter()
            .collect();
        let config = from_environment(&given).unwrap();
        assert_eq!(config.github_api_url.as_str(), api);
    }
}

#[test]
fn a_team_is_of_an_organization_whose_members_may_sign_in() {
    let with = |teams| {
        let teams = ("ROLLCALL_GITHUB_ALLOWED_TEAMS", teams);
        from_environment(&[GITHUB.as_slice(), &[teams]].concat())
    };
    let config = with("example/core, Example/all").unwrap();
    let teams = config.github_allowed_teams.iter().map(ToString::to_string);
    assert_eq!(teams.collect::<Vec<_>>(), ["example/core", "Example/all"]);
    assert_eq!(
        with("example/core,elsewhere/core").unwrap_err(),
        "the option `github_allowed_teams`, given by ROLLCALL_GITHUB_ALLOWED_TEAMS in the environment, must be a list of \
         teams of organizations that github_allowed_orgs names"
    );
}

#[test]
fn a_file_can_give_what_the_environment_can() {
    let config = from_file(
        "access_url = 'https://rollcall.example'
         oidc_issuer_url = 'http://localhost:4000'
         oidc_client_id = 'rollcall'
         oidc_client_secret = 'swordfish'
         oidc_scopes = ['openid', 'groups']
         oidc_email_domains = ['@example.com', 'Example.org']
         github_client_id = 'rollcall'
         github_client_secret = 'haddock'
         github_allowed_orgs = ['example']
         github_allowed_teams = ['example/core']",
    )
    .unwrap();
    assert_eq!(config.oidc_client_secret.unwrap().expose(), "swordfish");
    assert_eq!(config.github_client_secret.unwrap().expose(), "haddock");
    assert_eq!(config.oidc_scopes, ["openid", "groups"]);
    assert_eq!(config.github_allowed_teams[0].team, "core");
    for empty in ["oidc_client_id", "github_client_id", "oidc_client_secret"] {
        let error = from_file(&format!("{empty} = ''")).unwrap_err();
        assert!(
            error.ends_with("must be a text that is not empty"),
            "{error}"
        );
    }
    let error = from_file("oidc_email_domains = ['']").unwrap_err();
    assert!(
        error.ends_with(&options::rule("oidc_email_domains")),
        "{error}"
    );
}

#[test]
fn domains_in_the_letters_of_people_can_be_allowed() {
    let domains = [(
        "ROLLCALL_OIDC_EMAIL_DOMAINS",
        "bücher.example, @xn--bcher-kva.example,localhost",
    )];
    assert_eq!(
        from_environment(&domains).unwrap().oidc_email_domains.len(),
        3
    );
}

#[test]
fn cookies_of_the_host_need_https_and_the_whole_host() {
    let given = |url: &str, secure: Option<&str>| {
        let mut given = vec![
            ("ROLLCALL_HOST_COOKIES", "true"),
            ("ROLLCALL_ACCESS_URL", url),
        ];
        given.extend(secure.map(|secure| ("ROLLCALL_SECURE_COOKIES", secure)));
        from_environment(&given)
    };
    assert!(
        given("https://rollcall.example", None)
            .unwrap()
            .host_cookies
    );
    for (url, secure) in [
        ("http://rollcall.example", None),
        ("https://rollcall.example", Some("false")),
        ("https://example.com/rollcall", None),
    ] {
        let error = given(url, secure).unwrap_err();
        assert!(
            error.starts_with("the option `host_cookies`, given by ROLLCALL_HOST_COOKIES"),
            "{error}"
        );
    }
}

#[test]
fn a_path_of_the_access_url_must_not_look_like_one_of_ours() {
    for (url, is_good) in [
        ("https://example.com/rollcall", true),
        ("https://example.com/api", false),
        ("https://example.com/a;b", false),
    ] {
        let config = from_environment(&[("ROLLCALL_ACCESS_URL", url)]);
        assert_eq!(config.is_ok(), is_good, "{url}");
        let error = config.err().unwrap_or_else(|| "`access_url`".to_owned());
        assert!(error.contains("`access_url`"), "{error}");
    }
}

#[test]
fn argon2_needs_memory_for_each_lane() {
    let error = load(
        None,
        &[],
        &["--argon2-memory-kib", "16", "--argon2-lanes", "3"],
    )
    .unwrap_err();
    assert!(
        error.ends_with("--argon2-memory-kib, must be at least 8 for each of argon2_lanes"),
        "{error}"
    );
}

#[test]
fn options_that_exclude_each_other_are_both_named() {
    let error = load(
        None,
        &[("ROLLCALL_DATA_DIR", "/srv/roll")],
        &["--database-url", "postgres://db"],
    )
    .unwrap_err();
    assert_eq!(
        error,
        "the options `database_url` (given by the flag --database-url) and `data_dir` (given by ROLLCALL_DATA_DIR in the \
         environment) exclude each other: give one of them"
    );
    let keys = [
        ("ROLLCALL_MASTER_KEY", KEY),
        ("ROLLCALL_MASTER_KEY_FILE", "/srv/key"),
    ];
    assert!(
        from_environment(&keys)
            .unwrap_err()
            .contains("exclude each other")
    );
}

#[test]
fn a_name_that_is_no_option_is_an_error() {
    assert_eq!(
        from_environment(&[("ROLLCALL_LISTN", "127.0.0.1:1")]).unwrap_err(),
        "there is no option `listn`, yet it is given by the environment variable ROLLCALL_LISTN"
    );
    assert_eq!(
        from_file("listn = '127.0.0.1:1'").unwrap_err(),
        "there is no option `listn`, yet it is given by the file FILE"
    );
    assert!(
        from_file("[http]\nlisten = '127.0.0.1:1'")
            .unwrap_err()
            .contains("`http`")
    );
}

#[test]
fn a_variable_that_is_set_to_nothing_is_not_given() {
    let config = from_environment(&[("ROLLCALL_LISTEN", ""), ("HOME", "/nowhere")]).unwrap();
    assert_eq!(config, Config::default());
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_text_is_named() {
    use std::os::unix::ffi::OsStringExt;

    let bad = (
        OsString::from("ROLLCALL_LOG"),
        OsString::from_vec(vec![0xff]),
    );
    let error = sources::environment([bad]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the environment variable ROLLCALL_LOG is not valid UTF-8"
    );
}

#[test]
fn cookies_are_secure_when_browsers_come_by_https() {
    let secure = |given: &[(&str, &str)]| from_environment(given).unwrap().secure_cookies;
    assert!(!secure(&[]));
    assert!(!secure(&[(
        "ROLLCALL_ACCESS_URL",
        "http://rollcall.example"
    )]));
    assert!(secure(&[(
        "ROLLCALL_ACCESS_URL",
        "https://rollcall.example"
    )]));
    assert!(secure(&[("ROLLCALL_SECURE_COOKIES", "true")]));
    assert!(!secure(&[
        ("ROLLCALL_ACCESS_URL", "https://rollcall.example"),
        ("ROLLCALL_SECURE_COOKIES", "false")
    ]));
}

#[test]
fn a_log_is_called_by_its_address_unless_it_was_given_a_name() {
    let url = ("ROLLCALL_ACCESS_URL", "https://rollcall.example/log");
    let name = ("ROLLCALL_CHECKPOINT_ORIGIN", "example.com/people");
    for (given, called) in [
        (&[][..], "localhost"),
        (&[url], "rollcall.example/log"),
        (&[url, name], "example.com/people"),
    ] {
        let config = from_environment(given).unwrap();
        assert_eq!(config.checkpoint_origin.as_str(), called);
    }
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let error = sources::file(Some(Path::new("no-such-folder/rollcall.toml")), &[])
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("the configuration file no-such-folder/rollcall.toml cannot be read: "),
        "{error}"
    );
}

#[test]
fn unnamed_files_are_tried_in_order() {
    let (first, second) = (
        File::new("body_limit = 2001"),
        File::new("body_limit = 2002"),
    );
    let (first, second) = (first.0.to_str().unwrap(), second.0.to_str().unwrap());
    let body_limit = |defaults: &[&str]| {
        load(sources::file(None, defaults).unwrap(), &[], &[])
            .unwrap()
            .body_limit
    };
    assert_eq!(body_limit(&[first, second]), 2_001);
    assert_eq!(body_limit(&["no-such-folder/rollcall.toml", second]), 2_002);
    assert_eq!(body_limit(&["no-such-folder/rollcall.toml"]), 1_048_576);
}

#[test]
fn the_environment_names_the_file() {
    let environment =
        sources::environment(variables(&[("ROLLCALL_CONFIG", "/srv/roll.toml")])).unwrap();
    assert_eq!(environment.file.unwrap(), Path::new("/srv/roll.toml"));
}

#[test]
fn a_file_that_is_not_toml_is_an_error_with_its_line() {
    let error = from_file("log = 'info'\nlisten = \n").unwrap_err();
    assert!(
        error.starts_with("line 2 of the configuration file FILE is not valid TOML: "),
        "{error}"
    );
    assert!(!error.contains('\n'), "{error}");
}

#[test]
fn a_command_that_only_needs_the_database_takes_its_options() {
    let store = StoreArgs {
        data_dir: Some("/srv/roll".into()),
        ..StoreArgs::default()
    };
    assert_eq!(Args::from(store).data_dir.unwrap(), Path::new("/srv/roll"));
}

#[test]
fn where_to_listen_is_said_in_the_same_forms_everywhere() {
    for (text, address) in [
        ("localhost:9090", "127.0.0.1:9090"),
        (":9090", "0.0.0.0:9090"),
        ("9090", "127.0.0.1:9090"),
        ("[::1]:9090", "[::1]:9090"),
    ] {
        let by_file = from_file(&format!("listen = '{text}'"));
        let by_environment = from_environment(&[("ROLLCALL_LISTEN", text)]);
        let by_flag = load(None, &[], &["--listen", text]);
        for config in [by_file, by_environment, by_flag] {
            assert_eq!(config.unwrap().listen.to_string(), address);
        }
    }
    assert_eq!(from_file("listen = 9090").unwrap().listen.port(), 9090);
    assert!(from_file("listen = 99999").is_err());
}

#[test]
fn a_file_with_a_secret_is_for_us_alone() {
    for (text, is_secret) in [
        ("listen = ':0'", false),
        ("database_url = 'postgres://ada@db/roll'", false),
        ("master_key_file = '/srv/key'", false),
        ("database_url = 'postgres://ada:swordfish@db/roll'", true),
        (
            "database_url = 'postgres://db/roll?password=swordfish'",
            true,
        ),
        ("database_url = 'ada:swordfish'", true),
        ("oidc_client_secret = 'swordfish'", true),
        ("github_client_secret = 'swordfish'", true),
        ("master_key = 'swordfish'", true),
    ] {
        let file = File::new(text);
        let read = || sources::file(Some(&file.0), &[]);
        assert!(read().is_ok(), "{text}");
        for mode in [0o640, 0o604, 0o644] {
            fs::set_permissions(&file.0, fs::Permissions::from_mode(mode)).unwrap();
            match read() {
                Ok(_) => assert!(!is_secret, "{text}"),
                Err(error) => {
                    let error = error.to_string();
                    assert!(is_secret && error.contains("chmod 600 "), "{error}");
                    assert!(!error.contains("swordfish"), "{error}");
                }
            }
        }
    }
}

#[test]
fn a_file_may_begin_with_a_mark_of_byte_order() {
    let config = from_file("\u{feff}body_limit = 2048\r\nlog = 'warn'\r\n").unwrap();
    assert_eq!((config.body_limit, &*config.log), (2048, "warn"));
    let key = format!("\u{feff}{KEY}\r\n");
    let config = from_environment(&[("ROLLCALL_MASTER_KEY", &key)]).unwrap();
    assert_eq!(config.master_key.unwrap().expose()[31], 31);
}

#[test]
fn what_describes_a_service_named_like_us_is_passed_over_and_named() {
    let given = [
        ("ROLLCALL_PORT", "tcp://10.96.0.5:80"),
        ("ROLLCALL_SERVICE_HOST", "10.96.0.5"),
        ("ROLLCALL_LOG", "warn"),
    ];
    let environment = sources::environment(variables(&given)).unwrap();
    assert_eq!(
        environment.passed_over,
        ["ROLLCALL_PORT", "ROLLCALL_SERVICE_HOST"]
    );
    assert_eq!(from_environment(&given).unwrap().log, "warn");
    let error = sources::environment(variables(&[("ROLLCALL_PORT", "80")])).unwrap_err();
    let ConfigError::Unknown { option, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(option, "port");
    for (mistake, meant) in [
        ("listn", "listen"),
        ("databse_url", "database_url"),
        ("master_keyfile", "master_key_file"),
        ("oidc_issuer", "oidc_issuer_url"),
    ] {
        assert_eq!(options::nearest(mistake), meant);
    }
}
