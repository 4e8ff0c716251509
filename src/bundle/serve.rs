//! Bundles over HTTP, to read only: as a proxy that is asked for whole addresses, as a mirror by `/<host>/<path>`, and as a registry of container images.
use super::{BundleError, BundleErrorKind, Bundles, Card, place::path_of};
use crate::{
    cx::Cx,
    plan::InputKind,
    value::{Digest, Size},
    wire::{Door, portion},
};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Frame, Incoming},
    header::{
        ACCEPT_RANGES, ALLOW, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HOST, HeaderName, IF_NONE_MATCH, IF_RANGE,
        RANGE,
    },
    http::response::Builder,
};
use std::{
    collections::BTreeMap,
    io::{self, Read as _},
    net::SocketAddr,
    sync::Arc,
};
use tokio::net::TcpListener;
use url::Url;

/// As much is read at once, and so many pieces may wait for who fetches them.
const PIECE: usize = 256 << 10;
const AHEAD: usize = 4;

/// A manifest of a container image is not longer (the specification's own limit).
const MANIFEST: u64 = 4 << 20;

/// A server; it ends when this is dropped.
#[derive(Debug)]
pub struct Mirror {
    /// Where it listens.
    pub address: SocketAddr,
    _door: Door,
}

/// What is answered from.
#[derive(Debug)]
struct Shelf {
    cx: Cx,
    bundles: Bundles,
    /// Files by `<host>/<path>`.
    paths: BTreeMap<String, Card>,
    /// Manifests and blobs of container images by their path in a registry, `/v2/…`, with the registries that have them.
    images: BTreeMap<String, Vec<(String, Card)>>,
}

/// What a request comes to.
enum Found {
    /// A file, and whether it is a registry's.
    File(Card, bool),
    /// The root of a registry.
    Registry,
    /// Nothing, at this address.
    None(String),
}

type Given = UnsyncBoxBody<Bytes, io::Error>;

const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const API: HeaderName = HeaderName::from_static("docker-distribution-api-version");

impl Mirror {
    /// Serves what is in `bundles`. Each answer is an event.
    pub async fn start(cx: &Cx, bundles: Bundles, at: SocketAddr) -> Result<Self, BundleError> {
        let failed = |error: io::Error| {
            BundleError::new(BundleErrorKind::Usage, format!("listen on {at}"))
                .because(error)
                .hint("`--listen 127.0.0.1:0` takes a port that is free")
        };
        let listener = TcpListener::bind(at).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shelf = Arc::new(Shelf::new(cx, bundles));
        let door = Door::open_to_stay(listener, move |request| {
            let shelf = Arc::clone(&shelf);
            async move { shelf.answer(request).await }
        });
        Ok(Self { address, _door: door })
    }
}

impl Shelf {
    fn new(cx: &Cx, bundles: Bundles) -> Self {
        let (mut paths, mut images) = (BTreeMap::new(), BTreeMap::<_, Vec<_>>::new());
        for card in bundles.cards() {
            for url in &card.urls {
                if card.kind == InputKind::ContainerImage {
                    let registry = authority(url);
                    images.entry(url.path().to_owned()).or_default().push((registry, card.clone()));
                }
                // Of two addresses that differ in http and https only, the safer one is meant.
                let path = path_of(url);
                if url.scheme() == "https" || !paths.contains_key(&path) {
                    paths.insert(path, card.clone());
                }
            }
        }
        Self { cx: cx.clone(), bundles, paths, images }
    }

