//! `GET /log/proof/inclusion`: that an event is in the log.

use axum::{
    extract::{RawQuery, State},
    http::StatusCode,
};

use super::{place, unproved};
use crate::{
    app::AppState,
    http::{
        answer::{Json, Refusal},
        caller::Caller,
        query::Parameters,
    },
    permissions::{Action, Object},
    proofs::{self, InclusionProof},
};

/// The proof that an event is in the log.
///
/// It stays good for ever, also when the person whom the event is about is erased: personal data is sealed in it.
#[utoipa::path(get, path = "/api/v2/log/proof/inclusion", tag = "audit", operation_id = "inclusion_proof",
    params(
        ("position" = i64, Query, minimum = 1, example = 1, description = "The event's place in the log."),
        ("size" = Option<i64>, Query, minimum = 0, example = 1,
            description = "The log as of this position. 0: of the newest checkpoint, if that covers the event."),
    ),
    responses((status = 200, body = InclusionProof),
        (status = 404, description = "The log does not reach so far, or the event comes after that size.")))]
pub async fn inclusion(
    State(app): State<AppState>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<InclusionProof>, Refusal> {
    caller.require(Action::Read, &Object::audit_log())?;
    let mut parameters = Parameters::parse(query.as_deref());
    let position = place(&mut parameters, "position");
    let size = parameters.position("size").unsigned_abs();
    parameters.finish()?;
    let size = Some(size).filter(|size| *size > 0);
    let proof = proofs::inclusion(&app.pool, position, size).await;
    Ok(Json(StatusCode::OK, proof.map_err(unproved)?))
}
