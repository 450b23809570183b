//! `GET /users/{user}/keys/tokens`: a user's API tokens, or everybody's.

use axum::{
    extract::{RawQuery, State},
    response::Response,
};
use futures_util::{StreamExt, TryStreamExt};
use rollcall_projections::sessions;

use super::{KeyView, holder};
use crate::{
    app::AppState,
    http::{
        answer::Refusal,
        caller::Caller,
        path::Path,
        query::Parameters,
        streamed::{Frame, streamed},
    },
    permissions::{Action, Object, Resource},
};

/// A user's API tokens.
///
/// The oldest first. Those past their end can be seen for a week.
#[utoipa::path(get, path = "/api/v2/users/{user}/keys/tokens", tag = "keys", operation_id = "list_tokens",
    params(
        ("include_all" = Option<bool>, Query, example = false,
            description = "Everybody's tokens, if the caller may see them; else still the user's alone."),
        ("include_expired" = Option<bool>, Query, example = false, description = "Those past their end too."),
    ),
    responses((status = 200, body = Vec<KeyView>)))]
pub async fn list_tokens(
    State(app): State<AppState>,
    caller: Caller,
    Path(user): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let (holder, _) = holder(&app, &caller, &user, Action::Read).await?;
    let mut parameters = Parameters::parse(query.as_deref());
    let everybodys = parameters.flag("include_all");
    let with_expired = parameters.flag("include_expired");
    parameters.finish()?;
    let now = app.clock.now();
    let is_of_all = everybodys && caller.may(Action::Read, &Object::any(Resource::ApiKey));
    let of = (!is_of_all).then_some(holder.row.id);
    let tokens = sessions::tokens(&app.pool, of, with_expired, now)
        .map_ok(|token| (KeyView::from(token), 0));
    let reader = caller.user().row.id;
    streamed(&app.long_lists, reader, tokens.boxed(), Frame::List).await
}
