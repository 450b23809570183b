//! Replacing a user's site roles, for the API and the console.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use rollcall_events::user::{Role, UserCommand};

use crate::config::Config;

/// The command that gives a user these site roles, and shortens API tokens that last longer than the roles allow.
#[must_use]
pub fn replace(config: &Config, roles: BTreeSet<Role>, now: DateTime<Utc>) -> UserCommand {
    let limit = config.token_lifetimes(roles.contains(&Role::Owner)).max;
    let limit = TimeDelta::from_std(limit).ok();
    UserCommand::AssignRoles {
        roles,
        tokens_end_by: limit.and_then(|limit| now.checked_add_signed(limit)),
    }
}