    fn find(&self, request: &Request<Incoming>) -> Found {
        let uri = request.uri();
        if uri.scheme().is_some() {
            // To a proxy: the whole address.
            let Ok(url) = Url::parse(&uri.to_string()) else { return Found::None(uri.to_string()) };
            let mut secure = url.clone();
            // Who asks a proxy in the clear for what was fetched by https gets it: bytes are compared with their digest.
            let _ = secure.set_scheme("https");
            let card = self.bundles.card(&url).or_else(|| self.bundles.card(&secure));
            return match card {
                Some(card) => Found::File(card.clone(), card.kind == InputKind::ContainerImage),
                None => Found::None(url.to_string()),
            };
        }
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        if uri.path() == "/v2/" || uri.path() == "/v2" {
            return Found::Registry;
        }
        if let Some(held) = self.images.get(uri.path()) {
            let registry = registry(request);
            let of = |name: &str| held.iter().find(|(registry, _)| registry == name);
            // A mirror is told for whom it stands in (`ns`); else the registry that it is asked as, or the only one.
            let found = of(&registry).or_else(|| held.first().filter(|_| held.len() == 1));
            return match found {
                Some((_, card)) => Found::File(card.clone(), true),
                None => Found::None(format!("{registry}{}", uri.path())),
            };
        }
        if uri.path().starts_with("/v2/") {
            return Found::None(format!("{}{}", registry(request), uri.path()));
        }
        let Ok(url) = Url::parse(&format!("https:/{}{query}", uri.path())) else {
            return Found::None(uri.to_string());
        };
        match self.paths.get(&path_of(&url)) {
            Some(card) => Found::File(card.clone(), false),
            None => Found::None(url.to_string()),
        }
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Given> {
        let found = self.find(&request);
        let (asked, method) = (request.uri().to_string(), request.method().clone());
        let response = if matches!(method, Method::GET | Method::HEAD) {
            Arc::clone(&self).file(&request, found).await
        } else if method == Method::CONNECT {
            // A tunnel would lead to the server itself.
            text(
                Response::builder().status(StatusCode::METHOD_NOT_ALLOWED),
                "this proxy takes http:// addresses only; it gives what was fetched by https:// for them, too\n",
            )
        } else {
            text(
                Response::builder().status(StatusCode::METHOD_NOT_ALLOWED).header(ALLOW, "GET, HEAD"),
                "this is to be read only\n",
            )
        };
        let length =
            response.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let size = length.map(|bytes| format!(" {}", Size::bytes(bytes))).unwrap_or_default();
        self.cx.events().notice(format!("{method} {asked}: {}{size}", response.status().as_u16()));
        response
    }

    async fn file(self: Arc<Self>, request: &Request<Incoming>, found: Found) -> Response<Given> {
        let (card, image) = match found {
            Found::File(card, image) => (card, image),
            Found::Registry => {
                let response =
                    Response::builder().header(API, "registry/2.0").header(CONTENT_TYPE, "application/json");
                return text(response, "{}");
            }
            Found::None(what) => {
                let response = Response::builder().status(StatusCode::NOT_FOUND);
                return text(response, &format!("no bundle has {what}\n"));
            }
        };
        let etag = format!("\"{}\"", card.sha256);
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let mut response = Response::builder().header(ETAG, &etag).header(ACCEPT_RANGES, "bytes");
        if image {
            response = response.header(DIGEST, card.sha256.to_string()).header(API, "registry/2.0");
        }
        let same = |said: &str| {
            said.split(',')
                .any(|one| matches!(one.trim().trim_start_matches("W/"), one if one == etag || one == "*"))
        };
        if header(IF_NONE_MATCH).is_some_and(same) {
            return empty(response.status(StatusCode::NOT_MODIFIED));
        }
        let media = self.media(&card, image, request.uri().path()).await;
        response = response.header(CONTENT_TYPE, media);
        // A part of another version is of no use to who asks.
        let range = header(RANGE).filter(|_| header(IF_RANGE).is_none_or(|version| version == etag));
        let (response, part) = portion(response, range, card.bytes);
        let Some((first, after)) = part else { return empty(response) };
        if request.method() == Method::HEAD {
            return empty(response);
        }
        made(response, self.stream(card.sha256, first, after))
    }

    /// The type of a file. A registry's clients take a manifest for what this says.
    async fn media(&self, card: &Card, image: bool, path: &str) -> String {
        const ANY: &str = "application/octet-stream";
        if !image || !path.contains("/manifests/") || card.bytes > MANIFEST {
            return ANY.to_owned();
        }
        let (bundles, sha256) = (self.bundles.clone(), card.sha256.clone());
        let read = move || {
            let mut bytes = Vec::new();
            bundles.read(&sha256, 0)?.read_to_end(&mut bytes)?;
            io::Result::Ok(bytes)
        };
        let bytes = tokio::task::spawn_blocking(read).await;
        let manifest = bytes
            .ok()
            .and_then(Result::ok)
            .and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok());
        let Some(manifest) = manifest else { return ANY.to_owned() };
        match manifest["mediaType"].as_str() {
            Some(told) if told.bytes().all(|byte| byte.is_ascii_graphic()) => told.to_owned(),
            // OCI's may leave it out.
            _ if manifest["manifests"].is_array() => "application/vnd.oci.image.index.v1+json".to_owned(),
            _ => "application/vnd.oci.image.manifest.v1+json".to_owned(),
        }
    }

    /// The bytes of a file, read on a thread of its own. Damage cuts the connection: what was sent is not to be taken for the file.
    fn stream(&self, sha256: Digest, first: u64, after: u64) -> Given {
        let (sender, receiver) = tokio::sync::mpsc::channel::<io::Result<Frame<Bytes>>>(AHEAD);
        let (bundles, cx) = (self.bundles.clone(), self.cx.clone());
        tokio::task::spawn_blocking(move || {
            let mut left = after - first;
            let read = || -> io::Result<()> {
                let mut pieces = bundles.read(&sha256, first)?;
                loop {
                    let mut buffer = vec![0; PIECE.min(left.max(1) as usize)];
                    // At the end it is read once more: then the whole is compared with its digest.
                    let n = pieces.read(&mut buffer)?;
                    if n == 0 || left == 0 {
                        return Ok(());
                    }
                    buffer.truncate(n.min(left as usize));
                    left -= buffer.len() as u64;
                    if sender.blocking_send(Ok(Frame::data(buffer.into()))).is_err() {
                        // Nobody listens any more.
                        return Ok(());
                    }
                }
            };
            let mut read = read;
            if let Err(error) = read() {
                cx.events().warn(
                    format!("the answer was cut: {error}"),
                    Some("`goldsmith bundle verify` looks at all of it".to_owned()),
                );
                let _ = sender.blocking_send(Err(error));
            }
        });
        let frames = futures_util::stream::unfold(receiver, |mut receiver| async move {
            Some((receiver.recv().await?, receiver))
        });
        BodyExt::boxed_unsync(StreamBody::new(frames))
    }
}

/// Whom a request to a registry means.
fn registry(request: &Request<Incoming>) -> String {
    let query = request.uri().query().unwrap_or_default();
    let named = url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "ns");
    match named {
        Some((_, name)) => name.into_owned(),
        None => {
            request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned()
        }
    }
}

/// Host and port of an address.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn empty(response: Builder) -> Response<Given> {
    made(response, Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync())
}

fn text(response: Builder, text: &str) -> Response<Given> {
    let body = Bytes::copy_from_slice(text.as_bytes());
    made(
        response.header(CONTENT_LENGTH, body.len()),
        Full::new(body).map_err(|never| match never {}).boxed_unsync(),
    )
}

fn made(response: Builder, body: Given) -> Response<Given> {
    // What is put into heads here is always right, but for a type that an image tells of itself.
    response.body(body).unwrap_or_else(|_| {
        let mut broken =
            Response::new(Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync());
        *broken.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        broken
    })
}
