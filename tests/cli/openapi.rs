//! The description of the API, printed.

use rollcall::http::openapi::DOCUMENT;

use crate::program::{Folder, command, run, said};

#[test]
fn the_description_of_the_api_is_printed_as_it_is_served() {
    let said = run(&["openapi"]);
    assert_eq!((said.status, &*said.err), (Some(0), ""), "{said:?}");
    assert!(said.out == *DOCUMENT);
}

#[test]
fn it_needs_no_database_and_no_configuration() {
    let folder = Folder::new();
    let file = folder.write("rollcall.toml", "listen = 'nowhere'");
    let said = said(command(&["openapi", "--config", &file]).env("ROLLCALL_DATABASE_URL", "none"));
    assert_eq!((said.status, &*said.err), (Some(0), ""), "{said:?}");
}
