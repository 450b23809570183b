//! Users on the console.

use std::{error::Error, io::Write};

use rollcall_events::user::Role;
use rollcall_projections::users::{FoundUser, find};
use serde_json::json;
use uuid::Uuid;

use super::Format;
use crate::{
    app::App,
    cli::output::{print_json, stdout},
    http::UserView,
};

/// Prints a user.
pub async fn show(app: &App, user: Uuid, format: Format) -> Result<(), Box<dyn Error>> {
    print(read(app, user).await?, format)
}

/// Prints a user as they are, or were.
pub fn print(user: FoundUser, format: Format) -> Result<(), Box<dyn Error>> {
    match format {
        Format::Json => Ok(print_json(&UserView::from(user))?),
        Format::Text => print_text(&user),
    }
}

/// Prints a user's roles, one a line.
pub async fn show_roles(app: &App, user: Uuid, format: Format) -> Result<(), Box<dyn Error>> {
    let row = read(app, user).await?.row;
    let roles: Vec<&str> = row.roles.iter().map(|role| role.name()).collect();
    let there: Vec<String> = row
        .organization_roles
        .iter()
        .map(ToString::to_string)
        .collect();
    match format {
        Format::Json => Ok(print_json(
            &json!({ "roles": roles, "organization_roles": there }),
        )?),
        Format::Text => {
            let mut out = stdout();
            for role in roles {
                writeln!(out, "{role}")?;
            }
            for role in there {
                writeln!(out, "{role}")?;
            }
            Ok(())
        }
    }
}

async fn read(app: &App, user: Uuid) -> Result<FoundUser, Box<dyn Error>> {
    let found = find::by_id(&app.pool, user).await?;
    found.ok_or_else(|| "this user is gone".into())
}

fn print_text(FoundUser { row, last_seen_at }: &FoundUser) -> Result<(), Box<dyn Error>> {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "(erased)".to_owned());
    let roles: Vec<&str> = row.roles.iter().copied().map(Role::name).collect();
    let status = match row.deleted_at {
        Some(at) => format!("deleted {}", at.to_rfc3339()),
        None => row.status.name().to_owned(),
    };
    let mut out = stdout();
    for (what, value) in [
        ("id", row.id.to_string()),
        ("username", text(&row.username)),
        ("e-mail", text(&row.email)),
        ("name", text(&row.name)),
        ("status", status),
        ("signs in by", row.login_type.name().to_owned()),
        ("roles", roles.join(", ")),
        ("created", row.created_at.to_rfc3339()),
        (
            "last seen",
            last_seen_at.map_or_else(|| "never".to_owned(), |at| at.to_rfc3339()),
        ),
    ] {
        writeln!(out, "{what:<12}{value}")?;
    }
    Ok(())
}
