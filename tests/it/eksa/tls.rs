//! HTTPS: the mirror's own authority must be trusted.
use super::{
    bench::{Bench, document, refused},
    mirror::{Mirror, RELEASES},
};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
};

/// A door with TLS before a mirror; it ends with this value.
struct Door {
    child: Child,
    _stdin: ChildStdin,
    url: String,
}

impl Door {
    /// The authority's certificate is in `ca`. The manifests name the door.
    fn before(mirror: &Mirror, ca: &Path) -> Self {
        let mut child = Command::new(crate::cloudstack::checks::python())
            .arg("-I")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/cloudstack/serve_tls.py"))
            .arg(mirror.port.to_string())
            .arg(ca)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = format!("https://127.0.0.1:{}", line.trim());
        mirror.publish(&url);
        let stdin = child.stdin.take().unwrap();
        Self { child, _stdin: stdin, url }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_with_its_own_authority_is_trusted_if_said() {
    let (bench, mirror) = (Bench::new(), Mirror::start().await);
    let ca = bench.path("ca.pem");
    let door = Door::before(&mirror, &ca);
    let address = format!("{}{RELEASES}", door.url);
    let arguments = ["release", "show", "1-34", "--json", "--manifest-url", &address];
    let shown = document(&bench.plain(&arguments).env("SSL_CERT_FILE", &ca).output().unwrap());
    assert!(shown["eksd"]["url"].as_str().unwrap().starts_with(&door.url));
    // A stranger is asked several times before it is given up; the copies of before are not taken from another cache.
    let mut command = bench.plain(&arguments);
    let output =
        command.env("GOLDSMITH_CACHE_DIR", bench.path("other")).env_remove("SSL_CERT_FILE").output().unwrap();
    refused(&output, 1, &["get the release manifest", "SSL_CERT_FILE"]);
}
