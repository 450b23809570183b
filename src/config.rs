//! The configuration: every choice an operator can make, checked once, before anything starts.
//!
//! An option has one name everywhere: `listen` in `rollcall.toml`, `ROLLCALL_LISTEN` in the
//! environment, `--listen` on the command line. A flag beats the environment, the environment beats
//! the file, the file beats the default. The rest of the service sees a [`Config`], in which
//! everything is parsed, within bounds and decided; a mistake is one sentence ([`ConfigError`])
//! that names the option, where it was given, and the rule that it breaks.
//!
//! An option is added in four places, and the compiler or a test asks for each: [`Args`] (how it is
//! given), [`Config`] (what it means), its default, and the table in `options.rs` (the rule that
//! its value follows).

mod access_url;
mod args;
mod choices;
mod database_url;
mod error;
mod evidence;
mod human_duration;
mod listen;
mod network;
mod options;
mod provider;
mod secret;
mod sources;
mod surroundings;
#[cfg(test)]
mod tests;
mod text;

pub use access_url::AccessUrl;
pub use args::{Args, StoreArgs};
pub use choices::{AuthmethodsFormat, LogFormat, Pkce};
pub use database_url::DatabaseUrl;
pub use error::ConfigError;
pub use evidence::{Destination, LogName, Place};
pub use human_duration::HumanDuration;
pub use listen::ListenAddress;
pub use network::Network;
pub use provider::{AuthUrlParams, GithubTeam, ProviderUrl};
pub use secret::Secret;

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use figment::Figment;
use rollcall_events::{organization::OrganizationName, user::possible_domain_key};
use serde::Serialize;

