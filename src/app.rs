//! The service put together: the database, the log, the vault, the buses, and what the endpoints share.

use std::sync::Arc;

use rollcall_events::{
    Authority, Metadata,
    clock::Clock,
    ids::Ids,
    log::{Appender, LogError, LogReader, Unfit, Upcasters, observe},
    organization::{
        CreateOrganization, Organization, OrganizationCommand, OrganizationDetails,
        OrganizationError, OrganizationName,
    },
    user::{PasswordPolicy, User},
    vault::{Credential, HashCost, MasterKey, Vault, VaultError},
};
use rollcall_projections::{fit, inline::InlineProjections, organizations, rules, users};
use sqlx::{PgPool, postgres::PgConnectOptions};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    attempts::Attempts,
    auth::{
        Passwords,
        guesses::Guesses,
        passwords::PasswordError,
        providers::{ProviderSetupError, Providers},
        renewal::Renewals,
        ticket::TicketOffice,
    },
    command_bus::{CommandBus, CommandError},
    config::Config,
    http::{
        feed::Followers, page_ends::PageEnds, places::Places, rate_limit::RateLimits, streamed,
    },
    pool,
};

/// What the endpoints work with. Cheap to share.
pub type AppState = Arc<App>;

/// The service.
pub struct App {
    /// How it is set up.
    pub config: Config,
    /// The database.
    pub pool: PgPool,
    /// What is known of the database from these connections.
    pub health: pool::Health,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Identifiers and secrets.
    pub ids: Ids,
    /// The log, to read.
    pub log: LogReader,
    /// The way of users' commands.
    pub users: CommandBus<User>,
    /// The way of organisations' commands.
    pub organizations: CommandBus<Organization>,
    /// The way of attempts that came to nothing.
    pub attempts: Attempts,
    /// The places for long lists.
    pub long_lists: Places,
    /// Where pages of lists ended.
    pub page_ends: PageEnds,
    /// Who follows the log.
    pub followers: Followers,
    /// Where people sign in elsewhere.
    pub providers: Providers,
    /// Whether those still vouch for them.
    pub renewals: Renewals,
    /// What browsers carry there and back.
    pub tickets: TicketOffice,
    /// Hashes and verifies.
    pub passwords: Passwords,
    /// How often passwords were wrong.
    pub guesses: Guesses,
    /// Whose proof it is that a form comes from our own page.
    pub csrf_key: [u8; 32],
    /// Enciphers the positions in the identifiers of history entries.
    pub history_key: [u8; 32],
    /// How many requests everybody has sent.
    pub rate_limits: RateLimits,
    /// Cancelled when the service has been asked to stop: `/readyz` says so.
    pub stopping: CancellationToken,
    /// The organisation that users join who name none.
    pub default_organization: Uuid,
}

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database does not answer, or refuses.
    #[error("the database cannot be used")]
    Database(#[from] sqlx::Error),
    /// The master key is wrong.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The log cannot be added to.
    #[error(transparent)]
    Unfit(Unfit),
    /// The read models are not those of the log.
    #[error("{0}: `rollcall rebuild` makes the read models again")]
    ReadModels(String),
    /// A provider cannot be used as it is configured.
    #[error(transparent)]
    Providers(#[from] ProviderSetupError),
    /// The hashing parameters are wrong.
    #[error(transparent)]
    Passwords(#[from] PasswordError),
    /// The default organisation's name is wrong.
    #[error(transparent)]
    OrganizationName(#[from] rollcall_events::organization::InvalidOrganizationName),
    /// The default organisation could not be created.
    #[error("the default organisation could not be created")]
    Organization(#[source] CommandError<OrganizationError>),
}

impl App {
    /// Puts the service together on a migrated database.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(
        config: Config,
        database: PgConnectOptions,
        master_key: MasterKey,
        clock: Arc<dyn Clock>,
    ) -> Result<AppState, StartError> {
        let health = pool::Health::default();
        let pool = pool::open(
            database,
            config.database_connections,
            pool::STATEMENT_TIMEOUT,
            &health,
        );
        let csrf_key = master_key.derive("csrf");
        let history_key = master_key.derive("history entries");
        let tickets = TicketOffice::new(master_key.derive("tickets"));
        let guesses = Guesses::new(&config, pool.clone(), master_key.derive("guesses"));
        let vault = Vault::open(pool.clone(), master_key, clock.as_ref()).await?;
        vault.bind_old_credentials(clock.now()).await?;
        look_at_the_log(&pool, clock.as_ref()).await?;
        if users::rekey(&pool).await? {
            tracing::info!("the keys by which users are found were made again by the new rule");
        }
        for name in rules::outdated(&pool).await? {
            tracing::warn!(
                projection = name,
                "its rows were made by an older rule: `rollcall rebuild` makes them anew"
            );
        }
        let log = LogReader::new(pool.clone(), vault, Upcasters::current());
        let appender = Appender::start(&pool, InlineProjections, Arc::clone(&clock));
        let organizations = CommandBus::new(&log, &appender);
        let default_organization = default_organization(&pool, &organizations, &config).await?;
        let cost = HashCost {
            memory_kib: config.argon2_memory_kib,
            passes: config.argon2_passes,
            lanes: config.argon2_lanes,
        };
        let policy = PasswordPolicy {
            minimum_score: config.password_minimum_score,
        };
        let workers = config
            .hashing_workers
            .unwrap_or_else(default_hashing_workers);
        Ok(Arc::new(Self {
            passwords: Passwords::new(cost, policy, workers, config.hashing_waiting)?,
            guesses,
            users: CommandBus::new(&log, &appender).backed_by(users::known::known),
            attempts: Attempts::new(CommandBus::new(&log, &appender), Arc::clone(&clock), Ids),
            rate_limits: RateLimits::new(&config),
            stopping: CancellationToken::new(),
            providers: Providers::new(&config, &clock)?,
            renewals: Renewals::default(),
            long_lists: streamed::places(),
            page_ends: PageEnds::default(),
            followers: Followers::none(&pool),
            tickets,
            config,
            pool,
            health,
            clock,
            ids: Ids,
            log,
            organizations,
            csrf_key,
            history_key,
            default_organization,
        }))
    }
}

impl App {
    /// How many password hashes a user has had. Of a stored hash that is not the user's, the events tell: so the password can be
    /// set again.
    ///
    /// # Errors
    /// The database fails, or an event cannot be read.
    pub async fn password_revision(
        &self,
        user: Uuid,
        credential: &Credential,
    ) -> Result<i64, LogError> {
        if credential.is_bound {
            return Ok(credential.revision);
        }
        Ok(self.users.state(user).await?.password_revision())
    }
}

/// Whether anything can be recorded, and what else the operator has to know of clocks, log and read models.
async fn look_at_the_log(pool: &PgPool, clock: &dyn Clock) -> Result<(), StartError> {
    let mut conn = pool.acquire().await?;
    let observed = observe(&mut *conn).await?;
    match observed.unfit(clock) {
        Some(unfit @ Unfit::Head { .. }) => return Err(StartError::Unfit(unfit)),
        Some(unfit @ Unfit::Clock(_)) => tracing::error!(
            error = &unfit as &dyn std::error::Error,
            "nothing is recorded by this node until the clocks agree"
        ),
        None => {}
    }
    if let Some(ahead) = observed.head_ahead(clock) {
        tracing::error!(
            ahead_s = ahead.num_seconds(),
            recorded_at = %observed.head.recorded_at,
            "the last event was recorded in the future: until then every event gets that time"
        );
    }
    if let Some(misfit) = fit::misfit(&mut conn).await? {
        let says = "log and read models do not fit: `rollcall rebuild` makes the read models again";
        if observed.head.position > 0 && organizations::find::default(&mut *conn).await?.is_none() {
            return Err(StartError::ReadModels(misfit));
        }
        tracing::error!(%misfit, "{says}");
    }
    Ok(())
}

/// All processors but one: whatever comes in, one is left for everything else.
fn default_hashing_workers() -> usize {
    std::thread::available_parallelism().map_or(1, |count| count.get().saturating_sub(1).max(1))
}

/// The default organisation, created by the first service that finds none.
async fn default_organization(
    pool: &PgPool,
    bus: &CommandBus<Organization>,
    config: &Config,
) -> Result<Uuid, StartError> {
    if let Some(organization) = organizations::find::default(pool).await? {
        return Ok(organization.id);
    }
    let name = OrganizationName::parse(&config.default_organization)?;
    let command = OrganizationCommand::CreateOrganization(CreateOrganization {
        details: OrganizationDetails::default(),
        name,
        is_default: true,
    });
    let id = Ids.uuid();
    match bus
        .execute(
            id,
            command,
            Authority::system(Metadata::system(Ids.uuid())),
            Vec::new(),
        )
        .await
    {
        Ok(_) => Ok(id),
        // Another node was faster.
        Err(CommandError::Taken(_)) => match organizations::find::default(pool).await? {
            Some(organization) => Ok(organization.id),
            None => Err(StartError::Organization(CommandError::Contended)),
        },
        Err(error) => Err(StartError::Organization(error)),
    }
}
