//! The log, the vault and the read models against a real Postgres: order, conflicts, crashes, secrecy, and the law
//! that what is served equals what happened.

#[path = "support/mod.rs"]
mod support;

#[path = "log/append_only.rs"]
mod append_only;
