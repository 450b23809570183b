//! Which sessions and tokens of a user were good at a moment.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use rollcall_events::{
    Event, Metadata, Personal, Recorded,
    attempt::{Action, ResourceType},
    log::{LogError, LogReader, RawEvent, legible},
    user::{EndReason, LoginType, Scope, Session, SessionId, TokenName, UserEvent},
};
use sqlx::{PgExecutor, PgPool};
use uuid::Uuid;

use super::Moment;
use crate::{
    audit::{Kind, PageRequest, Side, places, resolve, search::AuditQuery},
    sessions::SessionRow,
};

/// What a user did is looked through for the use of sessions, but no more than this.
const LATEST: u32 = 1_000;
/// Events that are read at once.
const BATCH: usize = 1_000;

/// A session or token that was, or may have been, good at a moment.
#[derive(Debug, Clone, PartialEq)]
pub struct FormerSession {
    /// The public half of the token.
    pub id: SessionId,
    /// How the user had proven who they are.
    pub login_type: LoginType,
    /// What its owner calls it, if it is an API token.
    pub token_name: Option<String>,
    /// What it was good for.
    pub scope: Scope,
    /// How long it lasts without use, in seconds.
    pub lifetime_s: i64,
    /// How it was made: by whom, from where, by which request.
    pub made: Metadata,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When it ended if it was not used, as far as it was known then.
    pub expires_at: DateTime<Utc>,
    /// When it ended however much it was used, as far as it was known then.
    pub ends_at: DateTime<Utc>,
    /// The latest use that is known, be it before the moment or after it.
    pub last_used: Option<DateTime<Utc>>,
    /// Whether it is certain that it was good. Else it was if it had been used until shortly before, which is not known.
    pub is_certain: bool,
    /// What became of it, if it ended before its time.
    pub ended: Option<(DateTime<Utc>, SessionEnd)>,
}

/// Why a session ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEnd {
    /// By itself.
    Ended(EndReason),
    /// It was found to be past its end.
    Expired,
    /// The user had another password.
    PasswordChanged,
    /// The user came to sign in otherwise.
    LoginTypeChanged,
    /// The user went.
    UserGone,
}

impl SessionEnd {
    /// The reason's name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ended(EndReason::SignedOut) => "signed_out",
            Self::Ended(EndReason::Revoked) => "revoked",
            Self::Ended(EndReason::Superseded) => "superseded",
            Self::Ended(EndReason::ProviderRefused) => "provider_refused",
            Self::Expired => "expired",
            Self::PasswordChanged => "password_changed",
            Self::LoginTypeChanged => "login_type_changed",
            Self::UserGone => "user_gone",
        }
    }
}

/// The user's sessions and tokens that were, or may have been, good at `moment`, which was at `at`; the oldest first.
/// Of the user's events, those that begin or end sessions are read in batches, and only sessions that may be good are
/// kept.
///
/// # Errors
/// The database fails, or an event cannot be read.
pub async fn sessions_at(
    log: &LogReader,
    user: Uuid,
    moment: Moment,
    at: DateTime<Utc>,
) -> Result<Vec<FormerSession>, LogError> {
    let mut sessions = BTreeMap::new();
    let mut version = 0;
    loop {
        let events = events(log.pool(), user, version).await?;
        let Some(last) = events.last() else { break };
        version = last.version;
        let is_whole = events.len() == BATCH;
        let events: Vec<Recorded> = legible(log.open(events).await?).collect();
        fold(&mut sessions, &events, moment, at);
        if !is_whole {
            break;
        }
    }
    good_at(log.pool(), user, sessions, at).await
}

/// The user's sessions and tokens that are good now: what is in `read.sessions`, each with the event that began it.
///
/// # Errors
/// The database fails, or an event cannot be read.
pub async fn sessions_now(
    log: &LogReader,
    user: Uuid,
    now: DateTime<Utc>,
) -> Result<Vec<FormerSession>, LogError> {
    let rows: Vec<SessionRow> = open_sessions(log.pool(), user, now).await?;
    let mut rows: HashMap<SessionId, SessionRow> =
        rows.into_iter().map(|row| (row.id.clone(), row)).collect();
    let mut times: Vec<DateTime<Utc>> = rows.values().map(|row| row.created_at).collect();
    times.sort_unstable();
    times.dedup();
    let mut sessions = BTreeMap::new();
    for times in times.chunks(BATCH) {
        let beginnings = beginnings(log.pool(), user, times).await?;
        for recorded in legible(log.open(beginnings).await?) {
            if let Event::User(UserEvent::SessionStarted {
                session,
                token_name,
            }) = &recorded.event
                && let Some(row) = rows.remove(&session.id)
            {
                let former = FormerSession {
                    expires_at: row.expires_at,
                    ends_at: row.ends_at,
                    ..FormerSession::new(&recorded, session, text(token_name.as_ref()))
                };
                sessions.insert(row.id, former);
            }
        }
    }
    good_at(log.pool(), user, sessions, now).await
}

