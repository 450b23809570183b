//! The options as flags. The same struct is what the file and the environment are read into.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{
    AccessUrl, AuthUrlParams, AuthmethodsFormat, DatabaseUrl, Destination, GithubTeam,
    HumanDuration, ListenAddress, LogFormat, LogName, Network, Pkce, ProviderUrl, Secret,
    database_url::serialize_exposed,
};

/// Every option as it may be given: or not.
///
/// Serializing it exposes the password in `database_url`, because that is how flags become part of the configuration.
#[derive(Clone, Debug, Default, clap::Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Args {
    /// Address and port to serve HTTP on [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<ListenAddress>,
    /// Postgres to use, as `postgres://user:password@host/database`.
    ///
    /// Other users of the machine can see flags: a password is better kept in the environment or the file.
    #[arg(long, value_name = "URL", help_heading = "Database")]
    #[serde(serialize_with = "serialize_exposed")]
    pub database_url: Option<DatabaseUrl>,
    /// Folder of the private Postgres that is used when there is no database URL
    #[arg(long, value_name = "DIR", help_heading = "Database")]
    pub data_dir: Option<PathBuf>,
    /// Folder of initdb and postgres, when they are not to be looked for
    #[arg(long, value_name = "DIR", help_heading = "Database")]
    pub postgres_bin: Option<PathBuf>,
    /// Connections to Postgres to hold at most [default: 20]
    #[arg(long, value_name = "NUMBER", help_heading = "Database")]
    pub database_connections: Option<u32>,
    /// Whether to prepare statements: false for connection poolers that cannot serve them [default: true]
    #[arg(long, value_name = "BOOL", help_heading = "Database")]
    pub statement_cache: Option<bool>,
    /// How long to wait at start for a database that does not answer yet [default: 30s]
    #[arg(long, value_name = "DURATION", help_heading = "Database")]
    pub database_wait: Option<HumanDuration>,
    /// File with the key that seals personal data: 32 bytes in base64
    #[arg(long, value_name = "FILE", help_heading = "Database")]
    pub master_key_file: Option<PathBuf>,
    /// The key that seals personal data. Never a flag, because other users of the machine can see flags.
    #[arg(skip)]
    #[serde(skip_serializing)]
    pub master_key: Option<Secret<[u8; 32]>>,
    /// Address by which browsers reach the service, such as `https://rollcall.example.com`. It may have a path
    #[arg(long, value_name = "URL", help_heading = "HTTP")]
    pub access_url: Option<AccessUrl>,
    /// Networks of the proxies that may say where a request came from, such as `10.0.0.0/8,fd00::/8`
    #[arg(
        long,
        value_name = "CIDR",
        value_delimiter = ',',
        help_heading = "HTTP"
    )]
    pub trusted_proxies: Option<Vec<Network>>,
    /// Whether to send cookies over https only [default: true if the access URL is https]
    #[arg(long, value_name = "BOOL", help_heading = "HTTP")]
    pub secure_cookies: Option<bool>,
    /// Whether cookies have the prefix `__Host-`, so that no other host of the domain can set them [default: false]
    #[arg(long, value_name = "BOOL", help_heading = "HTTP")]
    pub host_cookies: Option<bool>,
    /// Largest body of a request, in bytes [default: 1048576]
    #[arg(long, value_name = "BYTES", help_heading = "HTTP")]
    pub body_limit: Option<usize>,
    /// How the ways to sign in are listed [default: flags]
    #[arg(long, value_name = "FORMAT", help_heading = "HTTP")]
    pub authmethods_format: Option<AuthmethodsFormat>,
    /// Requests a minute that a caller may send to one path, 0 for any number [default: 512]
    #[arg(long, value_name = "NUMBER", help_heading = "HTTP")]
    pub api_rate_limit: Option<u32>,
    /// Times a minute that a caller may try to sign in, 0 for any number [default: 60]
    #[arg(long, value_name = "NUMBER", help_heading = "HTTP")]
    pub login_rate_limit: Option<u32>,
    /// Changes of a kind an hour that users may make to themselves, 0 for any number [default: 60]
    #[arg(long, value_name = "NUMBER", help_heading = "HTTP")]
    pub own_change_limit: Option<u32>,
    /// Connections to serve at most, 0 for any number [default: 8192]
    #[arg(long, value_name = "NUMBER", help_heading = "HTTP")]
    pub max_connections: Option<u32>,
    /// Connections to serve from one network (/24 of IPv4, /48 of IPv6), 0 for any number [default: 512]
    ///
    /// It does not hold for trusted proxies and for this machine.
    #[arg(long, value_name = "NUMBER", help_heading = "HTTP")]
    pub max_connections_per_network: Option<u32>,
    /// How long to go on serving after SIGTERM, while `/readyz` answers 503, such as `5s` [default: none]
    #[arg(long, value_name = "DURATION", help_heading = "HTTP")]
    pub shutdown_delay: Option<HumanDuration>,
    /// Name of the organization that new users join [default: default]
    #[arg(long, value_name = "NAME", help_heading = "Users and sessions")]
    pub default_organization: Option<String>,
    /// How long a session lives after its last use, such as `90m` or `30d` [default: 24h]
    #[arg(long, value_name = "DURATION", help_heading = "Users and sessions")]
    pub session_duration: Option<HumanDuration>,
    /// How long a session lives at most [default: 30d]
    #[arg(long, value_name = "DURATION", help_heading = "Users and sessions")]
    pub session_max_age: Option<HumanDuration>,
    /// How long a session of the command line lives after its last use [default: 7d]
    #[arg(long, value_name = "DURATION", help_heading = "Users and sessions")]
    pub cli_session_duration: Option<HumanDuration>,
    /// How long an API token lives when its maker does not say [default: 7d]
    #[arg(long, value_name = "DURATION", help_heading = "Users and sessions")]
    pub token_default_lifetime: Option<HumanDuration>,
    /// How long an API token may be made to live [default: 36525d, which is 100 years]
    #[arg(long, value_name = "DURATION", help_heading = "Users and sessions")]
    pub token_max_lifetime: Option<HumanDuration>,
    /// How long an owner's API token may be made to live [default: 7d]
    #[arg(long, value_name = "DURATION", help_heading = "Users and sessions")]
    pub token_max_lifetime_owner: Option<HumanDuration>,
    /// Whether users can sign in by password [default: true]
    #[arg(long, value_name = "BOOL", help_heading = "Passwords")]
    pub password_login: Option<bool>,
    /// Weakest password to accept, from 0 (any) to 4 [default: 2]
    #[arg(long, value_name = "SCORE", help_heading = "Passwords")]
    pub password_minimum_score: Option<u8>,
    /// Wrong passwords for one account from one network before the next ones are delayed, 0 for any number [default: 40]
    #[arg(long, value_name = "NUMBER", help_heading = "Passwords")]
    pub guesses_per_network: Option<u32>,
    /// The same for one account from all networks where it was never signed in from, together [default: 60]
    #[arg(long, value_name = "NUMBER", help_heading = "Passwords")]
    pub guesses_per_account: Option<u32>,
    /// Longest delay before the next password may be tried, and how fast wrong ones are forgotten [default: 5m]
    #[arg(long, value_name = "DURATION", help_heading = "Passwords")]
    pub guess_longest_delay: Option<HumanDuration>,
    /// How long a network is remembered where a user has signed in [default: 90d]
    #[arg(long, value_name = "DURATION", help_heading = "Passwords")]
    pub known_networks_kept: Option<HumanDuration>,
    /// Address of the OpenID Connect provider, as it calls itself: its issuer
    #[arg(long, value_name = "URL", help_heading = "OpenID Connect")]
    pub oidc_issuer_url: Option<ProviderUrl>,
    /// Whether the OpenID Connect provider may be spoken to without https: for private networks only [default: false]
    #[arg(long, value_name = "BOOL", help_heading = "OpenID Connect")]
    pub oidc_allow_http: Option<bool>,
    /// Name by which the OpenID Connect provider knows the service
    #[arg(long, value_name = "ID", help_heading = "OpenID Connect")]
    pub oidc_client_id: Option<String>,
    /// What proves to that provider that we are the service. Never a flag, because other users of the machine can see flags.
    #[arg(skip)]
    #[serde(skip_serializing)]
    pub oidc_client_secret: Option<Secret>,
    /// Scopes to ask the OpenID Connect provider for [default: openid,profile,email]
    #[arg(
        long,
        value_name = "SCOPES",
        value_delimiter = ',',
        help_heading = "OpenID Connect"
    )]
    pub oidc_scopes: Option<Vec<String>>,
    /// Parameters to add to the address to which browsers are sent, such as `prompt=select_account&hd=example.com` [default: none]
    #[arg(long, value_name = "QUERY", help_heading = "OpenID Connect")]
    pub oidc_auth_url_params: Option<AuthUrlParams>,
    /// Whether to send a PKCE challenge: auto asks the discovery document [default: auto]
    #[arg(long, value_name = "WHEN", help_heading = "OpenID Connect")]
    pub oidc_pkce: Option<Pkce>,
    /// Whether an ID token must have a nonce. Without, PKCE must tie it to the sign-in [default: true]
    #[arg(long, value_name = "BOOL", help_heading = "OpenID Connect")]
    pub oidc_require_nonce: Option<bool>,
    /// Whether who comes by OpenID Connect for the first time becomes a user [default: true]
    #[arg(long, value_name = "BOOL", help_heading = "OpenID Connect")]
    pub oidc_allow_signups: Option<bool>,
    /// E-mail domains, as a whole, that may sign in by OpenID Connect [default: any]
    #[arg(
        long,
        value_name = "DOMAINS",
        value_delimiter = ',',
        help_heading = "OpenID Connect"
    )]
    pub oidc_email_domains: Option<Vec<String>>,
    /// Whether the domain of an e-mail address may be a single name, such as `root@localhost` [default: false]
    #[arg(long, value_name = "BOOL", help_heading = "OpenID Connect")]
    pub oidc_allow_dotless_domains: Option<bool>,
    /// Whether e-mail addresses count that the OpenID Connect provider has not verified [default: false]
    #[arg(long, value_name = "BOOL", help_heading = "OpenID Connect")]
    pub oidc_ignore_email_verified: Option<bool>,
    /// Whether API tokens end, too, when the OpenID Connect provider refuses their user [default: false]
    #[arg(long, value_name = "BOOL", help_heading = "OpenID Connect")]
    pub oidc_end_tokens: Option<bool>,
    /// Whether only the ID token is read, and the userinfo endpoint not asked [default: false]
    #[arg(long, value_name = "BOOL", help_heading = "OpenID Connect")]
    pub oidc_ignore_userinfo: Option<bool>,
    /// Claim with the username [default: `preferred_username`]
    #[arg(long, value_name = "CLAIM", help_heading = "OpenID Connect")]
    pub oidc_username_field: Option<String>,
    /// Claim with the e-mail address [default: email]
    #[arg(long, value_name = "CLAIM", help_heading = "OpenID Connect")]
    pub oidc_email_field: Option<String>,
    /// Claim with the name for people [default: name]
    #[arg(long, value_name = "CLAIM", help_heading = "OpenID Connect")]
    pub oidc_name_field: Option<String>,
    /// What the button says that leads to the OpenID Connect provider [default: OpenID Connect]
    #[arg(long, value_name = "TEXT", help_heading = "OpenID Connect")]
    pub oidc_sign_in_text: Option<String>,
    /// Picture on that button [default: none]
    #[arg(long, value_name = "URL", help_heading = "OpenID Connect")]
    pub oidc_icon_url: Option<String>,
    /// Name by which GitHub knows the service
    #[arg(long, value_name = "ID", help_heading = "GitHub")]
    pub github_client_id: Option<String>,
    /// What proves to GitHub that we are the service. Never a flag, because other users of the machine can see flags.
    #[arg(skip)]
    #[serde(skip_serializing)]
    pub github_client_secret: Option<Secret>,
    /// Whether who comes by GitHub for the first time becomes a user [default: false]
    #[arg(long, value_name = "BOOL", help_heading = "GitHub")]
    pub github_allow_signups: Option<bool>,
    /// Whether anybody at GitHub may sign in, of whatever organization [default: false]
    #[arg(long, value_name = "BOOL", help_heading = "GitHub")]
    pub github_allow_everyone: Option<bool>,
    /// GitHub organizations whose members may sign in
    #[arg(
        long,
        value_name = "ORGS",
        value_delimiter = ',',
        help_heading = "GitHub"
    )]
    pub github_allowed_orgs: Option<Vec<String>>,
    /// GitHub teams, as `org/team`, whose members may sign in [default: all of the organizations]
    #[arg(
        long,
        value_name = "TEAMS",
        value_delimiter = ',',
        help_heading = "GitHub"
    )]
    pub github_allowed_teams: Option<Vec<GithubTeam>>,
    /// Address of GitHub, or of an enterprise server [default: `https://github.com`]
    #[arg(long, value_name = "URL", help_heading = "GitHub")]
    pub github_url: Option<ProviderUrl>,
    /// Address of GitHub's API [default: the one of the GitHub address]
    #[arg(long, value_name = "URL", help_heading = "GitHub")]
    pub github_api_url: Option<ProviderUrl>,
    /// Memory that hashing one password takes, in KiB [default: 19456]
    #[arg(long, value_name = "KIB", help_heading = "Passwords")]
    pub argon2_memory_kib: Option<u32>,
    /// How often hashing a password goes over that memory [default: 2]
    #[arg(long, value_name = "NUMBER", help_heading = "Passwords")]
    pub argon2_passes: Option<u32>,
    /// Into how many lanes that memory is split [default: 1]
    #[arg(long, value_name = "NUMBER", help_heading = "Passwords")]
    pub argon2_lanes: Option<u32>,
    /// Passwords to hash at once [default: the processors, less one]
    #[arg(long, value_name = "NUMBER", help_heading = "Passwords")]
    pub hashing_workers: Option<usize>,
    /// Passwords that wait to be hashed at most, a quarter of them from one network [default: 256]
    #[arg(long, value_name = "NUMBER", help_heading = "Passwords")]
    pub hashing_waiting: Option<usize>,
    /// Whether owners can write made-up audit entries, for tests [default: false]
    #[arg(long, value_name = "BOOL", help_heading = "Audit")]
    pub audit_test_entries: Option<bool>,
    /// How long addresses and e-mails of failed attempts can be read [default: 90d]
    #[arg(long, value_name = "DURATION", help_heading = "Audit")]
    pub attempts_kept: Option<HumanDuration>,
    /// How often to make a signed checkpoint of the log, such as `1h` [default: when asked]
    #[arg(long, value_name = "DURATION", help_heading = "Evidence")]
    pub checkpoint_every: Option<HumanDuration>,
    /// File or URL that checkpoints go to; `{size}` stands for the number of events
    #[arg(long, value_name = "FILE|URL", help_heading = "Evidence")]
    pub checkpoint_to: Option<Destination>,
    /// Name of the log in its checkpoints [default: the access URL without its scheme, or localhost]
    #[arg(long, value_name = "NAME", help_heading = "Evidence")]
    pub checkpoint_origin: Option<LogName>,
    /// Form of log lines [default: text]
    #[arg(long, value_name = "FORMAT", help_heading = "Logging")]
    pub log_format: Option<LogFormat>,
    /// Which log lines to write, such as `info` or `rollcall=debug,sqlx=warn` [default: info]
    #[arg(long, value_name = "FILTER", help_heading = "Logging")]
    pub log: Option<String>,
}

/// The options of a command that speaks to the database and serves nothing.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct StoreArgs {
    /// Postgres to use, as `postgres://user:password@host/database`.
    ///
    /// Other users of the machine can see flags: a password is better kept in the environment or the file.
    #[arg(long, value_name = "URL", help_heading = "Database")]
    pub database_url: Option<DatabaseUrl>,
    /// Folder of the private Postgres that is used when there is no database URL
    #[arg(long, value_name = "DIR", help_heading = "Database")]
    pub data_dir: Option<PathBuf>,
    /// Folder of initdb and postgres, when they are not to be looked for
    #[arg(long, value_name = "DIR", help_heading = "Database")]
    pub postgres_bin: Option<PathBuf>,
    /// File with the key that seals personal data: 32 bytes in base64
    #[arg(long, value_name = "FILE", help_heading = "Database")]
    pub master_key_file: Option<PathBuf>,
}

impl From<StoreArgs> for Args {
    fn from(store: StoreArgs) -> Self {
        let StoreArgs {
            database_url,
            data_dir,
            postgres_bin,
            master_key_file,
        } = store;
        Self {
            database_url,
            data_dir,
            postgres_bin,
            master_key_file,
            ..Self::default()
        }
    }
}
