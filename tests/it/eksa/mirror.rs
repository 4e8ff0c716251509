//! A mirror of the public servers: manifests and files below one address, with validators, ranges, and trouble on request.
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use sha2::{Digest as _, Sha256, Sha512};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

/// What becomes of the next request for a path.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    /// This status, and a page for people.
    Status(u16),
    /// The head tells all, and the connection is cut after so many bytes.
    CutAfter(usize),
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) range: Option<String>,
    pub(crate) if_none_match: Option<String>,
    pub(crate) answer: u16,
}

#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) fates: BTreeMap<String, VecDeque<Fate>>,
    pub(crate) asked: Vec<Asked>,
}

/// A mirror; it ends with this value.
pub(crate) struct Mirror {
    tree: Arc<Mutex<Tree>>,
    pub(crate) port: u16,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Debug, thiserror::Error)]
#[error("severed")]
struct Severed;

/// A body that is shorter than its head says.
struct Short {
    bytes: Option<Bytes>,
    length: u64,
    /// hyper sends what it has only when there is nothing to do.
    sent: bool,
}

impl hyper::body::Body for Short {
    type Data = Bytes;
    type Error = Severed;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Severed>>> {
        if let Some(bytes) = self.bytes.take() {
            return std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(bytes))));
        }
        if !std::mem::replace(&mut self.sent, true) {
            cx.waker().wake_by_ref();
            return std::task::Poll::Pending;
        }
        std::task::Poll::Ready(Some(Err(Severed)))
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.length)
    }
}

type Body = http_body_util::Either<Full<Bytes>, Short>;

/// Where the release manifest is.
pub(crate) const RELEASES: &str = "/releases/eks-a/manifest.yaml";
pub(crate) const BUNDLE: &str = "/releases/bundles/122/manifest.yaml";
pub(crate) const DISTRO: &str = "/kubernetes-1-34/kubernetes-1-34-eks-21.yaml";

/// The bytes of a file of the mirror: larger than one packet, and different for each path.
pub(crate) fn content(path: &str) -> Vec<u8> {
    format!("{path}\n").repeat(5000).into_bytes()
}

impl Mirror {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let tree = Arc::new(Mutex::new(Tree::default()));
        let shared = Arc::clone(&tree);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let tree = Arc::clone(&shared);
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let answer = one(&request, &tree);
                        async move { Ok::<_, Severed>(answer) }
                    });
                    // A fate that cuts the connection ends it with an error.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        let mirror = Self { tree, port, task };
        mirror.publish(&mirror.url(""));
        mirror
    }

    /// Writes the manifests and the files that they name, for this address of the mirror.
    pub(crate) fn publish(&self, base: &str) {
        for (path, text) in [
            (RELEASES, include_str!("release.yaml")),
            (BUNDLE, include_str!("bundle.yaml")),
            (DISTRO, include_str!("distro.yaml")),
        ] {
            let text = filled(&text.replace("MIRROR", base));
            for found in text.match_indices(base) {
                let rest = &text[found.0 + base.len()..];
                let end = rest.find([',', '}', '\n', ' ']).unwrap_or(rest.len());
                let file = &rest[..end];
                if !file.ends_with("yaml") {
                    self.put(file, content(file));
                }
            }
            self.put(path, text.into_bytes());
        }
    }

    pub(crate) fn put(&self, path: &str, bytes: Vec<u8>) {
        self.tree().files.insert(path.to_owned(), bytes);
    }

    /// Changes a text of the mirror. What is replaced must be there.
    pub(crate) fn edit(&self, path: &str, from: &str, to: &str) {
        let text = String::from_utf8(self.tree().files[path].clone()).unwrap();
        assert!(text.contains(from), "{path} has no {from}");
        self.put(path, text.replace(from, to).into_bytes());
    }

    pub(crate) fn fate(&self, path: &str, fate: Fate) {
        self.tree().fates.entry(path.to_owned()).or_default().push_back(fate);
    }

    pub(crate) fn tree(&self) -> MutexGuard<'_, Tree> {
        self.tree.lock().unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The requests for a path, which are forgotten.
    pub(crate) fn asked(&self, path: &str) -> Vec<Asked> {
        let (these, others) =
            std::mem::take(&mut self.tree().asked).into_iter().partition(|asked| asked.path == path);
        self.tree().asked = others;
        these
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Puts the digests of files in place of `[sha256 /path]`.
fn filled(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(start) = rest.find("[sha") {
        let end = start + rest[start..].find(']').unwrap();
        let (name, path) = rest[start + 1..end].split_once(' ').unwrap();
        out.push_str(&rest[..start]);
        let bytes = content(path);
        out.push_str(&match name {
            "sha256" => hex::encode(Sha256::digest(&bytes)),
            _ => hex::encode(Sha512::digest(&bytes)),
        });
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    out
}

fn one(request: &Request<Incoming>, tree: &Mutex<Tree>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let header = |name: &str| Some(request.headers().get(name)?.to_str().unwrap().to_owned());
    let (range, if_none_match) = (header("range"), header("if-none-match"));
    let mut tree = tree.lock().unwrap();
    let fate = tree.fates.get_mut(&path).and_then(VecDeque::pop_front);
    let file = tree.files.get(&path).cloned();
    let etag = file.as_ref().map(|bytes| format!("\"{}\"", hex::encode(&Sha256::digest(bytes)[..8])));
    let page = |status: u16| (status, Bytes::from_static(b"<html><body>not here</body></html>"));
    let (status, body) = match (&fate, file) {
        (Some(Fate::Status(status)), _) => page(*status),
        (_, None) => page(404),
        (_, Some(_)) if if_none_match.is_some() && if_none_match == etag => (304, Bytes::new()),
        (_, Some(bytes)) => {
            let from = range.as_ref().and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
            match from.and_then(|from| from.parse::<usize>().ok()) {
                Some(from) => (206, Bytes::from(bytes).slice(from..)),
                None => (200, Bytes::from(bytes)),
            }
        }
    };
    let method = request.method().to_string();
    let mut answer = Response::builder().status(status);
    if let Some(etag) = etag {
        answer = answer.header("etag", etag);
    }
    if status == 206 {
        let total = tree.files[&path].len();
        answer =
            answer.header("content-range", format!("bytes {}-{}/{total}", total - body.len(), total - 1));
    }
    tree.asked.push(Asked { method, path, range, if_none_match, answer: status });
    let body = match fate {
        Some(Fate::CutAfter(bytes)) => {
            let length = body.len() as u64;
            let bytes = Some(body.slice(..bytes.min(body.len())));
            Body::Right(Short { bytes, length, sent: false })
        }
        _ => Body::Left(Full::new(body)),
    };
    answer.body(body).unwrap()
}