/// What the service was told to do, with nothing left to decide.
///
/// Its `Display` is a `rollcall.toml` with the secrets hidden.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the operator's, and says nothing of the others"
)]
pub struct Config {
    /// Where HTTP is served.
    pub listen: SocketAddr,
    /// The Postgres to use. `None`: a private cluster in `data_dir`.
    pub database_url: Option<DatabaseUrl>,
    /// The folder of the private cluster. `None`: its default, which depends on who runs the
    /// service.
    pub data_dir: Option<PathBuf>,
    /// The folder of `initdb` and `postgres`. `None`: they are looked for.
    pub postgres_bin: Option<PathBuf>,
    /// How many connections to Postgres one node may hold.
    pub database_connections: u32,
    /// Whether statements are prepared and kept. Some connection poolers cannot serve prepared
    /// statements.
    pub statement_cache: bool,
    /// How long a start waits for a database that does not answer yet.
    #[serde(serialize_with = "human_duration::serialize")]
    pub database_wait: Duration,
    /// The file that holds the key which wraps every subject's key.
    pub master_key_file: Option<PathBuf>,
    /// The key which wraps every subject's key, itself.
    pub master_key: Option<Secret<[u8; 32]>>,
    /// The address by which browsers reach the service, when it is known.
    pub access_url: Option<AccessUrl>,
    /// Who may say, in `X-Forwarded-For`, which address a request came from. Nobody by default: the
    /// header is easily forged.
    pub trusted_proxies: Vec<Network>,
    /// Whether cookies are sent over https only. Unless it is given, this follows `access_url`.
    pub secure_cookies: bool,
    /// Whether cookies have the prefix `__Host-`, with which browsers take them from this very host alone. For https only.
    pub host_cookies: bool,
    /// The largest body of a request, in bytes.
    pub body_limit: usize,
    /// How the ways to sign in are listed.
    pub authmethods_format: AuthmethodsFormat,
    /// How many requests a minute a caller may send to one path. 0: as many as they like.
    pub api_rate_limit: u32,
    /// How many times a minute a caller may try to prove who they are. 0: as often as they like.
    pub login_rate_limit: u32,
    /// How many changes of a kind users may make to themselves in an hour. 0: any number.
    pub own_change_limit: u32,
    /// How many connections are served at once. 0: any number.
    pub max_connections: u32,
    /// How many of them may be from one network, unless it is one of trusted proxies. 0: any number.
    pub max_connections_per_network: u32,
    /// How long requests are still served after the service was asked to stop. `None`: not at all.
    pub shutdown_delay: Option<HumanDuration>,
    /// The name of the organization that new users join.
    pub default_organization: String,
    /// How long a session lives after it was last used.
    #[serde(serialize_with = "human_duration::serialize")]
    pub session_duration: Duration,
    /// How long a session lives at most, however much it is used.
    #[serde(serialize_with = "human_duration::serialize")]
    pub session_max_age: Duration,
    /// How long a session of the command line lives after it was last used.
    #[serde(serialize_with = "human_duration::serialize")]
    pub cli_session_duration: Duration,
    /// How long an API token lives whose maker does not say. See [`Config::token_lifetimes`].
    #[serde(serialize_with = "human_duration::serialize")]
    pub token_default_lifetime: Duration,
    /// How long an API token may be made to live.
    #[serde(serialize_with = "human_duration::serialize")]
    pub token_max_lifetime: Duration,
    /// How long an API token of an owner may be made to live: such a token opens everything.
    #[serde(serialize_with = "human_duration::serialize")]
    pub token_max_lifetime_owner: Duration,
    /// Whether users can sign in by password.
    pub password_login: bool,
    /// The weakest password that is accepted, as zxcvbn scores it: 0 (any) to 4.
    pub password_minimum_score: u8,
    /// How many wrong passwords for one account from one network cause no delay. 0: any number.
    pub guesses_per_network: u32,
    /// How many wrong passwords for one account cause no delay that come from networks where its owner was never signed
    /// in. 0: any number.
    pub guesses_per_account: u32,
    /// The longest delay before the next password may be tried. One wrong password is forgotten in this time.
    #[serde(serialize_with = "human_duration::serialize")]
    pub guess_longest_delay: Duration,
    /// How long it is remembered in which networks a user has signed in.
    #[serde(serialize_with = "human_duration::serialize")]
    pub known_networks_kept: Duration,
    /// The OpenID Connect provider, as it calls itself: its issuer.
    pub oidc_issuer_url: Option<ProviderUrl>,
    /// Whether that provider may be spoken to without https, wherever it is. Who can change what it answers can sign in as
    /// anybody: for private networks only.
    pub oidc_allow_http: bool,
    /// The name by which that provider knows the service.
    pub oidc_client_id: Option<String>,
    /// What proves to that provider that we are the service.
    pub oidc_client_secret: Option<Secret>,
    /// What that provider is asked for.
    pub oidc_scopes: Vec<String>,
    /// What else the address holds to which browsers are sent.
    pub oidc_auth_url_params: AuthUrlParams,
    /// Whether a challenge is sent (PKCE, S256).
    pub oidc_pkce: Pkce,
    /// Whether an ID token must have a nonce. If not, only a PKCE challenge ties it to the sign-in.
    pub oidc_require_nonce: bool,
    /// Whether who comes by that provider for the first time becomes a user.
    pub oidc_allow_signups: bool,
    /// The e-mail domains, each as a whole, that may sign in by that provider. None: any.
    pub oidc_email_domains: Vec<String>,
    /// Whether the domain of an e-mail address may be a single name, such as `localhost`.
    pub oidc_allow_dotless_domains: bool,
    /// Whether e-mail addresses count that the provider has not verified. Whoever can choose one there can be anybody here.
    pub oidc_ignore_email_verified: bool,
    /// Whether API tokens end, too, when the OpenID Connect provider refuses their user.
    pub oidc_end_tokens: bool,
    /// Whether only the ID token is read, and the userinfo endpoint not asked.
    pub oidc_ignore_userinfo: bool,
    /// The claim with the username.
    pub oidc_username_field: String,
    /// The claim with the e-mail address.
    pub oidc_email_field: String,
    /// The claim with the name for people.
    pub oidc_name_field: String,
    /// What the button says that leads to the provider.
    pub oidc_sign_in_text: String,
    /// The picture on that button; may be empty.
    pub oidc_icon_url: String,
    /// The name by which GitHub knows the service.
    pub github_client_id: Option<String>,
    /// What proves to GitHub that we are the service.
    pub github_client_secret: Option<Secret>,
    /// Whether who comes by GitHub for the first time becomes a user.
    pub github_allow_signups: bool,
    /// Whether anybody at GitHub may sign in, of whatever organization.
    pub github_allow_everyone: bool,
    /// The organizations at GitHub whose members may sign in.
    pub github_allowed_orgs: Vec<String>,
    /// The teams at GitHub whose members may sign in. None: all of the organizations.
    pub github_allowed_teams: Vec<GithubTeam>,
    /// GitHub, or an enterprise server.
    pub github_url: ProviderUrl,
    /// Its API.
    pub github_api_url: ProviderUrl,
    /// The memory that hashing one password takes, in KiB.
    pub argon2_memory_kib: u32,
    /// How often hashing a password goes over that memory.
    pub argon2_passes: u32,
    /// Into how many lanes that memory is split.
    pub argon2_lanes: u32,
    /// How many passwords are hashed at once. `None`: as many as there are processors, less one.
    pub hashing_workers: Option<usize>,
    /// How many passwords wait to be hashed at most.
    pub hashing_waiting: usize,
    /// Whether owners can write made-up entries into the audit log, for tests of its readers.
    pub audit_test_entries: bool,
    /// How long the addresses and e-mails of failed attempts can be read.
    #[serde(serialize_with = "human_duration::serialize")]
    pub attempts_kept: Duration,
    /// How often a checkpoint of the log is made. `None`: when somebody asks for one.
    pub checkpoint_every: Option<HumanDuration>,
    /// Where each checkpoint goes, beside the database.
    pub checkpoint_to: Option<Destination>,
    /// What the log is called in its checkpoints. Unless it is given, this follows `access_url`.
    pub checkpoint_origin: LogName,
    /// The form of log lines.
    pub log_format: LogFormat,
    /// Which log lines are written, as a filter of `tracing`.
    pub log: String,
}

