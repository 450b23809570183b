//! Passwords: from a prompt that shows nothing, or from standard input, and never from an argument, which other users
//! of the machine can see.

use std::{
    error::Error,
    io::{self, BufRead, IsTerminal},
};

use rollcall_events::{user::UserCommand, vault::VaultWrite};

use super::{One, find::find, give};
use crate::{
    app::App,
    auth::{
        new_password::{self, Owner},
        passwords::Hashed,
    },
    cli::output::say,
    trusted_file::without_byte_order_mark,
};

/// Gives a user another password. Every session and token of theirs ends.
pub async fn set_password(app: &App, one: &One) -> Result<(), Box<dyn Error>> {
    let user = find(&app.pool, &one.user).await?;
    let id = user.row.id;
    let vault = app.log.vault();
    let credential = vault
        .credential(&app.pool, id)
        .await?
        .ok_or("this user does not sign in with a password")?;
    let hashed = accept(app, Owner::from(&user.row)).await?;
    let revision = app.password_revision(id, &credential).await?;
    let command = UserCommand::ChangePassword {
        scheme: hashed.scheme,
        revision,
    };
    let secrets = vec![VaultWrite::PasswordHash {
        subject: id,
        hash: hashed.hash,
        revision: revision + 1,
    }];
    give(app, id, command, secrets).await?;
    say("The password is changed; every session and token of this user has ended.");
    Ok(())
}

/// Asks for a new password and hashes it. It must not be guessable by somebody who knows its owner.
///
/// # Errors
/// There is none, or it is too weak.
pub async fn accept(app: &App, owner: Owner) -> Result<Hashed, Box<dyn Error>> {
    Ok(new_password::accept(app, ask()?, owner).await?)
}

fn ask() -> Result<String, Box<dyn Error>> {
    if io::stdin().is_terminal() {
        let password = rpassword::prompt_password("Password: ")?;
        if rpassword::prompt_password("The same again: ")? != password {
            return Err("these are two different passwords".into());
        }
        return Ok(password);
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let line = without_byte_order_mark(line);
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err("there is no password on standard input".into());
    }
    Ok(password.to_owned())
}
