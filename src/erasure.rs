//! Forgetting a person, for whoever asks: the API and the console.

use rollcall_events::{
    Authority,
    user::{UserCommand, UserError},
    vault::VaultWrite,
};
use uuid::Uuid;

use crate::{
    app::App,
    command_bus::{CommandError, Done},
};

/// Forgets a person: in one transaction the user goes, and with them the key to all that is sealed about them, their
/// password and what providers gave. Nothing brings the person back.
///
/// # Errors
/// See [`CommandError`].
pub async fn erase(
    app: &App,
    subject: Uuid,
    authority: Authority,
) -> Result<Done, CommandError<UserError>> {
    let secrets = vec![
        VaultWrite::NoKey { subject },
        VaultWrite::NoPassword { subject },
        VaultWrite::NoProviderTokens { subject },
    ];
    let done = app
        .users
        .execute(subject, UserCommand::EraseUser, authority, secrets)
        .await?;
    app.log.vault().forget(subject);
    Ok(done)
}
