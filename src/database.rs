//! The database that the service works on: the private cluster, or the one that the operator names; its migrations;
//! and the master key that goes with it.

mod master_key;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use rollcall_events::{database_error::is_unavailable, session};
use sqlx::{
    ConnectOptions, Connection, Executor, PgConnection,
    migrate::{MigrateError, Migrator},
    postgres::{PgConnectOptions, PgSslMode},
};

use crate::{
    config::Config,
    postgres::{Cluster, ClusterError, ClusterOptions, Durability, SUPERUSER, default_data_dir},
};

pub use master_key::{MasterKeyError, existing_master_key, master_key};

/// Every step of the schema, embedded.
pub static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// The role that the service works as in the private cluster: it cannot change the log.
const SERVICE_ROLE: &str = "rollcall_service";
const DATABASE: &str = "rollcall";
/// Nodes that start together migrate one after another. An arbitrary number that only we use.
const MIGRATION_LOCK: i64 = 0x726f_6c6c_6361_6c6c;

/// How often a database that does not answer is tried again.
const WAIT_POLL: Duration = Duration::from_millis(500);

/// A database, ready to be connected to.
pub struct Database {
    /// As whom the service connects.
    pub service: PgConnectOptions,
    /// As whom the schema is migrated.
    pub owner: PgConnectOptions,
    /// The private cluster, if that is what it is; it stops when this is dropped.
    pub cluster: Option<Cluster>,
}

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The private cluster does not run.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The address is wrong, or the database does not answer, or refuses.
    #[error("the database cannot be used")]
    Database(#[from] sqlx::Error),
    /// The schema cannot be brought up to date.
    #[error("the migrations failed")]
    Migrate(#[from] MigrateError),
    /// There is no master key, or it cannot be used.
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    /// Texts of some languages could not be stored.
    #[error(
        "the database's encoding is {encoding}, and it has to be UTF8: make it with `CREATE DATABASE .. ENCODING 'UTF8' TEMPLATE template0`"
    )]
    Encoding {
        /// What it is.
        encoding: String,
    },
    /// The schema needs an extension that the server does not have.
    #[error(
        "the database server lacks the extension pg_trgm, which comes with PostgreSQL: install its contrib modules (`apt-get install postgresql-contrib`)"
    )]
    ExtensionMissing,
    /// The extension is in a schema that our role may not use.
    #[error(
        "the extension pg_trgm is in the schema {schema}, which this role may not use: let an administrator `GRANT USAGE ON SCHEMA {schema} TO {role}`"
    )]
    ExtensionClosed {
        /// The schema, quoted.
        schema: String,
        /// Our role, quoted.
        role: String,
    },
}

/// Finds the database that the configuration names, starting the private cluster if it names none. Call this from
/// the main thread: the cluster's server stops with the thread that started it.
///
/// # Errors
/// See [`DatabaseError`].
pub fn open(config: &Config) -> Result<Database, DatabaseError> {
    match &config.database_url {
        Some(url) => {
            let options: PgConnectOptions = url.expose().parse()?;
            let options = tuned(options, config);
            Ok(Database {
                service: options.clone(),
                owner: options,
                cluster: None,
            })
        }
        None => open_private(config),
    }
}

fn open_private(config: &Config) -> Result<Database, DatabaseError> {
    let cluster = Cluster::start(&ClusterOptions {
        data_dir: data_dir(config)?,
        postgres_bin: config.postgres_bin.clone(),
        durability: Durability::Durable,
    })?;
    let options = |role: &str| tuned(connect_options(&cluster, role, DATABASE), config);
    Ok(Database {
        service: options(SERVICE_ROLE),
        owner: options(SUPERUSER),
        cluster: Some(cluster),
    })
}

/// How to connect to a database of a private cluster.
pub fn connect_options(cluster: &Cluster, role: &str, database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(cluster.socket_dir())
        .port(cluster.port())
        .username(role)
        .database(database)
        .ssl_mode(PgSslMode::Disable)
        .application_name("rollcall")
}

