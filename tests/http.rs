//! The API as its clients see it: black box, over HTTP.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it is"
)]

#[path = "support/mod.rs"]
mod support;

#[path = "http/given.rs"]
mod given;

#[path = "http/audit.rs"]
mod audit;
#[path = "http/audit_attempts.rs"]
mod audit_attempts;
#[path = "http/audit_counts.rs"]
mod audit_counts;
#[path = "http/audit_searching.rs"]
mod audit_searching;
#[path = "http/audit_test_entries.rs"]
mod audit_test_entries;
#[path = "http/authcheck.rs"]
mod authcheck;
#[path = "http/changing_passwords.rs"]
mod changing_passwords;
#[path = "http/clients.rs"]
mod clients;
#[path = "http/conventions.rs"]
mod conventions;
#[path = "http/creating_users.rs"]
mod creating_users;
#[path = "http/credentials.rs"]
mod credentials;
#[path = "http/deleting.rs"]
mod deleting;
#[path = "http/documented.rs"]
mod documented;
#[path = "http/erasing.rs"]
mod erasing;
#[path = "http/feed.rs"]
mod feed;
#[path = "http/first_user.rs"]
mod first_user;
#[path = "http/forged_requests.rs"]
mod forged_requests;
#[path = "http/history.rs"]
mod history;
#[path = "http/keys.rs"]
mod keys;
#[path = "http/lessons.rs"]
mod lessons;
#[path = "http/log.rs"]
mod log;
#[path = "http/long_histories.rs"]
mod long_histories;
#[path = "http/members.rs"]
mod members;
#[path = "http/one_user.rs"]
mod one_user;
#[path = "http/openapi.rs"]
mod openapi;
#[path = "http/organizations.rs"]
mod organizations;
#[path = "http/own_changes.rs"]
mod own_changes;
#[path = "http/owners.rs"]
mod owners;
#[path = "http/pages.rs"]
mod pages;
#[path = "http/paging.rs"]
mod paging;
#[path = "http/probed.rs"]
mod probed;
#[path = "http/profiles.rs"]
mod profiles;
#[path = "http/providers.rs"]
mod providers;
#[path = "http/proxies.rs"]
mod proxies;
#[path = "http/rate_limits.rs"]
mod rate_limits;
#[path = "http/request_bodies.rs"]
mod request_bodies;
#[path = "http/roles.rs"]
mod roles;
#[path = "http/searching.rs"]
mod searching;
#[path = "http/session_life.rs"]
mod session_life;
#[path = "http/signing_in.rs"]
mod signing_in;
#[path = "http/signing_out.rs"]
mod signing_out;
#[path = "http/statuses.rs"]
mod statuses;
#[path = "http/time_travel.rs"]
mod time_travel;
#[path = "http/tokens.rs"]
mod tokens;
#[path = "http/walk.rs"]
mod walk;
