//! The JSON schema of definitions, for editors.
use super::{raw::Definition, reader::Key};
use schemars::{Schema, generate::SchemaSettings, json_schema};
use serde_json::{Map, Value, json};

/// The JSON schema of a definition, as editors with TOML support use it to complete and check.
///
/// It comes from the declarations that also make the decoder. What only resolving can find (a file that is missing,
/// partitions that do not fit) is not in it.
pub fn json_schema() -> Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Definition>();
    schema.insert("title".to_owned(), json!("goldsmith definition"));
    schema.to_value()
}

/// The schema of a table: exactly these keys.
pub(super) fn object(doc: &str, keys: &[Key], properties: impl IntoIterator<Item = Schema>) -> Schema {
    let mut described = Map::new();
    for (key, mut property) in keys.iter().zip(properties) {
        property.insert("description".to_owned(), json!(tidy(key.doc)));
        described.insert(key.name(), property.to_value());
    }
    let required: Vec<String> = keys.iter().filter(|key| key.required).map(Key::name).collect();
    let mut schema = json_schema!({
        "type": "object",
        "description": tidy(doc),
        "properties": described,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    schema
}

/// `schema`, or a text with a reference in it, which stands for such a value.
pub(super) fn or_reference(schema: Schema) -> Schema {
    json_schema!({ "anyOf": [schema, { "type": "string", "pattern": r"\$\{" }] })
}

/// A list of what `item` accepts.
pub(super) fn list(item: Schema) -> Schema {
    json_schema!({ "type": "array", "items": item })
}

/// A table with any keys.
pub(super) fn map(value: Schema) -> Schema {
    json_schema!({ "type": "object", "additionalProperties": value })
}

/// A text.
pub(super) fn text() -> Schema {
    json_schema!({ "type": "string" })
}

fn tidy(doc: &str) -> String {
    doc.split_whitespace().collect::<Vec<_>>().join(" ")
}
