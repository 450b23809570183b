//! `rollcall doctor`: is everything well that serving needs? Nothing is changed by asking.

use std::{
    error::Error,
    io::{self, Write},
    sync::Arc,
};

use clap::Args as ClapArgs;
use rollcall_events::{
    clock::{Clock, SystemClock},
    vault::known_master_keys,
};
use rollcall_projections::rules;
use serde_json::json;
use sqlx::{ConnectOptions, Connection, PgConnection};

use super::{sentence, users::Format};
use crate::{
    auth::{Providers, providers::Finding},
    config::{Args, Config},
    database::{self, Database, DatabaseError, Schema},
    postgres::Cluster,
};

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
    let mut conn = match database.service.connect().await {
        Ok(conn) => conn,
        Err(error) => return vec![Finding::new("database", Err(said(&error)))],
    };
    let version: sqlx::Result<String> =
        sqlx::query_scalar("SELECT current_setting('server_version')")
            .fetch_one(&mut conn)
            .await;
    let version = version.map(|version| format!("Postgres {version} answers."));
    let schema = database::schema(&mut conn).await;
    let mut findings = vec![
        Finding::new("database", version.map_err(|error| said(&error))),
        Finding::new("schema", verdict_on(&schema)),
    ];
    // The tables that the rest is read from may not be there, or may be others.
    if matches!(schema, Ok(Schema::Current)) {
        findings.push(Finding::new("projections", projections(&mut conn).await));
        findings.push(Finding::new(
            "master key",
            master_key(config, &mut conn).await,
        ));
    }
    findings
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

async fn projections(conn: &mut PgConnection) -> Result<String, String> {
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
    let mut out = io::stdout().lock();
    if format == Format::Json {
        let checks: Vec<_> = findings
            .iter()
            .map(|Finding { about, verdict }| {
                let (Ok(message) | Err(message)) = verdict;
                json!({ "check": about, "well": verdict.is_ok(), "message": message })
            })
            .collect();
        let well = findings.iter().all(|found| found.verdict.is_ok());
        serde_json::to_writer_pretty(&mut out, &json!({ "well": well, "checks": checks }))?;
        return Ok(writeln!(out)?);
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
    use super::*;

    #[test]
    fn an_error_becomes_one_sentence() {
        assert_eq!(said(&io::Error::other("it broke")), "It broke.");
        assert_eq!(said(&io::Error::other("it broke.")), "It broke.");
    }
}
