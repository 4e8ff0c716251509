//! What only the module itself can see: that the schema, the list of tables and the decoder agree.
use super::{
    Inputs,
    files::NoFiles,
    json_schema,
    problem::SourceFile,
    raw::{Definition, tables},
    reader::{Raw, Reader},
};
use serde_json::Value;
use std::{collections::BTreeSet, path::PathBuf};
use toml::de::{DeTable, DeValue};

/// All tables with fixed keys in the schema, as sets of keys, with where they are.
fn tables_of(schema: &Value) -> Vec<(String, BTreeSet<String>)> {
    let definitions = schema["$defs"].as_object().unwrap();
    let all = definitions.iter().map(|(name, table)| (name.clone(), table));
    std::iter::once(("Definition".to_owned(), schema))
        .chain(all)
        .map(|(name, table)| {
            assert_eq!(
                table["additionalProperties"],
                Value::Bool(false),
                "{name} takes only the keys it has"
            );
            (name, table["properties"].as_object().unwrap().keys().cloned().collect())
        })
        .collect()
}

#[test]
fn the_schema_and_the_list_of_tables_have_the_same_keys() {
    let mut in_schema: Vec<_> = tables_of(&json_schema()).into_iter().map(|(_, keys)| keys).collect();
    let mut in_list: Vec<BTreeSet<String>> =
        tables().map(|(_, keys)| keys.iter().map(|key| key.name()).collect()).collect();
    in_schema.sort();
    in_list.sort();
    assert_eq!(in_schema, in_list);
}

/// A value that the schema allows: every table with all of its keys.
fn example(root: &Value, schema: &Value) -> toml::Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return example(root, root.pointer(reference.trim_start_matches('#')).unwrap());
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        // The last of a script and its table is the table; the first of a value and a reference is the value.
        let table = choices.iter().find(|choice| !choice["$ref"].is_null());
        return example(root, table.unwrap_or(&choices[0]));
    }
    if let Some(names) = schema["enum"].as_array() {
        return toml::Value::String(names[0].as_str().unwrap().to_owned());
    }
    // A value of any kind may be a text.
    match schema["type"].as_str().unwrap_or("string") {
        "integer" => toml::Value::Integer(1),
        "boolean" => toml::Value::Boolean(true),
        "array" => toml::Value::Array(vec![example(root, &schema["items"])]),
        "string" => toml::Value::String("644".to_owned()),
        "object" => {
            let mut table = toml::Table::new();
            for (key, property) in schema["properties"].as_object().into_iter().flatten() {
                table.insert(key.clone(), example(root, property));
            }
            if schema["additionalProperties"].is_object() {
                table.insert("some-name".to_owned(), example(root, &schema["additionalProperties"]));
            }
            toml::Value::Table(table)
        }
        other => panic!("no example of {other}"),
    }
}

/// What the decoder alone says about `text`.
fn decode(text: &str) -> Vec<String> {
    let inputs = Inputs::default();
    let mut reader = Reader::new(SourceFile::new("image.toml", text), &inputs, &NoFiles, PathBuf::new());
    let document = DeTable::parse(text).unwrap();
    let root = toml::Spanned::new(document.span(), DeValue::Table(document.into_inner()));
    Definition::decode(&root, &mut reader);
    reader.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn the_decoder_accepts_every_key_and_every_type_of_the_schema() {
    let schema = json_schema();
    let toml::Value::Table(mut table) = example(&schema, &schema) else { panic!("the schema is of a table") };
    table.insert("name".to_owned(), toml::Value::String("image".to_owned()));
    let text = toml::to_string(&table).unwrap();
    // Forms within strings (sizes, URLs) are not in the schema; keys and types are.
    let is_about_keys_or_types =
        |problem: &String| problem.contains("is not a key") || problem.contains("but this is");
    let wrong: Vec<_> = decode(&text).into_iter().filter(is_about_keys_or_types).collect();
    assert_eq!(wrong, Vec::<String>::new(), "in\n{text}");
}

#[test]
fn the_decoder_refuses_every_key_that_the_schema_does_not_have() {
    let schema = json_schema();
    let toml::Value::Table(mut table) = example(&schema, &schema) else { panic!("the schema is of a table") };
    let tables = spoil(&mut table);
    let text = toml::to_string(&table).unwrap();
    let refused = decode(&text).iter().filter(|problem| problem.starts_with("`zzzzzz` is not a key")).count();
    // What has names of the user's own: `with`, variables, secrets, environments, properties, parameters, addresses, options,
    // tags, those of AMIs and of instances, filters of AMIs, Ansible's variables, and a vCenter's settings, tags and attributes, categories of
    // Nutanix's, details and tags of CloudStack's; the matrix, and what it excludes and includes.
    let free = 20 + 3;
    assert_eq!(refused, tables - free, "in\n{text}");
    // `file` and `template` are of one kind, and so are an instance's two volumes.
    assert_eq!(refused, super::raw::tables().count() + 2, "every table is reached");
}

/// Puts a key that nothing has into every table; returns the number of tables.
fn spoil(table: &mut toml::Table) -> usize {
    let mut count = 1;
    for (_, value) in table.iter_mut() {
        match value {
            toml::Value::Table(inner) => count += spoil(inner),
            toml::Value::Array(items) => {
                for item in items {
                    if let toml::Value::Table(inner) = item {
                        count += spoil(inner);
                    }
                }
            }
            _ => {}
        }
    }
    table.insert("zzzzzz".to_owned(), toml::Value::Boolean(true));
    count
}
