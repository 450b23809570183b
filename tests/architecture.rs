//! The rules of the house, kept by tests so that nobody has to remember them.
//!
//! Read the table: each entry becomes a test of its own name. What the compiler or a lint refuses already is not here.
//! The scanners read the lines that are not comments, test code included. They are meant to catch slips, not cunning.

use std::{fs, path::Path};

struct Rule {
    /// The name of the test.
    says: &'static str,
    /// The modules, folders or files that it speaks of, none for all, and those among them that may.
    inside: &'static [&'static str],
    except: &'static [&'static str],
    /// The lines of a file that break it.
    broken_on: fn(&File) -> Vec<usize>,
    /// Samples that must be caught, as path, line and text, and samples that must not, as path and text.
    catches: &'static [(&'static str, usize, &'static str)],
    passes: &'static [(&'static str, &'static str)],
}

/// A file of the repository, by its path from the top.
struct File {
    path: String,
    text: String,
}

/// Makes the table `RULES`, and of each entry a test: no rule can be without its test or its samples.
macro_rules! rules {
    ($($says:ident { $($rule:tt)* })*) => {
        const RULES: &[Rule] = &[$(Rule { says: stringify!($says), $($rule)* }),*];
        $(#[test] fn $says() { keep(stringify!($says)); })*
    };
}

/// The folders of the three crates.
const CRATES: &[&str] = &["src", "events/src", "projections/src"];

rules! {
    // The manifests are enough: a crate that is not named there cannot be used.
    dependencies_run_from_src_to_projections_to_events {
        inside: &["events/Cargo.toml", "projections/Cargo.toml"], except: &[],
        broken_on: |file| match file.path.as_str() {
            "events/Cargo.toml" => mentions(file, &["rollcall", "rollcall-projections"]),
            _ => mentions(file, &["rollcall"]),
        },
        catches: &[
            ("events/Cargo.toml", 1, "rollcall-projections.workspace = true"),
            ("projections/Cargo.toml", 1, "house = { package = \"rollcall\", path = \"..\" }"),
        ],
        passes: &[("projections/Cargo.toml", "# Not rollcall.\nrollcall-events.workspace = true")],
    }

    events_and_projections_know_no_web_framework {
        inside: &["events/Cargo.toml", "projections/Cargo.toml"], except: &[],
        broken_on: |file| mentions(file, &["axum"]),
        catches: &[("events/Cargo.toml", 1, "axum.workspace = true")],
        passes: &[],
    }

    // A function of its arguments: a replay gives the same answer for ever.
    the_domain_knows_no_log_no_vault_no_database_no_clock_and_no_chance {
        inside: &["events/src/user", "events/src/organization", "events/src/attempt"], except: &[],
        broken_on: |file| mentions(file, &[
            "log::", "vault::", "sqlx::", "axum::", "tokio::",
            "clock::", "Clock", "::now", "SystemTime", "Instant",
            "rand::", "random", "rng", "Rng", "Ids", "new_v4", "now_v7",
        ]),
        catches: &[
            ("events/src/user.rs", 1, "use crate::log::Recorded;"),
            ("events/src/user/decide.rs", 2, "\nlet at = Utc::now();"),
            ("events/src/organization/decide.rs", 1, "fn decide(ids: &impl Ids) {}"),
        ],
        passes: &[
            ("events/src/user/role.rs", "/// What crate::log::Recorded holds.\nuse crate::dialog::Row;"),
            ("events/src/log/append.rs", "let at = clock.now();"),
        ],
    }

    // Positions are dense and the head's tree is right because one module alone appends. (The vault only marks there that
    // all hashes are bound, where nobody can take the mark away.)
    only_the_append_writes_the_log {
        inside: CRATES, except: &["events/src/log/append", "events/src/log/checkpoints", "events/src/vault/binding"],
        broken_on: |file| writes(file, "log."),
        catches: &[
            ("events/src/log/read.rs", 1, "query(\"INSERT INTO log.events (position) VALUES ($1)\")"),
            ("src/app.rs", 3, "query(\n    \"update\n         log.head SET position = 1\",\n)"),
        ],
        passes: &[
            ("events/src/log/append.rs", "query(\"UPDATE log.head SET position = 1\")"),
            ("events/src/log/head.rs", "query(\"SELECT position FROM log.head FOR UPDATE\")"),
            ("events/src/log/head.rs", "/// Waits for UPDATE log.head SET position = 1."),
        ],
    }

    // It speaks for the log, and so never changes it.
    checkpoints_write_nothing_but_checkpoints {
        inside: &["events/src/log/checkpoints"], except: &[],
        broken_on: |file| [writes(file, "log.events"), writes(file, "log.head")].concat(),
        catches: &[("events/src/log/checkpoints.rs", 1, "query(\"UPDATE log.head SET position = 1\")")],
        passes: &[("events/src/log/checkpoints.rs", "query(\"INSERT INTO log.checkpoints (size) VALUES ($1)\")")],
    }

    // What must be erasable has one keeper.
    only_the_vault_writes_the_vault {
        inside: CRATES, except: &["events/src/vault"],
        broken_on: |file| writes(file, "vault."),
        catches: &[
            ("projections/src/users.rs", 1, "query(\"DELETE FROM vault.subject_keys\")"),
            ("src/auth/renewal.rs", 1, "query(\"UPDATE vault.provider_tokens SET sealed = $1\")"),
        ],
        passes: &[("events/src/vault/credentials.rs", "query(\"DELETE FROM vault.credentials\")")],
    }

    // What others wrote there, a rebuild would lose.
    only_projections_write_the_read_models {
        inside: CRATES, except: &["projections/src"],
        broken_on: |file| writes(file, "read."),
        catches: &[("src/app.rs", 1, "query(\"TRUNCATE read.users\")")],
        passes: &[("src/app.rs", "query(\"DELETE FROM x WHERE EXISTS (SELECT FROM read.users)\")")],
    }

    only_the_log_and_the_projections_write_the_live_tables {
        inside: CRATES, except: &["events/src/log", "projections/src"],
        broken_on: |file| writes(file, "live."),
        catches: &[("src/app.rs", 1, "query(\"DELETE FROM live.commands\")")],
        passes: &[("projections/src/sessions/touch.rs", "query(\"DELETE FROM live.user_activity\")")],
    }

    // A flow that could be finished twice, because somebody forgot that it was, would sign in whoever replays it.
    only_flows_write_which_flows_are_over {
        inside: CRATES, except: &["projections/src/flows"],
        broken_on: |file| writes(file, "live.oauth_flows"),
        catches: &[
            ("projections/src/activity.rs", 1, "query(\"DELETE FROM live.oauth_flows\")"),
            ("src/upkeep.rs", 2, "query(\n    \"TRUNCATE live.oauth_flows\")"),
        ],
        passes: &[
            ("projections/src/flows.rs", "query(\"INSERT INTO live.oauth_flows VALUES ($1)\")"),
            ("src/upkeep.rs", "query(\"SELECT count(*) FROM live.oauth_flows\")"),
        ],
    }

    // What is asked is in `projections`, what is written in `events`: an endpoint only translates.
    the_http_layer_holds_no_sql {
        inside: &["src/http"], except: &[],
        broken_on: |file| mentions(file, &[
            "SELECT", "INSERT INTO", "UPDATE", "DELETE FROM",
            "sqlx::query", "query_as", "query_scalar", "raw_sql", "QueryBuilder",
        ]),
        catches: &[
            ("src/http/users/list.rs", 1, "const ALL: &str = \"SELECT 1\";"),
            ("src/http/users/list.rs", 1, "let row = sqlx::query_as(statement);"),
        ],
        passes: &[("src/http/users/list.rs", "/// DELETE FROM the list.\nfn f(path: &str) -> sqlx::Result<()> {}")],
    }

    // A connection that is not prepared depends on the settings of the database and of the role.
    every_connection_is_prepared {
        inside: CRATES, except: &["events/src/session.rs", "src/database.rs"],
        broken_on: |file| mentions(file, &["ConnectOptions", "PgConnection::connect", "PgPool::connect"]),
        catches: &[
            ("src/cli/doctor.rs", 1, "use sqlx::{ConnectOptions, PgConnection};"),
            ("events/src/log/append.rs", 1, "let conn = PgConnection::connect(url).await?;"),
        ],
        passes: &[("src/database.rs", "// Not by ConnectOptions.\nlet options: PgConnectOptions = url.parse()?;\nlet conn = session::connect(&options).await?;")],
    }

    // They serve the command line as well.
    what_serves_the_http_layer_does_not_know_it {
        inside: &["src/auth", "src/command_bus", "src/database"], except: &[],
        broken_on: |file| numbers(file.code(), |line| {
            let imports = line.starts_with("use crate::") || line.starts_with("use super::");
            (imports && has(line, "http")) || has(line, "crate::http") || has(line, "super::http")
        }),
        catches: &[
            ("src/auth/token.rs", 1, "fn f() -> crate::http::Answer {}"),
            ("src/auth.rs", 1, "use crate::{\n    app::AppState,\n    http::{Answer, Refusal},\n};"),
        ],
        passes: &[("src/auth.rs", "use axum::{\n    http::HeaderMap,\n};\nuse crate::app::AppState;")],
    }

    // A function of who asks and of what is asked: it can be read, and tested, as a table.
    permissions_know_no_http_no_database_and_no_clock {
        inside: &["events/src/permissions"], except: &[],
        broken_on: |file| mentions(file, &[
            "http", "axum", "sqlx", "rollcall_projections", "async", "app", "Clock", "::now",
        ]),
        catches: &[
            ("events/src/permissions.rs", 1, "use crate::http::caller::Caller;"),
            ("events/src/permissions/table.rs", 1, "pub async fn may(pool: &Pool) {}"),
            ("events/src/permissions/object.rs", 1, "use crate::{\n    app::App,\n};"),
        ],
        passes: &[("events/src/permissions/table.rs", "//! No HTTP and no axum here.\nuse super::Action;")],
    }

    // Whatever else a user's request leads to says what its author must be allowed.
    only_refused_attempts_are_recorded_without_asking_what_their_author_may_do {
        inside: CRATES, except: &["src/attempts", "events/src/authority", "events/src/log/store"],
        broken_on: |file| mentions(file, &["on_record"]),
        catches: &[("src/http/users/delete.rs", 1, "let authority = Authority::on_record(metadata);")],
        passes: &[("src/attempts.rs", "let authority = Authority::on_record(metadata);")],
    }

    every_source_file_opens_by_saying_what_it_is_for {
        inside: CRATES, except: &[],
        broken_on: |file| {
            let is_rust = Path::new(&file.path).extension().is_some_and(|name| name == "rs");
            if is_rust && !file.text.starts_with("//!") { vec![1] } else { vec![] }
        },
        catches: &[("src/app.rs", 1, "use std::fmt;\n//! Late."), ("src/app.rs", 1, "")],
        passes: &[("src/app.rs", "//! The parts, put together.")],
    }

    // Documents are the README of the folder that they describe; the settings of tools may be dotfiles.
    the_top_of_the_repository_is_as_it_was_drawn {
        inside: &[], except: &[
            "Cargo.toml", "src", "events", "projections", "migrations", "tests", "benches",
            "README.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT",
            "Makefile", "Cargo.lock", "clippy.toml", "rustfmt.toml",
        ],
        broken_on: |file| if file.path.starts_with('.') { vec![] } else { vec![1] },
        catches: &[("docs/design.md", 1, "# The design"), ("NOTES.md", 1, "")],
        passes: &[(".ci/run", ""), ("benches/commands.rs", ""), ("migrations/README.md", "")],
    }

    // What `routes!` adds has a description; pages are for people.
    no_route_is_without_its_description {
        inside: &["src/http"], except: &["src/http/pages"],
        broken_on: |file| mentions(file, &[".route(", ".route_service(", ".nest_service("]),
        catches: &[("src/http.rs", 2, "Router::new()\n    .route(\"/\", get(root))")],
        passes: &[("src/http.rs", "routes!(root::welcome),\n    .route_layer(limit)")],
    }

    // Such a path is right on one machine and wrong on all others.
    no_file_names_a_folder_of_somebodys_machine {
        inside: &[], except: &[],
        broken_on: |file| numbers(file.lines().collect(), |line| {
            line.split(|c: char| " \t\"'`(<[=:,|".contains(c)).any(|word| {
                let path = word.trim_start_matches("//").strip_prefix('/').unwrap_or_default();
                ["home/", "Users/", "root/", "work/", "workspace/"].iter().any(|folder| path.starts_with(folder))
            })
        }),
        catches: &[
            ("README.md", 2, concat!("see\n`/", "home/ada/notes`")),
            ("tests/cli.rs", 1, concat!("// file:///", "Users/ada")),
        ],
        passes: &[("README.md", "https://rollcall.example/home/ada, $DIR/home/x, home/x and ../home/x")],
    }
}

// What the table is made of.

/// Fails with every line that breaks the rule, and when the rule speaks of what is no longer there.
fn keep(says: &str) {
    let Some(rule) = RULES.iter().find(|rule| rule.says == says) else {
        panic!("{says} is not in the table");
    };
    let files = files(Path::new(env!("CARGO_MANIFEST_DIR")));
    for module in rule.inside {
        let is_there = files.iter().any(|file| file.is_in(module));
        assert!(is_there, "{says} watches {module}, which is gone");
    }
    let found: Vec<_> = files.iter().flat_map(|f| rule.violations(f)).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn every_rule_catches_what_breaks_it_and_passes_what_does_not() {
    for rule in RULES {
        let violations = |path: &str, text: &str| {
            let (path, text) = (path.to_owned(), text.to_owned());
            rule.violations(&File { path, text })
        };
        let words = rule.says.replace('_', " ");
        assert!(!rule.catches.is_empty(), "{words}: has no sample");
        for (path, line, text) in rule.catches {
            let found = violations(path, text);
            let start = format!("{path}:{line}: {words}: ");
            let is_caught = found.len() == 1 && found[0].starts_with(&start);
            assert!(is_caught, "{words}: {text} gives {found:?}");
        }
        for (path, text) in rule.passes {
            let found = violations(path, text);
            assert!(found.is_empty(), "{words}: {text} gives {found:?}");
        }
    }
}

impl Rule {
    /// Each with file, line and rule.
    fn violations(&self, file: &File) -> Vec<String> {
        let among = |modules: &[&str]| modules.iter().any(|module| file.is_in(module));
        if among(self.except) || !(self.inside.is_empty() || among(self.inside)) {
            return Vec::new();
        }
        let words = self.says.replace('_', " ");
        let describe = |number: usize| {
            let line = file.text.lines().nth(number - 1).unwrap_or_default();
            format!("{}:{number}: {words}: {}", file.path, line.trim())
        };
        (self.broken_on)(file).into_iter().map(describe).collect()
    }
}

impl File {
    /// Whether it is this file, or in this folder or module: `a/b` is `a/b.rs` and all of `a/b/`.
    fn is_in(&self, module: &str) -> bool {
        let rest = self.path.strip_prefix(module);
        rest.is_some_and(|rest| rest.is_empty() || rest == ".rs" || rest.starts_with('/'))
    }

    fn lines(&self) -> impl Iterator<Item = (usize, String)> {
        (1..).zip(self.text.lines().map(str::to_owned))
    }

    /// The lines that are not comments. A `use` of many lines is one, so that what it brings in
    /// stands beside where it comes from.
    fn code(&self) -> Vec<(usize, String)> {
        let mut code: Vec<(usize, String)> = Vec::new();
        for (number, line) in self.lines() {
            let start = line.trim_start();
            if start.starts_with("//") || start.starts_with("# ") {
                continue;
            }
            match code.last_mut() {
                Some((_, all)) if all.starts_with("use ") && !all.contains(';') => *all += &line,
                _ => code.push((number, line)),
            }
        }
        code
    }
}

/// The lines of code that hold one of these words.
fn mentions(file: &File, words: &[&str]) -> Vec<usize> {
    numbers(file.code(), |line| words.iter().any(|word| has(line, word)))
}

fn numbers(lines: Vec<(usize, String)>, breaks: impl Fn(&str) -> bool) -> Vec<usize> {
    let broken = lines.into_iter().filter(|(_, line)| breaks(line));
    broken.map(|(number, _)| number).collect()
}

/// Whether the line holds this, and not as a part of a longer name.
fn has(line: &str, word: &str) -> bool {
    let name = |c: char| c.is_alphanumeric() || "_-".contains(c);
    line.match_indices(word).any(|(at, _)| {
        let longer_before = word.starts_with(name) && line[..at].ends_with(name);
        let longer_after = word.ends_with(name) && line[at + word.len()..].starts_with(name);
        !longer_before && !longer_after
    })
}

/// The lines where a statement of SQL changes a table of this schema.
fn writes(file: &File, schema: &str) -> Vec<usize> {
    let verbs = "into|update|delete from|truncate|table|copy".split('|');
    let changes = |before: &str| verbs.clone().any(|verb| before.ends_with(verb));
    let (mut found, mut before) = (Vec::new(), String::new());
    for (number, line) in file.code() {
        for word in line.split_whitespace() {
            if word.starts_with(schema) && changes(before.trim_end()) {
                found.push(number);
            }
            before += &word.to_ascii_lowercase();
            before.push(' ');
        }
    }
    found
}

/// Every text file that Git does not ignore. Patterns in `.gitignore` are not understood.
fn files(root: &Path) -> Vec<File> {
    let ignored = fs::read_to_string(root.join(".gitignore")).unwrap_or_default() + "\n.git";
    let ignored: Vec<&str> = ignored.split_whitespace().collect();
    let is_ignored = |path: &Path| ignored.iter().any(|name| path.ends_with(name));
    let (mut files, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if is_ignored(&path) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let path = path.strip_prefix(root).unwrap_or(&path);
                let path = path.to_string_lossy().into_owned();
                files.push(File { path, text });
            }
        }
    }
    files
}
