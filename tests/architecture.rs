//! The rules of the house, kept by tests so that nobody has to remember them.
//!
//! Each rule is one scanner, a function from files to violations, and two tests: the repository
//! keeps the rule, and the scanner catches a sample that breaks it. The scanners read text, not
//! syntax trees: they look at code with comments, strings and test-only items blanked out, or at
//! strings alone where the rule is about SQL. They are meant to catch slips, not cunning.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What may stand at the top of the repository, beside files that begin with a dot.
const TOP_LEVEL: [&str; 14] = [
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "Makefile",
    "README.md",
    "benches",
    "clippy.toml",
    "events",
    "migrations",
    "projections",
    "src",
    "tests",
];

/// What may stand there, and need not.
const TOP_LEVEL_OPTIONAL: [&str; 2] = ["rustfmt.toml", "target"];

/// The folders of the three crates, which alone are shipped.
const CRATES: [&str; 3] = ["src", "events/src", "projections/src"];

// The rules, and that the repository keeps them.

#[test]
fn dependencies_run_one_way_in_the_manifests() {
    let violations = ["events", "projections"]
        .into_iter()
        .flat_map(|name| upward_dependencies(name, &read(&format!("{name}/Cargo.toml"))));
    none(violations);
}

#[test]
fn dependencies_run_one_way_in_the_code() {
    none(shipped().iter().flat_map(upward_paths));
}

#[test]
fn the_domain_knows_no_log_no_vault_no_database_no_clock_and_no_chance() {
    none(shipped().iter().flat_map(impurities));
}

#[test]
fn only_the_append_writes_the_log() {
    none(shipped().iter().flat_map(stray_log_writes));
}

#[test]
fn projections_write_neither_the_log_nor_the_vault() {
    none(shipped().iter().flat_map(overreaching_projections));
}

#[test]
fn the_http_layer_holds_no_sql() {
    none(shipped().iter().flat_map(sql_in_http));
}

#[test]
fn a_module_is_named_by_its_file_and_not_by_its_folder() {
    none(
        rust_files()
            .iter()
            .filter_map(|source| folder_module(&source.path)),
    );
}

#[test]
fn nothing_that_is_shipped_gives_up_is_unfinished_or_silences_a_lint() {
    none(shipped().iter().flat_map(shortcuts));
}

#[test]
fn every_source_file_opens_by_saying_what_it_is_for() {
    none(rust_files().iter().filter_map(silent_head));
}

#[test]
fn the_top_of_the_repository_is_as_it_was_drawn() {
    let entries = fs::read_dir(root()).unwrap();
    let names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    none(top_level_differences(&names, &read(".gitignore")));
}

#[test]
fn no_file_names_a_folder_of_somebodys_machine() {
    let ignored = read(".gitignore");
    let files = files(&root(), &|name| {
        name != ".git" && !is_ignored(name, &ignored)
    });
    none(
        files
            .iter()
            .flat_map(|(path, text)| machine_paths(path, text)),
    );
}

#[test]
fn all_three_crates_are_read() {
    let shipped = shipped();
    for folder in CRATES {
        let inside = format!("{folder}/");
        assert!(
            shipped
                .iter()
                .any(|source| source.path.starts_with(&inside)),
            "{folder} is empty"
        );
    }
}

// The scanners.

/// `src -> projections -> events`, and never back: not even for tests, which would make a circle.
fn upward_dependencies(crate_folder: &str, manifest: &str) -> Vec<String> {
    let forbidden: &[&str] = match crate_folder {
        "events" => &["rollcall", "rollcall-projections"],
        _ => &["rollcall"],
    };
    let mut in_package = false;
    let mut violations = Vec::new();
    for (number, line) in numbered(manifest) {
        let line = line.split('#').next().unwrap_or_default();
        if line.trim_start().starts_with('[') {
            in_package = line.trim() == "[package]";
        }
        let mut words = line.split(|c: char| !(c.is_alphanumeric() || "-_".contains(c)));
        if !in_package && words.any(|word| forbidden.contains(&word)) {
            let rule = "dependencies run src -> projections -> events";
            violations.push(violation(
                &format!("{crate_folder}/Cargo.toml"),
                number,
                rule,
                line,
            ));
        }
    }
    violations
}

