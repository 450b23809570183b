//! `rollcall users`: what an administrator does with users, without a running service and without a token. The same
//! commands as by way of the API, with the operator as the actor.

mod create_admin;
mod find;
mod list;
mod password;
mod show;

use std::{collections::BTreeSet, error::Error, fmt};

use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use rollcall_events::{
    Authority, Claim, Metadata, Origin, Personal,
    ids::Ids,
    user::{ActivationCause, Role, UserCommand, UserError},
    vault::VaultWrite,
};
use uuid::Uuid;

use super::with_app::with_app;
use crate::{
    app::{App, AppState},
    command_bus::CommandError,
    config::{Config, StoreArgs},
    roles,
};

pub use find::{find, find_id};
pub use show::print;

/// What to do.
#[derive(Subcommand)]
pub enum UsersCommand {
    /// Create a user who owns the service; the password comes from standard input
    #[command(
        after_help = "Example: rollcall users create-admin --email ada@example.com --username ada < password.txt"
    )]
    CreateAdmin(create_admin::CreateAdmin),
    /// List users
    #[command(after_help = "Example: rollcall users list --query 'role:owner status:active'")]
    List(list::List),
    /// Show one user
    #[command(after_help = "Example: rollcall users show ada")]
    Show(One),
    /// Keep a user out
    #[command(after_help = "Example: rollcall users suspend ada")]
    Suspend(One),
    /// Let a suspended or dormant user in
    #[command(after_help = "Example: rollcall users activate ada")]
    Activate(One),
    /// Give a user another password, which comes from standard input; all sessions and tokens end
    #[command(after_help = "Example: rollcall users set-password ada < password.txt")]
    SetPassword(One),
    /// Show a user's roles, or replace them
    #[command(after_help = "Example: rollcall users roles ada --set owner,auditor")]
    Roles(Roles),
}

/// One user.
#[derive(ClapArgs)]
pub struct One {
    /// The user's id, username or e-mail address
    user: String,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    store: StoreArgs,
}

/// A user's roles.
#[derive(ClapArgs)]
pub struct Roles {
    /// The user's id, username or e-mail address
    user: String,
    /// The roles that replace those there are: owner, user-admin, auditor, template-admin, member; empty for none
    #[arg(long, value_name = "ROLES", value_delimiter = ',')]
    set: Option<Vec<String>>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    store: StoreArgs,
}

/// How results are printed.
#[derive(ClapArgs)]
struct Output {
    /// For people, or for programs
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    format: Format,
}

/// How results are printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl UsersCommand {
    /// The options that say where the database is.
    pub fn store(&self) -> &StoreArgs {
        match self {
            Self::CreateAdmin(command) => &command.store,
            Self::List(command) => &command.store,
            Self::Show(one) | Self::Suspend(one) | Self::Activate(one) | Self::SetPassword(one) => {
                &one.store
            }
            Self::Roles(command) => &command.store,
        }
    }
}

/// Does it.
///
/// # Errors
/// There is no database or no such user, or a rule refuses it.
pub fn run(config: Config, command: &UsersCommand) -> Result<(), Box<dyn Error>> {
    with_app(config, async |app| execute(&app, command).await)
}

async fn execute(app: &AppState, command: &UsersCommand) -> Result<(), Box<dyn Error>> {
    match command {
        UsersCommand::CreateAdmin(command) => create_admin::create_admin(app, command).await,
        UsersCommand::List(command) => list::list(app, command).await,
        UsersCommand::Show(one) => {
            let user = find(&app.pool, &one.user).await?;
            show::show(app, user.row.id, one.output.format).await
        }
        UsersCommand::Suspend(one) => change(app, one, UserCommand::SuspendUser).await,
        UsersCommand::Activate(one) => {
            let command = UserCommand::ActivateUser(ActivationCause::Administrator);
            change(app, one, command).await
        }
        UsersCommand::SetPassword(one) => password::set_password(app, one).await,
        UsersCommand::Roles(command) => show_or_replace_roles(app, command).await,
    }
}

async fn change(app: &App, one: &One, command: UserCommand) -> Result<(), Box<dyn Error>> {
    let user = find(&app.pool, &one.user).await?;
    give(app, user.row.id, command, Vec::new()).await?;
    show::show(app, user.row.id, one.output.format).await
}

async fn show_or_replace_roles(app: &App, command: &Roles) -> Result<(), Box<dyn Error>> {
    let user = find(&app.pool, &command.user).await?;
    if let Some(names) = &command.set {
        let command = roles::replace(&app.config, read_roles(names)?, app.clock.now());
        give(app, user.row.id, command, Vec::new()).await?;
    }
    show::show_roles(app, user.row.id, command.output.format).await
}

fn read_roles(names: &[String]) -> Result<BTreeSet<Role>, String> {
    let names = names.iter().map(|name| name.trim());
    names
        .filter(|name| !name.is_empty())
        .map(|name| Role::parse(name).ok_or_else(|| format!("{name:?} is no role")))
        .collect()
}

/// Gives a command as the operator.
async fn give(
    app: &App,
    user: Uuid,
    command: UserCommand,
    secrets: Vec<VaultWrite>,
) -> Result<(), Refused> {
    let executed = app.users.execute(user, command, authority(), secrets).await;
    executed.map(drop).map_err(Refused)
}

/// The operator has the database, and needs no right. What the system calls them is told for what it is worth.
pub fn authority() -> Authority {
    let id = Ids.uuid();
    let account = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER"));
    let account = account.unwrap_or_else(|_| "unknown".to_owned());
    Authority::operator(Metadata {
        origin: Personal::Known(Origin {
            ip: None,
            user_agent: format!("rollcall/{} ({account})", env!("CARGO_PKG_VERSION")),
        }),
        ..Metadata::system(id)
    })
}

/// A command that was refused, in words for the console.
#[derive(Debug)]
pub struct Refused(pub CommandError<UserError>);

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            CommandError::Taken(Claim::Email(_)) => {
                formatter.write_str("somebody has this e-mail address")
            }
            CommandError::Taken(Claim::Username(_)) => {
                formatter.write_str("somebody has this username")
            }
            CommandError::Taken(Claim::AnotherOwner) => formatter
                .write_str("this is the last active owner: make somebody else an owner first"),
            other => other.fmt(formatter),
        }
    }
}

impl Error for Refused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
