//! The command line.

mod checkpoint;
mod config;
mod doctor;
mod erase;
mod export;
mod history;
mod import;
mod migrate;
mod openapi;
mod output;
mod progress;
mod proof;
mod rebuild;
mod serve;
mod users;
mod verify;
mod with_app;
mod with_log;

use std::{
    error::Error,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use crate::config::{Args, Config, ConfigError, StoreArgs};
use proof::ProofCommand;

/// An event-sourced user service that speaks the users API of Coder.
#[derive(Parser)]
#[command(
    name = "rollcall",
    version,
    about,
    arg_required_else_help = true,
    after_help = "Example: rollcall serve"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Configuration file [default: ./rollcall.toml, or /etc/rollcall/rollcall.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the users API
    #[command(
        after_help = "Example: rollcall serve --listen 127.0.0.1:8080\n\nWithout --database-url, a private Postgres is started in --data-dir."
    )]
    Serve(Box<Args>),
    /// Bring the database's schema up to date, and do nothing else
    #[command(
        after_help = "Example: rollcall migrate --database-url postgres://owner@db.example.com/rollcall"
    )]
    Migrate(Box<StoreArgs>),
    /// Look whether everything is well that serving needs: the database, the master key, the providers
    #[command(
        after_help = "Example: rollcall doctor --format json\n\nNothing is changed. The exit status is 1 if something is wrong."
    )]
    Doctor(Box<doctor::Doctor>),
    /// Make a signed checkpoint of the log, and print it
    #[command(
        after_help = "Example: rollcall checkpoint --to /srv/checkpoints/{size}\n\nWhoever keeps it can prove later what the log was. A log that was rewritten gets none."
    )]
    Checkpoint(Box<checkpoint::Checkpoint>),
    /// Print the configuration that is in force, secrets hidden
    #[command(after_help = "Example: ROLLCALL_LISTEN=0.0.0.0:8080 rollcall config")]
    Config(Box<Args>),
    /// Print the description of the API, as OpenAPI 3.1
    #[command(after_help = "Example: rollcall openapi > openapi.json\n\nIt needs no database.")]
    Openapi,
    /// Forget a person: nothing brings them back
    #[command(
        after_help = "Example: rollcall erase ada\n\nThe user goes, and the key to all that is sealed about the person is destroyed. The history stays, without them."
    )]
    Erase(Box<erase::Erase>),
    /// Tell what happened to a user, or how they were at a moment
    #[command(
        after_help = "Example: rollcall history ada --at 2026-01-31T12:00:00Z\n\nWithout a moment: every event, who did it, from where, and what it changed."
    )]
    History(Box<history::History>),
    /// Write the log as a file that can be kept, checked and imported
    #[command(
        after_help = "Example: rollcall export --as-of 2026-01-31T12:00:00Z january.jsonl\n\nWhat is personal stays sealed: without the vault nobody can be read from it. The format is described in events/src/evidence/README.md."
    )]
    Export(Box<export::Export>),
    /// Put an export into an empty database
    #[command(
        after_help = "Example: rollcall import january.jsonl --data-dir restored\n\nAll of it, or nothing: the same events with the same tree, and the read models made of them."
    )]
    Import(Box<import::Import>),
    /// Prove what the log says, to whoever trusts nobody; and check such proofs
    #[command(
        after_help = "Example: rollcall proof inclusion --position 17\n\nProofs are JSON, on standard output."
    )]
    Proof {
        #[command(subcommand)]
        command: Box<proof::ProofCommand>,
    },
    /// Make what is served anew from the log, beside a running service
    #[command(
        after_help = "Example: rollcall rebuild --projection audit\n\nWhat is served stays as it is until the new rows take its place, in one moment. It may be interrupted."
    )]
    Rebuild(Box<rebuild::Rebuild>),
    /// Compare what is served with what happened, row by row, beside a running service
    #[command(
        after_help = "Example: rollcall verify --format json\n\nExit status 1 if anything differs: each row and field is named, with the position of the event that decides.\n\nOf an export, without a database: rollcall verify --export january.jsonl --checkpoint january.txt --public-key example.com+fcd9cc84+AZ..."
    )]
    Verify(Box<verify::Verify>),
    /// Manage users, without a running service
    #[command(after_help = "Example: rollcall users list --query status:suspended")]
    Users {
        #[command(subcommand)]
        command: Box<users::UsersCommand>,
    },
}

