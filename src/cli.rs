//! The command line.

mod config;
mod migrate;
mod serve;

use std::{error::Error, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::config::{Args, Config, StoreArgs};

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
}

/// Runs the program. Exit status 0: done; 1: it failed, and said why in a sentence; 2: wrong usage.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let args = match &cli.command {
        Command::Serve(args) | Command::Config(args) => (**args).clone(),
        Command::Migrate(args) => Args::from((**args).clone()),
    };
    let config = match Config::load(&args, cli.config.as_deref()) {
        Ok(config) => config,
        Err(error) => return fail(&error, 2),
    };
    let result = match cli.command {
        Command::Serve(_) => serve::serve(config),
        Command::Migrate(_) => migrate::migrate(&config),
        Command::Config(_) => config::print(&config).map_err(Into::into),
    };
    result.map_or_else(|error| fail(error.as_ref(), 1), |()| ExitCode::SUCCESS)
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