fn tuned(options: PgConnectOptions, config: &Config) -> PgConnectOptions {
    let options = options
        .application_name("rollcall")
        // Each connection sets it for itself; poolers refuse it as an option.
        .extra_float_digits(None)
        .log_statements(tracing::log::LevelFilter::Off);
    if config.statement_cache {
        options
    } else {
        options.statement_cache_capacity(0)
    }
}

impl Database {
    /// Waits until the database answers and can be written to, if it does not yet: it may be starting beside us.
    ///
    /// # Errors
    /// It does not do so within `limit`, or refuses us for a reason that no wait cures.
    pub async fn wait(&self, limit: Duration) -> Result<(), DatabaseError> {
        let since = Instant::now();
        let mut is_said = false;
        loop {
            let error = match session::connect(&self.service).await {
                Ok(conn) => {
                    if is_said {
                        tracing::info!("the database answers");
                    }
                    return Ok(conn.close().await?);
                }
                Err(error) if !is_unavailable(&error) => return Err(error.into()),
                Err(error) => error,
            };
            if since.elapsed() + WAIT_POLL > limit {
                return Err(error.into());
            }
            if !is_said {
                is_said = true;
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    ?limit,
                    "the database does not answer yet: waiting for it"
                );
            }
            tokio::time::sleep(WAIT_POLL).await;
        }
    }

    /// Brings the schema up to date; safe with several nodes at once.
    ///
    /// # Errors
    /// The database does not answer, or a step fails.
    pub async fn migrate(&self) -> Result<(), DatabaseError> {
        if self.cluster.is_some() {
            create_database(&self.owner).await?;
        }
        let mut conn = session::connect(&self.owner).await?;
        migrate(&mut conn).await?;
        if self.cluster.is_some() {
            let_service_in(&mut conn).await?;
        }
        Ok(conn.close().await?)
    }
}

/// Lets the service's role connect to the private cluster. One node at a time: two that alter a role at once fail.
pub async fn let_service_in(conn: &mut PgConnection) -> sqlx::Result<()> {
    let mut tx = conn.begin().await?;
    lock(&mut tx).await?;
    let may: bool =
        sqlx::query_scalar("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'rollcall_service'")
            .fetch_one(&mut *tx)
            .await?;
    if !may {
        tx.execute("ALTER ROLE rollcall_service LOGIN").await?;
    }
    tx.commit().await
}

/// Held until the transaction ends.
async fn lock(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(MIGRATION_LOCK)
        .execute(conn)
        .await?;
    Ok(())
}

/// Brings the schema up to date, one node at a time. All steps are one transaction, so that the lock works through a
/// connection pooler too, and a failed start leaves nothing half done.
///
/// # Errors
/// The database is not one that we can use: then nothing was changed. Or a step fails.
pub async fn migrate(conn: &mut PgConnection) -> Result<(), DatabaseError> {
    require_utf8(conn).await?;
    if schema(conn).await? == Schema::Current {
        return Ok(());
    }
    let extension = require_extension(conn).await?;
    let mut tx = conn.begin().await?;
    lock(&mut tx).await?;
    if let Some(schema) = extension {
        // What the steps name without a schema is found there too, and is made in `public` all the same.
        let path = format!("SET LOCAL search_path = \"$user\", public, {schema}");
        tx.execute(path.as_str()).await?;
    }
    let mut migrator = Migrator {
        migrations: MIGRATIONS.migrations.clone(),
        ..Migrator::DEFAULT
    };
    migrator.set_locking(false);
    migrator.run_direct(&mut *tx).await?;
    Ok(tx.commit().await?)
}

