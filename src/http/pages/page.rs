//! A page: its frame, the headers that protect it, and text that cannot become markup.

use std::{
    fmt::{self, Write as _},
    sync::LazyLock,
};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::{Html, IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use super::is_page;
use crate::{
    app::AppState,
    auth::providers::{GITHUB_CALLBACK, OIDC_CALLBACK},
    http::answer::{Refusal, Validation},
};

const STYLE: &str = include_str!("style.css");
/// Copies a key: all that a script does on our pages.
pub const COPY_SCRIPT: &str = include_str!("copy.js");

/// What a browser may do for our pages: use the style and the script that are in them, known by their hashes, and send
/// their forms to us.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        hash(STYLE),
        hash(COPY_SCRIPT),
    );
    let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    HeaderValue::try_from(policy).unwrap_or(nothing)
});

/// A page, except for its frame.
pub struct Page {
    /// What it is about.
    pub title: &'static str,
    /// What is on it, as HTML.
    pub body: String,
}

/// Text on a page. Whatever it holds is shown, and never understood as markup.
pub struct Text<'a>(pub &'a str);

impl Page {
    /// Refuses with this page.
    pub fn refusing(self, refusal: Refusal) -> Response {
        let mut response = refusal.into_response();
        self.replace(&mut response);
        response
    }

    /// Says with this page what the refusal in an answer says.
    fn replace(self, response: &mut Response) {
        response.extensions_mut().remove::<Refusal>();
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, html);
        *response.body_mut() = Body::from(self.into_html());
    }

    fn into_html(self) -> String {
        format!(
            include_str!("frame.html"),
            title = Text(self.title),
            style = STYLE,
            body = self.body,
        )
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        Html(self.into_html()).into_response()
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            match char {
                '&' => formatter.write_str("&amp;")?,
                '<' => formatter.write_str("&lt;")?,
                '>' => formatter.write_str("&gt;")?,
                '"' => formatter.write_str("&quot;")?,
                '\'' => formatter.write_str("&#39;")?,
                other => formatter.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// What was wrong, for the page that lets one try again.
pub fn complaint(refusal: &Refusal) -> String {
    let notice = refusal.notice();
    let fields: String = notice.validations.iter().map(about_field).collect();
    let message = if fields.is_empty() {
        &notice.message
    } else {
        "Something is not right yet:"
    };
    format!(
        include_str!("complaint.html"),
        message = Text(message),
        detail = Text(&notice.detail),
        fields = fields,
    )
}

/// What is wrong with a field, without the name of the rule: people want to know what to do.
fn about_field(validation: &Validation) -> String {
    let detail = &validation.detail;
    let rule = detail
        .split_once("\": ")
        .map_or(&**detail, |(_, rule)| rule);
    format!("<li>{}: {}</li>", Text(&validation.field), Text(rule))
}

/// Makes every answer of the pages one for people: refusals are pages too, no other page may show ours in a frame or
/// learn where somebody came from, and no cache keeps them.
pub async fn dress(State(app): State<AppState>, request: Request, next: Next) -> Response {
    if !is_page(request.uri().path()) && !comes_back(&request) {
        return next.run(request).await;
    }
    let mut response = next.run(request).await;
    if let Some(refusal) = response.extensions().get::<Refusal>() {
        refused(app.config.base_path(), refusal).replace(&mut response);
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Whether it is a browser that a provider has sent back: people see what comes of that.
fn comes_back(request: &Request) -> bool {
    let path = request.uri().path();
    let accepts = request.headers().get(header::ACCEPT);
    let is_browser = accepts
        .and_then(|accepts| accepts.to_str().ok())
        .is_some_and(|accepts| accepts.contains("text/html"));
    is_browser && [GITHUB_CALLBACK, OIDC_CALLBACK].contains(&path)
}

fn refused(base: &str, refusal: &Refusal) -> Page {
    let body = format!(
        include_str!("refused.html"),
        base = base,
        complaint = complaint(refusal),
    );
    let title = "That did not work";
    Page { title, body }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_never_markup() {
        let text = Text(r#"<script src='x'>alert("1 & 2")</script>"#).to_string();
        let shown = "&lt;script src=&#39;x&#39;&gt;alert(&quot;1 &amp; 2&quot;)&lt;/script&gt;";
        assert_eq!(text, shown);
        assert_eq!(Text("Zo\u{eb}, 5 > 4?").to_string(), "Zo\u{eb}, 5 &gt; 4?");
    }

    #[test]
    fn the_policy_names_what_stands_in_the_page() {
        let policy = POLICY.to_str().unwrap();
        assert_eq!(policy.matches("'sha256-").count(), 2);
        assert!(!policy.contains("unsafe") && !policy.contains("://"));
        let page = Page {
            title: "A page",
            body: String::new(),
        };
        assert!(
            page.into_html()
                .contains(&format!("<style>{STYLE}</style>"))
        );
    }
}
