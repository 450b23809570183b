//! `rollcall erase`.

use std::{
    error::Error,
    io::{self, BufRead, IsTerminal, Write},
};

use clap::Args as ClapArgs;

use super::{output::say, users, with_app::with_app};
use crate::{
    app::App,
    config::{Config, StoreArgs},
    erasure,
};

/// Whom to forget.
#[derive(ClapArgs)]
pub struct Erase {
    /// The user's id, username or e-mail address; of a deleted user, the id
    user: String,
    /// Do not ask whether it is meant
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    pub(super) store: StoreArgs,
}

/// Forgets a person.
///
/// # Errors
/// There is no database or no such user, it is not confirmed, or a rule refuses it.
pub fn erase(config: Config, wish: &Erase) -> Result<(), Box<dyn Error>> {
    with_app(config, async |app| execute(&app, wish).await)
}

async fn execute(app: &App, wish: &Erase) -> Result<(), Box<dyn Error>> {
    let user = users::find(&app.pool, &wish.user).await?;
    let name = user.row.username.unwrap_or_else(|| user.row.id.to_string());
    if !wish.yes {
        confirm(&name)?;
    }
    erasure::erase(app, user.row.id, users::authority())
        .await
        .map_err(users::Refused)?;
    say(format_args!(
        "{name} is erased. Backups of the database that are older still hold the person: see the README."
    ));
    Ok(())
}

/// Nothing brings the person back: whoever asks says the name once more.
fn confirm(name: &str) -> Result<(), Box<dyn Error>> {
    if !io::stdin().is_terminal() {
        return Err("nothing brings an erased person back: say --yes if it is meant".into());
    }
    let question = format!("Nothing brings an erased person back. Type {name:?} if it is meant: ");
    io::stderr().write_all(question.as_bytes())?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    if line.trim() == name {
        Ok(())
    } else {
        Err("this is another name: nothing was changed".into())
    }
}
