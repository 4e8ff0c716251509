//! The binary with folders of its own, told about one mirror.
use super::mirror::{Mirror, RELEASES};
use std::{
    path::PathBuf,
    process::{Command, Output},
};

pub(crate) struct Bench {
    root: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn plain(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("goldsmith"));
        command.args(arguments).current_dir(self.root.path()).env("HOME", self.root.path());
        for name in [
            "http_proxy",
            "https_proxy",
            "all_proxy",
            "no_proxy",
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "ALL_PROXY",
            "NO_PROXY",
            "CI",
        ] {
            command.env_remove(name);
        }
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("EKS")) {
            command.env_remove(name);
        }
        command.env_remove("BRANCH_NAME");
        for (name, folder) in [
            ("GOLDSMITH_STATE_DIR", "state"),
            ("GOLDSMITH_CACHE_DIR", "cache"),
            ("GOLDSMITH_WORK_DIR", "work"),
        ] {
            command.env(name, self.path(folder));
        }
        command
    }

    /// The binary, told about this mirror.
    pub(crate) fn command(&self, mirror: &Mirror, arguments: &[&str]) -> Command {
        let mut command = self.plain(arguments);
        command.env("EKSA_RELEASE_MANIFEST_URL", mirror.url(RELEASES));
        command
    }

    pub(crate) fn run(&self, mirror: &Mirror, arguments: &[&str]) -> Output {
        self.command(mirror, arguments).output().unwrap()
    }

    /// Journals of tasks that owe something.
    pub(crate) fn journals(&self) -> usize {
        std::fs::read_dir(self.path("state/journal")).map_or(0, Iterator::count)
    }
}

pub(crate) fn said(output: &Output) -> String {
    format!(
        "{:?}\n{}\n{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// It failed with this code, and said all of this.
pub(crate) fn refused(output: &Output, code: i32, words: &[&str]) {
    let said = said(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    // The text is wrapped.
    let flat = said.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in words {
        assert!(flat.contains(word), "no `{word}` in:\n{said}");
    }
}

/// The JSON document on stdout.
pub(crate) fn document(output: &Output) -> serde_json::Value {
    assert!(output.status.success(), "{}", said(output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(output)))
}
