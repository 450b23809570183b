//! `rollcall users list`.

use std::{
    error::Error,
    io::{self, BufWriter, Write},
};

use clap::Args as ClapArgs;
use futures_util::TryStreamExt;
use rollcall_events::user::Role;
use rollcall_projections::{
    history::UserList,
    users::{
        Cursor, FoundUser,
        list::{ListRequest, Visibility},
        search,
    },
};

use super::{Format, Output};
use crate::{app::App, cli::output::stdout, config::StoreArgs, http::UserView};

/// Which users to list.
#[derive(ClapArgs)]
pub struct List {
    /// A search, as the API has it: words, and keys such as `status:suspended` or `role:owner`
    #[arg(long, default_value = "")]
    query: String,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    pub(super) store: StoreArgs,
}

/// Prints the users in order of their names: a table for people, a JSON object a line for programs.
pub async fn list(app: &App, wish: &List) -> Result<(), Box<dyn Error>> {
    let filter = search::parse(&wish.query).map_err(|problems| sentence(&problems))?;
    let request = ListRequest {
        filter,
        visible_to: Visibility::All,
        after: Cursor::Start,
        limit: 0,
        offset: 0,
    };
    let list = UserList::now(&app.pool, request).await?;
    let mut users = list.stream(&app.pool);
    let mut out = BufWriter::new(stdout());
    if wish.output.format == Format::Text {
        let [username, email, status, roles] = ["USERNAME", "E-MAIL", "STATUS", "ROLES"];
        writeln!(out, "{username:<33}{email:<41}{status:<11}{roles}")?;
    }
    while let Some((user, _)) = users.try_next().await? {
        match wish.output.format {
            Format::Text => write_text(&mut out, &user)?,
            Format::Json => {
                serde_json::to_writer(&mut out, &UserView::from(user))?;
                writeln!(out)?;
            }
        }
    }
    Ok(out.flush()?)
}

fn write_text(out: &mut impl Write, FoundUser { row, .. }: &FoundUser) -> io::Result<()> {
    let username = row.username.as_deref().unwrap_or_default();
    let email = row.email.as_deref().unwrap_or_default();
    let roles: Vec<&str> = row.roles.iter().copied().map(Role::name).collect();
    writeln!(
        out,
        "{username:<32} {email:<40} {:<10} {}",
        row.status.name(),
        roles.join(",")
    )
}

fn sentence(problems: &[search::InvalidQuery]) -> String {
    let details = problems.iter().map(|problem| problem.detail.as_str());
    details.collect::<Vec<_>>().join("; ")
}
