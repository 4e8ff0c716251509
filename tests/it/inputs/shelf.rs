//! A server that gives nothing but what was put on it, by path or by whole address as proxies are asked.
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

/// A client as goldsmith makes it.
pub(super) fn client() -> reqwest::Client {
    // Fails only when there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// A file on the shelf.
#[derive(Debug, Clone)]
pub(super) enum Held {
    Bytes(Vec<u8>),
    /// At this address, with this SHA-256: taken from there when it is asked for.
    Upstream(String, String),
}

#[derive(Debug, Default)]
struct Inner {
    files: BTreeMap<String, Held>,
    missing: Vec<String>,
    asked: Vec<String>,
    /// Who has no token gets none of what is below `/v2/`.
    token: Option<String>,
}

pub(super) struct Shelf {
    inner: Arc<Mutex<Inner>>,
    pub(super) port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl Shelf {
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let inner = Arc::new(Mutex::new(Inner::default()));
        let shared = Arc::clone(&inner);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let inner = Arc::clone(&shared);
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let inner = Arc::clone(&inner);
                        async move { Ok::<_, Infallible>(answer(&request, &inner, port).await) }
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { inner, port, task }
    }

    pub(super) fn put(&self, key: &str, held: Held) {
        self.inner.lock().unwrap().files.insert(key.to_owned(), held);
    }

    pub(super) fn take(&self, key: &str) {
        self.inner.lock().unwrap().files.remove(key).unwrap();
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(super) fn want_token(&self, token: &str) {
        self.inner.lock().unwrap().token = Some(token.to_owned());
    }

    /// What was asked for and is not here; forgotten by that.
    pub(super) fn missing(&self) -> Vec<String> {
        std::mem::take(&mut self.inner.lock().unwrap().missing)
    }

    pub(super) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.inner.lock().unwrap().asked)
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(request: &Request<Incoming>, inner: &Mutex<Inner>, port: u16) -> Response<Full<Bytes>> {
    let key = request.uri().to_string();
    let header = |name: &str| Some(request.headers().get(name)?.to_str().unwrap().to_owned());
    let plain = |status: u16| Response::builder().status(status);
    let held = {
        let mut inner = inner.lock().unwrap();
        inner.asked.push(key.clone());
        if let Some(token) = inner.token.clone() {
            if key == "/token?service=shelf&scope=repository%3Ateam%2Fapp%3Apull" {
                let body = serde_json::json!({ "access_token": token }).to_string();
                return plain(200).body(Full::from(body)).unwrap();
            }
            if key.starts_with("/v2/") && header("authorization") != Some(format!("Bearer {token}")) {
                let challenge = format!(
                    "Bearer realm=\"http://127.0.0.1:{port}/token\",service=\"shelf\",scope=\"repository:team/app:pull\""
                );
                return plain(401).header("www-authenticate", challenge).body(Full::default()).unwrap();
            }
        }
        if key == "/v2/" {
            return plain(200).body(Full::default()).unwrap();
        }
        let Some(held) = inner.files.get(&key).cloned() else {
            inner.missing.push(key);
            return plain(404).body(Full::default()).unwrap();
        };
        held
    };
    let bytes = match held {
        Held::Bytes(bytes) => bytes,
        Held::Upstream(url, sha256) => {
            let bytes = client().get(url).send().await.unwrap().bytes().await.unwrap().to_vec();
            assert_eq!(hex::encode(Sha256::digest(&bytes)), sha256, "{key}");
            bytes
        }
    };
    let mut response = plain(200);
    if key.contains("/manifests/") {
        let manifest: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        response = response
            .header("content-type", manifest["mediaType"].as_str().unwrap())
            .header("docker-content-digest", format!("sha256:{}", hex::encode(Sha256::digest(&bytes))));
    }
    let length = bytes.len();
    let body = if request.method() == hyper::Method::HEAD { Vec::new() } else { bytes };
    response.header("content-length", length).body(Full::from(body)).unwrap()
}
