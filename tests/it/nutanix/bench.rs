//! What the tests of `publish nutanix` share: disks, and the binary with a state of its own.
use super::fixture::{Fixture, PASSWORD, USER};
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::FileExt,
    path::PathBuf,
    process::{Command, Output},
};

const MIB: u64 = 1 << 20;

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

    /// The binary in this folder, told about no Prism Central.
    pub(crate) fn plain(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("goldsmith"));
        command.args(arguments).current_dir(self.root.path());
        for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "CI"]
        {
            command.env_remove(name);
        }
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("NUTANIX_")) {
            command.env_remove(name);
        }
        for (name, folder) in [
            ("GOLDSMITH_STATE_DIR", "state"),
            ("GOLDSMITH_CACHE_DIR", "cache"),
            ("GOLDSMITH_WORK_DIR", "work"),
        ] {
            command.env(name, self.path(folder));
        }
        command
    }

    /// The binary, told about this Prism Central.
    pub(crate) fn command(&self, prism: &Fixture, arguments: &[&str]) -> Command {
        let mut command = self.plain(arguments);
        command
            .env("NUTANIX_ENDPOINT", prism.url())
            .env("NUTANIX_USER", USER)
            .env("NUTANIX_PASSWORD", PASSWORD);
        command
    }

    /// `goldsmith publish nutanix … --json` to its end.
    pub(crate) fn publish(&self, prism: &Fixture, arguments: &[&str]) -> Output {
        self.command(prism, &["publish", "nutanix", "--json"]).args(arguments).output().unwrap()
    }

    /// The same, which must succeed with requests that are right; its last line.
    pub(crate) fn published(&self, prism: &Fixture, arguments: &[&str]) -> Value {
        let output = self.publish(prism, arguments);
        assert!(output.status.success(), "{}", said(&output));
        assert_eq!(prism.wrongs(), Vec::<String>::new());
        assert_eq!(self.journals(), 0, "{}", said(&output));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(line["event"], "published", "{line}");
        line
    }

    /// The same, which must fail so and leave nothing; what it said.
    pub(crate) fn refused(&self, prism: &Fixture, code: i32, arguments: &[&str]) -> String {
        let output = self.publish(prism, arguments);
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        assert_eq!(prism.wrongs(), Vec::<String>::new());
        assert_eq!(self.journals(), 0, "{}", said(&output));
        assert!(!said(&output).contains(PASSWORD), "{}", said(&output));
        // Messages are broken into lines.
        said(&output).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// `goldsmith gc`; what it says.
    pub(crate) fn gc(&self) -> String {
        let output = self.plain(&["gc", "--json"]).env("NUTANIX_PASSWORD", PASSWORD).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        said(&output)
    }

    /// A raw disk of so many MiB with data here and there.
    pub(crate) fn raw(&self, name: &str, mib: u64) -> Vec<u8> {
        let path = self.path(name);
        let file = fs::File::create(&path).unwrap();
        file.set_len(mib * MIB).unwrap();
        let mut state = mib | 1;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .take(MIB as usize)
        .collect();
        for at in (1..mib).step_by(7) {
            file.write_all_at(&noise, at * MIB).unwrap();
        }
        file.write_all_at(b"the end", mib * MIB - 7).unwrap();
        fs::read(path).unwrap()
    }

    /// A qcow2 of such a disk.
    pub(crate) fn qcow2(&self, stem: &str, mib: u64) -> Vec<u8> {
        let (raw, qcow2) = (format!("{stem}.raw"), format!("{stem}.qcow2"));
        self.raw(&raw, mib);
        let output = self.plain(&["convert", &raw, "-o", &qcow2]).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        fs::read(self.path(&qcow2)).unwrap()
    }

    /// Journals of tasks that owe something.
    pub(crate) fn journals(&self) -> usize {
        fs::read_dir(self.path("state/journal")).map_or(0, Iterator::count)
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
