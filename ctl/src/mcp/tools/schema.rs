//! Schemas without what is the same for every tool: a client sends all of them to its model.

use serde_json::{Map, Value};

/// Parts of every answer; the server's instructions and `docs/MCP.md` say what they mean.
const COMMON: [&str; 9] =
    ["window", "looked_at", "population", "coverage", "notes", "truncated", "left_out", "more", "untrusted"];
/// Shapes in those.
const SHAPES: [&str; 3] = ["Coverage", "Lost", "Stretch"];

/// Takes out number formats, titles, and descriptions of what every answer has.
pub(super) fn lean(root: &mut Map<String, Value>) {
    root.remove("$schema");
    root.values_mut().for_each(no_formats);
    let mut silence = |place: &str, names: &[&str]| {
        let found = root.get_mut(place).and_then(Value::as_object_mut);
        let chosen = found.into_iter().flatten().filter(|(name, _)| names.contains(&name.as_str()));
        chosen.for_each(|(_, schema)| no_descriptions(schema));
    };
    silence("properties", &COMMON);
    silence("$defs", &SHAPES);
}

fn no_formats(schema: &mut Value) {
    match schema {
        Value::Array(list) => list.iter_mut().for_each(no_formats),
        Value::Object(map) => {
            // A property may have one of these names: then it is a schema, not a word or a number.
            map.retain(|k, v| !matches!(k.as_str(), "format" | "minimum" | "maximum") || v.is_object());
            map.values_mut().for_each(no_formats);
        }
        _ => {}
    }
}

fn no_descriptions(schema: &mut Value) {
    match schema {
        Value::Array(list) => list.iter_mut().for_each(no_descriptions),
        Value::Object(map) => {
            map.retain(|k, v| !(k == "description" && v.is_string()));
            map.values_mut().for_each(no_descriptions);
        }
        _ => {}
    }
}