/// Refuses a database that cannot hold every text.
///
/// # Errors
/// [`DatabaseError::Encoding`], or the database does not answer.
pub async fn require_utf8(conn: &mut PgConnection) -> Result<(), DatabaseError> {
    let encoding: String = sqlx::query_scalar("SELECT current_setting('server_encoding')")
        .fetch_one(conn)
        .await?;
    if encoding == "UTF8" {
        Ok(())
    } else {
        Err(DatabaseError::Encoding { encoding })
    }
}

/// The schema, quoted, in which an administrator has put the extension that some steps need; `None` if they put it there
/// themselves.
///
/// # Errors
/// The extension cannot be had, or not be used; or the database does not answer.
pub async fn require_extension(conn: &mut PgConnection) -> Result<Option<String>, DatabaseError> {
    let installed: Option<(String, bool, String)> = sqlx::query_as(
        "SELECT quote_ident(nspname), has_schema_privilege(pg_namespace.oid, 'USAGE'), quote_ident(current_user)
           FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
          WHERE extname = 'pg_trgm'",
    )
    .fetch_optional(&mut *conn)
    .await?;
    match installed {
        Some((schema, true, _)) => Ok(Some(schema)),
        Some((schema, false, role)) => Err(DatabaseError::ExtensionClosed { schema, role }),
        None => {
            let is_available: bool = sqlx::query_scalar(
                "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm')",
            )
            .fetch_one(conn)
            .await?;
            is_available
                .then_some(None)
                .ok_or(DatabaseError::ExtensionMissing)
        }
    }
}

/// How the schema of a database compares with what this program wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// They are the same: a role without the right to change it can serve too.
    Current,
    /// So many steps are missing.
    Behind(usize),
    /// It has steps that this program does not know: a newer one made them.
    Ahead,
    /// Some step was another one when it was taken.
    Other,
}

impl Schema {
    fn of(applied: &[(i64, Vec<u8>)]) -> Self {
        let wanted: Vec<(i64, &[u8])> = MIGRATIONS
            .iter()
            .map(|step| (step.version, step.checksum.as_ref()))
            .collect();
        let applied: Vec<(i64, &[u8])> = applied
            .iter()
            .map(|(version, checksum)| (*version, checksum.as_slice()))
            .collect();
        if applied == wanted {
            Self::Current
        } else if wanted.starts_with(&applied) {
            Self::Behind(wanted.len() - applied.len())
        } else if applied.starts_with(&wanted) {
            Self::Ahead
        } else {
            Self::Other
        }
    }
}

/// Compares the schema of a database with what this program wants.
///
/// # Errors
/// The database does not answer.
pub async fn schema(conn: &mut PgConnection) -> sqlx::Result<Schema> {
    if !sqlx::query_scalar::<_, bool>("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(&mut *conn)
        .await?
    {
        return Ok(Schema::of(&[]));
    }
    let applied: Vec<(i64, Vec<u8>)> = sqlx::query_as(
        "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version",
    )
    .fetch_all(conn)
    .await?;
    Ok(Schema::of(&applied))
}

async fn create_database(owner: &PgConnectOptions) -> sqlx::Result<()> {
    let mut conn = session::connect(&owner.clone().database("postgres")).await?;
    if !database_exists(&mut conn).await? {
        let created = conn.execute("CREATE DATABASE rollcall").await;
        // Another process may have been faster.
        if let Err(error) = created
            && !database_exists(&mut conn).await?
        {
            return Err(error);
        }
    }
    conn.close().await
}

async fn database_exists(conn: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'rollcall')")
        .fetch_one(conn)
        .await
}

pub(crate) fn data_dir(config: &Config) -> Result<PathBuf, ClusterError> {
    config.data_dir.clone().map_or_else(default_data_dir, Ok)
}

/// Whether there is a database to speak to: one that is given, or a private cluster that was made before.
///
/// # Errors
/// It is not known where the private cluster would be.
pub fn exists(config: &Config) -> Result<bool, DatabaseError> {
    Ok(config.database_url.is_some() || Cluster::exists(&data_dir(config)?))
}
