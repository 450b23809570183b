//! One spelling for each path.
//!
//! Clients write `/organizations/{id}/members/` and `//users`, the routes are written once. The router matches before
//! its own layers run, so this goes around it: `MapRequestLayer::new(normalize_path).layer(router)`.

use axum::http::{Request, Uri};

/// Collapses repeated slashes in the path and drops the one at its end. The query stays as it is.
///
/// Nothing is percent-decoded: `%2F` is part of a segment, not a slash.
pub fn normalize_path<B>(mut request: Request<B>) -> Request<B> {
    if let Some(uri) = normalized(request.uri()) {
        *request.uri_mut() = uri;
    }
    request
}

/// The address in its one spelling, or nothing if it has that already.
fn normalized(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let has_slash_at_end = path.len() > 1 && path.ends_with('/');
    if !has_slash_at_end && !path.contains("//") {
        return None;
    }
    let mut target = String::with_capacity(path.len());
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        target.push('/');
        target.push_str(segment);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn normalize(uri: &str) -> String {
        let uri: Uri = uri.parse().expect("a well-formed address");
        let request = Request::builder().uri(uri).body(()).expect("a request");
        normalize_path(request).uri().to_string()
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
                let request = normalize_path(request);
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
