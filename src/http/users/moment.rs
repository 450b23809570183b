//! The moment in the past that a request asks about: `at`, `version` or `position`.

use rollcall_projections::history::{Moment, is_past};
use uuid::Uuid;

use crate::{
    app::App,
    http::{
        answer::Refusal,
        query::{Invalid, Parameters},
    },
};

/// What says when, in the order of [`Moment`]: a time, a version or a position.
pub const NAMES: [&str; 3] = ["at", "version", "position"];

/// The moment, if the request asks about one.
pub fn moment(parameters: &mut Parameters) -> Option<Moment> {
    moment_named(parameters, NAMES)
}

/// The moment of everybody, if the request asks about one. Versions are each user's own.
pub fn moment_of_all(parameters: &mut Parameters) -> Option<Moment> {
    if !parameters.text("version").is_empty() {
        let detail = "Versions are each user's own: \"at\" or \"position\" says when";
        parameters.refuse("version", detail.to_owned());
    }
    let given = ["at", "position"].map(|name| !parameters.text(name).is_empty());
    match given {
        [true, true] => {
            let detail = "Only one of \"at\" and \"position\" says when";
            parameters.refuse("at", detail.to_owned());
            None
        }
        [true, false] => parameters.time("at").map(Moment::Time),
        [false, true] => Some(Moment::Position(parameters.position("position"))),
        [false, false] => None,
    }
}

/// The same, with these names for the time, the version and the position.
pub fn moment_named(parameters: &mut Parameters, names: [&str; 3]) -> Option<Moment> {
    let [at, version, position] = names;
    let given = names.map(|name| !parameters.text(name).is_empty());
    if given.iter().filter(|is_given| **is_given).count() > 1 {
        let detail = format!("Only one of {at:?}, {version:?} and {position:?} says when");
        parameters.refuse(at, detail);
        return None;
    }
    match given {
        [true, _, _] => parameters.time(at).map(Moment::Time),
        [_, true, _] => Some(Moment::Version(parameters.position(version))),
        [_, _, true] => Some(Moment::Position(parameters.position(position))),
        [false, false, false] => None,
    }
}

/// Refuses a moment that has not come: the answer would not stay true.
pub async fn require_past(app: &App, user: Uuid, moment: Moment) -> Result<(), Refusal> {
    require_past_named(app, user, moment, NAMES).await
}

/// The same, of a moment that was asked for by these names.
pub async fn require_past_named(
    app: &App,
    user: Uuid,
    moment: Moment,
    [at, version, position]: [&str; 3],
) -> Result<(), Refusal> {
    let name = match moment {
        Moment::Time(_) => at,
        Moment::Version(_) => version,
        Moment::Position(_) => position,
    };
    let is_past = is_past(&app.pool, user, moment, app.clock.now()).await?;
    is_past.map_err(|_| {
        let detail = format!("Query param {name:?} must be in the past, and this has not come");
        let invalid = Invalid {
            field: name.to_owned(),
            detail,
        };
        vec![invalid].into()
    })
}
