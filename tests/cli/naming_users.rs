//! Every command that names a user takes an id, a username or an e-mail address.

use crate::{
    api::Api,
    databases,
    program::{MASTER_KEY, Program, Said, command, said},
};

fn on(url: &str, arguments: &[&str]) -> Said {
    let mut command = command(arguments);
    said(
        command
            .args(["--database-url", url])
            .env("ROLLCALL_MASTER_KEY", MASTER_KEY),
    )
}

#[test]
fn every_command_knows_a_user_by_id_username_and_address() {
    let url = databases::url(&databases::empty());
    let mut program = Program::on(&url);
    let owner = Api::at(program.address()).owner();
    let mut people = Vec::new();
    for username in ["grace", "hilda", "irene"] {
        let created = owner.create(username).expect("an answer");
        let id = created.json["id"].as_str().expect("an id").to_owned();
        people.push((username, id));
    }
    let names = [
        people[0].1.to_uppercase(),
        "Hilda".to_owned(),
        "IRENE@example.com".to_owned(),
    ];
    for (name, (username, id)) in names.iter().zip(&people) {
        for arguments in [
            &["users", "show", name][..],
            &["users", "suspend", name],
            &["users", "activate", name],
            &["users", "roles", name],
            &["history", name],
            &["history", "alice", "--actor", name],
            &["verify", "--user", name],
        ] {
            let done = on(&url, arguments);
            assert_eq!(done.status, Some(0), "{arguments:?}: {done:?}");
        }
        let shown = on(&url, &["users", "show", name]);
        assert!(shown.out.contains(id.as_str()), "{username}: {shown:?}");
        let erased = on(&url, &["erase", "--yes", name]);
        assert_eq!(erased.status, Some(0), "{erased:?}");
        // Of those who are gone the id is known, and nothing else.
        let gone = on(&url, &["users", "show", id]);
        assert_eq!(gone.status, Some(0), "{gone:?}");
        let verified = on(&url, &["verify", "--user", id]);
        assert_eq!(verified.status, Some(0), "{verified:?}");
        assert!(
            on(&url, &["history", username])
                .failed()
                .contains("no user")
        );
    }
    for nobody in ["nobody", "nobody@example.com"] {
        for arguments in [
            &["verify", "--user", nobody][..],
            &["history", "alice", "--actor", nobody],
            &["erase", "--yes", nobody],
        ] {
            let refused = on(&url, arguments);
            assert!(refused.failed().contains("no user"), "{refused:?}");
        }
    }
    program.stop();
}
