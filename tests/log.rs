//! The log, the vault and the read models against a real Postgres: order, conflicts, crashes, secrecy, and the law
//! that what is served equals what happened.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it is"
)]

#[path = "log/proxy.rs"]
mod proxy;
#[path = "support/mod.rs"]
#[expect(dead_code, reason = "others use the rest of it")]
mod support;
#[path = "log/tools.rs"]
mod tools;

#[path = "log/append_only.rs"]
mod append_only;
#[path = "log/audit.rs"]
mod audit;
#[path = "log/bindings.rs"]
mod bindings;
#[path = "log/clocks.rs"]
mod clocks;
#[path = "log/conflicts.rs"]
mod conflicts;
#[path = "log/connections.rs"]
mod connections;
#[path = "log/cqrs.rs"]
mod cqrs;
#[path = "log/email_keys.rs"]
mod email_keys;
#[path = "log/erased.rs"]
mod erased;
#[path = "log/evidence.rs"]
mod evidence;
#[path = "log/exports.rs"]
mod exports;
#[path = "log/identities.rs"]
mod identities;
#[path = "log/law.rs"]
mod law;
#[path = "log/long_lists.rs"]
mod long_lists;
#[path = "log/order.rs"]
mod order;
#[path = "log/outages.rs"]
mod outages;
#[path = "log/owners.rs"]
mod owners;
#[path = "log/plans.rs"]
mod plans;
#[path = "log/provider_tokens.rs"]
mod provider_tokens;
#[path = "log/queries.rs"]
mod queries;
#[path = "log/rebuild.rs"]
mod rebuild;
#[path = "log/restored.rs"]
mod restored;
#[path = "log/secrecy.rs"]
mod secrecy;
#[path = "log/snapshots.rs"]
mod snapshots;
#[path = "log/starting.rs"]
mod starting;
#[path = "log/token_names.rs"]
mod token_names;
#[path = "log/tree.rs"]
mod tree;
#[path = "log/unreadable.rs"]
mod unreadable;
#[path = "log/upcasting.rs"]
mod upcasting;
#[path = "log/verify.rs"]
mod verify;
