//! `rollcall doctor`: is everything well that serving needs? Nothing is changed by asking.

use std::{error::Error, io::Write, sync::Arc, time::Duration};

use clap::Args as ClapArgs;
use rollcall_events::{
    clock::{Clock, MOST_SKEW, SystemClock},
    log::{self, Unfit, observe},
    session,
    vault::{Vault, known_master_keys},
};
use rollcall_projections::{fit, rules};
use serde_json::json;
use sqlx::{
    Connection, PgConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{
    output::{print_json, stdout},
    sentence,
    users::Format,
};
use crate::{
    auth::{Providers, providers::Finding},
    config::{Args, Config},
    database::{self, Database, DatabaseError, Schema},
    postgres::Cluster,
};

/// How long the events of the log are looked at.
const EXAMINED_FOR: Duration = Duration::from_secs(10);

/// The options of the service that is looked at, and how to tell of it.
#[derive(ClapArgs)]
pub struct Doctor {
    /// For people, or for programs
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    pub format: Format,
    #[command(flatten)]
    pub args: Args,
}

/// Looks at everything and tells of it.
///
/// # Errors
/// Something is wrong.
pub fn doctor(config: &Config, format: Format) -> Result<(), Box<dyn Error>> {
    // From the main thread, and before any other: see `database::open`.
    let database = open(config);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let findings = runtime.block_on(examine(config, &database));
    // Connections first, then the server that they go to.
    drop(runtime);
    if let Ok(Some(Database {
        cluster: Some(cluster),
        ..
    })) = database
    {
        Cluster::stop(cluster)?;
    }
    print(&findings, format)?;
    let wrong = findings
        .iter()
        .filter(|found| found.verdict.is_err())
        .count();
    match wrong {
        0 => Ok(()),
        1 => Err("one thing is wrong".into()),
        _ => Err(format!("{wrong} things are wrong").into()),
    }
}

/// The database, if there is one. None is made.
fn open(config: &Config) -> Result<Option<Database>, DatabaseError> {
    let is_there = database::exists(config)?;
    is_there.then(|| database::open(config)).transpose()
}

async fn examine(
    config: &Config,
    database: &Result<Option<Database>, DatabaseError>,
) -> Vec<Finding> {
    let mut findings = match database {
        Ok(Some(database)) => examine_database(config, database).await,
        Ok(None) => vec![Finding::new(
            "database",
            Ok("There is none yet: `rollcall serve` makes a private one.".to_owned()),
        )],
        Err(error) => vec![Finding::new("database", Err(said(error)))],
    };
    findings.extend(examine_providers(config).await);
    findings
}

async fn examine_database(config: &Config, database: &Database) -> Vec<Finding> {
    let mut conn = match session::connect(&database.service).await {
        Ok(conn) => conn,
        Err(error) => return vec![Finding::new("database", Err(said(&error)))],
    };
    let server = server(&mut conn).await.map_err(|error| said(&error));
    let schema = database::schema(&mut conn).await;
    let mut findings = vec![
        Finding::new("database", server),
        Finding::new("schema", verdict_on(&schema)),
    ];
    if !matches!(schema, Ok(Schema::Current))
        && let Err(error) = database::require_extension(&mut conn).await
    {
        findings.push(Finding::new("extension", Err(said(&error))));
    }
    // The tables that the rest is read from may not be there, or may be others.
    if matches!(schema, Ok(Schema::Current)) {
        findings.push(Finding::new("clock", clock(&mut conn).await));
        findings.push(Finding::new(
            "log",
            readable_log(config, &database.service, &mut conn).await,
        ));
        findings.push(Finding::new("projections", projections(&mut conn).await));
        findings.push(Finding::new(
            "master key",
            master_key(config, &mut conn).await,
        ));
    }
    findings
}

async fn server(conn: &mut PgConnection) -> Result<String, DatabaseError> {
    database::require_utf8(conn).await?;
    let version: String = sqlx::query_scalar("SELECT current_setting('server_version')")
        .fetch_one(conn)
        .await?;
    Ok(format!("Postgres {version} answers."))
}

fn verdict_on(schema: &sqlx::Result<Schema>) -> Result<String, String> {
    match schema {
        Ok(Schema::Current) => Ok("It is the one that this program wants.".to_owned()),
        Ok(Schema::Behind(steps)) => Err(format!(
            "It lacks {steps} of the steps that this program wants: `rollcall migrate` takes them, and so does `rollcall serve`."
        )),
        Ok(Schema::Ahead) => {
            Err("A newer version of this program made it: use that one.".to_owned())
        }
        Ok(Schema::Other) => Err(
            "It is not the one that this program wants: another version changed it in another way."
                .to_owned(),
        ),
        Err(error) => Err(said(error)),
    }
}

/// Whether this machine and the database agree on the time, and the log with both.
async fn clock(conn: &mut PgConnection) -> Result<String, String> {
    let observed = observe(conn).await.map_err(|error| said(&error))?;
    let ahead = SystemClock.ahead_of(observed.database_time);
    if ahead.abs() > MOST_SKEW {
        return Err(said(&Unfit::Clock(ahead)));
    }
    match observed.head_ahead(&SystemClock) {
        Some(ahead) => Err(format!(
            "The last event was recorded at {}, {} seconds ahead of the database's clock: until then every event gets that time.",
            observed.head.recorded_at,
            ahead.num_seconds()
        )),
        None => Ok("This machine, the database and the log agree on the time.".to_owned()),
    }
}

/// Whether the log can be added to, and read.
async fn readable_log(
    config: &Config,
    service: &PgConnectOptions,
    conn: &mut PgConnection,
) -> Result<String, String> {
    let observed = observe(&mut *conn).await.map_err(|error| said(&error))?;
    if let Some(unfit @ Unfit::Head { .. }) = observed.unfit(&SystemClock) {
        return Err(said(&unfit));
    }
    let known = known_master_keys(&mut *conn)
        .await
        .map_err(|error| said(&error))?;
    let key = database::existing_master_key(config).ok().flatten();
    let key = key.filter(|key| known.iter().any(|id| id == key.id()));
    let vault = key.map(|key| {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .after_connect(|conn, _| Box::pin(session::prepare(conn, Duration::ZERO)))
            .connect_lazy_with(service.clone());
        Vault::unregistered(pool, key)
    });
    let examined = log::examine(conn, vault.as_ref(), EXAMINED_FOR)
        .await
        .map_err(|error| said(&error))?;
    let looked_at = if examined.is_whole {
        format!("{} events", examined.position)
    } else {
        format!(
            "the first {} events (`rollcall verify` looks at all)",
            examined.position
        )
    };
    match examined.first {
        None if examined.damaged_keys == 0 => Ok(format!("It can be read: {looked_at}.")),
        None => Err(format!(
            "{} keys in the vault do not unwrap: `rollcall verify` names them.",
            examined.damaged_keys
        )),
        Some((position, reason)) => Err(format!(
            "{} of {looked_at} cannot be read, and {} keys in the vault do not unwrap: `rollcall verify` names them. \
             The first is event {position}: {reason}.",
            examined.unreadable, examined.damaged_keys
        )),
    }
}

async fn projections(conn: &mut PgConnection) -> Result<String, String> {
    if let Some(misfit) = fit::misfit(conn).await.map_err(|error| said(&error))? {
        return Err(format!(
            "They do not fit: {misfit}. `rollcall rebuild` makes them again."
        ));
    }
    let outdated = outdated(conn).await.map_err(|error| said(&error))?;
    if outdated.is_empty() {
        return Ok("All rows were made by the rules of today.".to_owned());
    }
    let names = outdated.join(", ");
    Err(format!(
        "An older rule made the rows of {names}: `rollcall rebuild` makes them anew."
    ))
}

async fn outdated(conn: &mut PgConnection) -> sqlx::Result<Vec<String>> {
    let mut tx = conn.begin().await?;
    let outdated = rules::outdated(&mut *tx).await?;
    // What it has noted is not kept.
    tx.rollback().await?;
    Ok(outdated)
}

async fn master_key(config: &Config, conn: &mut PgConnection) -> Result<String, String> {
    let key = database::existing_master_key(config).map_err(|error| said(&error))?;
    let known = known_master_keys(conn)
        .await
        .map_err(|error| said(&error))?;
    match key {
        None if known.is_empty() => Ok("There is none yet: `rollcall serve` makes one.".to_owned()),
        None => Err("Its file is gone: without it nobody's data can be read. Bring it back from where it was kept safe.".to_owned()),
        Some(_) if known.is_empty() => Ok("Nothing is sealed yet: this one will be the first.".to_owned()),
        Some(key) if known.iter().any(|id| id == key.id()) => {
            Ok("It is the one that the database was sealed under.".to_owned())
        }
        Some(key) => Err(format!(
            "It is the wrong one: its fingerprint is {}, and the database was sealed under {}.",
            key.id(),
            known.join(", ")
        )),
    }
}

async fn examine_providers(config: &Config) -> Vec<Finding> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let providers = match Providers::new(config, &clock) {
        Ok(providers) => providers,
        Err(error) => return vec![Finding::new("providers", Err(said(&error)))],
    };
    let mut findings = Vec::new();
    if let Some(oidc) = &providers.oidc {
        findings.extend(oidc.examine().await);
    }
    if let Some(github) = &providers.github {
        findings.extend(github.examine().await);
    }
    if findings.is_empty() {
        let none = "None is configured: people sign in with passwords.".to_owned();
        findings.push(Finding::new("providers", Ok(none)));
    }
    findings
}

