//! HTTPS to the API and to the storage VM: who is trusted.
use super::{
    bench::{Bench, result, said},
    checks::python,
    cloud::{KEY, SECRET},
    server::Server,
};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
};

/// A door with TLS before a cloud; it ends with this value.
struct Door {
    child: Child,
    _stdin: ChildStdin,
    url: String,
}

impl Door {
    /// The authority's certificate is in `ca`. Uploads go through the door, too.
    fn before(server: &Server, ca: &Path) -> Self {
        let port = server.cloud().address.rsplit(':').next().unwrap().to_owned();
        let mut child = Command::new(python())
            .arg("-I")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/cloudstack/serve_tls.py"))
            .arg(port)
            .arg(ca)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = format!("https://127.0.0.1:{}", line.trim());
        server.cloud().storage = Some(url.clone());
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
async fn a_cloud_is_trusted_by_its_authority_or_not_at_all() {
    let (bench, server) = (Bench::new(), Server::start().await);
    let bytes = bench.image("web.qcow2", 8);
    let door = Door::before(&server, &bench.path("ca.pem"));
    let publish = |name: &str, more: &[&str]| {
        bench
            .plain(&["publish", "cloudstack", "web.qcow2", "--zone", "Zone-A", "--json", "--name", name])
            .args(["--endpoint", &door.url])
            .args(more)
            .env("CLOUDSTACK_KEY", KEY)
            .env("CLOUDSTACK_SECRET", SECRET)
            .output()
            .unwrap()
    };
    let output = publish("none", &[]);
    assert!(output.status.code() == Some(3) && said(&output).contains("--ca-file"), "{}", said(&output));
    assert!(server.calls().is_empty(), "nothing was said to a stranger");
    result(&publish("by-authority", &["--ca-file", "ca.pem"]));
    result(&publish("by-nothing", &["--insecure"]));
    let arrived: Vec<bool> = server.templates().iter().map(|template| template.bytes == bytes).collect();
    assert_eq!(arrived, [true, true]);
    // A storage VM with a certificate of another authority.
    let other = Door::before(&server, &bench.path("other.pem"));
    let begun = std::time::Instant::now();
    let output = publish("other", &["--ca-file", "ca.pem"]);
    assert!(
        said(&output).contains("storage VMs have an address and a certificate of their own"),
        "{}",
        said(&output)
    );
    // The cloud waits for that upload and lets nobody delete it. We do not wait with it, but remember.
    assert!(begun.elapsed() < std::time::Duration::from_secs(60));
    assert_eq!((output.status.code(), bench.journals()), (Some(4), 1), "{}", said(&output));
    server.cloud().templates[2].state = "UploadAbandoned";
    let mut gc = bench.plain(&["gc", "--json"]);
    let output = gc.env("CLOUDSTACK_KEY", KEY).env("CLOUDSTACK_SECRET", SECRET).output().unwrap();
    assert!(said(&output).contains("\"clean\": true"), "{}", said(&output));
    assert_eq!((server.templates().len(), bench.journals()), (2, 0));
    assert_ne!(other.url, door.url);
}
