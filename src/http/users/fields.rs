//! Reading the fields of a request, all of them before any is complained about.

use rollcall_events::user::InvalidField;

use crate::http::answer::{Refusal, Validation};

/// What is wrong with the fields that were read so far.
#[derive(Default)]
pub struct Fields(Vec<Validation>);

impl Fields {
    /// Keeps a good value, notes what is wrong with a bad one.
    pub fn read<T>(&mut self, parsed: Result<T, InvalidField>) -> Option<T> {
        parsed.map_err(|invalid| self.0.push(invalid.into())).ok()
    }

    /// Notes what is wrong with a field.
    pub fn wrong(&mut self, field: &str, detail: impl Into<String>) {
        self.0.push(Validation::new(field, detail));
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// Some field was bad.
    pub fn finish(self) -> Result<(), Refusal> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Refusal::validation(self.0))
        }
    }
}

impl From<InvalidField> for Validation {
    fn from(invalid: InvalidField) -> Self {
        Self::new(
            invalid.field,
            format!(
                "Validation failed for tag \"{}\": {}",
                invalid.rule, invalid.detail
            ),
        )
    }
}
