//! ARCHITECTURE.md's invariants, as tests: dependencies point down, only cli prints, files stay small.
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// Which top-level module may use which. A module not listed here is an error: decide where it belongs first.
const MAY_USE: &[(&str, &[&str])] = &[
    ("value", &[]),
    ("template", &[]),
    ("yaml", &[]),
    ("cx", &["value"]),
    ("plan", &["value"]),
    ("seed", &["plan", "template", "value", "yaml"]),
    // The answers of installers are a part of the plan, so that bad ones are found before anything is created.
    ("definition", &["plan", "value", "seed"]),
    ("disk", &[]),
    // Amazon's accounts: the driver for EC2 and publishing meet there.
    ("aws", &["cx", "value"]),
    // What the sessions in services have in common on the wire.
    ("wire", &["cx", "value"]),
    // Clouds of CloudStack: the driver and publishing meet there.
    ("cloudstack", &["cx", "value", "wire"]),
    // vCenters: the driver and publishing meet there.
    ("vsphere", &["cx", "value", "wire"]),
    // Prism Centrals likewise.
    ("nutanix", &["cx", "value", "wire"]),
    // A webhook is told by the one HTTP client that there is.
    ("publish", &["aws", "cloudstack", "cx", "disk", "fetch", "nutanix", "plan", "value", "vsphere", "wire"]),
    ("driver", &["aws", "cloudstack", "cx", "nutanix", "plan", "value", "vsphere"]),
    ("guest", &["cx", "plan", "value"]),
    ("fetch", &["cx", "value"]),
    // Signed repositories of files; what is in them is fetched as anything else.
    ("tuf", &["cx", "fetch", "value"]),
    // Releases of EKS Anywhere are looked up by commands, and later by the definitions that those become.
    ("eksa", &["cx", "fetch", "tuf", "value", "yaml"]),
    // Front doors of other builders: text in, text of a definition out.
    ("compat", &["cx", "definition", "eksa", "fetch", "plan", "template", "value", "yaml"]),
    // A file format and what serves it: it knows what an input is, and nothing of builds.
    ("bundle", &["cx", "fetch", "plan", "value", "wire"]),
    ("source", &["cx", "plan", "value", "fetch", "disk", "seed"]),
    ("provision", &["cx", "plan", "template", "value", "guest", "fetch"]),
    (
        "build",
        &[
            "aws",
            "cloudstack",
            "vsphere",
            "nutanix",
            "publish",
            "cx",
            "plan",
            "value",
            "disk",
            "driver",
            "guest",
            "seed",
            "fetch",
            "source",
            "provision",
            "wire",
        ],
    ),
    ("report", &["build", "value"]),
    (
        "doctor",
        &[
            "aws",
            "build",
            "cloudstack",
            "cx",
            "disk",
            "driver",
            "fetch",
            "nutanix",
            "plan",
            "source",
            "value",
            "vsphere",
        ],
    ),
    (
        "cli",
        &[
            "aws",
            "bundle",
            "cloudstack",
            "compat",
            "publish",
            "build",
            "fetch",
            "cx",
            "definition",
            "disk",
            "doctor",
            "driver",
            "eksa",
            "nutanix",
            "plan",
            "report",
            "source",
            "value",
            "vsphere",
        ],
    ),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below `folder` with its text.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    found.sort();
    found
}

/// The top-level module that a file of `src/` belongs to; `None` for `main.rs` and `lib.rs`.
fn module(path: &Path) -> Option<String> {
    let first = path.strip_prefix("src").unwrap().components().next()?.as_os_str().to_str()?;
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (name != "main" && name != "lib").then(|| name.to_owned())
}

/// Whether a file of `src/` holds nothing but tests.
fn is_test(path: &Path) -> bool {
    path.components().any(|part| {
        part.as_os_str().to_str().is_some_and(|name| name.trim_end_matches(".rs").starts_with("tests"))
    })
}

/// Code without comments; tests inside a file may reach further, so they are cut off too.
fn code(text: &str) -> String {
    let text = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Names right after `crate::`, also those in `use crate::{a, b::c}`.
fn used_modules(code: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0usize;
            let mut word = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {}
                    c if depth == 0 && (c.is_alphanumeric() || c == '_') => {
                        word.push(c);
                        continue;
                    }
                    ':' if depth == 0 && !word.is_empty() => {
                        used.insert(std::mem::take(&mut word));
                        // Whatever follows up to the comma is inside that module.
                        word.push('\0');
                        continue;
                    }
                    _ => continue,
                }
                if c == ',' && !word.is_empty() {
                    used.insert(std::mem::take(&mut word));
                }
            }
            used.insert(word);
        } else {
            used.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    used.into_iter().filter(|word| !word.is_empty() && !word.starts_with('\0')).collect()
}