/// Those of the sessions that may be good at that time, with their latest use; the oldest first.
async fn good_at(
    pool: &PgPool,
    user: Uuid,
    mut sessions: BTreeMap<SessionId, FormerSession>,
    at: DateTime<Utc>,
) -> Result<Vec<FormerSession>, LogError> {
    let ids: Vec<&str> = sessions.keys().map(|id| id.0.as_str()).collect();
    let last_uses = last_uses(pool, user, &ids).await?;
    for (id, session) in &mut sessions {
        session.last_used = last_uses.get(id).copied();
    }
    let mut good: Vec<FormerSession> = sessions
        .into_values()
        .filter_map(|session| session.if_good(at))
        .collect();
    good.sort_by(|one, other| (one.created_at, &one.id.0).cmp(&(other.created_at, &other.id.0)));
    Ok(good)
}

impl FormerSession {
    fn new(recorded: &Recorded, session: &Session, token_name: Option<String>) -> Self {
        Self {
            id: session.id.clone(),
            login_type: session.login_type,
            token_name,
            scope: session.scope,
            lifetime_s: session.lifetime_s,
            made: recorded.metadata.clone(),
            created_at: recorded.recorded_at,
            expires_at: session.expires_at,
            ends_at: session.ends_at,
            last_used: None,
            is_certain: false,
            ended: None,
        }
    }

    /// The session, unless it was certainly no good at that time. Uses slide its end, and only the latest one is known:
    /// who used it later had it then, since what is past its end stays so.
    fn if_good(mut self, at: DateTime<Utc>) -> Option<Self> {
        if at >= self.ends_at {
            return None;
        }
        let slides = self.login_type != LoginType::Token;
        let slid = |used: DateTime<Utc>| slides && at < used + TimeDelta::seconds(self.lifetime_s);
        let used_later = self.last_used.is_some_and(|used| used >= at);
        self.is_certain = at < self.expires_at || used_later || self.last_used.is_some_and(slid);
        // The latest use was before, and nothing is unknown.
        let is_over = !self.is_certain && (!slides || self.last_used.is_some());
        (!is_over).then_some(self)
    }
}

/// The sessions that had begun and not ended by the moment, which was at `at`; those that were past their end by then
/// are left out. What came later tells of their use and their end.
fn fold(
    sessions: &mut BTreeMap<SessionId, FormerSession>,
    events: &[Recorded],
    moment: Moment,
    at: DateTime<Utc>,
) {
    for recorded in events {
        let is_later = match moment {
            Moment::Time(time) => recorded.recorded_at > time,
            Moment::Version(version) => recorded.version > version,
            Moment::Position(position) => recorded.position > position,
        };
        if let Event::User(event) = &recorded.event {
            if is_later {
                end(sessions, recorded, event, |session, end| {
                    session.ended.get_or_insert(end);
                    true
                });
            } else {
                begin(sessions, recorded, event, at);
                end(sessions, recorded, event, |_, _| false);
            }
        }
    }
}

fn begin(
    sessions: &mut BTreeMap<SessionId, FormerSession>,
    recorded: &Recorded,
    event: &UserEvent,
    at: DateTime<Utc>,
) {
    match event {
        UserEvent::SessionStarted {
            session,
            token_name,
        } if at < session.ends_at => {
            let former = FormerSession::new(recorded, session, text(token_name.as_ref()));
            sessions.insert(session.id.clone(), former);
        }
        UserEvent::SessionShortened {
            session_id,
            ends_at,
        } => {
            if let Some(session) = sessions.get_mut(session_id) {
                session.expires_at = session.expires_at.min(*ends_at);
                session.ends_at = *ends_at;
            }
        }
        _ => {}
    }
}

fn text(token_name: Option<&Personal<TokenName>>) -> Option<String> {
    let name = token_name?.known()?;
    Some(name.as_str().to_owned())
}

/// Keeps those of the sessions that an event ends which `keep` does.
fn end(
    sessions: &mut BTreeMap<SessionId, FormerSession>,
    recorded: &Recorded,
    event: &UserEvent,
    keep: impl Fn(&mut FormerSession, (DateTime<Utc>, SessionEnd)) -> bool,
) {
    let mut end = |is_ended: &dyn Fn(&SessionId) -> bool, why| {
        let at = (recorded.recorded_at, why);
        sessions.retain(|id, session| !is_ended(id) || keep(session, at));
    };
    match event {
        UserEvent::SessionEnded { session_id, reason } => {
            end(&|id| id == session_id, SessionEnd::Ended(*reason));
        }
        UserEvent::SessionsExpired { session_ids } => {
            end(&|id| session_ids.contains(id), SessionEnd::Expired);
        }
        UserEvent::PasswordChanged { .. } => end(&|_| true, SessionEnd::PasswordChanged),
        UserEvent::LoginTypeChanged { .. } => end(&|_| true, SessionEnd::LoginTypeChanged),
        UserEvent::UserDeleted {} | UserEvent::UserErased {} => {
            end(&|_| true, SessionEnd::UserGone);
        }
        _ => {}
    }
}

