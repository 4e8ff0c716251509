//! The built-in roles are data, so they are looked at like data: they fit together, and what the page about them says is true.
mod custom;
mod rendered;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::{Path, PathBuf},
};
use toml::{Table, Value};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/provisioners");
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/roles.md");

/// Every file below `folder`, by its path from `root`.
fn files(root: &Path, folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(root, &path, found);
        } else {
            found.insert(path.strip_prefix(root).unwrap().to_owned());
        }
    }
}

fn all() -> BTreeMap<String, Table> {
    let mut found = BTreeSet::new();
    files(Path::new(ROOT), Path::new(ROOT), &mut found);
    found
        .iter()
        .filter(|path| path.file_name().is_some_and(|name| name == "role.toml"))
        .map(|path| {
            let name = path.parent().unwrap().to_str().unwrap().to_owned();
            let text = std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap();
            let table = text.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, table)
        })
        .collect()
}

fn steps(role: &Table) -> impl Iterator<Item = &Table> {
    role.get("step").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_table)
}

fn params(role: &Table) -> impl Iterator<Item = (&String, &Value)> {
    role.get("param").and_then(Value::as_table).into_iter().flatten()
}

#[test]
fn roles_call_roles_with_parameters_that_these_have() {
    let roles = all();
    let mut wrong = Vec::new();
    for (name, role) in &roles {
        for step in steps(role) {
            let Some(called) = step.get("role").and_then(Value::as_str) else { continue };
            let Some(target) = roles.get(called) else {
                wrong.push(format!("{name} calls {called}, which is not there"));
                continue;
            };
            let given: BTreeSet<&String> = step
                .get("with")
                .and_then(Value::as_table)
                .into_iter()
                .flatten()
                .map(|(key, _)| key)
                .collect();
            let known: BTreeSet<&String> = params(target).map(|(key, _)| key).collect();
            let must = params(target)
                .filter(|(_, param)| param.get("required").is_some())
                .map(|(key, _)| key)
                .collect();
            for key in given.difference(&known) {
                wrong.push(format!("{name} calls {called} with {key}, which it does not know"));
            }
            for key in BTreeSet::difference(&must, &given) {
                wrong.push(format!("{name} calls {called} without {key}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_role_has_the_files_it_names_and_no_others() {
    let mut left = BTreeSet::new();
    files(Path::new(ROOT), Path::new(ROOT), &mut left);
    for (name, role) in all() {
        assert!(role.get("description").is_some_and(Value::is_str), "{name} does not say what it is");
        left.remove(&Path::new(&name).join("role.toml"));
        for step in steps(&role) {
            for kind in ["file", "template", "unit"] {
                let Some(source) = step.get(kind).and_then(|kind| kind.get("source")?.as_str()) else {
                    continue;
                };
                if !source.contains("{{") {
                    let path = Path::new(&name).join(source);
                    assert!(Path::new(ROOT).join(&path).is_file(), "{} is not there", path.display());
                    left.remove(&path);
                }
            }
        }
    }
    assert!(left.is_empty(), "no role names {left:?}");
}

#[test]
fn whatever_is_downloaded_has_a_digest() {
    for (name, role) in all() {
        for step in steps(&role) {
            for kind in ["download", "archive", "image"] {
                let Some(what) = step.get(kind).and_then(Value::as_table) else { continue };
                let proved = ["digest", "digest-url"].iter().any(|key| what.contains_key(*key));
                assert!(proved || !what.contains_key("url"), "{name} downloads without a digest: {what}");
            }
        }
    }
}

/// The table of a role's parameters.
fn table(role: &Table) -> String {
    let mut rows: Vec<_> = params(role).collect();
    rows.sort_by_key(|(key, _)| *key);
    let mut out = String::from("| parameter | type | default | what it is |\n|---|---|---|---|\n");
    for (key, param) in rows {
        let kind = match param.get("choices").and_then(Value::as_array) {
            Some(words) => words.iter().map(code).collect::<Vec<_>>().join(" \\| "),
            None => param.get("type").and_then(Value::as_str).unwrap_or("string").to_owned(),
        };
        let default = match param.get("default") {
            _ if param.get("required").is_some() => "required".to_owned(),
            Some(Value::String(text)) if text.contains('\n') => "built in".to_owned(),
            Some(Value::Array(values)) => values.iter().map(code).collect::<Vec<_>>().join(", "),
            Some(Value::String(text)) if text.is_empty() => String::new(),
            Some(value) => code(value),
            None => panic!("parameter {key} is neither required nor has a default"),
        };
        let description = param["description"].as_str().unwrap().replace('|', "\\|");
        writeln!(out, "| `{key}` | {kind} | {default} | {description} |").unwrap();
    }
    out
}

fn code(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

#[test]
fn the_page_about_roles_is_not_stale() {
    let mut page = std::fs::read_to_string(PAGE).unwrap();
    let before = page.clone();
    for (name, role) in all() {
        assert!(page.contains(&format!("\n## {name}\n")), "docs/roles.md says nothing about {name}");
        if params(&role).next().is_none() {
            continue;
        }
        let begin = format!("<!-- parameters of {name} -->\n\n");
        let Some((head, tail)) = page.split_once(&begin) else {
            panic!("docs/roles.md has no place for the parameters of {name}: `{}`", begin.trim())
        };
        let (_, tail) = tail.split_once("\n<!-- end -->").unwrap();
        page = format!("{head}{begin}{}\n<!-- end -->{tail}", table(&role));
    }
    if std::env::var_os("GOLDSMITH_BLESS").is_some() {
        std::fs::write(PAGE, &page).unwrap();
    } else {
        assert!(page == before, "docs/roles.md is stale: run the tests with GOLDSMITH_BLESS=1");
    }
}