/// How long an API token lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenLifetimes {
    /// When its maker does not say.
    pub default: Duration,
    /// At most.
    pub max: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            database_url: None,
            data_dir: None,
            postgres_bin: None,
            database_connections: 20,
            statement_cache: true,
            database_wait: Duration::from_secs(30),
            master_key_file: None,
            master_key: None,
            access_url: None,
            trusted_proxies: Vec::new(),
            secure_cookies: false,
            host_cookies: false,
            body_limit: 1024 * 1024,
            authmethods_format: AuthmethodsFormat::Flags,
            api_rate_limit: 512,
            login_rate_limit: 60,
            own_change_limit: 60,
            max_connections: 8_192,
            max_connections_per_network: 512,
            shutdown_delay: None,
            default_organization: "default".to_owned(),
            session_duration: Duration::from_hours(24),
            session_max_age: Duration::from_hours(30 * 24),
            cli_session_duration: Duration::from_hours(7 * 24),
            token_default_lifetime: Duration::from_hours(7 * 24),
            token_max_lifetime: Duration::from_hours(876_600),
            token_max_lifetime_owner: Duration::from_hours(7 * 24),
            password_login: true,
            password_minimum_score: 2,
            guesses_per_network: 40,
            guesses_per_account: 60,
            guess_longest_delay: Duration::from_mins(5),
            known_networks_kept: Duration::from_hours(90 * 24),
            oidc_issuer_url: None,
            oidc_allow_http: false,
            oidc_client_id: None,
            oidc_client_secret: None,
            oidc_scopes: vec![
                "openid".to_owned(),
                "profile".to_owned(),
                "email".to_owned(),
            ],
            oidc_auth_url_params: AuthUrlParams::default(),
            oidc_pkce: Pkce::Auto,
            oidc_require_nonce: true,
            oidc_allow_signups: true,
            oidc_email_domains: Vec::new(),
            oidc_allow_dotless_domains: false,
            oidc_ignore_email_verified: false,
            oidc_end_tokens: false,
            oidc_ignore_userinfo: false,
            oidc_username_field: "preferred_username".to_owned(),
            oidc_email_field: "email".to_owned(),
            oidc_name_field: "name".to_owned(),
            oidc_sign_in_text: "OpenID Connect".to_owned(),
            oidc_icon_url: String::new(),
            github_client_id: None,
            github_client_secret: None,
            github_allow_signups: false,
            github_allow_everyone: false,
            github_allowed_orgs: Vec::new(),
            github_allowed_teams: Vec::new(),
            github_url: ProviderUrl::github(),
            github_api_url: ProviderUrl::api_of(&ProviderUrl::github()),
            argon2_memory_kib: 19_456,
            argon2_passes: 2,
            argon2_lanes: 1,
            hashing_workers: None,
            hashing_waiting: 256,
            audit_test_entries: false,
            attempts_kept: Duration::from_hours(90 * 24),
            checkpoint_every: None,
            checkpoint_to: None,
            checkpoint_origin: LogName::default(),
            log_format: LogFormat::Text,
            log: "info".to_owned(),
        }
    }
}

