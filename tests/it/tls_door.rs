//! A door with TLS before a port of this host, with an authority of its own: for tests of who is trusted.
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
};

/// The door; it ends with this value.
pub(crate) struct Door {
    child: Child,
    _stdin: ChildStdin,
    pub(crate) url: String,
    /// Of its certificate.
    pub(crate) sha1: String,
    pub(crate) sha256: String,
}

impl Door {
    /// The authority's certificate is put into `ca`.
    pub(crate) fn before(port: u16, ca: &Path) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = root.join("target/peers/bin/python");
        assert!(python.exists(), "{} is missing: run `make setup-test`", python.display());
        let mut child = Command::new(python)
            .arg("-I")
            .arg(root.join("tests/it/serve_tls.py"))
            .arg(port.to_string())
            .arg(ca)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let [port, sha1, sha256] = line.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{line}") };
        let stdin = child.stdin.take().unwrap();
        let url = format!("https://127.0.0.1:{port}");
        Self { url, sha1: sha1.to_owned(), sha256: sha256.to_owned(), child, _stdin: stdin }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
