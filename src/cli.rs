//! The command line.

mod config;
mod migrate;
mod openapi;
mod serve;
mod users;

use std::{error::Error, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::config::{Args, Config, ConfigError, StoreArgs};

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
    /// Print the configuration that is in force, secrets hidden
    #[command(after_help = "Example: ROLLCALL_LISTEN=0.0.0.0:8080 rollcall config")]
    Config(Box<Args>),
    /// Print the description of the API, as OpenAPI 3.1
    #[command(after_help = "Example: rollcall openapi > openapi.json\n\nIt needs no database.")]
    Openapi,
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
        Err(error) if error.is::<ConfigError>() => fail(error.as_ref(), 2),
        Err(error) => fail(error.as_ref(), 1),
    }
}

fn execute(cli: Cli) -> Result<(), Box<dyn Error>> {
    let configured = |args: &Args| Config::load(args, cli.config.as_deref());
    match cli.command {
        Command::Serve(args) => serve::serve(configured(&args)?),
        Command::Migrate(args) => migrate::migrate(&configured(&Args::from(*args))?),
        Command::Config(args) => Ok(config::print(&configured(&args)?)?),
        Command::Openapi => Ok(openapi::print()?),
        Command::Users { command } => {
            let config = configured(&Args::from(command.store().clone()))?;
            users::run(config, &command)
        }
    }
}

/// One sentence, with its causes.
fn fail(error: &(dyn Error + 'static), status: u8) -> ExitCode {
    let mut sentence = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !sentence.contains(&text) {
            sentence = format!("{sentence}: {text}");
        }
        cause = error.source();
    }
    eprintln!("rollcall: {sentence}");
    ExitCode::from(status)
}