impl Config {
    /// Reads the configuration of this process.
    ///
    /// `file` is the value of `--config`. Without one the file is the one that `ROLLCALL_CONFIG`
    /// names, else `rollcall.toml` in the working folder, else `/etc/rollcall/rollcall.toml`, else
    /// none. Beside it, the variables that look like options, and are of the surroundings.
    ///
    /// # Errors
    ///
    /// The first mistake that is found: a file that cannot be read or that other accounts control, an option that does not
    /// exist, a value that breaks its rule, or options that exclude each other.
    pub fn load(flags: &Args, file: Option<&Path>) -> Result<(Self, Vec<String>), ConfigError> {
        let environment = sources::environment(std::env::vars_os())?;
        let named = file.or(environment.file.as_deref());
        let file = sources::file(named, &sources::DEFAULT_FILES)?;
        let config = Self::from_figment(&sources::merge(file, environment.layer, flags)?)?;
        Ok((config, environment.passed_over))
    }

    /// How long an API token lives. What holds for everybody holds for owners too.
    #[must_use]
    pub fn token_lifetimes(&self, is_owner: bool) -> TokenLifetimes {
        let max = if is_owner {
            self.token_max_lifetime.min(self.token_max_lifetime_owner)
        } else {
            self.token_max_lifetime
        };
        TokenLifetimes {
            default: self.token_default_lifetime.min(max),
            max,
        }
    }

    /// The path below which browsers reach the service, such as `/rollcall`; empty for the whole host.
    #[must_use]
    pub fn base_path(&self) -> &str {
        self.access_url.as_ref().map_or("", AccessUrl::path)
    }

    /// The configuration as a `rollcall.toml`, with the secrets hidden.
    #[must_use]
    pub fn to_toml(&self) -> String {
        self.to_string()
    }

    fn from_figment(given: &Figment) -> Result<Self, ConfigError> {
        let args: Args = given
            .extract()
            .map_err(|error| options::refused(given, &error))?;
        options::check_bounds(given)?;
        let config = Self::with_defaults(args);
        config.check(given)?;
        Ok(config)
    }

