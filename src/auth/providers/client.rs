//! The HTTP client for providers: short timeouts, bounded responses, and no secret sent on to another address.

use std::{error::Error, io::Read, time::Duration};

use flate2::read::MultiGzDecoder;
use oauth2::HttpRequest;
use reqwest::{
    Method, Request, StatusCode, Url,
    header::{
        ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, HeaderMap, HeaderValue, LOCATION,
    },
};

use super::{Cause, json::Object};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// From the first byte of the request to the last byte of the response.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);
/// Long enough for the requests of one sign-in. A connection that the provider has closed meanwhile would lose the code,
/// which can be exchanged only once.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3);
/// The largest response, after decompression, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;
/// Requests that follow each other by redirects, beyond the first.
const MAX_REDIRECTS: usize = 3;
/// GitHub refuses requests without one.
const USER_AGENT: &str = concat!("rollcall/", env!("CARGO_PKG_VERSION"));
const GZIP_MAGIC: &[u8] = b"\x1F\x8B";

/// Sends requests to providers.
#[derive(Clone)]
pub struct Client(reqwest::Client);

/// A response, read to its end.
#[derive(Debug)]
pub struct Response {
    /// The address that answered, after redirects.
    pub url: Url,
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, decompressed.
    pub body: Vec<u8>,
}

impl Client {
    /// A client that trusts the certificates of the machine's store.
    ///
    /// # Errors
    /// There is none.
    pub fn new() -> Result<Self, reqwest::Error> {
        // An error means that the same one is installed already.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TOTAL_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            // Redirects are followed here, because it matters what a request holds.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self(client))
    }

    /// Gets a public document. A few redirects within its origin, or from http to https of its host, are followed:
    /// another host could be inside of our own network.
    ///
    /// # Errors
    /// There is no response, it is too long, or it redirects elsewhere.
    pub async fn get(&self, url: &Url) -> Result<Response, Cause> {
        let mut url = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.get_once(&url).await?;
            match response.redirect_target() {
                None => return Ok(response),
                Some(target) if may_follow(&url, &target) => url = target,
                Some(target) => return Err(elsewhere(&target)),
            }
        }
        Err(Cause::new(format_args!(
            "it redirects more than {MAX_REDIRECTS} times, at last to {}",
            without_query(&url)
        )))
    }

    /// Gets an address without following redirects.
    ///
    /// # Errors
    /// There is no response, or it is too long.
    pub async fn get_once(&self, url: &Url) -> Result<Response, Cause> {
        self.send(request(Method::GET, url), MAX_BYTES).await
    }

    /// Gets an address with an access token, which is never sent on by a redirect.
    ///
    /// # Errors
    /// There is no response, it is too long, or it redirects.
    pub async fn get_with_token(&self, url: &Url, token: &str) -> Result<Response, Cause> {
        let mut request = request(Method::GET, url);
        let value = secret_header(&format!("Bearer {token}"))?;
        request.headers_mut().insert(AUTHORIZATION, value);
        request.headers_mut().insert(
            ACCEPT,
            HeaderValue::from_static("application/json, application/jwt"),
        );
        let response = self.send(request, MAX_BYTES).await?;
        response.without_redirect()
    }

    /// Sends a request that holds secrets: redirects are not followed.
    ///
    /// # Errors
    /// There is no response, it is longer than `limit` bytes, or it redirects.
    pub async fn post(&self, request: HttpRequest, limit: usize) -> Result<Response, Cause> {
        let mut request = Request::try_from(request).map_err(no_response)?;
        let headers = request.headers_mut();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        if let Some(credentials) = headers.get_mut(AUTHORIZATION) {
            credentials.set_sensitive(true);
        }
        self.send(request, limit).await?.without_redirect()
    }

    async fn send(&self, request: Request, limit: usize) -> Result<Response, Cause> {
        let mut response = self.0.execute(request).await.map_err(no_response)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(no_response)? {
            if body.len() + chunk.len() > limit {
                return Err(too_long(limit));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response {
            body: decompressed(body, response.headers(), limit)?,
            url: response.url().clone(),
            status: response.status(),
            headers: std::mem::take(response.headers_mut()),
        })
    }
}

impl Response {
    /// The JSON object of a response with status 200.
    ///
    /// # Errors
    /// The status is another, or the body is not an object.
    pub fn object(&self) -> Result<Object, Cause> {
        self.ok()?;
        Object::parse(&self.body)
    }

    /// # Errors
    /// The status is not 200.
    pub fn ok(&self) -> Result<(), Cause> {
        if self.status == StatusCode::OK {
            return Ok(());
        }
        Err(Cause::new(format_args!(
            "it answers with status {}",
            self.status.as_u16()
        )))
    }

    /// A header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Where a redirect leads.
    fn redirect_target(&self) -> Option<Url> {
        let is_redirect = matches!(self.status.as_u16(), 301 | 302 | 303 | 307 | 308);
        let location = self.headers.get(LOCATION).filter(|_| is_redirect)?;
        self.url.join(location.to_str().ok()?).ok()
    }

