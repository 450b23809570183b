//! What many operations answer alike, and which.

use axum::http::StatusCode;
use serde_json::{Value, json};

/// An answer that many operations give.
pub struct Common {
    pub status: StatusCode,
    given: Given,
    description: &'static str,
    /// What it says, as an example.
    message: &'static str,
}

/// An operation, as far as what it answers depends on it.
pub struct Operation<'a> {
    pub path: &'a str,
    pub method: &'a str,
    pub has_body: bool,
    pub wants_token: bool,
}

/// By which operations.
enum Given {
    ByAll,
    InApi,
    WithToken,
    WithParameter,
    WithBody,
    ToChanges,
}

use Given::{ByAll, InApi, ToChanges, WithBody, WithParameter, WithToken};

/// What is said as plain text where the session's cookie came alone.
const FORGED: &str =
    "This request came with a session cookie and without a proof that our own page sent it.";

pub const COMMON: [Common; 11] = [
    common(
        StatusCode::BAD_REQUEST,
        ByAll,
        "The request cannot be understood, or breaks a rule. As plain text: it came with a session cookie, and without \
         a proof that our own page sent it.",
        "Validation failed.",
    ),
    common(
        StatusCode::UNAUTHORIZED,
        WithToken,
        "There is no token, or it is good no more.",
        "You are signed out, or your session has expired. Sign in to go on.",
    ),
    common(
        StatusCode::FORBIDDEN,
        WithToken,
        "The caller's roles do not allow this, or their token does not.",
        "Forbidden.",
    ),
    common(
        StatusCode::NOT_FOUND,
        WithParameter,
        "What the path names does not exist, or is hidden from the caller.",
        "Resource not found or you do not have access to this resource",
    ),
    common(
        StatusCode::REQUEST_TIMEOUT,
        WithBody,
        "The request's body did not arrive in time.",
        "The request body did not arrive in time.",
    ),
    common(
        StatusCode::CONFLICT,
        ToChanges,
        "Others were changing the same at the same moment, again and again. Nothing was changed.",
        "Others were changing the same user at the same moment. Try again.",
    ),
    common(
        StatusCode::PAYLOAD_TOO_LARGE,
        WithBody,
        "The request's body is too large.",
        "The request body is too large.",
    ),
    common(
        StatusCode::PRECONDITION_REQUIRED,
        InApi,
        "Only owners may send the header `X-Coder-Bypass-Ratelimit`.",
        "Only owners may send the header X-Coder-Bypass-Ratelimit.",
    ),
    common(
        StatusCode::TOO_MANY_REQUESTS,
        InApi,
        "Too many requests within a minute, or too many wrong passwords for the account.",
        "You have sent more than 512 requests within a minute.",
    ),
    common(
        StatusCode::INTERNAL_SERVER_ERROR,
        ByAll,
        "The service is at fault. Its log has the cause, under the id in `X-Coder-Request-Id`.",
        "An internal error occurred.",
    ),
    common(
        StatusCode::SERVICE_UNAVAILABLE,
        ByAll,
        "The database does not answer, or there is too much to do. Try again in a moment.",
        "The database does not answer. Try again in a moment.",
    ),
];

const fn common(
    status: StatusCode,
    given: Given,
    description: &'static str,
    message: &'static str,
) -> Common {
    Common {
        status,
        given,
        description,
        message,
    }
}

impl Common {
    pub fn applies(&self, operation: &Operation) -> bool {
        match self.given {
            ByAll => true,
            InApi => operation.path.starts_with("/api/"),
            WithToken => operation.wants_token,
            WithParameter => operation.path.contains('{'),
            WithBody => operation.has_body,
            ToChanges => operation.method != "get",
        }
    }

    /// The name in the document.
    pub fn name(&self) -> String {
        self.status
            .canonical_reason()
            .unwrap_or_default()
            .replace(' ', "")
    }

    /// What stands for the answer where it is given.
    pub fn reference(&self) -> Value {
        json!({ "$ref": format!("#/components/responses/{}", self.name()) })
    }

    pub fn answer(&self) -> Value {
        let mut answer = json!({ "description": self.description, "content": self.content() });
        for name in self.headers() {
            answer["headers"][name] = json!({ "schema": { "type": "string" } });
        }
        answer
    }

    /// The body, and in which types.
    pub fn content(&self) -> Value {
        let text = |said| json!({ "schema": { "type": "string" }, "example": said });
        let mut notice = notice();
        notice["application/json"]["example"] = json!({ "message": self.message });
        match self.status {
            StatusCode::BAD_REQUEST => notice["text/plain"] = text(FORGED),
            StatusCode::PRECONDITION_REQUIRED => {
                notice = json!({ "text/plain": text(self.message) });
            }
            _ => {}
        }
        notice
    }

    fn headers(&self) -> &[&str] {
        match self.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => &["WWW-Authenticate"],
            StatusCode::TOO_MANY_REQUESTS => &[
                "Retry-After",
                "X-RateLimit-Limit",
                "X-RateLimit-Remaining",
                "X-RateLimit-Reset",
            ],
            StatusCode::SERVICE_UNAVAILABLE => &["Retry-After"],
            _ => &[],
        }
    }
}

/// The body of a refusal.
pub fn notice() -> Value {
    json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Notice" } } })
}
