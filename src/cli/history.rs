//! `rollcall history`: what happened to a user, or how they were at a moment.

use std::{
    error::Error,
    io::{self, BufWriter, Write},
};

use chrono::{DateTime, Utc};
use clap::Args as ClapArgs;
use rollcall_events::Actor;
use rollcall_projections::{
    audit::people,
    history::{
        Entry, Moment, Order, PageRequest, actor_named, is_kind, is_past, is_reversed, page,
        user_at,
    },
    users::FoundUser,
};
use serde_json::Value;
use uuid::Uuid;

use super::{
    output::stdout,
    users::{self, Format},
    with_app::with_app,
};
use crate::{
    app::App,
    config::{Config, StoreArgs},
    http::HistoryEntryView,
};

/// Events that are read at once.
const PAGE: u32 = 1_000;

/// Whose history, and what of it.
#[derive(ClapArgs)]
pub struct History {
    /// The user's id, username or e-mail address; of a deleted user, the id
    user: String,
    /// The user as of this time, like 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", conflicts_with_all = ["version", "position"])]
    at: Option<DateTime<Utc>>,
    /// The user as of their event of this number
    #[arg(long, value_name = "N", conflicts_with = "position")]
    version: Option<i64>,
    /// The user as of the event at this place in the log
    #[arg(long, value_name = "N")]
    position: Option<i64>,
    /// The latest first
    #[arg(long)]
    newest_first: bool,
    /// Only events of these types, such as `ProfileChanged`
    #[arg(long, value_name = "KINDS", value_delimiter = ',', value_parser = kind_wanted)]
    kind: Vec<String>,
    /// Only what this actor did: a user's id, username or e-mail address, `anonymous`, `operator` or `system`
    #[arg(long, value_name = "ACTOR")]
    actor: Option<String>,
    /// Only from this time on
    #[arg(long, value_name = "TIME")]
    from: Option<DateTime<Utc>>,
    /// Only before this time
    #[arg(long, value_name = "TIME")]
    until: Option<DateTime<Utc>>,
    /// For people, or for programs
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    pub(super) store: StoreArgs,
}

/// Prints what happened to a user, or how they were.
///
/// # Errors
/// There is no database or no such user, or the moment has not come.
pub fn history(config: Config, wish: &History) -> Result<(), Box<dyn Error>> {
    with_app(config, async |app| execute(&app, wish).await)
}

async fn execute(app: &App, wish: &History) -> Result<(), Box<dyn Error>> {
    if is_reversed(wish.from, wish.until) {
        return Err("--until must not be before --from".into());
    }
    let user = users::find(&app.pool, &wish.user).await?;
    match wish.moment() {
        Some(moment) => print_then(app, user, moment, wish.format).await,
        None => print_events(app, user.row.id, wish).await,
    }
}

impl History {
    fn moment(&self) -> Option<Moment> {
        let at = self.at.map(Moment::Time);
        let version = self.version.map(Moment::Version);
        let position = self.position.map(Moment::Position);
        at.or(version).or(position)
    }

    fn order(&self) -> Order {
        if self.newest_first {
            Order::NewestFirst
        } else {
            Order::OldestFirst
        }
    }
}

async fn print_then(
    app: &App,
    user: FoundUser,
    moment: Moment,
    format: Format,
) -> Result<(), Box<dyn Error>> {
    let id = user.row.id;
    if is_past(&app.pool, id, moment, app.clock.now())
        .await?
        .is_err()
    {
        return Err("this moment has not come".into());
    }
    let then = user_at(&app.log, id, moment).await?;
    let then = then.ok_or("the user had not come to be by then")?;
    let found = FoundUser {
        last_seen_at: user.last_seen_at.filter(|seen| *seen <= then.at),
        row: then.row,
    };
    users::print(found, format)
}

async fn print_events(app: &App, user: Uuid, wish: &History) -> Result<(), Box<dyn Error>> {
    let mut out = BufWriter::new(stdout());
    let mut request = PageRequest {
        user,
        order: wish.order(),
        after: None,
        kinds: wish.kind.clone(),
        actor: actor_wanted(app, wish.actor.as_deref()).await?,
        from: wish.from,
        until: wish.until,
        limit: PAGE,
    };
    loop {
        let page = page(&app.log, &request).await?;
        let Some(last) = page.entries.last() else {
            return Ok(out.flush()?);
        };
        request.after = Some(last.position());
        let actors = page.entries.iter().filter_map(actor);
        let people = people::by_ids(&app.pool, &actors.collect::<Vec<_>>()).await?;
        for entry in &page.entries {
            let view = HistoryEntryView::new(entry, &people);
            match wish.format {
                Format::Text => write_text(&mut out, &view)?,
                Format::Json => {
                    serde_json::to_writer(&mut out, &view)?;
                    writeln!(out)?;
                }
            }
        }
    }
}

fn kind_wanted(text: &str) -> Result<String, String> {
    if is_kind(text) {
        Ok(text.to_owned())
    } else {
        Err("must be a type of events, such as ProfileChanged".to_owned())
    }
}

async fn actor_wanted(app: &App, named: Option<&str>) -> Result<Option<Actor>, Box<dyn Error>> {
    let Some(named) = named else {
        return Ok(None);
    };
    match actor_named(named) {
        Some(actor) => Ok(Some(actor)),
        None => Ok(Some(Actor::User(users::find_id(&app.pool, named).await?))),
    }
}

fn actor(entry: &Entry) -> Option<Uuid> {
    entry.legible()?.metadata.actor.user()
}

/// A line that says who did what, when and from where; then a line for each field that changed, and why it was done.
fn write_text(out: &mut impl Write, entry: &HistoryEntryView) -> io::Result<()> {
    let who = if entry.actor_name.is_empty() {
        &entry.actor
    } else {
        &entry.actor_name
    };
    writeln!(
        out,
        "{} {} {who} {}",
        entry.version, entry.time, entry.description
    )?;
    let known = |label: &str, text: &str| {
        if text.is_empty() {
            String::new()
        } else {
            format!(" {label} {}", printable(text))
        }
    };
    writeln!(
        out,
        "    {} at position {}{}{}{}",
        entry.kind,
        entry.position,
        known("by", &entry.authentication),
        known("from", &entry.ip),
        known("with", &entry.user_agent)
    )?;
    for (field, change) in &entry.diff {
        if change.secret {
            writeln!(out, "    {field}: (secret)")?;
        } else {
            let (old, new) = (shown(&change.old), shown(&change.new));
            writeln!(out, "    {field}: {old} -> {new}")?;
        }
    }
    if let Some(reason) = &entry.unreadable {
        writeln!(out, "    cannot be read: {}", printable(reason))?;
    }
    for (name, value) in &entry.additional_fields {
        writeln!(out, "    {name}: {}", shown(value))?;
    }
    write!(out, "    request {}", entry.request_id)?;
    if entry.causation_id != entry.request_id {
        write!(out, ", because of {}", entry.causation_id)?;
    }
    writeln!(out)
}

/// As JSON, in which nothing can move the terminal's cursor.
fn shown(value: &Value) -> String {
    printable(&value.to_string())
}

fn printable(text: &str) -> String {
    text.chars()
        .map(|char| if char.is_control() { '\u{fffd}' } else { char })
        .collect()
}
