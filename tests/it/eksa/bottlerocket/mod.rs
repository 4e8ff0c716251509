//! `goldsmith download bottlerocket`, from repositories that the reference implementation of The Update Framework made.
mod good;
mod hostile;

use super::{
    bench::{Bench, said},
    mirror::Mirror,
};
use sha2::{Digest as _, Sha256};
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The image that the repositories have.
const OVA: &str = "bottlerocket-vmware-k8s-1.34-x86_64-v1.64.0.ova";
const METADATA: &str = "/2020-07-07/vmware-k8s-1.34/x86_64/";

/// A repository in some states, and a mirror that shows one of them.
struct Published {
    bench: Bench,
    mirror: Mirror,
    folder: PathBuf,
}

/// What is in an image.
fn image() -> Vec<u8> {
    b"an image of Bottlerocket\n".repeat(20_000)
}

impl Published {
    /// The repository of a scenario with one image, shown in its state `new`.
    async fn new(scenario: &str, name: &str, content: &[u8]) -> Self {
        let (bench, mirror) = (Bench::new(), Mirror::start().await);
        let folder = bench.path("repository");
        make(&folder, scenario, name, content);
        let published = Self { bench, mirror, folder };
        published.show("new");
        published
    }

    /// The mirror has this state from now on, and nothing of another one.
    fn show(&self, state: &str) {
        let mut tree = self.mirror.tree();
        tree.files.retain(|path, _| !path.starts_with("/2020-07-07/") && !path.starts_with("/targets/"));
        drop(tree);
        for (from, to) in [("metadata", METADATA), ("targets", "/targets/")] {
            for entry in std::fs::read_dir(self.folder.join(state).join(from)).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap();
                self.mirror.put(&format!("{to}{name}"), std::fs::read(&path).unwrap());
            }
        }
    }

    fn root(&self) -> PathBuf {
        self.folder.join("root.json")
    }

    /// The command for this repository, with its root vouched for.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.bench.plain(&["download", "bottlerocket", "-o", "out"]);
        command.args(["--metadata-url", &self.mirror.url(METADATA)]);
        command.args(["--targets-url", &self.mirror.url("/targets/")]).args(arguments);
        if !arguments.contains(&"--root") {
            command.arg("--root").arg(self.root());
        }
        command
    }

    /// The OVA of the channel.
    fn ova(&self) -> Output {
        self.command(&OVA_OF_CHANNEL).output().unwrap()
    }

    /// The names in the folder for images; none if there is no such folder.
    fn outputs(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.bench.path("out")) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// It failed, said all of this, and left nothing.
    fn refused(&self, output: &Output, words: &[&str]) {
        super::bench::refused(output, 1, words);
        assert!(self.outputs().is_empty(), "{:?}", self.outputs());
        assert_eq!(self.bench.journals(), 0);
        let parts = |path: &Path| path.extension().is_some_and(|ending| ending == "part");
        let cached = std::fs::read_dir(self.bench.path("cache/sha256")).into_iter().flatten();
        let left: Vec<PathBuf> =
            cached.map(|entry| entry.unwrap().path()).filter(|path| parts(path)).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

const OVA_OF_CHANNEL: [&str; 4] = ["--release-channel", "1-34", "--format", "ova"];

/// The last line on stdout, which tells what was made.
fn told(output: &Output) -> serde_json::Value {
    assert!(output.status.success(), "{}", said(output));
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

/// Lets the reference implementation make a repository.
fn make(folder: &Path, scenario: &str, name: &str, content: &[u8]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/peers/bin/python");
    assert!(python.exists(), "{} is missing: run `make setup-test`", python.display());
    std::fs::create_dir_all(folder).unwrap();
    let file = folder.join("content");
    std::fs::write(&file, content).unwrap();
    let script = root.join("tests/it/eksa/bottlerocket/repository.py");
    let output = Command::new(python)
        .arg("-I")
        .arg(script)
        .arg(folder)
        .args([scenario, name])
        .arg(file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
