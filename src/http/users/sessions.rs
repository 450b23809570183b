//! `GET /users/{user}/sessions`: which sessions and tokens of a user were good at a moment, and what became of them.

use axum::{
    extract::{RawQuery, State},
    http::StatusCode,
};
use chrono::{DateTime, Utc};
use rollcall_events::Actor;
use rollcall_projections::history::{
    FormerSession, SessionEnd, sessions_at, sessions_now, user_at,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    history::{shown_actor, shown_authentication},
    moment::{moment, require_past},
    target::target,
};
use crate::{
    app::AppState,
    http::{
        answer::{Json, Refusal},
        caller::Caller,
        openapi::schemas,
        path::Path,
        position::{must_read_log, reads_log},
        query::Parameters,
        timestamp::Timestamp,
    },
    permissions::{Action, Object},
};

/// The sessions and tokens of a user at a moment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FormerSessions)]
pub struct Answer {
    /// Of the user then. The sessions of a suspended user open nothing.
    #[schema(value_type = schemas::UserStatus)]
    user_status: &'static str,
    sessions: Vec<View>,
}

/// A session or token that was good at a moment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FormerSession)]
struct View {
    #[schema(example = "5MIg5lSmNi")]
    id: String,
    /// API tokens have a type of their own.
    #[schema(value_type = schemas::UserLoginType)]
    login_type: &'static str,
    #[schema(example = "ci")]
    token_name: String,
    #[schema(value_type = schemas::TokenScope)]
    scope: &'static str,
    /// Whether it is certain that it was good. Else it was if it had been used in the `lifetime_seconds` before: of the uses
    /// only the latest is known.
    is_certain: bool,
    created_at: Timestamp,
    /// When it ended without use.
    expires_at: Timestamp,
    /// When it ended, however much it was used.
    ends_at: Timestamp,
    #[schema(example = 86_400)]
    lifetime_seconds: i64,
    /// The latest use that is known, before the moment or after it; in the year 1 if none is.
    last_used: Timestamp,
    /// Who made it: `user:<id>`, `anonymous`, `operator` or `system`; `user` for another user, unless the caller may read
    /// the audit log.
    #[schema(example = "anonymous")]
    made_by: String,
    /// How they had proven who they are: of another user's session only that it was one, unless the caller may read the
    /// audit log.
    #[schema(example = "password")]
    authentication: String,
    /// Where it was made from; empty if it is not known, was erased, or is none of the caller's business.
    #[schema(example = "192.0.2.7")]
    ip: String,
    #[schema(example = "curl/8.5.0")]
    user_agent: String,
    /// The request that made it.
    request_id: Uuid,
    /// When it ended before its time; in the year 1 if it did not.
    ended_at: Timestamp,
    /// Why; empty if it did not.
    #[schema(example = "signed_out")]
    end_reason: &'static str,
}

/// A user's sessions and tokens as of a moment.
///
/// Which were good, how they were made and what is known of their use; without a moment, now.
#[utoipa::path(get, path = "/api/v2/users/{user}/sessions", tag = "audit", operation_id = "user_sessions",
    params(
        ("at" = Option<String>, Query, format = DateTime, example = "2026-01-31T12:00:00Z", description = "As of this time."),
        ("version" = Option<i64>, Query, minimum = 0, example = 1, description = "As of the user's event of this number."),
        ("position" = Option<i64>, Query, minimum = 0, example = 7, description = "As of the event at this position in the log. For callers who may read the audit log."),
    ),
    responses((status = 200, body = Answer), (status = 400)))]
pub async fn sessions(
    State(app): State<AppState>,
    caller: Caller,
    Path(user): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Answer>, Refusal> {
    let found = target(&app, &caller, &user).await?;
    let user = found.row.id;
    caller.require_or_hide(Action::ReadHistory, &Object::user(user))?;
    let mut parameters = Parameters::parse(query.as_deref());
    let moment = moment(&mut parameters);
    parameters.finish()?;
    must_read_log(&caller, moment)?;
    let (status, sessions) = match moment {
        None => {
            let sessions = sessions_now(&app.log, user, app.clock.now()).await?;
            (found.row.status, sessions)
        }
        Some(moment) => {
            require_past(&app, user, moment).await?;
            let then = user_at(&app.log, user, moment).await?;
            let then = then.ok_or_else(Refusal::not_found)?;
            let sessions = sessions_at(&app.log, user, moment, then.at).await?;
            (then.row.status, sessions)
        }
    };
    let sees_makers = reads_log(&caller.subject());
    let me = caller.user().row.id;
    // Who signs in is nobody before; it is their own doing all the same.
    let is_own = |actor| me == user && [Actor::User(me), Actor::Anonymous].contains(&actor);
    let views = sessions.into_iter().map(|session| {
        let sees_maker = sees_makers || is_own(session.made.actor);
        View::new(session, sees_maker)
    });
    let answer = Answer {
        user_status: status.name(),
        sessions: views.collect(),
    };
    Ok(Json(StatusCode::OK, answer))
}

impl View {
    fn new(session: FormerSession, sees_maker: bool) -> Self {
        let (ended_at, end_reason): (Option<DateTime<Utc>>, Option<SessionEnd>) =
            session.ended.unzip();
        let origin = session.made.origin.known().filter(|_| sees_maker);
        let ip = origin.and_then(|origin| origin.ip);
        Self {
            id: session.id.0,
            login_type: session.login_type.name(),
            token_name: session.token_name.unwrap_or_default(),
            scope: session.scope.name(),
            is_certain: session.is_certain,
            created_at: Timestamp(session.created_at),
            expires_at: Timestamp(session.expires_at),
            ends_at: Timestamp(session.ends_at),
            lifetime_seconds: session.lifetime_s,
            last_used: session.last_used.into(),
            made_by: shown_actor(session.made.actor, sees_maker),
            ip: ip.map_or_else(String::new, |ip| ip.to_string()),
            user_agent: origin.map_or_else(String::new, |origin| origin.user_agent.clone()),
            authentication: shown_authentication(session.made.authentication, sees_maker),
            request_id: session.made.correlation_id,
            ended_at: ended_at.into(),
            end_reason: end_reason.map_or("", SessionEnd::name),
        }
    }
}
