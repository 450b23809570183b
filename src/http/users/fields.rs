//! Reading the fields of a request, all of them before any is complained about.

use rollcall_events::user::{DisplayName, EmailAddress, InvalidField, Person, Username};

use crate::http::answer::{Refusal, Validation};

/// What is wrong with the fields that were read so far.
#[derive(Default)]
pub struct Fields(Vec<Validation>);

impl Fields {
    /// Keeps a good value, notes what is wrong with a bad one.
    pub fn read<T>(&mut self, parsed: Result<T, InvalidField>) -> Option<T> {
        parsed.map_err(|invalid| self.0.push(invalid.into())).ok()
    }

    /// The person that three fields describe.
    pub fn person(&mut self, email: &str, username: &str, name: &str) -> Option<Person> {
        let email = self.read(EmailAddress::parse(email));
        let username = self.read(Username::parse(username));
        let name = self.read(DisplayName::parse(name));
        Some(Person {
            email: email?,
            username: username?,
            name: name?,
            avatar_url: String::new(),
        })
    }

    /// Notes a password that is missing or not text. Whether a new one is good enough is judged later: it takes time.
    pub fn require_password(&mut self, password: &str) {
        self.whole_password("password", password);
        if password.is_empty() {
            self.wrong(
                "password",
                "Validation failed for tag \"required\": a password is required",
            );
        }
    }

    /// Notes a password of which a part was no valid Unicode: what was put there in its place would make different
    /// passwords equal.
    pub fn whole_password(&mut self, field: &str, password: &str) {
        if password.contains(char::REPLACEMENT_CHARACTER) {
            self.wrong(field, "must be valid Unicode text");
        }
    }

    /// Notes what is wrong with a field.
    pub fn wrong(&mut self, field: &str, detail: impl Into<String>) {
        self.0.push(Validation::new(field, detail));
    }

    /// Ends the reading with what was read.
    ///
    /// # Errors
    /// Some field was bad.
    pub fn finish<T>(self, read: Option<T>) -> Result<T, Refusal> {
        match read {
            Some(read) if self.0.is_empty() => Ok(read),
            _ => Err(Refusal::validation(self.0)),
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