    /// Taking `Args` apart by name makes the compiler ask for an option that was forgotten here.
    #[expect(clippy::too_many_lines, reason = "each option has two")]
    fn with_defaults(args: Args) -> Self {
        let Args {
            listen,
            database_url,
            data_dir,
            postgres_bin,
            database_connections,
            statement_cache,
            database_wait,
            master_key_file,
            master_key,
            access_url,
            trusted_proxies,
            secure_cookies,
            host_cookies,
            body_limit,
            authmethods_format,
            api_rate_limit,
            login_rate_limit,
            own_change_limit,
            max_connections,
            max_connections_per_network,
            shutdown_delay,
            default_organization,
            session_duration,
            session_max_age,
            cli_session_duration,
            token_default_lifetime,
            token_max_lifetime,
            token_max_lifetime_owner,
            password_login,
            password_minimum_score,
            guesses_per_network,
            guesses_per_account,
            guess_longest_delay,
            known_networks_kept,
            oidc_issuer_url,
            oidc_allow_http,
            oidc_client_id,
            oidc_client_secret,
            oidc_scopes,
            oidc_auth_url_params,
            oidc_pkce,
            oidc_require_nonce,
            oidc_allow_signups,
            oidc_email_domains,
            oidc_allow_dotless_domains,
            oidc_ignore_email_verified,
            oidc_end_tokens,
            oidc_ignore_userinfo,
            oidc_username_field,
            oidc_email_field,
            oidc_name_field,
            oidc_sign_in_text,
            oidc_icon_url,
            github_client_id,
            github_client_secret,
            github_allow_signups,
            github_allow_everyone,
            github_allowed_orgs,
            github_allowed_teams,
            github_url,
            github_api_url,
            argon2_memory_kib,
            argon2_passes,
            argon2_lanes,
            hashing_workers,
            hashing_waiting,
            audit_test_entries,
            attempts_kept,
            checkpoint_every,
            checkpoint_to,
            checkpoint_origin,
            log_format,
            log,
        } = args;
        let default = Self::default();
        let github_url = github_url.unwrap_or(default.github_url);
        let secure_by_url = access_url.as_ref().is_some_and(AccessUrl::is_https);
        let named_by_url = access_url.as_ref().map(LogName::from);
        Self {
            listen: listen.map_or(default.listen, SocketAddr::from),
            database_url,
            data_dir,
            postgres_bin,
            database_connections: database_connections.unwrap_or(default.database_connections),
            statement_cache: statement_cache.unwrap_or(default.statement_cache),
            database_wait: database_wait.map_or(default.database_wait, Duration::from),
            master_key_file,
            master_key,
            access_url,
            trusted_proxies: trusted_proxies.unwrap_or(default.trusted_proxies),
            secure_cookies: secure_cookies.unwrap_or(secure_by_url),
            host_cookies: host_cookies.unwrap_or(default.host_cookies),
            body_limit: body_limit.unwrap_or(default.body_limit),
            authmethods_format: authmethods_format.unwrap_or(default.authmethods_format),
            api_rate_limit: api_rate_limit.unwrap_or(default.api_rate_limit),
            login_rate_limit: login_rate_limit.unwrap_or(default.login_rate_limit),
            own_change_limit: own_change_limit.unwrap_or(default.own_change_limit),
            max_connections: max_connections.unwrap_or(default.max_connections),
            max_connections_per_network: max_connections_per_network
                .unwrap_or(default.max_connections_per_network),
            shutdown_delay,
            default_organization: default_organization.unwrap_or(default.default_organization),
            session_duration: session_duration.map_or(default.session_duration, Duration::from),
            session_max_age: session_max_age.map_or(default.session_max_age, Duration::from),
            cli_session_duration: cli_session_duration
                .map_or(default.cli_session_duration, Duration::from),
            token_default_lifetime: token_default_lifetime
                .map_or(default.token_default_lifetime, Duration::from),
            token_max_lifetime: token_max_lifetime
                .map_or(default.token_max_lifetime, Duration::from),
            token_max_lifetime_owner: token_max_lifetime_owner
                .map_or(default.token_max_lifetime_owner, Duration::from),
            password_login: password_login.unwrap_or(default.password_login),
            password_minimum_score: password_minimum_score
                .unwrap_or(default.password_minimum_score),
            guesses_per_network: guesses_per_network.unwrap_or(default.guesses_per_network),
            guesses_per_account: guesses_per_account.unwrap_or(default.guesses_per_account),
            guess_longest_delay: guess_longest_delay
                .map_or(default.guess_longest_delay, Duration::from),
            known_networks_kept: known_networks_kept
                .map_or(default.known_networks_kept, Duration::from),
            oidc_issuer_url,
            oidc_allow_http: oidc_allow_http.unwrap_or(default.oidc_allow_http),
            oidc_client_id,
            oidc_client_secret,
            oidc_scopes: oidc_scopes.unwrap_or(default.oidc_scopes),
            oidc_auth_url_params: oidc_auth_url_params.unwrap_or(default.oidc_auth_url_params),
            oidc_pkce: oidc_pkce.unwrap_or(default.oidc_pkce),
            oidc_require_nonce: oidc_require_nonce.unwrap_or(default.oidc_require_nonce),
            oidc_allow_signups: oidc_allow_signups.unwrap_or(default.oidc_allow_signups),
            oidc_email_domains: oidc_email_domains.unwrap_or(default.oidc_email_domains),
            oidc_allow_dotless_domains: oidc_allow_dotless_domains
                .unwrap_or(default.oidc_allow_dotless_domains),
            oidc_ignore_email_verified: oidc_ignore_email_verified
                .unwrap_or(default.oidc_ignore_email_verified),
            oidc_end_tokens: oidc_end_tokens.unwrap_or(default.oidc_end_tokens),
            oidc_ignore_userinfo: oidc_ignore_userinfo.unwrap_or(default.oidc_ignore_userinfo),
            oidc_username_field: oidc_username_field.unwrap_or(default.oidc_username_field),
            oidc_email_field: oidc_email_field.unwrap_or(default.oidc_email_field),
            oidc_name_field: oidc_name_field.unwrap_or(default.oidc_name_field),
            oidc_sign_in_text: oidc_sign_in_text.unwrap_or(default.oidc_sign_in_text),
            oidc_icon_url: oidc_icon_url.unwrap_or(default.oidc_icon_url),
            github_client_id,
            github_client_secret,
            github_allow_signups: github_allow_signups.unwrap_or(default.github_allow_signups),
            github_allow_everyone: github_allow_everyone.unwrap_or(default.github_allow_everyone),
            github_allowed_orgs: github_allowed_orgs.unwrap_or(default.github_allowed_orgs),
            github_allowed_teams: github_allowed_teams.unwrap_or(default.github_allowed_teams),
            github_api_url: github_api_url.unwrap_or_else(|| ProviderUrl::api_of(&github_url)),
            github_url,
            argon2_memory_kib: argon2_memory_kib.unwrap_or(default.argon2_memory_kib),
            argon2_passes: argon2_passes.unwrap_or(default.argon2_passes),
            argon2_lanes: argon2_lanes.unwrap_or(default.argon2_lanes),
            hashing_workers,
            hashing_waiting: hashing_waiting.unwrap_or(default.hashing_waiting),
            audit_test_entries: audit_test_entries.unwrap_or(default.audit_test_entries),
            attempts_kept: attempts_kept.map_or(default.attempts_kept, Duration::from),
            checkpoint_every,
            checkpoint_to,
            checkpoint_origin: checkpoint_origin
                .or(named_by_url)
                .unwrap_or(default.checkpoint_origin),
            log_format: log_format.unwrap_or(default.log_format),
            log: log.unwrap_or(default.log),
        }
    }

