//! How providers are spoken with.

use std::{error::Error, future::Future, pin::Pin, time::Duration};

use oauth2::{
    HttpRequest, HttpResponse,
    http::{
        Request, Response, StatusCode,
        header::{ACCEPT, AUTHORIZATION},
    },
};
use serde::de::DeserializeOwned;

use super::Trouble;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// From the first byte asked to the last byte answered.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);
/// Long enough for the requests of one sign-in. A connection that the provider has closed meanwhile would cost somebody
/// their code, which is good for one try.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3);
/// Nothing that a provider has to say is longer.
const MOST_BYTES: usize = 1024 * 1024;
/// GitHub answers nobody who does not say who they are.
const USER_AGENT: &str = concat!("rollcall/", env!("CARGO_PKG_VERSION"));

/// An answer that is under way.
type Answering = Pin<Box<dyn Future<Output = Result<HttpResponse, Trouble>> + Send>>;

/// Sends requests to providers: briefly, and to whom they are addressed and nobody else.
#[derive(Clone)]
pub struct Client(reqwest::Client);

impl Client {
    /// A client that trusts whom the machine trusts.
    ///
    /// # Errors
    /// The machine trusts nobody.
    pub fn new() -> Result<Self, reqwest::Error> {
        // Whoever was first installed the same one.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TOTAL_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            // A secret that is meant for one address must not travel to another.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self(client))
    }

    /// Sends a request, whatever the status of the answer.
    ///
    /// # Errors
    /// There is no answer, or it is too long.
    pub async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Trouble> {
        let request = request.try_into().map_err(unanswered)?;
        let mut answer = self.0.execute(request).await.map_err(unanswered)?;
        let mut response = Response::builder().status(answer.status());
        if let Some(headers) = response.headers_mut() {
            headers.clone_from(answer.headers());
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unanswered)? {
            if body.len() + chunk.len() > MOST_BYTES {
                return Err(Trouble::new("its answer is longer than 1 MiB"));
            }
            body.extend_from_slice(&chunk);
        }
        response.body(body).map_err(Trouble::new)
    }

    /// What is found at an address, for who bears this token.
    ///
    /// # Errors
    /// There is no answer, its status is not 200, or it is no JSON of the form that is wanted.
    pub async fn get_json<T: DeserializeOwned>(
        &self,
        url: &str,
        bearer: Option<&str>,
    ) -> Result<T, Trouble> {
        understood(&self.send(get(url, bearer)?).await?)
    }

    /// The same, as the libraries want it.
    pub fn sender(&self) -> impl Fn(HttpRequest) -> Answering + Send + Sync + use<> {
        let client = self.clone();
        move |request| {
            let client = client.clone();
            Box::pin(async move { client.send(request).await })
        }
    }
}

/// A request for what is at an address.
pub fn get(url: &str, bearer: Option<&str>) -> Result<HttpRequest, Trouble> {
    let mut request = Request::get(url).header(ACCEPT, "application/json");
    if let Some(token) = bearer {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    // What the error says could hold the token.
    let no_request = |_| Trouble::new("it gave an address or a token that cannot be sent");
    request.body(Vec::new()).map_err(no_request)
}

/// Reads an answer. What the parser says could quote a secret: where it stumbled is enough.
pub fn understood<T: DeserializeOwned>(answer: &HttpResponse) -> Result<T, Trouble> {
    if answer.status() != StatusCode::OK {
        return Err(Trouble::new(format_args!(
            "it answers with status {}",
            answer.status().as_u16()
        )));
    }
    serde_json::from_slice(answer.body()).map_err(|error| {
        Trouble::new(format_args!(
            "its answer is not the JSON that it should be (line {}, column {})",
            error.line(),
            error.column()
        ))
    })
}

/// Why there is no answer. The address is left out: a query may hold a secret.
fn unanswered(error: reqwest::Error) -> Trouble {
    if error.is_timeout() {
        return Trouble::new("it does not answer in time");
    }
    let is_connect = error.is_connect();
    let error = error.without_url();
    // What lies outside only says that something failed.
    let mut root: &dyn Error = &error;
    while let Some(cause) = root.source() {
        root = cause;
    }
    if is_connect {
        Trouble::new(format_args!("it cannot be connected to ({root})"))
    } else {
        Trouble::new(format_args!("its answer breaks off ({root})"))
    }
}