/// The same for paths in code, which catches what a manifest cannot show.
fn upward_paths(source: &Source) -> Vec<String> {
    let forbidden: &[&str] = match source.path.split('/').next() {
        Some("events") => &["rollcall", "rollcall_projections"],
        Some("projections") => &["rollcall"],
        _ => &[],
    };
    source.mentions(forbidden, "dependencies run src -> projections -> events")
}

/// The domain is a function of its arguments, so that a replay gives the same answer for ever.
fn impurities(source: &Source) -> Vec<String> {
    const MODULES: [&str; 8] = [
        "log",
        "vault",
        "sqlx",
        "postgres_es",
        "axum",
        "tokio",
        "rand",
        "rollcall_projections",
    ];
    const CALLS: [&str; 4] = ["::now(", "::new_v4(", "::now_v7(", "::random("];
    let domain = ["events/src/user", "events/src/organization"];
    if !domain.iter().any(|start| source.path.starts_with(start)) {
        return Vec::new();
    }
    let mut violations = source.mentions(&MODULES, "the domain is pure");
    violations.extend(source.contains(&CALLS, "the domain takes time and chance as arguments"));
    violations
}

/// Positions are dense and the tree head is right because one module alone appends.
fn stray_log_writes(source: &Source) -> Vec<String> {
    let appends = source.path == "events/src/log/append.rs"
        || source.path.starts_with("events/src/log/append/");
    if appends {
        return Vec::new();
    }
    source.writes_to(&["log."], "only events/src/log/append.rs writes the log")
}

/// A projection can be thrown away: it may only change what can be rebuilt.
fn overreaching_projections(source: &Source) -> Vec<String> {
    if !source.path.starts_with("projections/") {
        return Vec::new();
    }
    source.writes_to(
        &["log.", "vault."],
        "no projection writes the log or the vault",
    )
}

/// What is asked is in `projections`, what is written in `events`: an endpoint only translates.
fn sql_in_http(source: &Source) -> Vec<String> {
    const RULE: &str = "src/http holds no SQL";
    const STATEMENTS: [&[&str]; 5] = [
        &["SELECT"],
        &["INSERT", "INTO"],
        &["DELETE", "FROM"],
        &["UPDATE", "*", "SET"],
        &["COPY"],
    ];
    if !source.path.starts_with("src/http") {
        return Vec::new();
    }
    let words = words(&source.text);
    let mut violations = source.contains(&["sqlx::query", "sqlx::raw_sql"], RULE);
    for window in (0..words.len()).map(|start| &words[start..]) {
        let found = STATEMENTS.iter().any(|statement| {
            window.len() >= statement.len()
                && statement
                    .iter()
                    .zip(window)
                    .all(|(want, (_, have))| *want == "*" || want == have)
        });
        if found {
            violations.push(violation(&source.path, window[0].0, RULE, window[0].1));
        }
    }
    violations
}

/// `user.rs` beside `user/`, so that no two tabs of an editor are both called `mod.rs`. In `tests`
/// it is the only way to share a module without making a test of it.
fn folder_module(path: &str) -> Option<String> {
    path.ends_with("/mod.rs").then(|| {
        violation(
            path,
            1,
            "a module is user.rs beside user/, not user/mod.rs",
            "",
        )
    })
}

/// What would end a request, or hide a warning, without saying why.
fn shortcuts(source: &Source) -> Vec<String> {
    const RULE: &str = "shipped code returns errors, is finished, and uses #[expect(.., reason)]";
    source.contains(
        &[
            ".unwrap()",
            ".expect(",
            "todo!",
            "unimplemented!",
            "#[allow(",
            "#![allow(",
        ],
        RULE,
    )
}

/// A reader learns from the first line whether this is the right file.
fn silent_head(source: &Source) -> Option<String> {
    let first = source.original.lines().next().unwrap_or_default();
    (!first.starts_with("//!")).then(|| {
        violation(
            &source.path,
            1,
            "a source file opens with //! and what it is for",
            first,
        )
    })
}

/// Documents live in the README of the folder that they describe, tools in dotfiles.
fn top_level_differences(names: &[String], ignored: &str) -> Vec<String> {
    let unexpected = names.iter().map(String::as_str).filter(|name| {
        let allowed = TOP_LEVEL.contains(name) || TOP_LEVEL_OPTIONAL.contains(name);
        !allowed && !name.starts_with('.') && !is_ignored(name, ignored)
    });
    let missing = TOP_LEVEL
        .into_iter()
        .filter(|name| !names.iter().any(|have| have == name));
    unexpected
        .map(|name| {
            violation(
                name,
                1,
                "this does not belong at the top of the repository",
                name,
            )
        })
        .chain(missing.map(|name| violation(name, 1, "the repository has this at its top", name)))
        .collect()
}

