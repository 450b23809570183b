//! The program as people and scripts run it.

#[path = "support/mod.rs"]
#[expect(dead_code, reason = "others use the rest of it")]
mod support;

#[path = "cli/api.rs"]
mod api;
#[path = "cli/databases.rs"]
mod databases;
#[path = "cli/program.rs"]
mod program;

#[path = "cli/attempts.rs"]
mod attempts;
#[path = "cli/checkpoint.rs"]
mod checkpoint;
#[path = "cli/connections.rs"]
mod connections;
#[path = "cli/crashes.rs"]
mod crashes;
#[path = "cli/doctor.rs"]
mod doctor;
#[path = "cli/environment.rs"]
mod environment;
#[path = "cli/evidence.rs"]
mod evidence;
#[path = "cli/given_database.rs"]
mod given_database;
#[path = "cli/history.rs"]
mod history;
#[path = "cli/logs.rs"]
mod logs;
#[path = "cli/naming_users.rs"]
mod naming_users;
#[path = "cli/openapi.rs"]
mod openapi;
#[path = "cli/own_database.rs"]
mod own_database;
#[path = "cli/pipes.rs"]
mod pipes;
#[path = "cli/rebuild.rs"]
mod rebuild;
#[path = "cli/stopping.rs"]
mod stopping;
#[path = "cli/trust.rs"]
mod trust;
#[path = "cli/usage.rs"]
mod usage;
#[path = "cli/users.rs"]
mod users;
