//! The description of the API: it is what the code says, it leaves nothing out, and anybody can read it.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::STANDARD};
use rollcall::http::openapi::DOCUMENT;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::TestApp;

fn document() -> Value {
    serde_json::from_str(&DOCUMENT).unwrap()
}

/// Every operation, with what it is called in messages.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().iter();
            methods.map(move |(method, operation)| (format!("{method} {path}"), operation))
        })
        .collect()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Every value in it, with where it is.
fn everything<'a>(place: &str, value: &'a Value, found: &mut Vec<(String, &'a Value)>) {
    found.push((place.to_owned(), value));
    for (name, value) in value.as_object().into_iter().flatten() {
        everything(&format!("{place}/{name}"), value, found);
    }
    for (index, value) in items(value).enumerate() {
        everything(&format!("{place}/{index}"), value, found);
    }
}

#[test]
fn the_committed_description_is_what_the_code_says() {
    let committed = include_str!("../../src/http/openapi/openapi.json");
    assert!(
        committed == *DOCUMENT,
        "run: cargo run -- openapi > src/http/openapi/openapi.json"
    );
}

#[test]
fn every_operation_has_a_name_of_its_own_a_title_and_a_known_tag() {
    let document = document();
    let tags: Vec<&Value> = items(&document["tags"]).map(|tag| &tag["name"]).collect();
    let mut names = BTreeSet::new();
    for (called, operation) in operations(&document) {
        let name = operation["operationId"].as_str().unwrap();
        assert!(
            names.insert(name),
            "{called}: another one is called {name} too"
        );
        let title = operation["summary"].as_str().unwrap_or_default();
        assert!(!title.is_empty(), "{called} has no title");
        let known: Vec<&Value> = items(&operation["tags"]).collect();
        assert!(known.len() == 1 && tags.contains(&known[0]), "{called}");
    }
}

#[test]
fn every_part_of_a_path_is_described() {
    let document = document();
    for (called, operation) in operations(&document) {
        let parts = called.split('{').skip(1);
        let parts: BTreeSet<&str> = parts.map(|part| part.split('}').next().unwrap()).collect();
        let described: BTreeSet<&str> = items(&operation["parameters"])
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        assert_eq!(parts, described, "{called}");
    }
}

#[test]
fn every_parameter_and_every_answer_says_what_it_is() {
    let document = document();
    for (called, operation) in operations(&document) {
        for parameter in items(&operation["parameters"]) {
            let is_described = parameter["description"].is_string();
            let has_example = !parameter["example"].is_null();
            assert!(is_described && has_example, "{called}: {parameter}");
        }
        for (status, answer) in operation["responses"].as_object().unwrap() {
            let reference = answer["$ref"].as_str().unwrap_or_default();
            let answer = document
                .pointer(reference.trim_start_matches('#'))
                .filter(|_| !reference.is_empty())
                .unwrap_or(answer);
            let is_described = answer["description"]
                .as_str()
                .is_some_and(|d| !d.is_empty());
            assert!(is_described, "{called}: {status}");
            let is_refusal = status.as_str() >= "400";
            assert!(
                !is_refusal || answer["content"].is_object(),
                "{called}: {status}"
            );
        }
    }
}

#[test]
fn every_body_has_a_whole_example() {
    let document = document();
    let mut found = Vec::new();
    everything("", &document, &mut found);
    // A page is its own example.
    let is_body = |place: &str| {
        ["application/json", "text/plain", "text/event-stream"]
            .iter()
            .any(|kind| place.ends_with(&format!("/content/{kind}")))
    };
    let bodies = found.iter().filter(|(place, _)| is_body(place));
    let missing: Vec<String> = bodies
        .flat_map(|(place, body)| {
            let mut parts = Vec::new();
            everything(place, &body["example"], &mut parts);
            parts.into_iter().filter(|(_, part)| part.is_null())
        })
        .map(|(place, _)| place)
        .collect();
    assert!(
        missing.is_empty(),
        "these fields need examples: {missing:#?}"
    );
}

#[test]
fn no_success_has_a_refusal_as_its_example() {
    let document = document();
    for (called, operation) in operations(&document) {
        for (status, answer) in operation["responses"].as_object().unwrap() {
            let example = &answer["content"]["application/json"]["example"];
            let is_refusal = example["validations"].is_array();
            assert!(
                !is_refusal || status.as_str() >= "400",
                "{called}: {status}"
            );
        }
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_used() {
    let document = document();
    let mut found = Vec::new();
    everything("", &document, &mut found);
    let mut used = BTreeSet::new();
    for (place, value) in found {
        if let Some(reference) = value["$ref"].as_str() {
            let target = document.pointer(reference.trim_start_matches('#'));
            assert!(target.is_some(), "{place}: {reference}");
            used.insert(reference.to_owned());
        }
    }
    for part in ["schemas", "responses"] {
        for name in document["components"][part].as_object().unwrap().keys() {
            let reference = format!("#/components/{part}/{name}");
            assert!(used.contains(&reference), "nothing refers to {reference}");
        }
    }
}

#[test]
fn whoever_needs_no_token_is_told_so_and_all_others_what_they_need() {
    let document = document();
    let schemes = document["components"]["securitySchemes"]
        .as_object()
        .unwrap();
    let ways: BTreeSet<&String> = items(&document["security"])
        .flat_map(|way| way.as_object().unwrap().keys())
        .collect();
    assert_eq!(ways, schemes.keys().collect());
    for (called, operation) in operations(&document) {
        let is_open = operation["security"].as_array().is_some_and(Vec::is_empty);
        let refusal = &operation["responses"]["401"];
        let is_guarded = refusal.is_object() && (!is_open || refusal["$ref"].is_string());
        assert_eq!(is_guarded, !is_open, "{called}");
    }
}

#[tokio::test]
async fn anybody_can_read_the_description() {
    let app = TestApp::start().await;
    let answer = app.anonymous().get("/openapi.json").await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        "application/json; charset=utf-8"
    );
    assert!(answer.text == *DOCUMENT);
}

#[tokio::test]
async fn anybody_can_read_it_as_a_page_that_needs_nothing_from_elsewhere() {
    let app = TestApp::start().await;
    let page = app.anonymous().get("/docs").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(!page.text.contains("://"), "it names another host");
    for attribute in ["href=\"", "src=\"", "action=\""] {
        for address in page.text.split(attribute).skip(1) {
            let is_ours = ["/", "data:,"]
                .iter()
                .any(|start| address.starts_with(start));
            assert!(is_ours, "{address:.80}");
        }
    }
}

#[tokio::test]
async fn the_page_may_run_and_ask_for_nothing_but_what_is_ours() {
    let app = TestApp::start().await;
    let page = app.anonymous().get("/docs").await;
    let policy = page.header("content-security-policy");
    let hash = |tag: &str| {
        let (_, rest) = page.text.split_once(&format!("<{tag}>")).unwrap();
        let (inside, _) = rest.split_once(&format!("</{tag}>")).unwrap();
        STANDARD.encode(Sha256::digest(inside))
    };
    let allowed: BTreeSet<String> = policy
        .split(';')
        .map(|rule| rule.trim().to_owned())
        .collect();
    let expected = [
        "default-src 'none'",
        &format!("style-src 'sha256-{}'", hash("style")),
        &format!("script-src 'sha256-{}'", hash("script")),
        "connect-src 'self'",
        "img-src data:",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ];
    assert_eq!(allowed, expected.map(str::to_owned).into());
}