/// A path that is right on one machine is wrong on all others, and tells who wrote it.
fn machine_paths(path: &str, text: &str) -> Vec<String> {
    const FOLDERS: [&str; 5] = ["home", "Users", "root", "work", "workspace"];
    let inside_a_path = |c: char| c.is_alphanumeric() || "._-~$}*)".contains(c);
    let names_a_folder = |line: &str| {
        FOLDERS.iter().any(|folder| {
            line.match_indices(&format!("/{folder}/"))
                .any(|(start, _)| !line[..start].ends_with(inside_a_path))
        })
    };
    numbered(text)
        .filter(|(_, line)| names_a_folder(line))
        .map(|(number, line)| violation(path, number, "no file names a folder of a machine", line))
        .collect()
}

// What the scanners are made of.

/// A file of Rust, and what is left of it when parts that a rule does not speak of are blanked.
/// Blanking keeps every line where it was.
struct Source {
    /// From the top of the repository, with `/`.
    path: String,
    original: String,
    /// Without comments, strings and test-only items.
    code: String,
    /// Without comments and test-only items.
    text: String,
}

impl Source {
    fn new(path: &str, original: &str) -> Self {
        let mut code = blank(original, &[Token::Comment, Token::Text]);
        let mut text = blank(original, &[Token::Comment]);
        for item in test_items(&code) {
            erase(&mut code, item.clone());
            erase(&mut text, item);
        }
        let code = String::from_utf8_lossy(&code).into_owned();
        let text = String::from_utf8_lossy(&text).into_owned();
        Self {
            path: path.to_owned(),
            original: original.to_owned(),
            code,
            text,
        }
    }

    /// Lines of code that hold one of these strings.
    fn contains(&self, needles: &[&str], rule: &str) -> Vec<String> {
        numbered(&self.code)
            .filter(|(_, line)| needles.iter().any(|needle| line.contains(needle)))
            .map(|(number, line)| violation(&self.path, number, rule, line))
            .collect()
    }

    /// Lines of code where one of these names is part of a path: `name::` or within a `use`.
    fn mentions(&self, names: &[&str], rule: &str) -> Vec<String> {
        let mut in_use = false;
        let tokens = code_tokens(&self.code);
        let mut violations = Vec::new();
        for (place, (line, token)) in tokens.iter().enumerate() {
            in_use = *token == "use" || (in_use && *token != ";");
            let in_path = in_use || tokens.get(place + 1).is_some_and(|(_, next)| *next == "::");
            if in_path && names.contains(token) {
                violations.push(violation(&self.path, *line, rule, token));
            }
        }
        violations
    }

    /// Lines where a statement of SQL changes a table of these schemas.
    fn writes_to(&self, schemas: &[&str], rule: &str) -> Vec<String> {
        const VERBS: [&[&str]; 8] = [
            &["insert", "into"],
            &["update"],
            &["delete", "from"],
            &["truncate"],
            &["truncate", "table"],
            &["merge", "into"],
            &["alter", "table"],
            &["drop", "table"],
        ];
        let text = self.text.to_ascii_lowercase();
        let words: Vec<(usize, &str)> = words(&text)
            .into_iter()
            .filter(|(_, word)| *word != "only")
            .collect();
        let ours = |word: &str| schemas.iter().any(|schema| word.starts_with(schema));
        let mut violations = Vec::new();
        for (place, (line, table)) in words.iter().enumerate().filter(|(_, (_, word))| ours(word)) {
            let before: Vec<&str> = words[..place].iter().map(|(_, word)| *word).collect();
            let after = words[place..].iter().map(|(_, word)| *word);
            let copied_into = before.ends_with(&["copy"])
                && after
                    .into_iter()
                    .find(|word| matches!(*word, "from" | "to"))
                    == Some("from");
            if copied_into || VERBS.iter().any(|verb| before.ends_with(verb)) {
                violations.push(violation(&self.path, *line, rule, table));
            }
        }
        violations
    }
}

fn violation(path: &str, line: usize, rule: &str, found: &str) -> String {
    format!("{path}:{line}: {rule}: {}", found.trim())
}

