//! Answers: JSON as clients of the API expect it, and refusals.

use axum::{
    Extension,
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use rollcall_events::{
    database_error::{is_read_only, is_unavailable},
    log::{LogError, Unfit},
    permissions::NotAllowed,
    user::Status,
    vault::VaultError,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{go_json, go_json::InvalidJson, query::Invalid};
use crate::{
    auth::{
        guesses::GuessError, new_password::NewPasswordError, passwords::PasswordError,
        proof::ProofError,
    },
    command_bus::CommandError,
};

/// A JSON body with its status.
pub struct Json<T>(pub StatusCode, pub T);

/// A message without data; also every refusal's body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Notice {
    /// For people.
    #[schema(example = "Validation failed.")]
    pub message: String,
    /// More of it.
    #[schema(example = "EOF")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What is wrong with which field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub validations: Vec<Validation>,
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Validation {
    /// The field's name in the request.
    #[schema(example = "email")]
    pub field: String,
    /// The rule that it breaks.
    #[schema(example = "Validation failed for tag \"email\": must be a valid e-mail address")]
    pub detail: String,
}

/// A request that is not granted.
#[derive(Debug, Clone)]
pub struct Refusal {
    status: StatusCode,
    notice: Notice,
    headers: Vec<(header::HeaderName, HeaderValue)>,
    is_read_only: bool,
}

impl Notice {
    /// A message.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            detail: String::new(),
            validations: Vec::new(),
        }
    }
}

impl Validation {
    /// A broken rule.
    pub fn new(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            detail: detail.into(),
        }
    }
}

impl Refusal {
    /// A refusal with a message.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            notice: Notice::new(message),
            headers: Vec::new(),
            is_read_only: false,
        }
    }

    /// 400, with what is wrong with each field.
    #[must_use]
    pub fn validation(validations: Vec<Validation>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Validation failed.").with_validations(validations)
    }

    /// 404, which also hides what the caller may not see.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "Resource not found or you do not have access to this resource",
        )
    }

    /// 403.
    #[must_use]
    pub fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "Forbidden.")
            .with_detail("Your roles do not allow this. An owner or a user admin can change them.")
            .with_header(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(r#"Bearer realm="coder", error="insufficient_scope""#),
            )
    }

    /// 401: not signed in, or no more. `detail` says why.
    pub fn signed_out(detail: impl Into<String>) -> Self {
        Self::unauthenticated("You are signed out, or your session has expired. Sign in to go on.")
            .with_detail(detail)
    }

    /// 401: the user may not come in.
    #[must_use]
    pub fn not_active(status: Status) -> Self {
        Self::unauthenticated(format!(
            "Your account is not active (status = {:?}). Contact an admin to reactivate it.",
            status.name()
        ))
    }

    /// 401 with another message.
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, message).with_header(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static(r#"Bearer realm="coder", error="invalid_token""#),
        )
    }

    /// 503: the database does not answer. Whether anything was recorded, `detail` says.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The database does not answer. Try again in a moment.",
        )
        .with_detail(detail)
        .with_header(header::RETRY_AFTER, HeaderValue::from_static("5"))
    }

    /// 503: the database can be reached and not be written to, as during a switchover.
    #[must_use]
    pub fn read_only() -> Self {
        let mut refusal =
            Self::unavailable("It is a standby, or in recovery. Nothing was changed.");
        "The database is read-only. Try again in a moment.".clone_into(&mut refusal.notice.message);
        refusal.is_read_only = true;
        refusal
    }

    /// Whether it was refused because the database cannot be written to.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// Too much goes on at once, of what the message says; a moment later there may be less.
    pub fn busy(status: StatusCode, message: impl Into<String>) -> Self {
        Self::new(status, message).with_header(header::RETRY_AFTER, HeaderValue::from_static("5"))
    }

    /// 500: our fault. The cause goes to the log, never to the caller.
    #[must_use]
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "a request failed");
        Self::logged()
    }

    /// 500 for a cause that the log has already.
    fn logged() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "An internal error occurred.",
        )
        .with_detail("The service's log has the cause, under this request's id.")
    }

    /// Its status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What it says.
    #[must_use]
    pub fn notice(&self) -> &Notice {
        &self.notice
    }

    /// Says more.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.notice.detail = detail.into();
        self
    }

    /// Says what is wrong with which field.
    #[must_use]
    pub fn with_validations(mut self, validations: Vec<Validation>) -> Self {
        self.notice.validations = validations;
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// What became of a command that neither the domain refused nor anybody's name stood against.
    pub fn from_command<E: std::error::Error + 'static>(error: &CommandError<E>) -> Self {
        match error {
            CommandError::Unfit(unfit) => Self::unfit(unfit),
            CommandError::Denied(reason) => (*reason).into(),
            CommandError::Unavailable(error) if is_read_only(error) => Self::read_only(),
            CommandError::Unavailable(_) => Self::unavailable("Nothing was changed."),
            CommandError::OutcomeUnknown(_) => Self::unavailable(
                "It is not known whether the change was recorded: look before you repeat it.",
            ),
            CommandError::Contended => Self::new(
                StatusCode::CONFLICT,
                "Others were changing the same user at the same moment. Try again.",
            ),
            CommandError::Log(
                LogError::Database(error) | LogError::Vault(VaultError::Database(error)),
            ) => Self::from_database(error),
            CommandError::Log(damage @ LogError::Unreadable(_)) | CommandError::Damaged(damage) => {
                Self::damaged(damage)
            }
            CommandError::Refused(_) | CommandError::Taken(_) | CommandError::Log(_) => {
                Self::internal(error)
            }
            CommandError::Internal => Self::logged(),
        }
    }

    /// 503: nothing can be recorded, which the log says once.
    #[must_use]
    pub fn unfit(unfit: &Unfit) -> Self {
        let message = match unfit {
            Unfit::Clock(_) => {
                "The clock of this node differs from the database's, so that it records nothing. Another node may."
            }
            Unfit::Head { .. } => {
                "The database was restored in part, so that nothing can be recorded."
            }
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
            .with_detail(format!("Nothing was changed: {unfit}."))
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("60"))
    }

    /// 500: what is asked for depends on events or a key that were damaged.
    fn damaged(damage: &LogError) -> Self {
        tracing::error!(
            error = damage as &dyn std::error::Error,
            "a command needs what cannot be read"
        );
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "A part of the history cannot be read. Until it is restored, only what restricts the user is possible: suspend, \
             delete, erase, end sessions, take roles away.",
        )
        .with_detail("`rollcall verify` names what is damaged.")
    }

    fn from_database(error: &sqlx::Error) -> Self {
        if is_unavailable(error) {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "the database does not answer"
            );
            if is_read_only(error) {
                Self::read_only()
            } else {
                Self::unavailable("Nothing was changed.")
            }
        } else {
            Self::internal(error)
        }
    }
}

