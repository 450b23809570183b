//! What `rollcall doctor` can see of a provider before anybody signs in.
//!
//! No account is needed for it. A sign-in is begun as a browser would begin it, and a code that cannot be one is
//! exchanged: how that is refused shows whether the provider knows this client.

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{StatusCode, Url, header::DATE};
use rollcall_events::{clock::Clock, ids::Ids};

use crate::config::ProviderUrl;

use super::{
    Flow,
    application::{Application, Denied, Endpoints},
    client::{Client, Response, without_query},
};

/// How far a provider's clock may be from ours, before its tokens are of the past or of the future.
pub const SKEW: TimeDelta = TimeDelta::seconds(60);
/// A code that no provider has given.
const NO_CODE: &str = "rollcall-doctor-asks-whether-you-know-us";
/// The error codes for a client that is not known; the last is GitHub's.
const UNKNOWN: [&str; 4] = [
    "invalid_client",
    "unauthorized_client",
    "incorrect_client_credentials",
    "Not Found",
];

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which.
    pub about: &'static str,
    /// That it is well, or what is wrong, in a sentence.
    pub verdict: Result<String, String>,
}

impl Finding {
    /// A finding.
    pub fn new(about: &'static str, verdict: Result<String, String>) -> Self {
        Self { about, verdict }
    }
}

/// Whether a provider's clock and ours agree: by them we know which tokens are valid.
pub fn clock(answer: &Response, clock: &dyn Clock) -> Result<String, String> {
    let date = answer.header(DATE.as_str());
    match date.and_then(|date| DateTime::parse_from_rfc2822(date).ok()) {
        Some(theirs) => compare(theirs.to_utc(), clock.now()),
        None => Ok("The provider does not tell its time.".to_owned()),
    }
}

fn compare(theirs: DateTime<Utc>, ours: DateTime<Utc>) -> Result<String, String> {
    let apart = (theirs - ours).num_seconds();
    if apart.abs() <= SKEW.num_seconds() {
        return Ok("The provider's clock and this machine's agree.".to_owned());
    }
    let direction = if apart > 0 { "ahead of" } else { "behind" };
    Err(format!(
        "The provider's clock is {} seconds {direction} this machine's: set the one that is wrong, or its tokens will not be valid.",
        apart.abs()
    ))
}

/// Whether a browser that is sent away can come back.
pub async fn redirect(
    client: &Client,
    application: &Application,
    authorize_url: &str,
    allow_http: bool,
) -> Result<String, String> {
    let redirect = application.redirect();
    let is_safe = redirect
        .parse::<ProviderUrl>()
        .is_ok_and(|url| url.is_https_or_local());
    if !is_safe && !allow_http {
        return Err(format!(
            "The redirect address {redirect} is not https: set access_url to the address by which browsers reach us safely."
        ));
    }
    match ask(client, authorize_url).await?.status {
        StatusCode::BAD_REQUEST => Err(format!(
            "The provider refuses to begin a sign-in: register {redirect} with it as the redirect address of this client."
        )),
        _ => Ok(format!(
            "The provider takes {redirect}, as far as it can be seen from here."
        )),
    }
}

/// Whether the provider knows us by our name and secret.
pub async fn credentials(
    client: &Client,
    application: &Application,
    endpoints: &Endpoints,
) -> Result<String, String> {
    let mut flow = Flow::generate(Ids);
    // No challenge was sent.
    flow.verifier = None;
    match application
        .exchange(endpoints, client, NO_CODE, &flow)
        .await
    {
        Ok(_) => Err(
            "The provider gives tokens for a code that it has never given: anybody could sign in."
                .to_owned(),
        ),
        Err(Denied::Refused { code, .. }) if code == "redirect_uri_mismatch" => Err(format!(
            "The provider does not know the redirect address {}: register it there.",
            application.redirect()
        )),
        Err(Denied::Refused { code, cause }) if UNKNOWN.contains(&code.as_str()) => Err(format!(
            "The provider does not know us by this client id and client secret: compare both with what it gave ({cause})."
        )),
        Err(Denied::Refused { .. }) => Ok("The provider knows us.".to_owned()),
        Err(Denied::Failed(cause)) => Err(format!(
            "The provider's token endpoint cannot be used: {cause}."
        )),
    }
}

/// The response of an address, whatever it is, if the server is well.
pub async fn ask(client: &Client, url: &str) -> Result<Response, String> {
    let url = Url::parse(url).map_err(|error| format!("{url} is not a URL: {error}."))?;
    let place = without_query(&url);
    let response = client.get_once(&url).await;
    let response = response.map_err(|cause| format!("{place} cannot be used: {cause}."))?;
    if response.status.is_server_error() {
        let status = response.status.as_u16();
        return Err(format!("{place} answers with status {status}."));
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_may_differ_by_as_much_as_tokens_allow() {
        let ours = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        for (apart, expected) in [
            (0, None),
            (60, None),
            (-60, None),
            (61, Some("ahead of")),
            (-3600, Some("behind")),
        ] {
            let verdict = compare(ours + TimeDelta::seconds(apart), ours);
            match expected {
                None => assert!(verdict.is_ok(), "{apart}"),
                Some(direction) => assert!(verdict.unwrap_err().contains(direction), "{apart}"),
            }
        }
    }
}