    /// The rules that a value cannot keep alone, because they speak of several options.
    fn check(&self, given: &Figment) -> Result<(), ConfigError> {
        let invalid = |option, rule| Err(options::invalid(given, option, rule));
        if self.database_url.is_some() && self.data_dir.is_some() {
            return Err(options::conflict(given, "database_url", "data_dir"));
        }
        if self.master_key.is_some() && self.master_key_file.is_some() {
            return Err(options::conflict(given, "master_key", "master_key_file"));
        }
        if !access_url::is_base(self.base_path()) {
            return invalid(
                "access_url",
                "a URL whose path, if any, has letters, digits and -._~ only, and does not begin like one of the service's own, \
                 such as /api or /login"
                    .to_owned(),
            );
        }
        self.check_cookies(given)?;
        if OrganizationName::parse(&self.default_organization).is_err() {
            return invalid(
                "default_organization",
                options::rule("default_organization"),
            );
        }
        if tracing_subscriber::EnvFilter::try_new(&self.log).is_err() {
            return invalid("log", options::rule("log"));
        }
        if self.session_duration > self.session_max_age {
            return invalid("session_duration", "at most session_max_age".to_owned());
        }
        if self.cli_session_duration > self.session_max_age {
            return invalid("cli_session_duration", "at most session_max_age".to_owned());
        }
        if self.token_default_lifetime > self.token_max_lifetime {
            return invalid(
                "token_default_lifetime",
                "at most token_max_lifetime".to_owned(),
            );
        }
        self.check_oidc(given)?;
        self.check_github(given)?;
        if self.argon2_memory_kib < 8 * self.argon2_lanes {
            return invalid(
                "argon2_memory_kib",
                "at least 8 for each of argon2_lanes".to_owned(),
            );
        }
        Ok(())
    }

    /// What browsers ask of cookies with the prefix `__Host-`.
    fn check_cookies(&self, given: &Figment) -> Result<(), ConfigError> {
        let rule = if !self.host_cookies {
            return Ok(());
        } else if !self.secure_cookies {
            "false unless browsers reach the service over https: see access_url and secure_cookies"
        } else if !self.base_path().is_empty() {
            "false when access_url has a path, because such cookies are those of a whole host"
        } else {
            return Ok(());
        };
        Err(options::invalid(given, "host_cookies", rule.to_owned()))
    }

