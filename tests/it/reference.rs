//! `docs/definition.md` is made from the schema, so it cannot say anything else than the program does.
use serde_json::Value;
use std::fmt::Write as _;

const HEAD: &str = "# The definition

A definition is a TOML file that describes one image. This page is made from `goldsmith schema`; do not edit it
(`GOLDSMITH_BLESS=1 make test-fast` writes it anew). [examples/](../examples) has whole definitions, `goldsmith init` writes a
commented one, and `goldsmith plan FILE` shows what a definition comes to.

Sizes are written `\"8GiB\"` or `\"512 MiB\"`, durations `\"90s\"`, `\"5m\"` or `\"1h30m\"`, modes `\"0644\"`. Unknown keys are errors. Relative paths
start in the folder of the definition, except those of outputs, which start in `out/` (or `--out`).

`${var.NAME}`, `${matrix.AXIS}`, `${name}` and `${arch}` are replaced inside of strings; `$${` stands for `${` itself. `${secret.NAME}` may stand in scripts, in the values of
`env`, in contents of files and units, in lines, in addresses, and in variables of Ansible; it is replaced when the step runs and is never shown.
";

fn text(value: &Value) -> String {
    value["description"].as_str().unwrap_or_default().replace('|', "\\|")
}

/// The name of the definition that a property refers to, and whether it is a list or a table of such.
fn refers(property: &Value) -> Option<(String, &'static str)> {
    let name =
        |value: &Value| value["$ref"].as_str().and_then(|path| path.rsplit('/').next()).map(str::to_owned);
    name(property)
        .map(|name| (name, "table"))
        .or_else(|| name(&property["items"]).map(|name| (name, "list")))
        .or_else(|| name(&property["additionalProperties"]).map(|name| (name, "named")))
        .or_else(|| property["anyOf"].as_array()?.iter().find_map(name).map(|name| (name, "table")))
}

fn kind(property: &Value) -> String {
    let one = |value: &Value| -> String {
        if let Some(words) = value["enum"].as_array() {
            return words
                .iter()
                .filter_map(Value::as_str)
                .map(|word| format!("`{word}`"))
                .collect::<Vec<_>>()
                .join(", ");
        }
        match value["type"].as_str() {
            Some("array") => "list".to_owned(),
            Some("object") => "table".to_owned(),
            Some(word) => word.to_owned(),
            None => String::new(),
        }
    };
    match property["anyOf"].as_array() {
        Some(kinds) => {
            // Every typed key also takes a string with a variable in it; saying so each time would drown the rest.
            let kinds: Vec<String> = kinds
                .iter()
                .filter(|kind| kind["pattern"].as_str() != Some("\\$\\{"))
                .map(one)
                .filter(|k| !k.is_empty())
                .collect();
            kinds.join(" or ")
        }
        None => one(property),
    }
}

/// The table of one object, then those of the objects in it.
fn section(out: &mut String, schema: &Value, path: &str, object: &Value, depth: usize) {
    let required: Vec<&str> =
        object["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let Some(properties) = object["properties"].as_object() else { return };
    out.push_str("| key | value | meaning |\n|---|---|---|\n");
    for (key, property) in properties {
        let mark = if required.contains(&key.as_str()) { " (required)" } else { "" };
        let what = match refers(property) {
            Some((_, how)) => how.replace("named", "table of tables"),
            None => kind(property),
        };
        writeln!(out, "| `{key}`{mark} | {what} | {} |", text(property)).unwrap();
    }
    for (key, property) in properties {
        let Some((name, how)) = refers(property) else { continue };
        let inner = &schema["$defs"][&name];
        if inner["properties"].is_null() {
            continue;
        }
        let path = match (path, how) {
            ("", "named") => format!("{key}.NAME"),
            ("", _) => key.clone(),
            (_, "named") => format!("{path}.{key}.NAME"),
            _ => format!("{path}.{key}"),
        };
        let title = if how == "list" { format!("[[{path}]]") } else { format!("[{path}]") };
        writeln!(out, "\n{} `{title}`\n\n{}\n", "#".repeat(depth.min(4)), text(inner)).unwrap();
        section(out, schema, &path, inner, depth + 1);
    }
}

#[test]
fn the_reference_of_the_definition_is_not_stale() {
    let schema = goldsmith::definition::json_schema();
    let mut now = HEAD.to_owned();
    now.push_str("\n## The whole\n\n");
    section(&mut now, &schema, "", &schema, 2);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/definition.md");
    if std::env::var_os("GOLDSMITH_BLESS").is_some() {
        std::fs::write(path, &now).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == now, "docs/definition.md is stale: run the tests with GOLDSMITH_BLESS=1");
}
