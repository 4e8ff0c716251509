//! The binary from outside: what it says, where it says it, and how it ends.
use assert_cmd::Command;
use std::{fs, path::Path, process::Stdio};

/// The binary in a home of its own.
struct Home {
    root: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> &Path {
        self.root.path()
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = Command::cargo_bin("goldsmith").unwrap();
        command
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            .env("LANG", "C.UTF-8");
        let output = command.output().unwrap();
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// A definition that is fine, with `from` replaced by `to`.
    fn definition(&self, name: &str, from: &str, to: &str) {
        let template = self.run(&["init", name, "--stdout"]).stdout;
        assert!(template.contains(from), "{template}");
        fs::write(self.path().join(format!("{name}.toml")), template.replacen(from, to, 1)).unwrap();
    }

    fn is_untouched(&self) -> bool {
        fs::read_dir(self.path()).unwrap().all(|entry| {
            Path::new(&entry.unwrap().file_name()).extension().is_some_and(|extension| extension == "toml")
        })
    }
}

#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ended {
    #[track_caller]
    fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    #[track_caller]
    fn stderr_has(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.stderr.contains(part), "no `{part}` in {}", self.stderr);
        }
        assert_eq!(self.stdout, "", "errors are not results");
        self
    }
}

#[test]
fn mistakes_in_the_command_line_end_with_2_and_say_what_was_meant() {
    let home = Home::new();
    home.run(&[]).expect(2).stderr_has(&["Usage: goldsmith", "Examples:", "doctor"]);
    home.run(&["biuld", "x.toml"]).expect(2).stderr_has(&["unrecognized subcommand 'biuld'", "'build'"]);
    home.run(&["build", "--accelerater", "kvm"]).expect(2).stderr_has(&["similar argument", "--accelerator"]);
    home.run(&["build"]).expect(2).stderr_has(&["<FILE>..."]);
    home.run(&["build", "x.toml", "--var", "novalue"]).expect(2).stderr_has(&["NAME=VALUE"]);
    home.run(&["build", "x.toml", "--parallel", "0"]).expect(2).stderr_has(&["0 is not in 1..=64"]);
    home.run(&["gc", "-q", "-v"]).expect(2).stderr_has(&["cannot be used with"]);
    home.run(&["init", "../x"]).expect(2).stderr_has(&["letters, digits"]);
    assert!(home.is_untouched());
}

