//! Every statement that is written in the code is understood by the database, whether or not some test happens to run it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sqlx::{ConnectOptions, Executor, PgConnection};

use crate::support::TestApp;

/// The folders of the three crates.
const FOLDERS: [&str; 3] = ["src", "events/src", "projections/src"];
const CALLS: [&str; 3] = ["query", "query_as", "query_scalar"];

/// A statement in the code, or what is wrong with the call.
#[derive(Debug, PartialEq)]
struct Found {
    line: usize,
    statement: Result<String, &'static str>,
}

/// The statements that are given to `sqlx::query` and its like.
fn statements(code: &str) -> Vec<Found> {
    let code = without_comments(code);
    let searched = without_strings(&code);
    let mut found = Vec::new();
    for (at, _) in searched.match_indices("query") {
        let (before, call) = searched.split_at(at);
        let name_length = call
            .find(|char: char| !is_of_a_word(char))
            .unwrap_or(call.len());
        // A method, a function of another module, a part of a longer name, or a function's own beginning.
        let is_other = before.ends_with(|char: char| is_of_a_word(char) || char == '.')
            || (before.ends_with("::") && !before.ends_with("sqlx::"))
            || before.ends_with("fn ");
        if is_other || !CALLS.contains(&&call[..name_length]) {
            continue;
        }
        if let Some(argument) = after_turbofish(&code[at + name_length..]).strip_prefix('(') {
            found.push(Found {
                line: before.matches('\n').count() + 1,
                statement: literal(argument.trim_start()),
            });
        }
    }
    found
}

fn is_of_a_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// Leaves out comments but for their line breaks, and keeps the strings, in which `//` may stand too.
fn without_comments(code: &str) -> String {
    let mut rest = code;
    let mut kept = String::with_capacity(code.len());
    while !rest.is_empty() {
        if rest.starts_with("//") {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
            continue;
        }
        let (part, after) = rest.split_at(next_length(rest));
        kept.push_str(part);
        rest = after;
    }
    kept
}

/// The same code, as long as before, with nothing in its strings.
fn without_strings(code: &str) -> String {
    let mut rest = code;
    let mut kept = String::with_capacity(code.len());
    while !rest.is_empty() {
        let (part, after) = rest.split_at(next_length(rest));
        if part.starts_with('"') {
            kept.extend(
                part.bytes()
                    .map(|byte| if byte == b'\n' { '\n' } else { '"' }),
            );
        } else {
            kept.push_str(part);
        }
        rest = after;
    }
    kept
}

/// The length of what the code begins with: a string, the character `"`, or any other character.
fn next_length(code: &str) -> usize {
    match code.chars().next() {
        Some('"') => string_length(code),
        Some('\'') if code.starts_with("'\"'") => 3,
        other => other.map_or(0, char::len_utf8),
    }
}

/// The length of the string literal that `code` begins with.
fn string_length(code: &str) -> usize {
    let mut is_escaped = false;
    for (at, char) in code.char_indices().skip(1) {
        match char {
            '"' if !is_escaped => return at + 1,
            '\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    code.len()
}

fn after_turbofish(code: &str) -> &str {
    let Some(generics) = code.strip_prefix("::<") else {
        return code;
    };
    let mut depth = 1;
    for (at, char) in generics.char_indices() {
        match char {
            '<' => depth += 1,
            '>' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return generics[at + 1..].trim_start();
        }
    }
    ""
}

fn literal(code: &str) -> Result<String, &'static str> {
    if !code.starts_with('"') {
        return Err("the statement is no literal, and nobody can check it");
    }
    let literal = &code[1..string_length(code) - 1];
    if literal.contains('\\') {
        return Err("the statement has escapes: write it plainly");
    }
    Ok(literal.to_owned())
}

/// What is wrong with the statements in a piece of code, each asked of the database.
async fn complaints(conn: &mut PgConnection, code: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for found in statements(code) {
        let complaint = match found.statement {
            Err(flaw) => Some(flaw.to_owned()),
            Ok(statement) => {
                let prepared = conn.prepare(&statement).await;
                prepared.err().map(|error| format!("{error}: {statement}"))
            }
        };
        complaints.extend(complaint.map(|complaint| format!("{}: {complaint}", found.line)));
    }
    complaints
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

#[tokio::test]
async fn the_database_understands_every_statement_in_the_code() {
    let app = TestApp::start().await;
    let mut conn = app.superuser.connect().await.unwrap();
    let (mut complained, mut statements_seen) = (Vec::new(), 0);
    for folder in FOLDERS {
        for file in rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)) {
            let code = fs::read_to_string(&file).unwrap();
            statements_seen += statements(&code).len();
            for complaint in complaints(&mut conn, &code).await {
                complained.push(format!("{}:{complaint}", file.display()));
            }
        }
    }
    assert!(complained.is_empty(), "{}", complained.join("\n"));
    assert!(
        statements_seen > 30,
        "only {statements_seen} statements were found"
    );
}

#[tokio::test]
async fn a_bad_statement_is_caught() {
    let app = TestApp::start().await;
    let mut conn = app.superuser.connect().await.unwrap();
    for (code, complaint) in [
        (
            r#"sqlx::query("SELECT no_such_column FROM read.users")"#,
            "no_such_column",
        ),
        (
            "sqlx::query_as(\n    \"SELECT id\n       FROM read.user\n      WHERE id = $1\",\n)",
            "read.user",
        ),
        (
            r#"sqlx::query_scalar::<_, Vec<(i64, String)>>("SELEC 1")"#,
            "syntax error",
        ),
        (r#"sqlx::query("SELECT 1 WHERE $1")"#, ""),
        ("sqlx::query(STATEMENT)", "no literal"),
        (
            r#"sqlx::query_as::<_, (i64,)>(&format!("SELECT {x}"))"#,
            "no literal",
        ),
        (
            "use sqlx::query_scalar;\nfn f() {\n    query_scalar(statement)\n}",
            "no literal",
        ),
    ] {
        let complained = complaints(&mut conn, code).await;
        if complaint.is_empty() {
            assert!(complained.is_empty(), "{code}: {complained:?}");
        } else {
            assert_eq!(complained.len(), 1, "{code}: {complained:?}");
            assert!(complained[0].contains(complaint), "{code}: {complained:?}");
        }
    }
}

#[test]
fn what_is_no_statement_is_left_alone() {
    for code in [
        "// sqlx::query(STATEMENT)",
        "let query = query::read(text);",
        "fn f(uri: &Uri) { uri.query() }",
        "Parameters::parse(parts.uri.query())",
        "my_query(statement)",
        r#"tracing::info!("sqlx:: query_as (nothing)")"#,
    ] {
        assert_eq!(statements(code), [], "{code}");
    }
}
