//! Rollcall, the service: everything that touches the world. The domain and the log are in `rollcall-events`, the
//! read models in `rollcall-projections`.

pub mod app;
pub mod attempts;
pub mod auth;
pub mod checkpoints;
pub mod cli;
pub mod command_bus;
pub mod config;
pub mod database;
pub mod erasure;
pub mod http;
pub mod logging;
pub mod network_prefix;
pub mod permissions;
pub mod postgres;
pub mod proofs;
pub mod upkeep;
