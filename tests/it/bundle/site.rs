//! A place with a server of files and the binary.
use crate::eksa::{
    bench::{Bench, said},
    mirror::Mirror,
};
use sha2::{Digest as _, Sha256};
use std::process::Output;

pub(super) struct Site {
    pub(super) bench: Bench,
    pub(super) mirror: Mirror,
}

/// Bytes without any pattern, the same ones for each seed.
pub(super) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

impl Site {
    pub(super) async fn new() -> Self {
        Self { bench: Bench::new(), mirror: Mirror::start().await }
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Output {
        self.bench.plain(arguments).output().unwrap()
    }

    /// It went well; returns what it said.
    pub(super) fn well(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        said(&output)
    }

    pub(super) fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.bench.path(name)).unwrap()
    }

    /// Publishes files, and writes a list of them.
    pub(super) fn list(&self, name: &str, files: &[(&str, Vec<u8>)]) {
        let inputs: Vec<serde_json::Value> = files
            .iter()
            .map(|(path, bytes)| {
                self.mirror.put(path, bytes.clone());
                serde_json::json!({
                    "url": self.mirror.url(path), "digest": format!("sha256:{}", sha256(bytes)),
                    "kind": "file", "needed-by": "a list",
                })
            })
            .collect();
        std::fs::write(self.bench.path(name), serde_json::to_vec(&inputs).unwrap()).unwrap();
    }

    /// Publishes a base and a tool, and writes a definition that needs both.
    pub(super) fn definition(&self, tool: &[u8]) {
        let base = noise(7, 300_000);
        self.mirror.put("/base.img", base.clone());
        self.mirror.put("/tool", tool.to_vec());
        let text = format!(
            r#"name = "web"
arch = "x86_64"

[source.disk]
url = "{}"
digest = "sha256:{}"

[[provision]]
download = {{ url = "{}", digest = "sha256:{}", dest = "/opt/tool" }}

[[output]]
format = "raw.gz"
"#,
            self.mirror.url("/base.img"),
            sha256(&base),
            self.mirror.url("/tool"),
            sha256(tool)
        );
        std::fs::write(self.bench.path("web.toml"), text).unwrap();
    }
}