    fn check_oidc(&self, given: &Figment) -> Result<(), ConfigError> {
        let invalid = |option| Err(options::invalid(given, option, options::rule(option)));
        for (option, text) in [
            ("oidc_client_id", self.oidc_client_id.as_ref()),
            ("oidc_username_field", Some(&self.oidc_username_field)),
            ("oidc_email_field", Some(&self.oidc_email_field)),
            ("oidc_name_field", Some(&self.oidc_name_field)),
        ] {
            if text.is_some_and(|text| text.trim().is_empty()) {
                return invalid(option);
            }
        }
        if !self.oidc_scopes.iter().any(|scope| scope == "openid") {
            return invalid("oidc_scopes");
        }
        let is_possible = |domain: &String| possible_domain_key(allowed_domain(domain)).is_some();
        if !self.oidc_email_domains.iter().all(is_possible) {
            return invalid("oidc_email_domains");
        }
        let is_safe = |url: &ProviderUrl| self.oidc_allow_http || url.is_https_or_local();
        if !self.oidc_issuer_url.as_ref().is_none_or(is_safe) {
            return invalid("oidc_issuer_url");
        }
        if !self.oidc_require_nonce && self.oidc_pkce == Pkce::Never {
            let rule =
                "true while oidc_pkce is never: something must tie an ID token to the sign-in";
            return Err(options::invalid(
                given,
                "oidc_require_nonce",
                rule.to_owned(),
            ));
        }
        let has_id = self.oidc_client_id.is_some();
        if self.oidc_issuer_url.is_some() && !has_id {
            return Err(options::missing(given, "oidc_client_id", "oidc_issuer_url"));
        }
        let needed = [
            ("oidc_issuer_url", self.oidc_issuer_url.is_some()),
            ("oidc_client_secret", self.oidc_client_secret.is_some()),
            ("access_url", self.access_url.is_some()),
        ];
        match needed.iter().find(|(_, is_given)| has_id && !is_given) {
            Some((option, _)) => Err(options::missing(given, option, "oidc_client_id")),
            None => Ok(()),
        }
    }

    fn check_github(&self, given: &Figment) -> Result<(), ConfigError> {
        let invalid = |option, rule: &str| Err(options::invalid(given, option, rule.to_owned()));
        let broken = |option| invalid(option, &options::rule(option));
        let (orgs, teams) = (&self.github_allowed_orgs, &self.github_allowed_teams);
        let id = self.github_client_id.as_ref();
        if id.is_some_and(|id| id.trim().is_empty()) {
            return broken("github_client_id");
        }
        if !orgs.iter().all(|org| is_organization(org)) {
            return broken("github_allowed_orgs");
        }
        for (option, url) in [
            ("github_url", &self.github_url),
            ("github_api_url", &self.github_api_url),
        ] {
            if !url.is_https_or_local() {
                return broken(option);
            }
        }
        let needed = [
            ("github_client_secret", self.github_client_secret.is_some()),
            ("access_url", self.access_url.is_some()),
        ];
        if let Some((option, _)) = needed
            .iter()
            .find(|(_, is_given)| id.is_some() && !is_given)
        {
            return Err(options::missing(given, option, "github_client_id"));
        }
        if self.github_allow_everyone && !(orgs.is_empty() && teams.is_empty()) {
            return invalid(
                "github_allow_everyone",
                "false when organizations or teams are named",
            );
        }
        // Members of these alone are asked for their teams: a team of another one would let nobody in.
        let is_named = |name: &str| orgs.iter().any(|org| org.eq_ignore_ascii_case(name));
        if !teams.iter().all(|team| is_named(&team.organization)) {
            return invalid(
                "github_allowed_teams",
                "a list of teams of organizations that github_allowed_orgs names",
            );
        }
        if id.is_some() && !self.github_allow_everyone && orgs.is_empty() {
            return invalid(
                "github_allowed_orgs",
                "not empty, unless github_allow_everyone is true",
            );
        }
        Ok(())
    }
}

/// A domain as it is given in a list, without the `@` that may stand before it as in addresses.
#[must_use]
pub fn allowed_domain(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix('@').unwrap_or(text)
}

/// A name as it stands in addresses.
fn is_organization(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || "/,".contains(c))
}

impl fmt::Display for Config {
    /// Every scalar and list of JSON is also TOML, so JSON is what the values are written by.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = serde_json::to_value(self).map_err(|_| fmt::Error)?;
        for option in &options::OPTIONS {
            match &values[option.name] {
                serde_json::Value::Null => writeln!(f, "# {} is not set", option.name)?,
                value => writeln!(f, "{} = {value}", option.name)?,
            }
        }
        Ok(())
    }
}
