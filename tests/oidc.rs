//! Signing in at real OpenID Connect providers, as people with browsers do. They need Node: `make test-oidc` fetches them
//! and runs these tests, which are passed over elsewhere.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it is"
)]

#[path = "support/mod.rs"]
#[expect(dead_code, reason = "others use the rest of it")]
mod support;

#[path = "oidc/browser.rs"]
mod browser;
#[path = "oidc/given.rs"]
mod given;
#[path = "oidc/provider.rs"]
mod provider;

#[path = "oidc/another_provider.rs"]
mod another_provider;
#[path = "oidc/refusals.rs"]
mod refusals;
#[path = "oidc/renewing.rs"]
mod renewing;
#[path = "oidc/signing_in.rs"]
mod signing_in;
