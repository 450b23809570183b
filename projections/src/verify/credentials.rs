//! The password hashes in the vault: each is the user's own, and as new as the log says.

use futures_util::TryStreamExt;
use rollcall_events::vault::Vault;
use sqlx::PgConnection;
use uuid::Uuid;

use super::events::Seen;

/// What is wrong with the hashes, or with that of one user, in sentences.
pub(super) async fn check(
    conn: &mut PgConnection,
    vault: &Vault,
    user: Option<Uuid>,
    seen: &Seen,
) -> sqlx::Result<Vec<String>> {
    let mut wrong = Vec::new();
    let checked = vault.checked_credentials(conn, user).await?;
    let mut checked = std::pin::pin!(checked);
    while let Some(credential) = checked.try_next().await? {
        let (subject, revision) = (credential.subject, credential.revision);
        if !credential.is_bound {
            wrong.push(format!(
                "the password hash of {subject} was altered, or is another user's: nobody signs in by it until the password is \
                 set again"
            ));
        }
        let recorded = seen.revisions.get(&subject).copied().unwrap_or_default();
        if revision != recorded && !seen.incomplete.streams.contains(&subject) {
            wrong.push(format!(
                "the password hash of {subject} is the one of revision {revision}, and the log says {recorded}"
            ));
        }
    }
    Ok(wrong)
}
