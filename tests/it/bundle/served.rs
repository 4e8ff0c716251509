//! `goldsmith bundle serve`: as a proxy, as a mirror, as a registry.
use super::site::{Site, noise, sha256};
use std::{
    io::{BufRead as _, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Stdio},
};

/// The server; it is killed with this value.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(site: &Site, bundles: &[&str]) -> Self {
        let mut arguments = vec!["bundle", "serve", "--listen", "127.0.0.1:0"];
        arguments.extend(bundles);
        let mut child =
            site.bench.plain(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().trim_start_matches("http://").trim_end_matches('/').to_owned();
        assert!(address.starts_with("127.0.0.1:"), "{line}");
        Self { child, address }
    }

    /// Head and body of the answer to one request, whose target is sent as it is.
    fn ask(&self, method: &str, target: &str, headers: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}\r\n",
            self.address
        )
        .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        (String::from_utf8(answer[..end].to_vec()).unwrap().to_lowercase(), answer[end + 4..].to_vec())
    }

    fn status(&self, method: &str, target: &str) -> String {
        self.ask(method, target, "").0.split(' ').nth(1).unwrap().to_owned()
    }

    /// Interrupts it; returns what it said.
    fn end(mut self) -> String {
        use nix::{sys::signal, unistd::Pid};
        signal::kill(Pid::from_raw(self.child.id().cast_signed()), signal::SIGINT).unwrap();
        let mut text = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{text}");
        text
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_given_by_address_and_by_path_whole_and_in_parts() {
    let site = Site::new().await;
    let big = noise(1, 1_500_000);
    site.list("l.json", &[("/pool/big.deb", big.clone()), ("/x%2By", b"odd".to_vec())]);
    site.well(&["bundle", "create", "--list", "l.json", "-o", "x.bundle"]);
    let server = Server::start(&site, &["x.bundle"]);
    let url = site.mirror.url("/pool/big.deb");
    let path = format!("/127.0.0.1:{}/pool/big.deb", site.mirror.port);
    for target in [&url, &path] {
        let (head, body) = server.ask("GET", target, "");
        assert!(head.starts_with("http/1.1 200") && body == big, "{target}: {head}");
        assert!(head.contains(&format!("etag: \"sha256:{}\"", sha256(&big))), "{head}");
        let (head, body) = server.ask("HEAD", target, "");
        assert!(head.contains("content-length: 1500000") && body.is_empty(), "{head}");
        let (head, body) = server.ask("GET", target, "Range: bytes=700000-700009\r\n");
        assert!(head.starts_with("http/1.1 206") && head.contains("bytes 700000-700009/1500000"), "{head}");
        assert_eq!(body, big[700_000..700_010]);
        assert!(server.ask("GET", target, "Range: bytes=1499990-\r\n").1 == big[1_499_990..]);
        assert!(server.ask("GET", target, "Range: bytes=1500000-\r\n").0.starts_with("http/1.1 416"));
        let etag = format!("If-None-Match: \"sha256:{}\"\r\n", sha256(&big));
        assert!(server.ask("GET", target, &etag).0.starts_with("http/1.1 304"));
        let other = "If-Range: \"other\"\r\nRange: bytes=5-\r\n";
        assert!(server.ask("GET", target, other).0.starts_with("http/1.1 200"));
    }
    assert_eq!(server.ask("GET", &site.mirror.url("/x%2By"), "").1, b"odd");
    // Nothing else is there, however it is asked for.
    std::fs::write(site.bench.path("secret"), "secret").unwrap();
    for target in [
        "/",
        "/secret",
        "/../secret",
        "/%2e%2e/secret",
        "/..%2fsecret",
        "//",
        "/127.0.0.1/../../secret",
        "file:///etc/passwd",
        "http://127.0.0.1/secret",
        "/etc/passwd",
        &format!("{path}/"),
        &format!("{path}?x"),
    ] {
        let (head, body) = server.ask("GET", target, "");
        assert!(
            head.starts_with("http/1.1 4") && !body.windows(6).any(|six| six == b"secret:"),
            "{target}: {head}"
        );
    }
    assert_eq!(server.status("PUT", &path), "405");
    assert_eq!(server.status("CONNECT", "127.0.0.1:443"), "405");
    let said = server.end();
    assert!(
        said.contains("2 files at http://127.0.0.1:") && said.contains(&format!("GET {path}: 200")),
        "{said}"
    );
    assert!(said.contains("GET /secret: 404"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn container_images_are_given_as_a_registry_gives_them() {
    let site = Site::new().await;
    let layer = noise(1, 50_000);
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","layers":[{{"digest":"sha256:{}"}}]}}"#,
        sha256(&layer)
    );
    let index = br#"{"schemaVersion":2,"manifests":[]}"#.to_vec();
    let paths = [
        ("/v2/eks-distro/pause/manifests/3.10", manifest.clone().into_bytes()),
        ("/v2/eks-distro/pause/manifests/latest", index.clone()),
        (&*format!("/v2/eks-distro/pause/blobs/sha256:{}", sha256(&layer)), layer.clone()),
    ]
    .map(|(path, bytes)| (path.to_owned(), bytes));
    let files: Vec<(&str, Vec<u8>)> =
        paths.iter().map(|(path, bytes)| (path.as_str(), bytes.clone())).collect();
    site.list("l.json", &files);
    let text = std::fs::read_to_string(site.bench.path("l.json")).unwrap();
    std::fs::write(
        site.bench.path("l.json"),
        text.replace("\"kind\":\"file\"", "\"kind\":\"container-image\""),
    )
    .unwrap();
    site.well(&["bundle", "create", "--list", "l.json", "-o", "x.bundle"]);
    let server = Server::start(&site, &["x.bundle"]);
    assert!(server.ask("GET", "/v2/", "").0.contains("registry/2.0"));
    let (head, body) = server.ask("GET", "/v2/eks-distro/pause/manifests/3.10", "");
    assert!(head.contains("content-type: application/vnd.oci.image.manifest.v1+json"), "{head}");
    assert!(
        head.contains(&format!("docker-content-digest: sha256:{}", sha256(manifest.as_bytes()))),
        "{head}"
    );
    assert_eq!(body, manifest.as_bytes());
    let (head, _) = server.ask("HEAD", "/v2/eks-distro/pause/manifests/latest", "");
    assert!(head.contains("content-type: application/vnd.oci.image.index.v1+json"), "{head}");
    let ns = format!("?ns=127.0.0.1:{}", site.mirror.port);
    assert!(server.ask("GET", &format!("{}{ns}", paths[2].0), "").1 == layer);
    assert_eq!(server.status("GET", "/v2/eks-distro/other/manifests/1"), "404");
    server.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_cuts_the_answer_and_a_port_that_is_taken_is_told() {
    let site = Site::new().await;
    site.list("l.json", &[("/a", noise(1, 3_000_000))]);
    site.well(&["bundle", "create", "--list", "l.json", "-o", "x.bundle"]);
    let mut bytes = site.bytes("x.bundle");
    bytes[2_500_000] ^= 1;
    std::fs::write(site.bench.path("x.bundle"), &bytes).unwrap();
    let server = Server::start(&site, &["x.bundle"]);
    let (head, body) = server.ask("GET", &site.mirror.url("/a"), "");
    assert!(head.contains("content-length: 3000000") && body.len() < 3_000_000, "{}", body.len());
    let taken = site.run(&["bundle", "serve", "x.bundle", "--listen", &server.address]);
    crate::eksa::bench::refused(&taken, 2, &[&server.address, "in use", "127.0.0.1:0"]);
    assert!(server.end().contains("damaged"));
}
