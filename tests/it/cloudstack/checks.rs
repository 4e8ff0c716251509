//! Calls compared with the API's own dump, and with `cs`.
use super::cloud::{Call, SECRET};
use serde_json::{Value, json};
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The Python of the peers.
pub(crate) fn python() -> PathBuf {
    let path = root().join("target/peers/bin/python");
    assert!(path.exists(), "{} is missing: run `make setup-test`", path.display());
    path
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What is wrong with these calls, and how many signatures were compared.
pub(crate) fn look(calls: &[Call]) -> (Vec<String>, u64) {
    let apis = std::fs::read_to_string(root().join("tests/it/cloudstack/apis.json")).unwrap();
    let apis: Value = serde_json::from_str(&apis).unwrap();
    let calls: Vec<Value> = calls
        .iter()
        .map(|call| {
            let params: serde_json::Map<String, Value> =
                call.params.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            json!({"command": call.command, "params": params})
        })
        .collect();
    let mut child = Command::new(python())
        .arg("-I")
        .arg(root().join("tests/it/cloudstack/check_calls.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let given = json!({"secret": SECRET, "apis": apis, "calls": calls});
    child.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "check_calls.py failed");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let problems = found["problems"].as_array().unwrap().iter();
    let problems = problems.map(|problem| problem.as_str().unwrap().to_owned()).collect();
    (problems, found["signatures"].as_u64().unwrap())
}

/// The commands of these calls, if all of them are right.
pub(crate) fn check(calls: &[Call]) -> Vec<String> {
    assert!(!calls.is_empty(), "no calls were made");
    let (problems, signatures) = look(calls);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(signatures > 0, "no signature was compared");
    calls.iter().map(|call| call.command.clone()).collect()
}

#[test]
fn wrong_calls_are_found() {
    let expires = (jiff::Timestamp::now() + jiff::SignedDuration::from_mins(10))
        .strftime("%Y-%m-%dT%H:%M:%S+0000")
        .to_string();
    let call = |command: &str, more: &[(&str, &str)]| {
        let own = [
            ("command", command),
            ("response", "json"),
            ("apiKey", "k"),
            ("signatureVersion", "3"),
            ("expires", &expires),
            ("signature", "none"),
        ];
        let params = own.iter().chain(more).map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Call { command: command.to_owned(), params: params.collect() }
    };
    let rows = [
        (call("listZones", &[("bogus", "1")]), "has no parameter `bogus`"),
        (call("listZones", &[("available", "yes")]), "`yes` is no boolean"),
        (call("queryAsyncJobResult", &[]), "lacks `jobid`"),
        (call("queryAsyncJobResult", &[("jobid", "7")]), "`7` is no uuid"),
        (call("listZone", &[]), "no such call"),
        (call("createTags", &[("tags[1].key", "a")]), "items are numbered [1]"),
        (call("createTags", &[("tags[0].key", "a")]), "a key and a value"),
        (call("listZones", &[]), "signed as none"),
    ];
    let calls: Vec<Call> = rows.iter().map(|(call, _)| call.clone()).collect();
    let (problems, _) = look(&calls);
    for (number, (_, wanted)) in rows.iter().enumerate() {
        let its: Vec<&String> =
            problems.iter().filter(|problem| problem.starts_with(&format!("call {number},"))).collect();
        assert!(its.iter().any(|problem| problem.contains(wanted)), "call {number}: {its:?} lacks {wanted}");
    }
}