#[test]
fn dependencies_point_down_only() {
    let table: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let Some(module) = module(&path) else { continue };
        let Some(allowed) = table.get(module.as_str()) else {
            wrong.push(format!("{}: module `{module}` is not in the table", path.display()));
            continue;
        };
        if is_test(&path) {
            continue;
        }
        for used in used_modules(&code(&text)) {
            if used != module && table.contains_key(used.as_str()) && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{}: `{module}` uses `{used}`", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_group_of_imports_is_read_as_the_compiler_reads_it() {
    let used = used_modules(
        "use crate::{\n    cx::{BuildId, Cx},\n    plan,\n    value::Size,\n};\nlet x = crate::disk::open();",
    );
    assert_eq!(used.into_iter().collect::<Vec<_>>(), ["cx", "disk", "plan", "value"]);
}

#[test]
fn foreign_crates_stay_in_their_room() {
    const ROOMS: &[(&str, &[&str])] = &[
        ("russh", &["src/guest"]),
        ("virt", &["src/driver/libvirt"]),
        ("virt_sys", &["src/driver/libvirt"]),
        ("kvm_ioctls", &["src/driver/libvirt"]),
        (
            "reqwest",
            &[
                "src/bundle/push.rs",
                "src/cloudstack",
                "src/fetch",
                "src/nutanix",
                "src/source",
                "src/vsphere",
                "src/wire",
            ],
        ),
        ("hmac", &["src/cloudstack"]),
        ("aws_config", &["src/aws"]),
        ("aws_sdk_ec2", &["src/aws", "src/publish", "src/driver/ec2"]),
        ("aws_sdk_ebs", &["src/aws", "src/publish"]),
        ("clap", &["src/cli"]),
        ("indicatif", &["src/cli"]),
        ("libdeflater", &["src/disk"]),
        ("roxmltree", &["src/disk/ova", "src/vsphere", "src/nutanix", "src/source/rpms"]),
        ("fatfs", &["src/seed", "src/source"]),
        ("saphyr_parser", &["src/yaml.rs"]),
        ("ring", &["src/eksa"]),
        ("tough", &["src/tuf"]),
        ("rcgen", &["src/build/offline"]),
        ("tokio_rustls", &["src/build/offline"]),
        ("minijinja", &["src/template.rs", "src/provision/resolve", "src/seed"]),
    ];
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let code = code(&text);
        for (name, rooms) in ROOMS {
            let named = [format!("use {name}::"), format!("{name}::"), format!("use {name}::{{")];
            let uses = named.iter().any(|needle| {
                code.match_indices(needle.as_str()).any(|(at, _)| {
                    !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
                })
            });
            if uses && !rooms.iter().any(|room| path.starts_with(room)) && !path.ends_with("main.rs") {
                wrong.push(format!("{}: uses `{name}`", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What is read goes through the gate, which is closed in an offline build. Services have a client of their own: the user wrote down which.
#[test]
fn nobody_makes_a_client_beside_the_gate() {
    let mut made = BTreeMap::new();
    for (path, text) in sources("src").into_iter().filter(|(path, _)| !is_test(path)) {
        let code = code(&text);
        for word in ["Client::builder(", "Client::new(", "reqwest::get(", "ClientBuilder::new("] {
            if code.contains(word) && code.contains("reqwest") {
                made.insert(path.display().to_string(), word);
            }
        }
    }
    let places: Vec<&str> = made.keys().map(String::as_str).collect();
    assert_eq!(places, ["src/fetch/client.rs", "src/wire/client.rs"], "{made:?}");
    // And the one there is made by the gate.
    for (path, text) in sources("src/fetch").into_iter().filter(|(path, _)| !is_test(path)) {
        for line in code(&text).lines().filter(|line| line.contains("client::new(")) {
            assert!(line.contains("gate") || line.contains("Gate"), "{}: {line}", path.display());
        }
    }
    // Programs that read by themselves are started where the detour is known.
    let programs = ["apt-helper", "mmdebstrap\"", "\"curl\"", "\"wget\"", "\"git\""];
    for (path, text) in sources("src").into_iter().filter(|(path, _)| !is_test(path)) {
        let code = code(&text);
        let starts = code.contains("Command::new(") || code.contains("tool::command(");
        for program in programs.iter().filter(|program| starts && code.contains(**program)) {
            assert!(path.starts_with("src/source/bootstrap"), "{}: starts {program}", path.display());
        }
    }
}

#[test]
fn the_disk_engine_is_synchronous() {
    for (path, text) in sources("src/disk") {
        let code = code(&text);
        for word in ["tokio", "async ", ".await"] {
            assert!(!code.contains(word), "{}: `{word}`", path.display());
        }
    }
}

#[test]
fn only_cli_prints() {
    for (path, text) in sources("src") {
        if path.starts_with("src/cli") || path.ends_with("main.rs") {
            continue;
        }
        let code = code(&text);
        for word in ["println!(", "eprintln!(", "print!(", "std::process::exit("] {
            assert!(is_test(&path) || !code.contains(word), "{}: `{word}`", path.display());
        }
    }
}

#[test]
fn the_plan_is_pure() {
    for (path, text) in sources("src/plan").into_iter().filter(|(path, _)| !is_test(path)) {
        let code = code(&text);
        for word in ["std::fs", "std::env", "Timestamp::now", "SystemTime", "rand::", "Uuid::new_v4"] {
            assert!(!code.contains(word), "{}: `{word}`", path.display());
        }
    }
}

#[test]
fn every_file_says_what_it_is_for_and_stays_small() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        if !text.starts_with("//!") {
            wrong.push(format!("{}: does not begin with a module comment", path.display()));
        }
        let lines = text.lines().count();
        if lines > 800 {
            wrong.push(format!("{}: {lines} lines; split it by what it does", path.display()));
        }
        if path
            .file_name()
            .is_some_and(|name| name == "utils.rs" || name == "util.rs" || name == "helpers.rs")
        {
            wrong.push(format!("{}: a name that says nothing", path.display()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn an_error_never_prints_its_source() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        for (number, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("#[error(")
                && (line.contains("{source}") || line.contains("{source:"))
            {
                wrong.push(format!("{}:{}", path.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "causes would be printed twice:\n{}", wrong.join("\n"));
}
