//! What the tests share: disks, and the binary with a state of its own.
use super::{
    cloud::{KEY, SECRET},
    server::Server,
};
use std::{
    fs,
    os::unix::fs::FileExt,
    path::PathBuf,
    process::{Command, Output},
};

pub(crate) const MIB: u64 = 1 << 20;

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

    /// The binary in this folder, told about no cloud.
    pub(crate) fn plain(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("goldsmith"));
        command.args(arguments).current_dir(self.root.path()).env("HOME", self.root.path());
        for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "CI"]
        {
            command.env_remove(name);
        }
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CLOUDSTACK_")) {
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

    /// The binary, told about this cloud.
    pub(crate) fn command(&self, server: &Server, arguments: &[&str]) -> Command {
        let mut command = self.plain(arguments);
        command
            .env("CLOUDSTACK_ENDPOINT", server.url())
            .env("CLOUDSTACK_KEY", KEY)
            .env("CLOUDSTACK_SECRET", SECRET);
        command
    }

    /// `goldsmith publish cloudstack …` to its end.
    pub(crate) fn publish(&self, server: &Server, arguments: &[&str]) -> Output {
        self.command(server, &["publish", "cloudstack"]).args(arguments).output().unwrap()
    }

    /// `goldsmith gc`; what it says.
    pub(crate) fn gc(&self, server: &Server) -> String {
        said(&self.command(server, &["gc", "--json"]).output().unwrap())
    }

    /// An image of a disk of so many MiB, as our own `convert` makes it; its bytes.
    pub(crate) fn image(&self, name: &str, mib: u64) -> Vec<u8> {
        let raw = format!("{name}.raw");
        let file = fs::File::create(self.path(&raw)).unwrap();
        file.set_len(mib * MIB).unwrap();
        let mut state = mib | 1;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .take(3 * MIB as usize)
        .collect();
        file.write_all_at(&noise, MIB).unwrap();
        let output = self.plain(&["convert", &raw, "-o", name]).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        fs::read(self.path(name)).unwrap()
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

/// The last line of `--json`.
pub(crate) fn result(output: &Output) -> serde_json::Value {
    assert!(output.status.success(), "{}", said(output));
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.lines().last().unwrap_or_default())
        .unwrap_or_else(|_| panic!("{}", said(output)))
}
