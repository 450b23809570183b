//! The log, the vault and the read models against a real Postgres: order, conflicts, crashes, secrecy, and the law
//! that what is served equals what happened.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it is"
)]

#[path = "support/mod.rs"]
mod support;
#[path = "log/tools.rs"]
mod tools;

#[path = "log/append_only.rs"]
mod append_only;
#[path = "log/conflicts.rs"]
mod conflicts;
#[path = "log/order.rs"]
mod order;
