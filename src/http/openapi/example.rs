//! Examples of bodies, put together from those of their fields.

use serde_json::{Map, Value, json};

/// A value that the schema describes; null where nothing tells what it could be.
pub fn example(schema: &Value, document: &Value) -> Value {
    let inside = |schema: &Value| example(schema, document);
    if let Some(reference) = schema["$ref"].as_str() {
        let schema = document.pointer(reference.trim_start_matches('#'));
        return schema.map_or(Value::Null, inside);
    }
    let choices = ["oneOf", "anyOf", "allOf"].map(|word| &schema[word]);
    let mut choices = choices.into_iter().filter_map(Value::as_array).flatten();
    if let Some(given) = [
        &schema["example"],
        &schema["examples"][0],
        &schema["enum"][0],
    ]
    .into_iter()
    .find(|given| !given.is_null())
    {
        return given.clone();
    }
    if let Some(choice) = choices.find(|choice| choice["type"] != "null") {
        return inside(choice);
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null"),
        kind => Some(kind),
    };
    match kind.and_then(Value::as_str) {
        Some("object") => {
            let properties = schema["properties"].as_object();
            let named = properties.into_iter().flatten();
            let members = named.map(|(name, schema)| (name.clone(), inside(schema)));
            let others = Some(&schema["additionalProperties"]).filter(|schema| schema.is_object());
            let other = others.map(|schema| ("name".to_owned(), inside(schema)));
            Value::Object(members.chain(other).collect::<Map<_, _>>())
        }
        Some("array") => json!([inside(&schema["items"])]),
        Some("boolean") => json!(false),
        Some("string") if schema["format"] == "uuid" => {
            json!("6f9619ff-8b86-4d01-b42d-00cf4fc964ff")
        }
        _ => Value::Null,
    }
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
            "count": 3,
            "others": { "name": false },
            "unknown": null,
        });
        assert_eq!(example(&schema, &document), expected);
    }
}
