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
    list::{ListRequest, Visibility, page, stream as all},
    search,
};
use serde::Serialize;
use tokio::sync::mpsc;

use super::{UserView, get::SEE_EVERYBODY};
use crate::{
    app::AppState,
    auth::Caller,
    http::{
        answer::{Json, Refusal, json_type},
        go_json,
        query::{Invalid, Parameters},
    },
};

/// A streamed list is sent in pieces of about this size.
const PIECE_BYTES: usize = 64 * 1024;
/// Pieces that wait for a slow reader; then the database waits.
const PIECES_WAITING: usize = 2;
/// A reader that takes no piece for so long is given up: it holds a connection to the database.
const READER_PATIENCE: Duration = Duration::from_secs(30);

#[derive(Serialize)]
struct Answer {
    users: Vec<UserView>,
    count: i64,
}

/// A page, or everybody.
pub async fn list(
    State(app): State<AppState>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let request = read(&caller, query.as_deref())?;
    if request.limit == 0 {
        return Ok(stream_all(&app, &request).await?);
    }
    let page = page(&app.pool, &request).await?;
    let users = page.users.into_iter().map(UserView::from).collect();
    let count = page.count;
    Ok(Json(StatusCode::OK, Answer { users, count }).into_response())
}

fn read(caller: &Caller, query: Option<&str>) -> Result<ListRequest, Refusal> {
    let mut parameters = Parameters::parse(query);
    let filter = search::parse(&parameters.text("q")).map_err(|problems| {
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
    let visible_to = if caller.has_any(&SEE_EVERYBODY) {
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

/// Everybody, as they come from the database: never in memory as a whole. The count comes last, when it is known.
async fn stream_all(app: &AppState, request: &ListRequest) -> Result<Response, sqlx::Error> {
    let mut users = all(&app.streams, request);
    // The first row is waited for, so that a database that is gone is still told by the status.
    let first = users.next().await.transpose()?;
    let (sender, receiver) = mpsc::channel(PIECES_WAITING);
    let users = stream::iter(first.map(Ok)).chain(users).boxed();
    tokio::spawn(send_pieces(users, i64::from(request.offset), sender));
    let pieces = stream::unfold(receiver, |mut receiver| async {
        Some((receiver.recv().await?, receiver))
    });
    Ok((json_type(), Body::from_stream(pieces)).into_response())
}

type Piece = Result<Bytes, std::io::Error>;
type Users = stream::BoxStream<'static, sqlx::Result<FoundUser>>;

async fn send_pieces(mut users: Users, offset: i64, sender: mpsc::Sender<Piece>) {
    let mut piece = br#"{"users":["#.to_vec();
    let mut sent: i64 = 0;
    while let Some(user) = users.next().await {
        let written = user.map_err(std::io::Error::other).and_then(|user| {
            if sent > 0 {
                piece.push(b',');
            }
            go_json::escape_into(&serde_json::to_vec(&UserView::from(user))?, &mut piece);
            Ok(())
        });
        if let Err(error) = written {
            // The status is sent already: the answer is broken off, so that no client takes it for whole.
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a streamed list broke off"
            );
            drop(sender.send(Err(error)).await);
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
    let count = if sent == 0 { 0 } else { offset + sent };
    piece.extend(format!("],\"count\":{count}}}\n").into_bytes());
    drop(sender.send_timeout(Ok(piece.into()), READER_PATIENCE).await);
}
