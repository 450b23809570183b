//! The API as its clients see it: black box, over HTTP.

#[path = "support/mod.rs"]
mod support;

#[path = "http/first_user.rs"]
mod first_user;
