//! The description of the API: what is committed is what the code says, and it says enough.

use rollcall::http::openapi::DOCUMENT;

#[test]
fn the_committed_description_is_what_the_code_says() {
    let committed = include_str!("../../src/http/openapi/openapi.json");
    assert!(
        committed == *DOCUMENT,
        "run: cargo run -- openapi > src/http/openapi/openapi.json"
    );
}