/// An error as a sentence that stands alone.
fn said(error: &(dyn Error + 'static)) -> String {
    let sentence = sentence(error);
    let mut chars = sentence.chars();
    let first = chars.next().map(char::to_uppercase);
    let rest = chars.as_str().trim_end_matches('.');
    first
        .into_iter()
        .flatten()
        .chain(rest.chars())
        .chain(['.'])
        .collect()
}

fn print(findings: &[Finding], format: Format) -> Result<(), Box<dyn Error>> {
    let mut out = stdout();
    if format == Format::Json {
        let checks: Vec<_> = findings
            .iter()
            .map(|Finding { about, verdict }| {
                let (Ok(message) | Err(message)) = verdict;
                json!({ "check": about, "well": verdict.is_ok(), "message": message })
            })
            .collect();
        let well = findings.iter().all(|found| found.verdict.is_ok());
        return Ok(print_json(&json!({ "well": well, "checks": checks }))?);
    }
    for Finding { about, verdict } in findings {
        match verdict {
            Ok(message) => writeln!(out, "well   {about:<24} {message}")?,
            Err(message) => writeln!(out, "WRONG  {about:<24} {message}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn an_error_becomes_one_sentence() {
        assert_eq!(said(&io::Error::other("it broke")), "It broke.");
        assert_eq!(said(&io::Error::other("it broke.")), "It broke.");
    }
}
