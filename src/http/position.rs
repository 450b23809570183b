//! The header that tells at which position of the log a change was recorded.
//!
//! Positions count every event, those of other users too: only callers who may read the log are given any. Members need
//! none, because what was written is seen by every later read, on every node.

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use rollcall_projections::history::Moment;

use super::{answer::Refusal, caller::Caller, identity::Identity};
use crate::permissions::{Action, Object, Subject};

const POSITION: HeaderName = HeaderName::from_static("rollcall-position");

/// The header for a change that was recorded at this position. Callers who may not read the log do not get it.
#[must_use]
pub fn position_header(position: i64) -> [(HeaderName, HeaderValue); 1] {
    [(POSITION, HeaderValue::from(position))]
}

/// Takes the header from the answers to everybody but readers of the log.
pub async fn withhold(request: Request<Body>, next: Next) -> Response {
    let identity = request.extensions().get::<Identity>();
    let is_reader = identity.and_then(Identity::session).is_some_and(|known| {
        let row = &known.user.row;
        let account = rollcall_projections::standings::account(row);
        reads_log(&Subject::new(row.id, &account, known.session.scope))
    });
    let mut response = next.run(request).await;
    if !is_reader {
        response.headers_mut().remove(POSITION);
    }
    response
}

/// Refuses to look at a position of the log for callers who may not read it: whether there is one yet would tell how many
/// events there are.
///
/// # Errors
/// 403.
pub fn must_read_log(caller: &Caller, moment: Option<Moment>) -> Result<(), Refusal> {
    match moment {
        Some(Moment::Position(_)) if !reads_log(&caller.subject()) => Err(Refusal::forbidden()),
        _ => Ok(()),
    }
}

/// Whether positions of the log may be shown.
#[must_use]
pub fn reads_log(subject: &Subject) -> bool {
    subject.may(Action::Read, &Object::audit_log())
}
