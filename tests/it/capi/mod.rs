//! `goldsmith capi` from outside: targets, variables from everywhere, and what is said about them.
mod container;

use assert_cmd::Command;
use std::path::Path;
use test_case::test_case;

struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

fn run(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
    let mut command = Command::cargo_bin("goldsmith").unwrap();
    command.arg("capi").args(arguments).current_dir(folder).env_clear();
    command
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder)
        .env("LANG", "C.UTF-8");
    command.envs(environment.iter().copied());
    let output = command.output().unwrap();
    Ended {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn file(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

#[test]
fn the_list_has_what_is_built_and_what_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let ended = run(folder.path(), &["--list"], &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    for line in ["qemu-ubuntu-2404-cloudimg", "node-ova-vsphere-clone-rhel-9", "azure-*", "not built"] {
        assert!(ended.out.contains(line), "{}", ended.out);
    }
    let ended = run(folder.path(), &["--list", "--json"], &[]);
    let listed: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert!(listed["targets"].as_array().unwrap().len() > 70);
    assert!(listed["not-built"][0]["why"].is_string());
}

#[test]
fn variables_win_in_the_order_of_packer() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    file(here, "flags.json", r#"{"memory": "1024", "cpus": "2", "disk_size": "1024"}"#);
    file(here, "one.json", r#"{"memory": "2048", "cpus": "3"}"#);
    file(here, "two.json", r#"{"memory": "3072", "x": null}"#);
    let environment = [
        ("PACKER_FLAGS", "-var-file=flags.json -var accelerator=tcg"),
        ("PACKER_VAR_FILES", "one.json two.json"),
    ];
    let ended = run(here, &["--print", "qemu-ubuntu-2404", "--var", "vm_name=mine.qcow2"], &environment);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    for line in ["memory = \"3GiB\"", "cpus = 3", "disk = \"1GiB\"", "accelerator = \"tcg\"", "/mine.qcow2\""]
    {
        assert!(ended.out.contains(line), "{line}: {}", ended.out);
    }
    assert!(ended.err.contains("nothing knows the variable `x` of"), "{}", ended.err);
}

#[test]
fn what_is_printed_is_a_definition_that_stands_alone() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    file(
        here,
        "vsphere.json",
        r#"{"vcenter_server": "vc.example.com", "username": "me", "password": "hunter2"}"#,
    );
    let target = "node-ova-vsphere-ubuntu-2404";
    let ended = run(here, &["--print", target, "--var-file", "vsphere.json"], &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(!ended.out.contains("hunter2") && !ended.err.contains("hunter2"));
    assert!(ended.out.contains("key = \"password\""), "{}", ended.out);
    file(here, "node.toml", &ended.out);
    let mut command = Command::cargo_bin("goldsmith").unwrap();
    let plan =
        command.args(["plan", "--json", "node.toml"]).current_dir(here).env("HOME", here).output().unwrap();
    assert!(plan.status.success(), "{}", String::from_utf8_lossy(&plan.stderr));
    let plan = String::from_utf8(plan.stdout).unwrap();
    assert!(plan.contains("\"json\"") && !plan.contains("hunter2"), "{plan}");
}

#[test]
fn a_target_is_validated_without_building() {
    let folder = tempfile::tempdir().unwrap();
    let ended =
        run(folder.path(), &["validate-qemu-ubuntu-2404", "validate-node-ova-local-almalinux-9"], &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("2 targets can be built"), "{}", ended.err);
    // The medium of RHEL is the user's own.
    let ended = run(folder.path(), &["validate-qemu-rhel-9"], &[]);
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    assert!(ended.err.contains("rhel-9.3-x86_64-dvd.iso"), "{}", ended.err);
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test_case(&["qemu-ubuntu-2405"], &[], "did you mean `qemu-ubuntu-2404`?"; "a slip")]
#[test_case(&["build-azure-sig-ubuntu-2404"], &[], "no driver for Azure"; "azure")]
#[test_case(&["qemu-ubuntu-2404"], &[("PACKER_VAR_FILES", "bad.json")], "`memory` is a number, not a text"; "a number")]
#[test_case(&["qemu-ubuntu-2404"], &[("PACKER_VAR_FILES", "none.json")], "none.json"; "no such file")]
#[test_case(&["qemu-ubuntu-2404"], &[("PACKER_FLAGS", "-on-error=explode")], "none of `cleanup`, `abort` and `ask`"; "a flag")]
#[test_case(&["qemu-ubuntu-2404", "--var", "password=hunter2"], &[], "a secret on a command line"; "a secret")]
#[test_case(&["qemu-ubuntu-2404", "--var", "cpus=many"], &[], "`many` is not a whole number"; "no number")]
#[test_case(&["qemu-ubuntu-2404"], &[("ON_ERROR_ASK", "1")], "needs a terminal"; "nobody to ask")]
#[test_case(&["--print", "raw-all"], &[], "prints one definition"; "several")]
fn what_cannot_be_is_refused_before_anything_is_made(
    arguments: &[&str],
    environment: &[(&str, &str)],
    expected: &str,
) {
    let folder = tempfile::tempdir().unwrap();
    file(folder.path(), "bad.json", "{\"memory\": 2048}");
    let ended = run(folder.path(), arguments, environment);
    assert_eq!(ended.code, Some(2), "{}{}", ended.out, ended.err);
    // Long lines are broken.
    let said = ended.err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains(expected), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
    assert!(!folder.path().join("output").exists());
}
