//! Why an organisation's command is refused.

/// A refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OrganizationError {
    /// The stream has an organisation already.
    #[error("this organisation exists already")]
    AlreadyExists,
}
