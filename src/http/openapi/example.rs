//! Examples of bodies, put together from those of their fields.

use serde_json::{Map, Value, json};

/// A value that the schema describes; null where nothing tells what it could be.
pub fn example(schema: &Value, document: &Value) -> Value {
    let inside = |schema: &Value| example(schema, document);
    if let Some(given) = given(schema) {
        return given.clone();
    }
    match kind(schema) {
        Some("object") => {
            let properties = schema["properties"].as_object();
            let named = properties.into_iter().flatten();
            let members = named.map(|(name, schema)| (name.clone(), inside(schema)));
            let others = Some(&schema["additionalProperties"]).filter(|schema| schema.is_object());
            let other = others.map(|schema| ("name".to_owned(), inside(schema)));
            Value::Object(members.chain(other).collect::<Map<_, _>>())
        }
        Some("array") if schema["maxItems"] == 0 => json!([]),
        Some("array") => json!([inside(&schema["items"])]),
        Some("boolean") => json!(false),
        Some("string") if schema["format"] == "uuid" => {
            json!("6f9619ff-8b86-4d01-b42d-00cf4fc964ff")
        }
        Some(_) => Value::Null,
        None => other(schema, document).map_or(Value::Null, inside),
    }
}

fn given(schema: &Value) -> Option<&Value> {
    let written = [
        &schema["example"],
        &schema["examples"][0],
        &schema["enum"][0],
    ];
    written.into_iter().find(|example| !example.is_null())
}

/// Of several types, the first that is something.
fn kind(schema: &Value) -> Option<&str> {
    let kinds = schema["type"].as_array().map(Vec::as_slice);
    let mut kinds = kinds
        .unwrap_or(std::slice::from_ref(&schema["type"]))
        .iter();
    kinds.find_map(|kind| kind.as_str().filter(|kind| *kind != "null"))
}

/// The schema that this one refers to, or the first of its choices that is something.
fn other<'a>(schema: &'a Value, document: &'a Value) -> Option<&'a Value> {
    if let Some(reference) = schema["$ref"].as_str() {
        return document.pointer(reference.trim_start_matches('#'));
    }
    let choices = ["oneOf", "anyOf", "allOf"].map(|word| schema[word].as_array());
    let mut choices = choices.into_iter().flatten().flatten();
    choices.find(|choice| choice["type"] != "null")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_is_put_together_from_those_of_its_parts() {
        let document = json!({ "components": { "schemas": {
            "Name": { "type": "string", "examples": ["ada"] },
            "Word": { "type": "string", "enum": ["active", "dormant"] },
        } } });
        let schema = json!({
            "type": "object",
            "properties": {
                "name": { "$ref": "#/components/schemas/Name", "description": "Theirs." },
                "status": { "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/Word" }] },
                "ids": { "type": ["array", "null"], "items": { "type": "string", "format": "uuid" } },
                "is_new": { "type": "boolean" },
                "none": { "type": "array", "items": { "type": "string" }, "maxItems": 0 },
                "count": { "type": "integer", "example": 3 },
                "others": { "type": "object", "additionalProperties": { "type": "boolean" } },
                "unknown": { "type": "string" },
            },
        });
        let expected = json!({
            "name": "ada",
            "status": "active",
            "ids": ["6f9619ff-8b86-4d01-b42d-00cf4fc964ff"],
            "is_new": false,
            "none": [],
            "count": 3,
            "others": { "name": false },
            "unknown": null,
        });
        assert_eq!(example(&schema, &document), expected);
    }
}
