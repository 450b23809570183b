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
    forget_sign_ins(app, subject).await;
    Ok(done)
}

/// Forgets from which networks a user who is gone has signed in. If the database fails, the hourly tidying up does it.
pub async fn forget_sign_ins(app: &App, user: Uuid) {
    if let Err(error) = app.guesses.forget(user).await {
        tracing::warn!(
            %user,
            error = &error as &dyn std::error::Error,
            "networks of a user who is gone are still remembered; it is tried again within an hour"
        );
    }
}
