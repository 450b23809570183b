//! One spelling for each path.
//!
//! Clients write `/organizations/{id}/members/` and `//users`, the routes are written once. Below an access URL with a
//! path, requests come with that path or without it: some proxies remove it. The router matches before its own layers
//! run, so [`Normalized`] goes around it.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use axum::http::{Request, Uri};
use tower::Service;

use super::cookies;
use crate::config::Config;

/// A service that sees paths in their one spelling, and cookies by their plain names.
#[derive(Clone)]
pub struct Normalized<S> {
    inner: S,
    base: Arc<str>,
    host_cookies: bool,
}

impl<S> Normalized<S> {
    /// Goes around `inner`.
    pub fn new(inner: S, config: &Config) -> Self {
        Self {
            inner,
            base: config.base_path().into(),
            host_cookies: config.host_cookies,
        }
    }
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for Normalized<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        let mut request = normalize_path(request, &self.base);
        if self.host_cookies {
            cookies::keep_those_of_the_host(request.headers_mut());
        }
        self.inner.call(request)
    }
}

/// Collapses repeated slashes in the path, drops the one at its end, and removes `base` from its beginning, once. The query
/// stays as it is.
///
/// Nothing is percent-decoded: `%2F` is part of a segment, not a slash.
pub fn normalize_path<B>(mut request: Request<B>, base: &str) -> Request<B> {
    if let Some(uri) = normalized(request.uri(), base) {
        *request.uri_mut() = uri;
    }
    request
}

/// The address in its one spelling, or nothing if it has that already.
fn normalized(uri: &Uri, base: &str) -> Option<Uri> {
    let path = uri.path();
    let has_slash_at_end = path.len() > 1 && path.ends_with('/');
    if base.is_empty() && !has_slash_at_end && !path.contains("//") {
        return None;
    }
    if !path.starts_with('/') {
        return None;
    }
    let mut target = String::with_capacity(path.len());
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        target.push('/');
        target.push_str(segment);
    }
    if let Some(rest) = below(&target, base) {
        target = rest.to_owned();
    }
    if target.is_empty() {
        target.push('/');
    }
    if let Some(query) = uri.query() {
        target.push('?');
        target.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// The part of a path that is below `base`; nothing if it is not.
pub fn below<'a>(path: &'a str, base: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(base)?;
    (rest.is_empty() || rest.starts_with(['/', '?', '#'])).then_some(rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn normalize(uri: &str) -> String {
        normalize_below(uri, "")
    }

    fn normalize_below(uri: &str, base: &str) -> String {
        let uri: Uri = uri.parse().expect("a well-formed address");
        let request = Request::builder().uri(uri).body(()).expect("a request");
        normalize_path(request, base).uri().to_string()
    }

    #[test]
    fn the_base_is_removed_once_and_as_a_whole() {
        for (uri, below) in [
            ("/sub", "/"),
            ("/sub/", "/"),
            ("/sub?q=/sub", "/?q=/sub"),
            ("/sub/login", "/login"),
            ("//sub//login/", "/login"),
            ("/login", "/login"),
            ("/", "/"),
            ("/subway", "/subway"),
            ("/sub/sub/x", "/sub/x"),
            ("/%73ub/login", "/%73ub/login"),
            (
                "http://example.com/sub/login?a",
                "http://example.com/login?a",
            ),
            ("*", "*"),
        ] {
            assert_eq!(normalize_below(uri, "/sub"), below, "{uri}");
        }
        assert_eq!(normalize_below("/a/b/login", "/a/b"), "/login");
        assert_eq!(normalize_below("/a/login", "/a/b"), "/a/login");
    }

    #[test]
    fn repeated_slashes_collapse() {
        assert_eq!(normalize("//api///v2//users"), "/api/v2/users");
    }

    #[test]
    fn the_slash_at_the_end_goes() {
        assert_eq!(normalize("/users/"), "/users");
        assert_eq!(normalize("/users//"), "/users");
    }

    #[test]
    fn the_root_stays() {
        assert_eq!(normalize("/"), "/");
        assert_eq!(normalize("//"), "/");
        assert_eq!(normalize("/?q=a"), "/?q=a");
    }

    #[test]
    fn the_query_stays_as_it_is() {
        assert_eq!(normalize("/users/?q=a//b/&x=%2F"), "/users?q=a//b/&x=%2F");
        assert_eq!(normalize("/users/?"), "/users?");
        assert_eq!(normalize("/users?next=//evil/"), "/users?next=//evil/");
    }

    #[test]
    fn an_escaped_slash_is_no_slash() {
        assert_eq!(normalize("/users/%2F/"), "/users/%2F");
        assert_eq!(normalize("/users%2F"), "/users%2F");
    }

    #[test]
    fn scheme_and_host_stay() {
        let uri = "http://example.com:8080//users/?q=a";
        assert_eq!(normalize(uri), "http://example.com:8080/users?q=a");
    }

    #[test]
    fn targets_without_a_path_stay() {
        assert_eq!(normalize("*"), "*");
        assert_eq!(normalize("example.com:443"), "example.com:443");
    }

    proptest! {
        #[test]
        fn normalizing_twice_is_normalizing_once(target in "(http://[a-z]{1,3})?/[/a-b%2F.;]{0,12}(\\?[/a?=]{0,6})?") {
            let once = normalize(&target);
            prop_assert_eq!(normalize(&once), once);
        }

        #[test]
        fn no_empty_segment_is_left(target in any::<String>().prop_map(|rest| format!("/{rest}"))) {
            if let Ok(uri) = target.parse::<Uri>() {
                let request = Request::builder().uri(uri).body(()).expect("a request");
                let request = normalize_path(request, "");
                let path = request.uri().path();
                prop_assert!(!path.contains("//"));
                prop_assert!(path == "/" || !path.ends_with('/'));
            }
        }

        #[test]
        fn a_path_without_its_slashes_stays_the_same(target in "/[/a-z]{0,12}") {
            let segments = |path: &str| -> Vec<String> {
                path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
            };
            prop_assert_eq!(segments(&normalize(&target)), segments(&target));
        }
    }
}
