//! The database that the service works on: the private cluster, or the one that the operator names; its migrations;
//! and the master key that goes with it.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rollcall_events::{
    ids::Ids,
    vault::{InvalidMasterKey, MasterKey},
};
use sqlx::{
    ConnectOptions, Connection, Executor, PgConnection,
    migrate::{MigrateError, Migrator},
    postgres::{PgConnectOptions, PgSslMode},
};

use crate::{
    config::Config,
    postgres::{Cluster, ClusterError, ClusterOptions, Durability, SUPERUSER, default_data_dir},
};

/// Every step of the schema, embedded.
pub static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// The role that the service works as in the private cluster: it cannot change the log.
const SERVICE_ROLE: &str = "rollcall_service";
const DATABASE: &str = "rollcall";
/// The file of the private cluster's own key, in its folder.
const OWN_MASTER_KEY: &str = "master.key";
/// Nodes that start together migrate one after another. An arbitrary number that only we use.
const MIGRATION_LOCK: i64 = 0x726f_6c6c_6361_6c6c;

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
    /// A database of one's own needs a master key of one's own.
    #[error(
        "with --database-url, a master key is needed to seal personal data: make one with `openssl rand -base64 32 > FILE`, \
         keep it safe and apart from the database's backups, and give it by --master-key-file FILE or ROLLCALL_MASTER_KEY"
    )]
    NoMasterKey,
    /// The file does not hold one.
    #[error("{path} holds no master key")]
    InvalidMasterKey {
        /// The file.
        path: PathBuf,
        /// What one is.
        source: InvalidMasterKey,
    },
    /// The file cannot be read or made.
    #[error("the master key's file {path} cannot be read or made")]
    MasterKeyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others could read the key.
    #[error(
        "others may read the master key's file {path}: make it private with `chmod 600 {path}`"
    )]
    OpenMasterKeyFile {
        /// The file.
        path: PathBuf,
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
        .log_statements(tracing::log::LevelFilter::Off);
    if config.statement_cache {
        options
    } else {
        options.statement_cache_capacity(0)
    }
}

impl Database {
    /// Brings the schema up to date; safe with several nodes at once.
    ///
    /// # Errors
    /// The database does not answer, or a step fails.
    pub async fn migrate(&self) -> Result<(), DatabaseError> {
        if self.cluster.is_some() {
            create_database(&self.owner).await?;
        }
        let mut conn = self.owner.connect().await?;
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
/// A step fails.
pub async fn migrate(conn: &mut PgConnection) -> Result<(), DatabaseError> {
    if schema(conn).await? == Schema::Current {
        return Ok(());
    }
    let mut tx = conn.begin().await?;
    lock(&mut tx).await?;
    let mut migrator = Migrator {
        migrations: MIGRATIONS.migrations.clone(),
        ..Migrator::DEFAULT
    };
    migrator.set_locking(false);
    migrator.run_direct(&mut *tx).await?;
    Ok(tx.commit().await?)
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
    let mut conn = owner.clone().database("postgres").connect().await?;
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

fn data_dir(config: &Config) -> Result<PathBuf, ClusterError> {
    config.data_dir.clone().map_or_else(default_data_dir, Ok)
}

/// The key that wraps the subjects' keys: the one that is given, or the private cluster's own.
///
/// # Errors
/// None is given for a database of one's own, or its file is not as it must be.
pub fn master_key(config: &Config) -> Result<MasterKey, DatabaseError> {
    match given_master_key(config)? {
        Some(key) => Ok(key),
        None if config.database_url.is_some() => Err(DatabaseError::NoMasterKey),
        None => own_master_key(&data_dir(config)?.join(OWN_MASTER_KEY)),
    }
}

/// The same key, if there is one already: none is made.
///
/// # Errors
/// See [`master_key`].
pub fn existing_master_key(config: &Config) -> Result<Option<MasterKey>, DatabaseError> {
    match given_master_key(config)? {
        None if config.database_url.is_none() => {
            let path = data_dir(config)?.join(OWN_MASTER_KEY);
            let is_there = path.exists().then(|| read_master_key(&path));
            is_there.transpose()
        }
        _ => master_key(config).map(Some),
    }
}

/// Whether there is a database to speak to: one that is given, or a private cluster that was made before.
///
/// # Errors
/// It is not known where the private cluster would be.
pub fn exists(config: &Config) -> Result<bool, DatabaseError> {
    Ok(config.database_url.is_some() || Cluster::exists(&data_dir(config)?))
}

fn given_master_key(config: &Config) -> Result<Option<MasterKey>, DatabaseError> {
    match (&config.master_key, &config.master_key_file) {
        (Some(key), _) => Ok(Some(MasterKey::new(*key.expose()))),
        (None, Some(path)) => read_master_key(path).map(Some),
        (None, None) => Ok(None),
    }
}

/// The private cluster's own key: made at the first start, readable by its owner alone.
fn own_master_key(path: &Path) -> Result<MasterKey, DatabaseError> {
    let failed = |source| DatabaseError::MasterKeyFile {
        path: path.to_owned(),
        source,
    };
    if path.try_exists().map_err(failed)? {
        return read_master_key(path);
    }
    let key = MasterKey::generate(Ids);
    // Written beside and linked into place: never half a key, and of two processes one key.
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .map_err(failed)?;
    writeln!(file, "{}", key.to_base64())
        .and_then(|()| file.sync_all())
        .map_err(failed)?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft).map_err(failed)?;
    match linked {
        Ok(()) => {
            // What is sealed under it must never outlive it.
            path.parent()
                .map_or(Ok(()), |dir| fs::File::open(dir)?.sync_all())
                .map_err(failed)?;
            Ok(key)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read_master_key(path),
        Err(error) => Err(failed(error)),
    }
}

fn read_master_key(path: &Path) -> Result<MasterKey, DatabaseError> {
    let failed = |source| DatabaseError::MasterKeyFile {
        path: path.to_owned(),
        source,
    };
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(DatabaseError::OpenMasterKeyFile {
            path: path.to_owned(),
        });
    }
    let text = fs::read_to_string(path).map_err(failed)?;
    MasterKey::parse(&text).map_err(|source| DatabaseError::InvalidMasterKey {
        path: path.to_owned(),
        source,
    })
}
