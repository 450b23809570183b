//! `GET /log/proof/consistency`: that the log only grew.

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
    proofs::{self, ConsistencyProof},
};

/// The proof that the log only grew.
#[utoipa::path(get, path = "/api/v2/log/proof/consistency", tag = "audit", operation_id = "consistency_proof",
    params(
        ("from" = i64, Query, minimum = 1, example = 1, description = "The earlier log: as of this position."),
        ("to" = i64, Query, minimum = 1, example = 1, description = "The later log: as of this position."),
    ),
    responses((status = 200, body = ConsistencyProof),
        (status = 404, description = "The log does not reach so far, or `from` comes after `to`.")))]
pub async fn consistency(
    State(app): State<AppState>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<ConsistencyProof>, Refusal> {
    caller.require(Action::Read, &Object::audit_log())?;
    let mut parameters = Parameters::parse(query.as_deref());
    let from = place(&mut parameters, "from");
    let to = place(&mut parameters, "to");
    parameters.finish()?;
    let proof = proofs::consistency(&app.pool, from, to).await;
    Ok(Json(StatusCode::OK, proof.map_err(unproved)?))
}