#[track_caller]
fn none(violations: impl IntoIterator<Item = String>) {
    let violations: Vec<String> = violations.into_iter().collect();
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(place, line)| (place + 1, line))
}

/// The words of SQL with their lines: letters, digits, `_`, and the `.` of `schema.table`.
fn words(text: &str) -> Vec<(usize, &str)> {
    let outside = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.');
    numbered(text)
        .flat_map(|(number, line)| line.split(outside).map(move |word| (number, word)))
        .filter(|(_, word)| !word.is_empty())
        .collect()
}

/// Names, `::` and every other character of code, with their lines.
fn code_tokens(code: &str) -> Vec<(usize, &str)> {
    let name = |c: char| c.is_alphanumeric() || c == '_';
    let mut tokens = Vec::new();
    for (number, line) in numbered(code) {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = match rest.find(|c| !name(c)).unwrap_or(rest.len()) {
                0 if rest.starts_with("::") => 2,
                0 => first.len_utf8(),
                length => length,
            };
            tokens.push((number, &rest[..length]));
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

#[derive(Clone, Copy, PartialEq)]
enum Token {
    Code,
    Comment,
    Text,
}

/// The text with these tokens turned to spaces.
fn blank(text: &str, what: &[Token]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    let mut start = 0;
    while start < text.len() {
        let (token, length) = token_at(&text.as_bytes()[start..]);
        let end = (start + length).min(text.len());
        if what.contains(&token) {
            erase(&mut bytes, start..end);
        }
        start = end;
    }
    bytes
}

fn erase(bytes: &mut [u8], range: std::ops::Range<usize>) {
    bytes[range]
        .iter_mut()
        .filter(|byte| **byte != b'\n')
        .for_each(|byte| *byte = b' ');
}

/// The token at the start of these bytes, and its length.
fn token_at(bytes: &[u8]) -> (Token, usize) {
    match bytes {
        [b'/', b'/', ..] => (
            Token::Comment,
            position(bytes, b"\n").unwrap_or(bytes.len()),
        ),
        [b'/', b'*', ..] => (Token::Comment, block_comment_length(bytes)),
        [b'r', b'"' | b'#', ..] => {
            raw_string_length(bytes).map_or((Token::Code, 1), |l| (Token::Text, l))
        }
        [b'"', ..] => (Token::Text, quoted_length(bytes, b'"')),
        [b'\'', b'\\', ..] => (Token::Text, quoted_length(bytes, b'\'')),
        // A quote two or more bytes on closes a character; else it opened a lifetime.
        [b'\'', first, ..] => {
            let width = match first {
                0xf0.. => 4,
                0xe0.. => 3,
                0xc0.. => 2,
                _ => 1,
            };
            let closed = bytes.get(1 + width) == Some(&b'\'');
            if closed {
                (Token::Text, width + 2)
            } else {
                (Token::Code, 1)
            }
        }
        _ => (Token::Code, 1),
    }
}

fn position(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes
        .windows(needle.len())
        .position(|window| window == needle)
}

fn block_comment_length(bytes: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    bytes.len()
}

/// `None` for what only looks like a raw string, such as the name `r#type`.
fn raw_string_length(bytes: &[u8]) -> Option<usize> {
    let hashes = bytes[1..].iter().take_while(|byte| **byte == b'#').count();
    let opening = hashes + 2;
    if bytes.get(opening - 1) != Some(&b'"') {
        return None;
    }
    let closing = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    Some(
        position(&bytes[opening..], &closing)
            .map_or(bytes.len(), |at| opening + at + closing.len()),
    )
}

fn quoted_length(bytes: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

/// Where blanked code holds items that only tests compile.
fn test_items(code: &[u8]) -> Vec<std::ops::Range<usize>> {
    if position(code, b"#![cfg(test)]").is_some() {
        return std::iter::once(0..code.len()).collect();
    }
    let mut items = Vec::new();
    let mut from = 0;
    while let Some(at) = next_test_attribute(&code[from..]) {
        let start = from + at;
        from = start + item_length(&code[start..]);
        items.push(start..from);
    }
    items
}

fn next_test_attribute(code: &[u8]) -> Option<usize> {
    const ATTRIBUTES: [&[u8]; 4] = [
        b"#[cfg(test)]",
        b"#[cfg(any(test,",
        b"#[cfg(all(test,",
        b"#[test]",
    ];
    ATTRIBUTES
        .iter()
        .filter_map(|attribute| position(code, attribute))
        .min()
}

/// An item ends at the first `;` or at the end of the first `{}` that is in no other bracket.
fn item_length(code: &[u8]) -> usize {
    let mut open: Vec<u8> = Vec::new();
    for (at, byte) in code.iter().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => open.push(*byte),
            b')' | b']' => drop(open.pop()),
            b'}' => {
                open.pop();
                if open.is_empty() {
                    return at + 1;
                }
            }
            b';' if open.is_empty() => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// The modules that a file declares for tests only, as paths without `.rs`.
fn test_modules(source: &Source) -> Vec<String> {
    let code = blank(&source.original, &[Token::Comment, Token::Text]);
    let stem = source.path.trim_end_matches(".rs");
    let folder = match stem.rsplit_once('/') {
        Some((folder, "lib" | "main")) => folder,
        _ => stem,
    };
    let items = test_items(&code).into_iter();
    items
        .filter_map(|item| {
            let item = String::from_utf8_lossy(&code[item]).into_owned();
            let (_, name) = item.strip_suffix(';')?.rsplit_once("mod ")?;
            Some(format!("{folder}/{}", name.trim()))
        })
        .collect()
}

/// Leaves out the files that only tests compile.
fn without_test_modules(sources: Vec<Source>) -> Vec<Source> {
    let tests: Vec<String> = sources.iter().flat_map(test_modules).collect();
    let is_test = |path: &str| {
        tests
            .iter()
            .filter_map(|test| path.strip_prefix(test))
            .any(|rest| rest == ".rs" || rest.starts_with('/'))
    };
    sources
        .into_iter()
        .filter(|source| !is_test(&source.path))
        .collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn rust_files() -> Vec<Source> {
    let files = CRATES
        .into_iter()
        .flat_map(|folder| files(&root().join(folder), &|_| true));
    files
        .filter(|(path, _)| {
            Path::new(path)
                .extension()
                .is_some_and(|extension| extension == "rs")
        })
        .map(|(path, text)| Source::new(&path, &text))
        .collect()
}

fn shipped() -> Vec<Source> {
    without_test_modules(rust_files())
}

/// Every text file in a folder, by its path from the top of the repository.
fn files(folder: &Path, wanted: &dyn Fn(&str) -> bool) -> Vec<(String, String)> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut found = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_symlink() || !wanted(&name) {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path, wanted));
        } else if let Ok(text) = fs::read_to_string(&path) {
            let name = path
                .strip_prefix(root())
                .unwrap_or(&path)
                .to_string_lossy()
                .replace('\\', "/");
            found.push((name, text));
        }
    }
    found
}

/// Whether `.gitignore` names this entry plainly: patterns are not understood.
fn is_ignored(name: &str, gitignore: &str) -> bool {
    gitignore
        .lines()
        .any(|line| line.trim().trim_matches('/') == name)
}

// That each scanner catches what breaks its rule, and nothing else.

/// How many violations a scanner finds in a file.
fn count(scanner: impl Fn(&Source) -> Vec<String>, path: &str, text: &str) -> usize {
    scanner(&Source::new(path, text)).len()
}

#[test]
fn an_upward_dependency_is_caught() {
    for bad in [
        "[dependencies]\nrollcall-projections.workspace = true",
        "[dependencies.rollcall-projections]\npath = \"../projections\"",
        "[dev-dependencies]\nhouse = { package = \"rollcall\", path = \"..\" }",
    ] {
        assert_eq!(upward_dependencies("events", bad).len(), 1, "{bad}");
    }
    let below = "[package]\nname = \"rollcall\"\n[dependencies]\nrollcall-events.workspace = true # rollcall";
    none(upward_dependencies("projections", below));
    let message = &upward_dependencies("projections", "[dependencies]\nrollcall = \"1\"")[0];
    assert!(
        message.starts_with("projections/Cargo.toml:2: dependencies run"),
        "{message}"
    );
}

#[test]
fn an_upward_path_is_caught() {
    let events = |text: &str| count(upward_paths, "events/src/lib.rs", text);
    let projections = |text: &str| count(upward_paths, "projections/src/lib.rs", text);
    assert_eq!(events("use rollcall_projections::users;"), 1);
    assert_eq!(events("fn f() { rollcall::app::start() }"), 1);
    assert_eq!(projections("use {std::fmt, rollcall};"), 1);
    assert_eq!(projections("use rollcall_events::log; // rollcall::app"), 0);
    assert_eq!(
        count(
            upward_paths,
            "src/app.rs",
            "use rollcall_projections::users;"
        ),
        0
    );
}

#[test]
fn an_impure_domain_is_caught() {
    let user = |text: &str| count(impurities, "events/src/user/decide.rs", text);
    for bad in [
        "use crate::log::Recorded;",
        "use crate::{\n    event::Event,\n    vault,\n};",
        "fn f(pool: &sqlx::PgPool) {}",
        "use axum::Json;",
        "#[tokio::main]\nfn f() {}",
        "use rand::Rng;",
        "fn f() { let now = Utc::now(); }",
        "fn f() { let id = Uuid::now_v7(); }",
    ] {
        assert_eq!(user(bad), 1, "{bad}");
        assert_eq!(
            count(impurities, "events/src/organization.rs", bad),
            1,
            "{bad}"
        );
        assert_eq!(count(impurities, "events/src/log/read.rs", bad), 0, "{bad}");
    }
    for good in [
        "//! Knows no sqlx::Pool.",
        "fn f(log: &Log) { log.push(\"sqlx::x\") }",
        "use crate::login;",
    ] {
        assert_eq!(user(good), 0, "{good}");
    }
}

#[test]
fn a_stray_write_to_the_log_is_caught() {
    for bad in [
        "const A: &str = \"INSERT INTO log.events (a) VALUES ($1)\";",
        "const A: &str = \"insert into\n  log.events\";",
        "const A: &str = r#\"UPDATE log.head SET \"position\" = 1\"#;",
        "const A: &str = \"DELETE FROM ONLY log.events\";",
        "const A: &str = \"TRUNCATE log.events\";",
        "const A: &str = \"COPY log.events (a, b) FROM STDIN\";",
    ] {
        assert_eq!(
            count(stray_log_writes, "events/src/log/read.rs", bad),
            1,
            "{bad}"
        );
        assert_eq!(
            count(stray_log_writes, "events/src/log/append.rs", bad),
            0,
            "{bad}"
        );
    }
    for good in [
        "// INSERT INTO log.events",
        "const A: &str = \"SELECT 1 FROM log.head FOR UPDATE\";",
        "const A: &str = \"COPY log.events (a, b) TO STDOUT; SELECT 1 FROM read.users\";",
        "const A: &str = \"INSERT INTO live.commands SELECT 1 FROM log.events\";",
    ] {
        assert_eq!(
            count(stray_log_writes, "events/src/log/read.rs", good),
            0,
            "{good}"
        );
    }
}

#[test]
fn an_overreaching_projection_is_caught() {
    let bad = "const A: &str = \"DELETE FROM vault.credentials\";";
    assert_eq!(
        count(overreaching_projections, "projections/src/users.rs", bad),
        1
    );
    assert_eq!(
        count(
            overreaching_projections,
            "events/src/vault/credentials.rs",
            bad
        ),
        0
    );
    let good = "const A: &str = \"INSERT INTO read.users SELECT 1 FROM vault.credentials\";";
    assert_eq!(
        count(overreaching_projections, "projections/src/users.rs", good),
        0
    );
}

#[test]
fn sql_in_an_endpoint_is_caught() {
    for bad in [
        "fn f() { sqlx::query_as(STATEMENT) }",
        "const A: &str = \"SELECT 1\";",
        "const A: &str = \"INSERT\n INTO live.activity\";",
        "const A: &str = \"UPDATE live.activity SET a = 1\";",
        "const A: &str = \"DELETE FROM live.activity\";",
    ] {
        assert_eq!(
            count(sql_in_http, "src/http/users/list.rs", bad),
            1,
            "{bad}"
        );
        assert_eq!(count(sql_in_http, "src/auth/activity.rs", bad), 0, "{bad}");
    }
    for good in [
        "const A: &str = \"DELETE /users/{user}\"; // SELECT 1",
        "fn f(error: sqlx::Error) {}",
    ] {
        assert_eq!(
            count(sql_in_http, "src/http/users/delete.rs", good),
            0,
            "{good}"
        );
    }
}

#[test]
fn a_module_named_by_its_folder_is_caught() {
    assert!(folder_module("src/http/mod.rs").is_some());
    assert!(folder_module("src/http.rs").is_none());
}

#[test]
fn a_shortcut_is_caught() {
    for bad in [
        "fn f() { a.unwrap(); }",
        "fn f() { a.expect(\"it is there\"); }",
        "fn f() { todo!() }",
        "fn f() { unimplemented!() }",
        "#[allow(dead_code)]\nfn f() {}",
        "#![allow(dead_code)]",
        "#[cfg(test)]\nmod tests { fn f() { a.unwrap() } }\nfn g() { b.unwrap() }",
        "#[cfg(not(test))]\nfn f() { a.unwrap() }",
        "const Q: char = '\"'; fn f<'a>() { a.unwrap() } const R: char = '\\'';",
    ] {
        assert_eq!(count(shortcuts, "src/app.rs", bad), 1, "{bad}");
    }
    for good in [
        "//! ```\n//! a.unwrap();\n//! ```",
        "/* a /* nested */ todo!() */ fn f() { a.unwrap_or_default() }",
        "const A: &str = \".unwrap()\"; const B: &str = r#\"a\".expect(\"#;",
        "#[cfg(test)]\nmod tests {\n    fn f() { if a { b.unwrap() } else { c.unwrap() } }\n}",
        "#[expect(dead_code, reason = \"soon\")]\nfn f() {}",
        "#![cfg(test)]\nfn f() { a.unwrap() }",
    ] {
        assert_eq!(count(shortcuts, "src/app.rs", good), 0, "{good}");
    }
}

#[test]
fn a_violation_names_file_line_and_rule() {
    let source = Source::new("src/app.rs", "//! é\n\nfn f() {\n    a.unwrap();\n}");
    assert_eq!(
        shortcuts(&source),
        [
            "src/app.rs:4: shipped code returns errors, is finished, and uses #[expect(.., reason)]: a.unwrap();"
        ]
    );
}

#[test]
fn a_file_that_only_tests_compile_is_not_shipped() {
    let sources = vec![
        Source::new("src/lib.rs", "#[cfg(test)]\nmod testing;\npub mod app;"),
        Source::new(
            "src/app.rs",
            "pub mod start;\n#[cfg(test)]\npub(crate) mod tests;",
        ),
        Source::new("src/testing.rs", ""),
        Source::new("src/app/start.rs", ""),
        Source::new("src/app/tests.rs", ""),
        Source::new("src/app/tests/more.rs", ""),
    ];
    let shipped: Vec<String> = without_test_modules(sources)
        .into_iter()
        .map(|source| source.path)
        .collect();
    assert_eq!(shipped, ["src/lib.rs", "src/app.rs", "src/app/start.rs"]);
}

#[test]
fn a_silent_head_is_caught() {
    assert!(silent_head(&Source::new("src/app.rs", "use std::fmt;\n//! Late.")).is_some());
    assert!(silent_head(&Source::new("src/app.rs", "")).is_some());
    assert!(silent_head(&Source::new("src/app.rs", "//! The parts, put together.")).is_none());
}

#[test]
fn a_stray_or_missing_entry_at_the_top_is_caught() {
    let drawn: Vec<String> = TOP_LEVEL.map(str::to_owned).to_vec();
    let with = |more: &str| [drawn.clone(), vec![more.to_owned()]].concat();
    assert_eq!(top_level_differences(&with("docs"), "target\n").len(), 1);
    assert_eq!(top_level_differences(&drawn[1..], "target\n").len(), 1);
    for good in [".github", "target", "rollcall.toml"] {
        none(top_level_differences(
            &with(good),
            "target\n/rollcall.toml\n",
        ));
    }
}

#[test]
fn a_folder_of_a_machine_is_caught() {
    for folder in ["home", "Users", "root", "work"] {
        assert_eq!(
            machine_paths("README.md", &format!("see\n`/{folder}/ada/notes`")).len(),
            1,
            "{folder}"
        );
        assert_eq!(
            machine_paths("README.md", &format!("file:///{folder}/ada")).len(),
            1,
            "{folder}"
        );
        none(machine_paths(
            "README.md",
            &format!("https://rollcall.example/{folder}/ada"),
        ));
        none(machine_paths(
            "README.md",
            &format!("$DIR/{folder}/ada and ../{folder}/x"),
        ));
    }
}