/// The next events of a user that begin or end sessions.
async fn events(
    executor: impl PgExecutor<'_>,
    user: Uuid,
    after: i64,
) -> sqlx::Result<Vec<RawEvent>> {
    sqlx::query_as(
        "SELECT position
              , aggregate_type
              , aggregate_id
              , version
              , event_type
              , schema_version
              , payload
              , metadata
              , recorded_at
           FROM log.events
          WHERE aggregate_id = $1
            AND version > $2
            AND event_type IN ('SessionStarted', 'SessionShortened', 'SessionEnded', 'SessionsExpired'
                             , 'PasswordChanged', 'LoginTypeChanged', 'UserDeleted', 'UserErased')
          ORDER BY version
          LIMIT $3",
    )
    .bind(user)
    .bind(after)
    .bind(i64::try_from(BATCH).unwrap_or(i64::MAX))
    .fetch_all(executor)
    .await
}

async fn open_sessions(
    executor: impl PgExecutor<'_>,
    user: Uuid,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<SessionRow>> {
    sqlx::query_as(
        "SELECT id AS session_id
              , user_id
              , secret_sha256
              , login_type AS session_login_type
              , token_name
              , scope
              , lifetime_s
              , created_at AS session_created_at
              , expires_at
              , ends_at
           FROM read.sessions
          WHERE user_id = $1 AND ends_at > $2",
    )
    .bind(user)
    .bind(now)
    .fetch_all(executor)
    .await
}

/// The events at these times that began sessions of the user, and perhaps others of these times. The audit log has an
/// entry of each: in one index if the user did it themselves, or in another.
async fn beginnings(
    executor: impl PgExecutor<'_>,
    user: Uuid,
    times: &[DateTime<Utc>],
) -> sqlx::Result<Vec<RawEvent>> {
    let kinds = [Action::Login, Action::Create]
        .map(|action| Kind::done(action, ResourceType::ApiKey).number());
    sqlx::query_as(
        "SELECT events.position
              , events.aggregate_type
              , events.aggregate_id
              , events.version
              , events.event_type
              , events.schema_version
              , events.payload
              , events.metadata
              , events.recorded_at
           FROM UNNEST($2::timestamptz[]) AS begun (at)
          CROSS JOIN LATERAL (
              SELECT position
                FROM read.audit
               WHERE user_id = $1 AND (user_id = resource_id) IS TRUE AND kind = ANY ($3) AND audit.at = begun.at
               UNION ALL
              SELECT position
                FROM read.audit
               WHERE resource_id = $1 AND (user_id = resource_id) IS NOT TRUE AND kind = ANY ($3)
                 AND audit.at = begun.at) AS entries
           JOIN log.events ON events.position = entries.position
          WHERE events.aggregate_id = $1",
    )
    .bind(user)
    .bind(times)
    .bind(&kinds[..])
    .persistent(false)
    .fetch_all(executor)
    .await
}

/// When sessions were last used: as it was noted of those that are still there; and when something was done, or tried, by
/// them, of the latest that the user did.
async fn last_uses(
    pool: &PgPool,
    user: Uuid,
    ids: &[&str],
) -> sqlx::Result<HashMap<SessionId, DateTime<Utc>>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let done = latest_acts(pool, user).await?;
    let latest: Vec<(String, DateTime<Utc>)> = sqlx::query_as(
        "WITH uses (session_id, at) AS (
             SELECT session_id, last_used
               FROM live.session_activity
              WHERE session_id = ANY ($1)
              UNION ALL
             SELECT substr(by, length('session:') + 1), recorded_at
               FROM (SELECT log.json_or_null(metadata) ->> 'authentication' AS by
                          , recorded_at
                       FROM log.events
                      WHERE position = ANY ($2)) AS acts
              WHERE by LIKE 'session:%'
         )
         SELECT session_id, max(at)
           FROM uses
          WHERE session_id = ANY ($1)
          GROUP BY session_id",
    )
    .bind(ids)
    .bind(done)
    .fetch_all(pool)
    .await?;
    let latest = latest.into_iter();
    Ok(latest.map(|(id, used)| (SessionId(id), used)).collect())
}

/// Where in the log it is what a user did, or tried, last.
async fn latest_acts(pool: &PgPool, user: Uuid) -> sqlx::Result<Vec<i64>> {
    let by_user = AuditQuery {
        username: Some("me".to_owned()),
        ..AuditQuery::default()
    };
    let request = PageRequest {
        filter: resolve(pool, &by_user, user).await?,
        side: Side::Newest,
        limit: LATEST,
        offset: 0,
    };
    let places = places(pool, &request).await?;
    Ok(places.into_iter().map(|place| place.position).collect())
}
