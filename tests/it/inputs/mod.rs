//! What builds fetch: listed by the binary, and proved to be enough for those who need it.
mod files;
mod images;
mod packages;
mod rpms;
mod shelf;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The binary with folders of its own.
struct Bench {
    root: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("goldsmith"));
        command.args(arguments).current_dir(self.root.path()).env("HOME", self.root.path());
        for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "CI"]
        {
            command.env_remove(name);
        }
        for (name, folder) in [
            ("GOLDSMITH_STATE_DIR", "state"),
            ("GOLDSMITH_CACHE_DIR", "cache"),
            ("GOLDSMITH_WORK_DIR", "work"),
        ] {
            command.env(name, self.path(folder));
        }
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// What `goldsmith inputs --json` says.
    async fn inputs(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self.run(&[&["inputs", "--json"], arguments].concat()).await;
        assert!(output.status.success(), "{}", said(&output));
        // Nothing is left behind.
        let left = |folder: &str| std::fs::read_dir(self.path(folder)).map_or(0, Iterator::count);
        assert_eq!((left("work"), left("state/journal")), (0, 0));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)))
    }
}

fn said(output: &Output) -> String {
    format!(
        "{:?}\n{}\n{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// One file of the list.
#[derive(Debug, Clone)]
struct Listed {
    url: String,
    digest: Option<String>,
    kind: String,
    needed_by: String,
}

fn listed(inputs: &serde_json::Value) -> Vec<Listed> {
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let files = inputs["files"].as_array().unwrap();
    files
        .iter()
        .map(|file| Listed {
            url: text(&file["url"]).unwrap(),
            digest: text(&file["digest"]),
            kind: text(&file["kind"]).unwrap(),
            needed_by: text(&file["needed-by"]).unwrap(),
        })
        .collect()
}

/// Runs a program of this host to its end; what it printed.
async fn program(name: &str, arguments: &[String], env: &[(&str, &Path)]) -> String {
    let mut command = Command::new(name);
    command.args(arguments).env("LC_ALL", "C.UTF-8");
    for (key, value) in env {
        command.env(key, value);
    }
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{name} {arguments:?}: {}", said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