/// As the same request is refused that comes after what made the difference.
impl From<NotAllowed> for Refusal {
    fn from(reason: NotAllowed) -> Self {
        match reason {
            NotAllowed::Suspended => Self::not_active(Status::Suspended),
            NotAllowed::SignedOut => Self::signed_out("Your session has ended."),
            NotAllowed::Forbidden => Self::forbidden(),
            NotAllowed::Hidden => Self::not_found(),
        }
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Self::from_database(&error)
    }
}

impl From<VaultError> for Refusal {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Database(error) => Self::from_database(&error),
            other => Self::internal(&other),
        }
    }
}

impl From<LogError> for Refusal {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Database(error) | LogError::Vault(VaultError::Database(error)) => {
                Self::from_database(&error)
            }
            other => Self::internal(&other),
        }
    }
}

impl From<PasswordError> for Refusal {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Refused(invalid) => Self::validation(vec![invalid.into()]),
            PasswordError::Busy => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "Too many sign-ins at once. Try again in a moment.",
            )
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("5")),
            other => Self::internal(&other),
        }
    }
}

impl From<NewPasswordError> for Refusal {
    fn from(error: NewPasswordError) -> Self {
        match error {
            NewPasswordError::Password(error) => error.into(),
            NewPasswordError::Database(error) => error.into(),
        }
    }
}

impl From<ProofError> for Refusal {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::Guess(error) => error.into(),
            ProofError::Password(error) => error.into(),
        }
    }
}

impl From<GuessError> for Refusal {
    fn from(error: GuessError) -> Self {
        match error {
            GuessError::TooMany { retry_after_s } => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "There were too many wrong passwords for this account. Try again later.",
            )
            .with_header(header::RETRY_AFTER, HeaderValue::from(retry_after_s)),
            GuessError::Database(error) => error.into(),
        }
    }
}

impl From<InvalidJson> for Refusal {
    fn from(error: InvalidJson) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request body must be valid JSON.")
            .with_detail(error.detail)
    }
}

impl From<Vec<Invalid>> for Refusal {
    fn from(problems: Vec<Invalid>) -> Self {
        let validations = problems
            .into_iter()
            .map(|problem| Validation::new(problem.field, problem.detail))
            .collect();
        Self::new(
            StatusCode::BAD_REQUEST,
            "Query parameters have invalid values.",
        )
        .with_validations(validations)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match go_json::to_vec(&self.1) {
            Ok(body) => (self.0, json_type(), Body::from(body)).into_response(),
            Err(error) => Refusal::internal(&error).into_response(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let headers: HeaderMap = self.headers.iter().cloned().collect();
        let answer = Json(self.status, self.notice.clone());
        // A page says it in its own way.
        (Extension(self), headers, answer).into_response()
    }
}

/// The header of a JSON answer.
#[must_use]
pub fn json_type() -> [(header::HeaderName, HeaderValue); 1] {
    [(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    )]
}
