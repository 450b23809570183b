//! Retired shapes of events, led to today's: pure functions of JSON, from one schema version to the next.
//!
//! No shape has been retired yet, so [`Upcasters::current`] is empty. The tests below hold a worked example.

use std::collections::HashMap;

use serde_json::Value;

/// Leads the JSON of an event from one schema version to the next.
pub type Upcaster = fn(Value) -> Value;

/// All upcasters, by event type and the schema version that they lead away from.
#[derive(Debug, Clone, Default)]
pub struct Upcasters(HashMap<(String, i32), Upcaster>);

impl Upcasters {
    /// Those that this code's events need.
    #[must_use]
    pub fn current() -> Self {
        Self::default()
    }

    /// Adds one.
    #[must_use]
    pub fn with(mut self, event_type: &str, from: i32, upcaster: Upcaster) -> Self {
        self.0.insert((event_type.to_owned(), from), upcaster);
        self
    }

    /// The schema version that a payload of that type and version is led to.
    #[must_use]
    pub fn latest(&self, event_type: &str, schema_version: i32) -> i32 {
        if self.0.is_empty() {
            return schema_version;
        }
        let mut key = (event_type.to_owned(), schema_version);
        while self.0.contains_key(&key) {
            key.1 += 1;
        }
        key.1
    }

    /// The payload in its latest shape; the same bytes when it is in that shape already.
    ///
    /// # Errors
    /// The payload is not JSON.
    pub fn apply<'a>(
        &self,
        event_type: &str,
        schema_version: i32,
        payload: &'a [u8],
    ) -> serde_json::Result<std::borrow::Cow<'a, [u8]>> {
        if self.0.is_empty()
            || !self
                .0
                .contains_key(&(event_type.to_owned(), schema_version))
        {
            return Ok(payload.into());
        }
        let mut value: Value = serde_json::from_slice(payload)?;
        for version in schema_version.. {
            let Some(upcaster) = self.0.get(&(event_type.to_owned(), version)) else {
                break;
            };
            value = upcaster(value);
        }
        Ok(serde_json::to_vec(&value)?.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        Event,
        user::{ActivationCause, UserEvent},
    };

    /// Say that, once, an activation did not tell its cause (version -1), and then told it in a word that was later
    /// replaced (version 0).
    fn upcasters() -> Upcasters {
        Upcasters::default()
            .with(
                "UserActivated",
                -1,
                |_| json!({ "UserActivated": { "cause": "admin" } }),
            )
            .with("UserActivated", 0, |mut event| {
                if event["UserActivated"]["cause"] == "admin" {
                    event["UserActivated"]["cause"] = json!("administrator");
                }
                event
            })
    }

    #[test]
    fn a_retired_shape_is_led_step_by_step_to_todays() {
        for (version, retired) in [
            (-1, json!({ "UserActivated": {} })),
            (0, json!({ "UserActivated": { "cause": "admin" } })),
        ] {
            let bytes = serde_json::to_vec(&retired).unwrap();
            let today = upcasters().apply("UserActivated", version, &bytes).unwrap();
            let event = Event::from_json("user", &today).unwrap();
            assert_eq!(
                event,
                UserEvent::UserActivated {
                    cause: ActivationCause::Administrator
                }
                .into()
            );
        }
    }

    #[test]
    fn todays_shape_keeps_its_bytes() {
        let bytes = br#"{ "UserActivated" : {"cause":"use"} }"#;
        assert_eq!(
            *upcasters().apply("UserActivated", 1, bytes).unwrap(),
            *bytes
        );
    }
}