#[test]
fn help_and_version_are_results() {
    let home = Home::new();
    let help = home.run(&["--help"]).expect(0);
    assert!(help.stdout.contains("Exit codes:") && help.stderr.is_empty());
    let version = home.run(&["--version"]).expect(0).stdout;
    assert_eq!(version.trim(), format!("goldsmith {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_definition_that_is_missing_or_wrong_ends_with_2_before_anything_is_made() {
    let home = Home::new();
    home.run(&["build", "nowhere.toml"]).expect(2).stderr_has(&["nowhere.toml", "No such file"]);
    home.definition("web", "[machine]", "[machin]");
    for command in ["build", "plan", "validate", "doctor"] {
        home.run(&[command, "web.toml"]).expect(2).stderr_has(&[
            "machin",
            "web.toml:",
            "did you mean `machine`?",
        ]);
    }
    assert!(home.is_untouched());
}

#[test]
fn all_problems_of_all_files_are_shown_at_once() {
    let home = Home::new();
    home.definition("web", "[machine]", "[machin]");
    home.definition("db", "[[output]]", "[[outputt]]");
    home.run(&["build", "web.toml", "db.toml"]).expect(2).stderr_has(&["`machine`?", "`output`?"]);
    let report = home.run(&["validate", "--json", "web.toml", "db.toml"]).expect(2);
    let report: serde_json::Value = serde_json::from_str(&report.stdout).unwrap();
    assert_eq!(report[0]["valid"], false);
    assert_eq!(report[0]["problems"][0]["file"], "web.toml");
    assert!(report[1]["problems"][0]["line"].as_u64().unwrap() > 1, "{report}");
}

#[test]
fn init_writes_a_definition_that_is_valid_and_never_overwrites_one() {
    for from in ["bootstrap", "disk"] {
        let home = Home::new();
        home.run(&["init", "web", "--from", from]).expect(0).stderr_has(&[
            "web.toml",
            "goldsmith doctor",
            "goldsmith build",
        ]);
        let text = fs::read_to_string(home.path().join("web.toml")).unwrap();
        assert!(text.contains("name = \"web\""), "{text}");
        home.run(&["init", "web"]).expect(2).stderr_has(&["`web.toml` exists already", "hint: ", "--force"]);
        assert_eq!(fs::read_to_string(home.path().join("web.toml")).unwrap(), text);
        home.run(&["init", "web", "--from", from, "--force"]).expect(0);
        if from == "bootstrap" {
            home.run(&["validate", "web.toml"]).expect(0).stderr_has(&["✓ web.toml"]);
            assert!(home.run(&["plan", "web.toml"]).expect(0).stdout.starts_with("web x86_64"));
            let plan = home.run(&["plan", "--json", "web.toml"]).expect(0).stdout;
            let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
            assert_eq!(plan["name"], "web");
        }
    }
}

#[test]
fn two_builds_of_one_run_cannot_deliver_to_one_file() {
    let home = Home::new();
    home.definition("a", "name = \"a\"", "name = \"same\"");
    home.definition("b", "name = \"b\"", "name = \"same\"");
    home.run(&["build", "a.toml", "b.toml"]).expect(2).stderr_has(&["both deliver", "hint: "]);
}

#[test]
fn questions_need_a_terminal() {
    let home = Home::new();
    home.definition("web", "web", "web");
    home.run(&["build", "--debug", "web.toml"]).expect(2).stderr_has(&["`--debug` needs a terminal"]);
    home.run(&["build", "--on-error", "shell", "web.toml"])
        .expect(2)
        .stderr_has(&["needs a terminal", "--on-error keep"]);
    assert!(home.is_untouched());
}

#[test]
fn gc_on_a_clean_host_finds_nothing_and_makes_nothing() {
    let home = Home::new();
    assert_eq!(home.run(&["gc", "--dry-run"]).expect(0).stdout, "nothing was left behind\n");
    assert_eq!(home.run(&["gc", "--dry-run", "--json"]).expect(0).stdout, "[]\n");
    home.run(&["gc"]).expect(0).stderr_has(&["nothing was left behind"]);
    assert_eq!(home.run(&["gc", "--quiet"]).expect(0).stderr, "");
    let report: serde_json::Value =
        serde_json::from_str(&home.run(&["gc", "--json"]).expect(0).stdout).unwrap();
    assert_eq!(report["clean"], true);
    assert!(home.is_untouched());
}

#[test]
fn doctor_reports_for_people_and_for_machines() {
    let home = Home::new();
    let ended = home.run(&["doctor", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    let failed = report["status"] == "failure";
    assert_eq!(ended.code, Some(if failed { 3 } else { 0 }), "{report:#}");
    let checks: Vec<&str> =
        report["checks"].as_array().unwrap().iter().map(|c| c["check"].as_str().unwrap()).collect();
    for wanted in [
        "architecture",
        "kvm",
        "qemu",
        "libvirt",
        "uefi",
        "mmdebstrap",
        "folders",
        "disk",
        "memory",
        "leftovers",
    ] {
        assert!(checks.contains(&wanted), "{checks:?}");
    }
    let people = home.run(&["doctor"]).stdout;
    assert!(checks.iter().all(|check| people.contains(check)), "{people}");
    assert!(home.is_untouched());
}

#[test]
fn schema_and_completions_are_what_they_say() {
    let home = Home::new();
    let schema: serde_json::Value = serde_json::from_str(&home.run(&["schema"]).expect(0).stdout).unwrap();
    assert!(schema["properties"]["machine"].is_object());
    let script = home.run(&["completions", "bash"]).expect(0).stdout;
    let mut bash = Command::new("bash");
    bash.arg("-n").write_stdin(script.clone()).assert().success();
    for command in ["build", "doctor", "validate"] {
        assert!(script.contains(command));
    }
}

#[test]
fn colours_follow_the_flags_when_nobody_watches() {
    let home = Home::new();
    let escape = '\u{1b}';
    assert!(!home.run(&["doctor"]).stdout.contains(escape));
    assert!(home.run(&["doctor", "--color", "always"]).stdout.contains(escape));
    assert!(!home.run(&["doctor", "--color", "always", "--no-color"]).stdout.contains(escape));
    assert!(home.run(&["--color", "always", "nonsense"]).expect(2).stderr.contains(escape));
    assert!(!home.run(&["--no-color", "nonsense"]).expect(2).stderr.contains(escape));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("goldsmith"))
        .arg("schema")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty());
}
