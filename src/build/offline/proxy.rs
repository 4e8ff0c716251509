//! The proxy of an offline run: on this host's loopback, for the bootstrap's apt and, through its SSH session, for the guest. It answers from
//! the collections by absolute address, asks declared hosts, and refuses the rest.
//!
//! HTTPS comes as a tunnel (`CONNECT`); the proxy stands at its end, with a certificate of the run's own authority.
use super::authority::Authority;
use crate::{
    fetch::{Detour, FetchError, Fetcher, Held, Stock, Way},
    wire::{Door, portion},
};
use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Frame, Incoming},
    ext::ReasonPhrase,
    header::{
        ACCEPT_RANGES, CONTENT_TYPE, ETAG, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
        LAST_MODIFIED, RANGE,
    },
    http::response::Builder,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    convert::Infallible,
    io::{self, Read},
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{net::TcpListener, sync::mpsc, task::JoinSet};
use tokio_rustls::TlsAcceptor;
use url::Url;

/// As much is read at once, and so many pieces wait for a slow reader.
const CHUNK: usize = 256 << 10;
const WAITING: usize = 4;
/// A handshake, or the head of a request, takes no longer.
const PATIENCE: Duration = Duration::from_secs(60);

type Given = BoxBody<Bytes, io::Error>;

/// The proxy; it ends when this is dropped.
#[derive(Debug)]
pub(in crate::build) struct Proxy {
    address: SocketAddr,
    counter: Arc<Counter>,
    _door: Door,
}

/// What all its connections share.
#[derive(Debug)]
struct Counter {
    fetcher: Arc<Fetcher>,
    authority: Authority,
    tunnels: Mutex<JoinSet<()>>,
}

impl Proxy {
    /// Begins to answer, by what the gate of `fetcher` lets through.
    pub(in crate::build) async fn start(fetcher: Arc<Fetcher>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let counter =
            Arc::new(Counter { fetcher, authority: Authority::new()?, tunnels: Mutex::new(JoinSet::new()) });
        let shared = Arc::clone(&counter);
        let door = Door::open_to_stay(listener, move |request| {
            let counter = Arc::clone(&shared);
            async move { counter.take(request).await }
        });
        Ok(Self { address, counter, _door: door })
    }

    /// How programs are led here.
    pub(in crate::build) fn detour(&self) -> Detour {
        Detour { proxy: self.address, ca: self.counter.authority.pem().to_owned() }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.counter.tunnels().abort_all();
    }
}

impl Counter {
    fn tunnels(&self) -> std::sync::MutexGuard<'_, JoinSet<()>> {
        self.tunnels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request as proxies get them.
    async fn take(self: Arc<Self>, request: Request<Incoming>) -> Response<Given> {
        if request.method() == Method::CONNECT {
            return self.tunnel(request);
        }
        // Only proxies are told the whole address.
        match Url::parse(&request.uri().to_string()) {
            Ok(url) if url.scheme() == "http" && url.has_host() => self.answer(&request, &url).await,
            _ => refusal(StatusCode::BAD_REQUEST, "Ask Me As A Proxy"),
        }
    }

    /// Takes the place of a server at the end of a tunnel.
    fn tunnel(self: Arc<Self>, request: Request<Incoming>) -> Response<Given> {
        let Some(authority) = request.uri().authority().cloned() else {
            return refusal(StatusCode::BAD_REQUEST, "No Host");
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let Ok(config) = self.authority.server(&host) else {
            return refusal(StatusCode::BAD_REQUEST, "No Such Host");
        };
        let counter = Arc::clone(&self);
        let serve = async move {
            let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
            let greeting = TlsAcceptor::from(config).accept(TokioIo::new(upgraded));
            let Ok(Ok(stream)) = tokio::time::timeout(PATIENCE, greeting).await else { return };
            let answer = service_fn(|request: Request<Incoming>| {
                let (counter, authority) = (Arc::clone(&counter), authority.clone());
                async move {
                    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
                    let response = match Url::parse(&format!("https://{authority}{path}")) {
                        Ok(url) => counter.answer(&request, &url).await,
                        Err(_) => refusal(StatusCode::BAD_REQUEST, "No Address"),
                    };
                    Ok::<_, Infallible>(response)
                }
            });
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
            // One who breaks off asks again.
            let _ = server.serve_connection(TokioIo::new(stream), answer).await;
        };
        let mut tunnels = self.tunnels();
        // Those that are over are forgotten.
        while tunnels.try_join_next().is_some() {}
        tunnels.spawn(serve);
        empty(Response::builder().status(StatusCode::OK))
    }

    async fn answer(&self, request: &Request<Incoming>, url: &Url) -> Response<Given> {
        let head = request.method() == Method::HEAD;
        if !head && request.method() != Method::GET {
            return refusal(StatusCode::METHOD_NOT_ALLOWED, "Only GET And HEAD");
        }
        let gate = self.fetcher.gate();
        match gate.way(url, None) {
            Way::Stock(stock, held) => stocked(head, request.headers(), stock, held),
            Way::Network => match self.fetcher.pass(head, url, request.headers()).await {
                Ok(passed) => {
                    let mut response = Response::builder().status(passed.status);
                    if let Some(headers) = response.headers_mut() {
                        *headers = passed.headers;
                    }
                    made(
                        response,
                        BodyExt::boxed(StreamBody::new(passed.body.map(|piece| piece.map(Frame::data)))),
                    )
                }
                // It sent us elsewhere.
                Err(error) if is_refusal(&error) => refusal(StatusCode::FORBIDDEN, NOT_HERE),
                Err(_) => refusal(StatusCode::BAD_GATEWAY, "The Allowed Host Did Not Answer"),
            },
            // Of an archive's lists, programs try what there may be; whoever collected took what there was.
            Way::Refused if is_optional(url) => refusal(StatusCode::NOT_FOUND, NOT_HERE),
            Way::Refused => {
                let _remembered = gate.refuse(url);
                refusal(StatusCode::FORBIDDEN, NOT_HERE)
            }
        }
    }
}

/// What tools show of a refusal.
const NOT_HERE: &str = "Goldsmith Is Offline And No Bundle Has It";

fn is_refusal(error: &FetchError) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if matches!(error.downcast_ref(), Some(FetchError::Refused { .. })) {
            return true;
        }
        next = error.source();
    }
    false
}

