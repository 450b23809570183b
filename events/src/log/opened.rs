//! An event as JSON for people, opened.

use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};

use super::{RawEvent, Unreadable, Upcasters, unreadable::Cause};
use crate::{
    Personal,
    vault::{self, KeyRing, OpenError, Place},
};

impl RawEvent {
    /// Payload and metadata as the log has them, but for what is sealed: that is opened, or null where its key is gone.
    ///
    /// # Errors
    /// The event cannot be read.
    pub fn opened(
        &self,
        upcasters: &Upcasters,
        keys: &KeyRing,
    ) -> Result<Box<RawValue>, Box<Unreadable>> {
        let mut sealed = self.columns().read(upcasters)?;
        let (payload, origin) = sealed.texts();
        let none = KeyRing::default();
        let keys_of_origin = if sealed.hides_origin(keys) {
            &none
        } else {
            keys
        };
        let opened = || -> Result<Box<RawValue>, Cause> {
            let payload = self
                .open_json(&self.payload, payload, "payload", keys)
                .map_err(Cause::Personal)?;
            let metadata = self
                .open_json(&self.metadata, origin, "origin", keys_of_origin)
                .map_err(Cause::Origin)?;
            let opened = json!({ "payload": payload, "metadata": metadata });
            to_raw_value(&opened).map_err(Cause::Json)
        };
        opened().map_err(|cause| self.columns().unreadable(cause, None))
    }

    fn open_json(
        &self,
        json: &[u8],
        sealed: Option<String>,
        field: &str,
        keys: &KeyRing,
    ) -> Result<Value, OpenError> {
        let mut json: Value = serde_json::from_slice(json)?;
        if let Some(text) = sealed {
            let place = Place {
                stream: self.aggregate_id,
                version: self.version,
                event_type: &self.event_type,
                schema_version: self.schema_version,
                field,
            };
            let mut content = Personal::<Value>::Sealed(text.clone());
            vault::open(&mut content, keys, &place)?;
            let content = content.known().cloned().unwrap_or_default();
            replace(&mut json, &text, &content);
        }
        Ok(json)
    }
}

/// Puts the content in place of the text, wherever it is.
fn replace(json: &mut Value, text: &str, content: &Value) {
    match json {
        Value::String(found) if found == text => *json = content.clone(),
        Value::Array(values) => values
            .iter_mut()
            .for_each(|value| replace(value, text, content)),
        Value::Object(fields) => fields
            .values_mut()
            .for_each(|value| replace(value, text, content)),
        _ => {}
    }
}