    fn without_redirect(self) -> Result<Self, Cause> {
        match self.redirect_target() {
            None => Ok(self),
            Some(target) => Err(Cause::new(format_args!(
                "it redirects to {}, and a request with a secret is not sent on",
                without_query(&target)
            ))),
        }
    }
}

fn request(method: Method, url: &Url) -> Request {
    let mut request = Request::new(method, url.clone());
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    request
}

/// What the library says of a bad value could quote it.
fn secret_header(value: &str) -> Result<HeaderValue, Cause> {
    let mut value = HeaderValue::try_from(value)
        .map_err(|_| Cause::new("it gave a token that cannot be sent in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn may_follow(from: &Url, to: &Url) -> bool {
    let is_upgrade = from.scheme() == "http" && to.scheme() == "https" && from.host() == to.host();
    let has_user = !to.username().is_empty() || to.password().is_some();
    (from.origin() == to.origin() || is_upgrade) && !has_user
}

fn elsewhere(target: &Url) -> Cause {
    Cause::new(format_args!(
        "it redirects to {}, and only redirects within the same origin, or from http to https of the same host, are followed",
        without_query(target)
    ))
}

/// An address to log: a query may hold secrets, and so may a user.
pub fn without_query(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

fn too_long(limit: usize) -> Cause {
    Cause::new(format_args!(
        "its answer is too long: more than {} MiB",
        limit / (1024 * 1024)
    ))
}

/// JSON never begins with the bytes of gzip, so they decide, whether the header says so or not.
fn decompressed(body: Vec<u8>, headers: &HeaderMap, limit: usize) -> Result<Vec<u8>, Cause> {
    if !body.starts_with(GZIP_MAGIC) {
        let encoding = headers
            .get(CONTENT_ENCODING)
            .and_then(|value| value.to_str().ok())
            .filter(|encoding| !matches!(*encoding, "" | "identity" | "gzip" | "x-gzip"));
        return match encoding {
            None => Ok(body),
            Some(encoding) => Err(Cause::new(format_args!(
                "its answer is encoded as {encoding:?}, and only gzip was asked for"
            ))),
        };
    }
    let mut out = Vec::new();
    // One byte more than the limit tells a body that is too long from one that just fits.
    let bound = limit as u64 + 1;
    MultiGzDecoder::new(&*body)
        .take(bound)
        .read_to_end(&mut out)
        .map_err(|_| Cause::new("its answer is gzip that cannot be decompressed"))?;
    if out.len() > limit {
        return Err(too_long(limit));
    }
    Ok(out)
}

/// Why there is no response. The address is left out: a query may hold a secret.
fn no_response(error: reqwest::Error) -> Cause {
    if error.is_timeout() {
        return Cause::new("it does not answer in time");
    }
    let is_connect = error.is_connect();
    let error = error.without_url();
    // The outer errors only say that something failed.
    let mut root: &dyn Error = &error;
    while let Some(cause) = root.source() {
        root = cause;
    }
    if is_connect {
        Cause::new(format_args!("it cannot be connected to ({root})"))
    } else {
        Cause::new(format_args!("its answer breaks off ({root})"))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn redirects_stay_with_their_host() {
        for (from, to, follow) in [
            ("https://a.example/x", "https://a.example/y", true),
            ("https://a.example/x", "https://a.example:443/y", true),
            ("http://a.example/x", "https://a.example/x", true),
            ("http://a.example:8080/x", "https://a.example/x", true),
            ("https://a.example/x", "http://a.example/x", false),
            ("https://a.example/x", "https://a.example:8443/x", false),
            ("https://a.example/x", "https://b.example/x", false),
            ("https://a.example/x", "https://169.254.169.254/x", false),
            ("http://a.example/x", "https://b.example/x", false),
            ("https://a.example/x", "https://u:p@a.example/x", false),
            ("https://a.example/x", "file:///etc/passwd", false),
        ] {
            let parse = |url: &str| url.parse::<Url>().unwrap();
            assert_eq!(may_follow(&parse(from), &parse(to)), follow, "{from} {to}");
        }
    }

    #[test]
    fn gzip_is_decompressed_up_to_the_limit() {
        let headers = HeaderMap::new();
        let read = |body, limit| decompressed(body, &headers, limit);
        assert_eq!(read(gzip(b"{}"), 2).unwrap(), b"{}");
        assert_eq!(read(b"{}".to_vec(), 2).unwrap(), b"{}");
        let members = [gzip(b"{"), gzip(b"}")].concat();
        assert_eq!(read(members, 2).unwrap(), b"{}");
        let bomb = gzip(&vec![0; 10 << 20]);
        assert!(bomb.len() < MAX_BYTES);
        let cause = read(bomb, MAX_BYTES).unwrap_err().to_string();
        assert!(cause.contains("more than 1 MiB"), "{cause}");
        let cause = read(gzip(b"{}")[..12].to_vec(), 2).unwrap_err().to_string();
        assert!(cause.contains("cannot be decompressed"), "{cause}");
    }

    #[test]
    fn an_encoding_that_nobody_asked_for_is_named() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("br"));
        let cause = decompressed(b"x".to_vec(), &headers, 9).unwrap_err();
        assert!(cause.to_string().contains("\"br\""), "{cause}");
    }
}
