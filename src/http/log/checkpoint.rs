//! `GET /log/checkpoint`: the newest signed head of the log.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use rollcall_events::log::checkpoints;

use crate::{
    app::AppState,
    http::{answer::Refusal, caller::Caller},
    permissions::{Action, Object},
};

/// The newest checkpoint of the log.
///
/// A signed note (C2SP `tlog-checkpoint`): the log's name, how many events it has, the root of their tree, and a signature.
#[utoipa::path(get, path = "/api/v2/log/checkpoint", tag = "audit", operation_id = "checkpoint",
    responses((status = 200, body = String, content_type = "text/plain",
            example = "rollcall.example.com\n41\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n— rollcall.example.com Uw2QOg==\n"),
        (status = 404, description = "No checkpoint was made yet.")))]
pub async fn checkpoint(State(app): State<AppState>, caller: Caller) -> Result<Response, Refusal> {
    caller.require(Action::Read, &Object::audit_log())?;
    match checkpoints::newest(&app.pool).await? {
        Some(made) => {
            let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
            Ok((plain, made.note).into_response())
        }
        None => Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "No checkpoint was made yet: see checkpoint_every, or `rollcall checkpoint`.",
        )),
    }
}
