//! What may stand in the body of a request besides what the types of its fields say. Bodies are read as Go reads them:
//! what is `null` is not given, and a text that is empty is as good as none.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{items, members, members_mut};

/// Where the schemas are.
const SCHEMAS: &str = "#/components/schemas/";
/// Under this name an operation says of its body what no field can say by itself.
const RULES: &str = "x-rules";

/// Lets the fields of requests, and whole bodies, be absent in each of these ways, unless they are required.
pub fn accept_absence(document: &mut Value) {
    for name in of_requests(document) {
        let mut schema = document["components"]["schemas"][&name].clone();
        accept_absent_fields(&mut schema, document);
        document["components"]["schemas"][&name] = schema;
    }
    let mut schemas = document["components"]["schemas"].take();
    for operation in members_mut(&mut document["paths"]).flat_map(members_mut) {
        let rules = operation
            .as_object_mut()
            .and_then(|named| named.remove(RULES));
        let Some(content) = operation.pointer_mut("/requestBody/content/application~1json") else {
            continue;
        };
        let body = content["schema"]["$ref"].as_str();
        let name = body.and_then(|reference| reference.strip_prefix(SCHEMAS));
        let Some(body) = name.and_then(|name| schemas.get_mut(name)) else {
            continue;
        };
        if let (Some(body), Some(Value::Object(rules))) = (body.as_object_mut(), rules) {
            body.extend(rules);
        }
        if body["required"].is_null() {
            content["schema"] = json!({ "anyOf": [content["schema"].take(), { "type": "null" }] });
        }
    }
    document["components"]["schemas"] = schemas;
}

/// The names of the schemas that the bodies of requests are made of.
fn of_requests(document: &Value) -> BTreeSet<String> {
    let operations = members(&document["paths"]).flat_map(|(_, operations)| members(operations));
    let mut found = BTreeSet::new();
    for (_, operation) in operations {
        add_references(&operation["requestBody"], document, &mut found);
    }
    found
}

fn add_references(value: &Value, document: &Value, found: &mut BTreeSet<String>) {
    let reference = value["$ref"].as_str();
    let name = reference.and_then(|reference| reference.strip_prefix(SCHEMAS));
    if let Some(name) = name
        && found.insert(name.to_owned())
    {
        add_references(&document["components"]["schemas"][name], document, found);
    }
    let inside = members(value).map(|(_, value)| value).chain(items(value));
    for value in inside {
        add_references(value, document, found);
    }
}

fn accept_absent_fields(schema: &mut Value, document: &Value) {
    let required = schema["required"].clone();
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    for (name, property) in properties.into_iter().flatten() {
        if !items(&required).any(|required| required == name) {
            accept_absent(property, document);
        } else if let Some(property) = property.as_object_mut() {
            // Of no use: the field has to be there.
            property.remove("default");
        }
    }
}

fn accept_absent(property: &mut Value, document: &Value) {
    let found = resolved(property, document);
    // What has a format is more than a text while it is read: an id, or a time.
    let is_text =
        found["type"] == "string" && [&json!("password"), &Value::Null].contains(&&found["format"]);
    let limits = ["enum", "format", "minLength", "pattern"];
    let is_limited = limits.iter().any(|limit| !found[*limit].is_null());
    let is_named = property["$ref"].is_string();
    if is_text && (is_limited || is_named) {
        *property = json!({ "anyOf": [property.take(), { "enum": ["", null] }] });
    } else if is_named {
        *property = json!({ "anyOf": [property.take(), { "type": "null" }] });
    } else if let Some(kind) = found["type"].as_str() {
        property["type"] = json!([kind, "null"]);
    }
}

/// What a reference stands for.
fn resolved<'a>(schema: &'a Value, document: &'a Value) -> &'a Value {
    let reference = schema["$ref"].as_str();
    let found = reference.and_then(|path| document.pointer(path.trim_start_matches('#')));
    found.unwrap_or(schema)
}