/// Runs the program. Exit status 0: done; 1: it failed, and said why in a sentence; 2: wrong usage.
pub fn run() -> ExitCode {
    match execute(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if output::is_closed(error.as_ref()) => ExitCode::SUCCESS,
        Err(error) if error.is::<ConfigError>() => fail(error.as_ref(), 2),
        Err(error) => fail(error.as_ref(), 1),
    }
}

fn execute(cli: Cli) -> Result<(), Box<dyn Error>> {
    let configured = |args: &Args| configured(args, cli.config.as_deref());
    match cli.command {
        Command::Serve(args) => serve::serve(configured(&args)?),
        Command::Migrate(args) => migrate::migrate(&configured(&Args::from(*args))?),
        Command::Doctor(wish) => doctor::doctor(&configured(&wish.args)?, wish.format),
        Command::Checkpoint(wish) => {
            checkpoint::run(&configured(&Args::from(wish.store.clone()))?, &wish)
        }
        Command::Config(args) => Ok(config::print(&configured(&args)?)?),
        Command::Openapi => Ok(openapi::print()?),
        Command::Erase(wish) => erase::erase(configured(&Args::from(wish.store.clone()))?, &wish),
        Command::Export(args) => export::run(&configured(&Args::from(args.store.clone()))?, &args),
        Command::Import(args) => import::run(&configured(&Args::from(args.store.clone()))?, &args),
        Command::History(wish) => {
            history::history(configured(&Args::from(wish.store.clone()))?, &wish)
        }
        Command::Proof { command } => match *command {
            ProofCommand::Inclusion(wish) => {
                proof::inclusion(&configured(&Args::from(wish.store.clone()))?, &wish)
            }
            ProofCommand::Consistency(wish) => {
                proof::consistency(&configured(&Args::from(wish.store.clone()))?, &wish)
            }
            ProofCommand::Verify(wish) => proof::verify(&wish),
        },
        Command::Rebuild(args) => {
            rebuild::run(&configured(&Args::from(args.store.clone()))?, &args)
        }
        Command::Verify(args) => match &args.offline.export {
            Some(file) => verify::offline::run(file, &args.offline, args.format),
            None => verify::run(&configured(&Args::from(args.store.clone()))?, &args),
        },
        Command::Users { command } => {
            let config = configured(&Args::from(command.store().clone()))?;
            users::run(config, &command)
        }
    }
}

fn configured(args: &Args, file: Option<&Path>) -> Result<Config, ConfigError> {
    let (config, passed_over) = Config::load(args, file)?;
    if !passed_over.is_empty() {
        output::say(format_args!(
            "note: {} are passed over: they describe a service or a container named rollcall, and are no options",
            passed_over.join(", ")
        ));
    }
    Ok(config)
}

fn fail(error: &(dyn Error + 'static), status: u8) -> ExitCode {
    if let Some(ConfigError::Unknown { nearest, .. }) = error.downcast_ref() {
        output::say(format_args!("hint: the nearest option is `{nearest}`"));
    }
    output::say(format_args!("rollcall: {}", sentence(error)));
    ExitCode::from(status)
}

/// One sentence, with its causes.
fn sentence(error: &(dyn Error + 'static)) -> String {
    let mut sentence = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !sentence.contains(&text) {
            sentence = format!("{sentence}: {text}");
        }
        cause = error.source();
    }
    sentence
}
