//! Rollcall, the service: everything that touches the world. The domain and the log are in `rollcall-events`, the
//! read models in `rollcall-projections`.

// Everything is printed by `cli::output`, which knows of pipes that nothing reads; the macros panic there.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod app;
pub mod attempts;
pub mod auth;
pub mod checkpoints;
pub mod cli;
pub mod command_bus;
pub mod config;
pub mod database;
pub mod draft;
pub mod erasure;
pub mod http;
pub mod logging;
pub mod network_prefix;
pub mod pool;
pub mod postgres;
pub mod proofs;
pub mod roles;
pub mod trusted_file;
pub mod upkeep;

pub use rollcall_events::permissions;
