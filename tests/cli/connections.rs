//! Callers who are slow, or say nothing at all, do not hold up anybody else.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::Stdio,
    time::{Duration, Instant},
};

use crate::{
    api::Api,
    databases::{self, Look},
    program::{MASTER_KEY, Program, command},
};

/// So many users that the list of them does not fit into the buffers between us.
const MANY: i64 = 40_000;

#[test]
fn slow_readers_of_a_long_list_hold_up_nobody() {
    let database = databases::migrated();
    let mut program = Program::on(&databases::url(&database));
    let owner = Api::at(program.address()).owner();
    Look::into(&database).execute(&format!(
        "INSERT INTO read.users (id, version, username, username_key, email, email_key, name, name_key, avatar_url
                               , status, login_type, roles, organization_ids, created_at, updated_at)
         SELECT gen_random_uuid(), 1, u, u, u || '@example.com', u || '@example.com', repeat(u, 20), repeat(u, 20), ''
              , 'active', 'password', '{{}}', organization_ids, created_at, updated_at
           FROM read.users CROSS JOIN (SELECT 'user' || n AS u FROM generate_series(1, {MANY}) AS n) AS names"
    ));
    let slow: Vec<TcpStream> = (0..6)
        .map(|_| {
            let mut connection = owner.connect().unwrap();
            let head = owner.head("GET", "/api/v2/users?limit=0", 0);
            connection.write_all(head.as_bytes()).unwrap();
            connection
        })
        .collect();
    let statuses = slow.iter().map(|mut connection| {
        let mut beginning = [0; 12];
        connection.read_exact(&mut beginning).unwrap();
        String::from_utf8(beginning.to_vec()).unwrap()
    });
    let statuses: Vec<String> = statuses.collect();
    // No connection to the database is held between two pages, so none of them is refused.
    assert!(
        statuses.iter().all(|status| status == "HTTP/1.1 200"),
        "{statuses:?}"
    );
    let since = Instant::now();
    for nth in 0..20 {
        assert_eq!(owner.get("/api/v2/users?limit=10").status, 200);
        assert_eq!(owner.create(&format!("other{nth}")).unwrap().status, 201);
    }
    let took = since.elapsed();
    assert!(took < Duration::from_secs(10), "40 requests took {took:?}");

    // Whoever reads on after all gets all of it.
    let mut connection = &slow[0];
    let mut rest = Vec::new();
    connection.read_to_end(&mut rest).unwrap();
    let rest = String::from_utf8(rest).unwrap();
    assert!(rest.ends_with("\r\n0\r\n\r\n"), "the list broke off");
    let listed = rest.matches("\"username\":\"user").count();
    assert_eq!(i64::try_from(listed).unwrap(), MANY);
}

#[test]
fn hundreds_who_say_nothing_or_half_of_it_stop_neither_the_service_nor_its_end() {
    let url = databases::url(&databases::migrated());
    // As few open files as the least generous system allows: the program asks for more by itself.
    let mut few_files = std::process::Command::new("sh");
    few_files.args(["-c", "ulimit -S -n 200 && exec \"$0\" \"$@\""]);
    let serve = command(&["serve", "--listen", "127.0.0.1:0", "--database-url", &url]);
    few_files
        .arg(serve.get_program())
        .args(serve.get_args())
        .env("ROLLCALL_MASTER_KEY", MASTER_KEY)
        .stdin(Stdio::null());
    let mut program = Program::launch_command(&mut few_files);
    let owner = Api::at(program.address()).owner();
    let half_a_head = owner.head("POST", "/api/v2/users", 10);
    let half_a_head = half_a_head.trim_end();
    let half_a_body = owner.head("POST", "/api/v2/users", 10) + "{\"user";
    let waiting: Vec<TcpStream> = (0..400)
        .map(|nth| {
            let mut connection = owner.connect().unwrap();
            let said = match nth % 4 {
                0 => half_a_head,
                1 => &half_a_body,
                _ => "",
            };
            connection.write_all(said.as_bytes()).unwrap();
            connection
        })
        .collect();
    assert_eq!(owner.create("grace").unwrap().status, 201);
    assert_eq!(owner.usernames(), ["alice", "grace"]);
    let since = Instant::now();
    program.stop();
    let took = since.elapsed();
    assert!(took < Duration::from_secs(20), "it took {took:?} to stop");
    drop(waiting);
}
