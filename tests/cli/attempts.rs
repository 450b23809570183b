//! Attempts that are only counted are not lost when the program is told to stop.

use nix::sys::signal::Signal;
use serde_json::json;

use crate::{
    api::Api,
    program::{Folder, Program},
};

#[test]
fn counts_of_the_last_minute_are_recorded_when_the_program_is_told_to_stop() {
    let folder = Folder::new();
    let mut program = Program::in_folder(&folder);
    let api = Api::at(program.address());
    let owner = api.owner();
    let wrong = json!({ "email": "nobody@example.com", "password": "wrong" });
    for _ in 0..5 {
        assert_eq!(api.post("/api/v2/users/login", &wrong).status, 401);
    }
    program.signal(Signal::SIGTERM);
    assert!(program.ended().success());

    let mut program = Program::in_folder(&folder);
    let told = owner.elsewhere(program.address());
    let told = told.get("/api/v2/audit?q=action:login");
    let entries = told.json["audit_logs"].as_array().unwrap();
    let failed = entries.iter().filter(|entry| entry["status_code"] == 401);
    let times: Vec<u64> = failed
        .map(|entry| entry["additional_fields"]["times"].as_u64().unwrap())
        .collect();
    // All at once, but for a minute that may have ended in between.
    assert_eq!(times.iter().sum::<u64>(), 5, "{times:?}");
    assert!(times.len() <= 4, "{times:?}");
}
