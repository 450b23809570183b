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
mod human_duration;
mod network;
mod options;
mod secret;
mod sources;
#[cfg(test)]
mod tests;
mod text;

pub use access_url::AccessUrl;
pub use args::{Args, StoreArgs};
pub use choices::{AuthmethodsFormat, LogFormat};
pub use database_url::DatabaseUrl;
pub use error::ConfigError;
pub use human_duration::HumanDuration;
pub use network::Network;
pub use secret::Secret;

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use figment::Figment;
use rollcall_events::organization::OrganizationName;
use serde::Serialize;

/// What the service was told to do, with nothing left to decide.
///
/// Its `Display` is a `rollcall.toml` with the secrets hidden.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
    /// The largest body of a request, in bytes.
    pub body_limit: usize,
    /// How the ways to sign in are listed.
    pub authmethods_format: AuthmethodsFormat,
    /// The name of the organization that new users join.
    pub default_organization: String,
    /// How long a session lives after it was last used.
    #[serde(serialize_with = "human_duration::serialize")]
    pub session_duration: Duration,
    /// How long a session lives at most, however much it is used.
    #[serde(serialize_with = "human_duration::serialize")]
    pub session_max_age: Duration,
    /// Whether users can sign in by password.
    pub password_login: bool,
    /// The weakest password that is accepted, as zxcvbn scores it: 0 (any) to 4.
    pub password_minimum_score: u8,
    /// The memory that hashing one password takes, in KiB.
    pub argon2_memory_kib: u32,
    /// How often hashing a password goes over that memory.
    pub argon2_passes: u32,
    /// Into how many lanes that memory is split.
    pub argon2_lanes: u32,
    /// How many passwords are hashed at once. `None`: as many as there are processors, less one.
    pub hashing_workers: Option<usize>,
    /// The form of log lines.
    pub log_format: LogFormat,
    /// Which log lines are written, as a filter of `tracing`.
    pub log: String,
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
            master_key_file: None,
            master_key: None,
            access_url: None,
            trusted_proxies: Vec::new(),
            secure_cookies: false,
            body_limit: 1024 * 1024,
            authmethods_format: AuthmethodsFormat::Flags,
            default_organization: "default".to_owned(),
            session_duration: Duration::from_hours(24),
            session_max_age: Duration::from_hours(30 * 24),
            password_login: true,
            password_minimum_score: 2,
            argon2_memory_kib: 19_456,
            argon2_passes: 2,
            argon2_lanes: 1,
            hashing_workers: None,
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
    /// none.
    ///
    /// # Errors
    ///
    /// The first mistake that is found: a file that cannot be read, an option that does not exist,
    /// a value that breaks its rule, or options that exclude each other.
    pub fn load(flags: &Args, file: Option<&Path>) -> Result<Self, ConfigError> {
        let environment = sources::environment(std::env::vars_os())?;
        let named = file.or(environment.file.as_deref());
        let file = sources::file(named, &sources::DEFAULT_FILES)?;
        Self::from_figment(&sources::merge(file, environment.layer, flags)?)
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
    fn with_defaults(args: Args) -> Self {
        let Args {
            listen,
            database_url,
            data_dir,
            postgres_bin,
            database_connections,
            statement_cache,
            master_key_file,
            master_key,
            access_url,
            trusted_proxies,
            secure_cookies,
            body_limit,
            authmethods_format,
            default_organization,
            session_duration,
            session_max_age,
            password_login,
            password_minimum_score,
            argon2_memory_kib,
            argon2_passes,
            argon2_lanes,
            hashing_workers,
            log_format,
            log,
        } = args;
        let default = Self::default();
        let secure_by_url = access_url.as_ref().is_some_and(AccessUrl::is_https);
        Self {
            listen: listen.unwrap_or(default.listen),
            database_url,
            data_dir,
            postgres_bin,
            database_connections: database_connections.unwrap_or(default.database_connections),
            statement_cache: statement_cache.unwrap_or(default.statement_cache),
            master_key_file,
            master_key,
            access_url,
            trusted_proxies: trusted_proxies.unwrap_or(default.trusted_proxies),
            secure_cookies: secure_cookies.unwrap_or(secure_by_url),
            body_limit: body_limit.unwrap_or(default.body_limit),
            authmethods_format: authmethods_format.unwrap_or(default.authmethods_format),
            default_organization: default_organization.unwrap_or(default.default_organization),
            session_duration: session_duration.map_or(default.session_duration, Duration::from),
            session_max_age: session_max_age.map_or(default.session_max_age, Duration::from),
            password_login: password_login.unwrap_or(default.password_login),
            password_minimum_score: password_minimum_score
                .unwrap_or(default.password_minimum_score),
            argon2_memory_kib: argon2_memory_kib.unwrap_or(default.argon2_memory_kib),
            argon2_passes: argon2_passes.unwrap_or(default.argon2_passes),
            argon2_lanes: argon2_lanes.unwrap_or(default.argon2_lanes),
            hashing_workers,
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
        if self.argon2_memory_kib < 8 * self.argon2_lanes {
            return invalid(
                "argon2_memory_kib",
                "at least 8 for each of argon2_lanes".to_owned(),
            );
        }
        Ok(())
    }
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