/// Whether programs ask for `url` without needing it: lists of an archive's, but not what says which lists there are.
fn is_optional(url: &Url) -> bool {
    let path = url.path();
    path.contains("/dists/") && !path.ends_with("/InRelease") && !path.ends_with("/Release")
}

/// A date that stands for the content. Whoever has it, has this very content, and needs no other; no program that got the file
/// elsewhere has it.
fn dated(held: &Held) -> String {
    // From 1980 on, for 34 years.
    let seconds =
        held.digest.hex().get(..8).and_then(|hex| u32::from_str_radix(hex, 16).ok()).unwrap_or(0) >> 2;
    let at = jiff::Timestamp::from_second(315_532_800 + i64::from(seconds)).unwrap_or_default();
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// What a collection has: whole, in part, or not again.
fn stocked(head: bool, asked: &HeaderMap, stock: Arc<dyn Stock>, held: Held) -> Response<Given> {
    let said = |name: HeaderName| asked.get(name).and_then(|value| value.to_str().ok());
    let (tag, date) = (format!("\"{}\"", held.digest.hex()), dated(&held));
    let response = Response::builder()
        .header(ACCEPT_RANGES, "bytes")
        .header(CONTENT_TYPE, "application/octet-stream")
        .header(ETAG, &tag)
        .header(LAST_MODIFIED, &date);
    let has_it = match said(IF_NONE_MATCH) {
        Some(tags) => tags.split(',').any(|have| have.trim() == tag),
        None => said(IF_MODIFIED_SINCE) == Some(date.as_str()),
    };
    if has_it {
        return empty(response.status(StatusCode::NOT_MODIFIED));
    }
    let same = said(IF_RANGE).is_none_or(|have| have == tag || have == date);
    let (response, part) = portion(response, said(RANGE).filter(|_| same), held.bytes);
    let Some((first, after)) = part else { return empty(response) };
    if head { empty(response) } else { made(response, stream(stock, held, first, after)) }
}

/// Bytes `first` to `after` of what a collection has, read on a thread of their own.
fn stream(stock: Arc<dyn Stock>, held: Held, first: u64, after: u64) -> Given {
    let (sender, receiver) = mpsc::channel::<io::Result<Bytes>>(WAITING);
    tokio::task::spawn_blocking(move || {
        let read = || -> io::Result<()> {
            let mut from = stock.open(&held)?;
            io::copy(&mut (&mut from).take(first), &mut io::sink())?;
            let mut left = after - first;
            while left > 0 {
                let mut piece = vec![0; CHUNK.min(usize::try_from(left).unwrap_or(CHUNK))];
                from.read_exact(&mut piece)?;
                left -= piece.len() as u64;
                if left == 0 && after == held.bytes {
                    // Whether all of it was right is known at the end, and there the reader must hear of it.
                    let _ = from.read(&mut [0])?;
                }
                if sender.blocking_send(Ok(piece.into())).is_err() {
                    // Nobody reads any more.
                    return Ok(());
                }
            }
            Ok(())
        };
        if let Err(error) = read() {
            let _nobody_may_read = sender.blocking_send(Err(error));
        }
    });
    let pieces = futures_util::stream::unfold(receiver, |mut receiver| async move {
        let piece = receiver.recv().await?;
        Some((piece.map(Frame::data), receiver))
    });
    BodyExt::boxed(StreamBody::new(pieces))
}

fn refusal(status: StatusCode, why: &'static str) -> Response<Given> {
    let mut response = empty(Response::builder().status(status));
    response.extensions_mut().insert(ReasonPhrase::from_static(why.as_bytes()));
    response
}

fn empty(response: Builder) -> Response<Given> {
    made(response, Full::new(Bytes::new()).map_err(|never| match never {}).boxed())
}

fn made(response: Builder, body: Given) -> Response<Given> {
    // What is put into heads here is always right.
    response.body(body).unwrap_or_else(|_| {
        let mut broken = Response::new(Full::new(Bytes::new()).map_err(|never| match never {}).boxed());
        *broken.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        broken
    })
}
