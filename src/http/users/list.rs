//! `GET /users`: searched, filtered, page by page; or all, streamed.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    extract::{RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use rollcall_projections::users::{
    FoundUser,
    list::{ListRequest, Listed, Visibility, page, stream as all},
    search,
};
use serde::Serialize;
use tokio::sync::mpsc;
use tracing::Instrument;
use utoipa::ToSchema;

use super::UserView;
use crate::{
    app::AppState,
    http::{
        answer::{Json, Refusal, json_type},
        caller::Caller,
        go_json,
        query::{Invalid, Parameters},
    },
    permissions::{Action, Object},
};

/// A list of more is streamed.
const LARGEST_PAGE: u32 = 1_000;
/// A search longer than this is no search.
const MOST_QUERY_BYTES: usize = 4096;
/// A streamed list is sent in pieces of about this size.
const PIECE_BYTES: usize = 64 * 1024;
/// Pieces that wait for a slow reader; then the database waits.
const PIECES_WAITING: usize = 2;
/// A reader that takes no piece for so long is given up: it holds a connection to the database.
const READER_PATIENCE: Duration = Duration::from_secs(30);
/// And a list that has not been taken by then.
const LIST_PATIENCE: Duration = Duration::from_mins(5);

/// A page of the list, or all of it.
#[derive(Serialize, ToSchema)]
#[schema(as = UserList)]
struct Answer {
    users: Vec<UserView>,
    /// How many there are from `after_id` on; 0 if the page is empty.
    #[schema(example = 1)]
    count: i64,
}

/// The users whom the caller may see: a page, or everybody. In the order of their usernames.
#[utoipa::path(get, path = "/api/v2/users", tag = "users", operation_id = "list_users",
    params(
        ("q" = Option<String>, Query, max_length = 4096, example = "status:active",
            description = "What to look for: words, and filters such as `status:active` or `role:owner`."),
        ("after_id" = Option<Uuid>, Query, description = "Begin behind this user."),
        ("limit" = Option<i32>, Query, minimum = 0, example = 25, description = "At most so many. 0: no limit."),
        ("offset" = Option<i32>, Query, minimum = 0, example = 0, description = "Leave out so many at the beginning."),
    ),
    responses((status = 200, body = Answer)))]
pub async fn list(
    State(app): State<AppState>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let request = read(&caller, query.as_deref())?;
    if request.limit == 0 || request.limit > LARGEST_PAGE {
        return Ok(stream_all(&app, &request).await?);
    }
    let page = page(&app.pool, &request).await?;
    let users = page.users.into_iter().map(UserView::from).collect();
    let count = page.count;
    Ok(Json(StatusCode::OK, Answer { users, count }).into_response())
}

fn read(caller: &Caller, query: Option<&str>) -> Result<ListRequest, Refusal> {
    let mut parameters = Parameters::parse(query);
    let q = parameters.text("q");
    if q.len() > MOST_QUERY_BYTES {
        let detail = format!("Query param \"q\" must have at most {MOST_QUERY_BYTES} bytes");
        return Err(vec![Invalid {
            field: "q".to_owned(),
            detail,
        }]
        .into());
    }
    // Only this is told when it is bad: the other parameters may be right, or not, for another search.
    let filter = search::parse(&q).map_err(|problems| {
        let problem = |problem: search::InvalidQuery| Invalid {
            field: problem.field,
            detail: problem.detail,
        };
        Refusal::from(problems.into_iter().map(problem).collect::<Vec<_>>())
    })?;
    let after = parameters.uuid("after_id");
    let limit = parameters.non_negative("limit");
    let offset = parameters.non_negative("offset");
    parameters.finish()?;
    let visible_to = if caller.may(Action::Read, &Object::any_user()) {
        Visibility::All
    } else {
        Visibility::Only(caller.user().row.id)
    };
    Ok(ListRequest {
        filter,
        visible_to,
        after,
        limit,
        offset,
    })
}

/// As they come from the database: never in memory as a whole. The count comes last: without a limit it is then known.
async fn stream_all(app: &AppState, request: &ListRequest) -> Result<Response, sqlx::Error> {
    let mut users = all(&app.streams, request);
    // The first row is waited for, so that a database that is gone is still told by the status.
    let first = users.next().await.transpose()?;
    let (sender, receiver) = mpsc::channel(PIECES_WAITING);
    let users = stream::iter(first.map(Ok)).chain(users).boxed();
    let sending = send_pieces(users, request.offset, sender);
    tokio::spawn(tokio::time::timeout(LIST_PATIENCE, sending).in_current_span());
    let pieces = stream::unfold(receiver, |mut receiver| async {
        Some((receiver.recv().await?, receiver))
    });
    Ok((json_type(), Body::from_stream(pieces)).into_response())
}

type Piece = Result<Bytes, std::io::Error>;
type Users = stream::BoxStream<'static, sqlx::Result<Listed>>;

/// Sends what it can. A list that ends too early is broken off, so that no client takes it for whole: the status was
/// sent long before.
async fn send_pieces(mut users: Users, offset: u32, sender: mpsc::Sender<Piece>) {
    let mut piece = br#"{"users":["#.to_vec();
    let mut sent: i64 = 0;
    let mut counted: i64 = 0;
    while let Some(listed) = users.next().await {
        let written = listed.map_err(std::io::Error::other).and_then(|listed| {
            counted = listed.count;
            write_user(listed.user, sent == 0, &mut piece)
        });
        if let Err(error) = written {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a streamed list broke off"
            );
            drop(users);
            drop(sender.send_timeout(Err(error), READER_PATIENCE).await);
            return;
        }
        sent += 1;
        if piece.len() >= PIECE_BYTES {
            let full = Bytes::from(std::mem::take(&mut piece));
            if sender
                .send_timeout(Ok(full), READER_PATIENCE)
                .await
                .is_err()
            {
                return;
            }
        }
    }
    let count = match (sent, counted) {
        (0, _) => 0,
        (_, 0) => i64::from(offset) + sent,
        (_, counted) => counted,
    };
    piece.extend(format!("],\"count\":{count}}}\n").into_bytes());
    drop(sender.send_timeout(Ok(piece.into()), READER_PATIENCE).await);
}

fn write_user(user: FoundUser, is_first: bool, piece: &mut Vec<u8>) -> std::io::Result<()> {
    if !is_first {
        piece.push(b',');
    }
    go_json::escape_into(&serde_json::to_vec(&UserView::from(user))?, piece);
    Ok(())
}
