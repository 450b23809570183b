//! What a user's events hold about the person.

use serde::{Deserialize, Serialize};

use super::{DisplayName, EmailAddress, Username};

/// The person behind a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Unique among live users, whatever its case.
    pub email: EmailAddress,
    /// Unique among live users, whatever its case.
    pub username: Username,
    /// How the person wants to be called; may be empty.
    pub name: DisplayName,
    /// Where a picture is; may be empty.
    pub avatar_url: String,
}

/// What of a person's profile becomes new; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileChange {
    /// The new e-mail address: as the provider says, by which the user signs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<EmailAddress>,
    /// The new username.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<Username>,
    /// The new display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<DisplayName>,
    /// The new address of the picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
}

impl ProfileChange {
    /// The part of the change that makes a difference to `person`.
    #[must_use]
    pub fn beyond(&self, person: &Person) -> Self {
        Self {
            email: self.email.clone().filter(|new| *new != person.email),
            username: self.username.clone().filter(|new| *new != person.username),
            name: self.name.clone().filter(|new| *new != person.name),
            avatar_url: self
                .avatar_url
                .clone()
                .filter(|new| *new != person.avatar_url),
        }
    }

    /// Whether nothing would change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Person {
    /// Takes over what is new.
    pub fn change(&mut self, change: &ProfileChange) {
        if let Some(email) = &change.email {
            self.email = email.clone();
        }
        if let Some(username) = &change.username {
            self.username = username.clone();
        }
        if let Some(name) = &change.name {
            self.name = name.clone();
        }
        if let Some(avatar_url) = &change.avatar_url {
            self.avatar_url.clone_from(avatar_url);
        }
    }
}
