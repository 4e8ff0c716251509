//! `goldsmith bundle push`: to a server that takes files, and into a folder.
use super::site::{Site, noise, sha256};
use crate::eksa::bench::{refused, said};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

/// What a server of artifacts has, and what it was asked.
#[derive(Default)]
struct Shelf {
    files: BTreeMap<String, Vec<u8>>,
    asked: Vec<(String, String, u16)>,
    /// Answers that come before any other.
    faults: Vec<u16>,
    login: Option<String>,
}

struct Server {
    shelf: Arc<Mutex<Shelf>>,
    port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shelf = Arc::new(Mutex::new(Shelf::default()));
        let shared = Arc::clone(&shelf);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shelf = Arc::clone(&shared);
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let shelf = Arc::clone(&shelf);
                        async move { Ok::<_, Infallible>(answer(request, &shelf).await) }
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { shelf, port, task }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn puts(&self) -> Vec<u16> {
        let mut shelf = self.shelf.lock().unwrap();
        let asked = std::mem::take(&mut shelf.asked);
        asked.into_iter().filter(|(method, ..)| method == "PUT").map(|(_, _, status)| status).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(request: Request<Incoming>, shelf: &Mutex<Shelf>) -> Response<Full<Bytes>> {
    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
    let login = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let told = request.headers().get("x-checksum-sha256").map(|value| value.to_str().unwrap().to_owned());
    let body = request.into_body().collect().await.map(|body| body.to_bytes().to_vec());
    let mut shelf = shelf.lock().unwrap();
    let mut response = Response::builder();
    let status = match method.as_str() {
        _ if shelf.login.is_some() && shelf.login != login => 401,
        "PUT" if !shelf.faults.is_empty() => shelf.faults.remove(0),
        "PUT" => {
            let body = body.unwrap();
            assert_eq!(told.unwrap(), sha256(&body));
            shelf.files.insert(path.clone(), body);
            201
        }
        _ => match shelf.files.get(&path) {
            Some(bytes) => {
                response =
                    response.header("content-length", bytes.len()).header("x-checksum-sha256", sha256(bytes));
                200
            }
            None => 404,
        },
    };
    shelf.asked.push((method, path, status));
    response.status(status).body(Full::default()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_put_where_they_are_not_yet() {
    let site = Site::new().await;
    let server = Server::start().await;
    let big = noise(1, 900_000);
    site.list("l.json", &[("/pool/a.deb", big.clone()), ("/b", b"b".to_vec())]);
    site.well(&["bundle", "create", "--list", "l.json", "-o", "x.bundle"]);
    std::fs::write(site.bench.path("pw"), "geheim\n").unwrap();
    let to = server.url("/repo");
    let push = ["bundle", "push", "x.bundle", "--to", &to, "--user", "ci", "--password-file", "pw"];
    server.shelf.lock().unwrap().login = Some("Basic Y2k6Z2VoZWlt".to_owned());
    let alone = site.run(&["bundle", "push", "x.bundle", "--to", &to]);
    refused(&alone, 1, &["could not look for", "401", "--user"]);
    server.shelf.lock().unwrap().faults = vec![503];
    let first = site.well(&push);
    assert!(first.contains("2 files") && !first.contains("geheim"), "{first}");
    let below = format!("/repo/127.0.0.1:{}", site.mirror.port);
    assert!(server.shelf.lock().unwrap().files[&format!("{below}/pool/a.deb")] == big);
    assert_eq!(server.puts(), [503, 201, 201]);
    let second = site.well(&push);
    assert!(second.contains("2 of them were there"), "{second}");
    assert_eq!(server.puts(), [] as [u16; 0]);
    // Another one of the same length is not taken for it.
    let mut other = big.clone();
    other[5] ^= 1;
    server.shelf.lock().unwrap().files.insert(format!("{below}/pool/a.deb"), other);
    site.well(&push);
    assert!(server.shelf.lock().unwrap().files[&format!("{below}/pool/a.deb")] == big);
    server.puts();
    server.shelf.lock().unwrap().files.clear();
    server.shelf.lock().unwrap().faults = vec![405];
    refused(&site.run(&push), 1, &["405", "HTTP PUT"]);
    refused(&site.run(&["bundle", "push", "x.bundle", "--to", "s3://bucket"]), 2, &["`s3` addresses"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn amazons_files_get_the_layout_that_its_image_builder_looks_for() {
    let site = Site::new().await;
    // Files of this host stand in for Amazon's servers; only their addresses count.
    site.list("l.json", &[("/kubelet", noise(1, 5000)), ("/crictl", noise(2, 5000))]);
    site.well(&["bundle", "create", "--list", "l.json", "-o", "x.bundle", "--level", "0"]);
    // The same bundle, had it been collected there: the index is not packed, and is written anew.
    let bytes = renamed(&site.bytes("x.bundle"), |index| {
        index
            .replace(&site.mirror.url("/kubelet"), "https://distro.eks.amazonaws.com/kubernetes-1-34/kubelet")
            .replace(&site.mirror.url("/crictl"), "https://anywhere-assets.eks.amazonaws.com/releases/crictl")
    });
    std::fs::write(site.bench.path("y.bundle"), bytes).unwrap();
    let push = ["bundle", "push", "y.bundle", "--to", "www", "--eksa", "other"];
    let output = site.run(&push);
    assert!(output.status.success(), "{}", said(&output));
    let sum = format!("{}  kubelet\n", sha256(&noise(1, 5000)));
    assert_eq!(site.bytes("www/eks-d-artifacts/kubernetes-1-34/kubelet"), noise(1, 5000));
    assert_eq!(site.bytes("www/eks-d-artifacts/kubernetes-1-34/kubelet.sha256"), sum.as_bytes());
    assert_eq!(site.bytes("other/releases/crictl"), noise(2, 5000));
    assert!(site.well(&push).contains("4 of them were there"));
    std::fs::write(site.bench.path("other/releases/crictl"), noise(3, 5000)).unwrap();
    assert!(site.well(&push).contains("3 of them were there"));
    assert_eq!(site.bytes("other/releases/crictl"), noise(2, 5000));
}

/// A bundle whose index says something else.
fn renamed(bundle: &[u8], change: impl Fn(&str) -> String) -> Vec<u8> {
    use sha2::Digest as _;
    let end = bundle.len() - 64;
    let at = u64::from_le_bytes(bundle[end..end + 8].try_into().unwrap()) as usize;
    let index = change(std::str::from_utf8(&bundle[at..end]).unwrap());
    let length = (index.len() as u64).to_le_bytes();
    let sha256 = sha2::Sha256::digest(index.as_bytes());
    let mut new = bundle[..at].to_vec();
    new.extend_from_slice(index.as_bytes());
    new.extend_from_slice(&bundle[end..end + 8]);
    new.extend_from_slice(&length);
    new.extend_from_slice(&length);
    new.extend_from_slice(&sha256);
    new.extend_from_slice(&bundle[end + 56..]);
    new
}
