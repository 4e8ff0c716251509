//! One file that others fetch from this host, by an address that nobody guesses: whole or in parts, and what was fetched of it is known.
use super::{Bar, Door};
use crate::cx::Cx;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Frame, Incoming},
    header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE},
    http::response::Builder,
};
use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncSeekExt as _},
    net::TcpListener,
};
use tokio_util::io::ReaderStream;

/// As much is read at once.
const CHUNK: usize = 256 << 10;

/// A file at an address of this host; it is there as long as this value.
#[derive(Debug)]
pub(crate) struct Served {
    /// Where.
    pub(crate) url: String,
    shelf: Arc<Shelf>,
    _door: Door,
}

/// What there is, and what became of it.
struct Shelf {
    file: PathBuf,
    bytes: u64,
    /// With the slash before it.
    path: String,
    /// How far the furthest reader came, which is what is shown.
    furthest: AtomicU64,
    asked: AtomicBool,
    bar: Mutex<Bar>,
    cx: Cx,
}

impl std::fmt::Debug for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelf").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Served {
    /// Serves a file of so many bytes, as `name` below a folder that is a random number. `at` has port 0 for any that is free.
    pub(crate) async fn start(
        cx: &Cx,
        at: SocketAddr,
        (file, bytes): (&Path, u64),
        name: &str,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(at).await?;
        let address = listener.local_addr()?;
        let path = format!("/{}/{name}", uuid::Uuid::new_v4().simple());
        let url = format!("http://{address}{path}");
        let shelf = Arc::new(Shelf {
            file: file.to_owned(),
            bytes,
            path,
            furthest: AtomicU64::new(0),
            asked: AtomicBool::new(false),
            bar: Mutex::new(Bar::new(cx, format!("fetched of {name}"), Some(bytes))),
            cx: cx.clone(),
        });
        let shared = Arc::clone(&shelf);
        let door = Door::open(listener, move |request| {
            let shelf = Arc::clone(&shared);
            async move { shelf.answer(request).await }
        });
        Ok(Self { url, shelf, _door: door })
    }

    /// How many bytes were fetched, from the start; nothing if nobody ever asked for the file.
    pub(crate) fn fetched(&self) -> Option<u64> {
        self.shelf.asked.load(Ordering::Relaxed).then(|| self.shelf.furthest.load(Ordering::Relaxed))
    }
}

type Given = BoxBody<Bytes, io::Error>;

impl Shelf {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Given> {
        if request.uri().path() != self.path {
            return empty(Response::builder().status(StatusCode::NOT_FOUND));
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return empty(Response::builder().status(StatusCode::METHOD_NOT_ALLOWED));
        }
        if !self.asked.swap(true, Ordering::Relaxed) {
            self.cx.events().notice("the file is asked for".to_owned());
        }
        let range = request.headers().get(RANGE).and_then(|range| range.to_str().ok());
        let response = Response::builder()
            .header(ACCEPT_RANGES, "bytes")
            .header(CONTENT_TYPE, "application/octet-stream");
        let (response, part) = portion(response, range, self.bytes);
        let Some((first, after)) = part else { return empty(response) };
        if request.method() == Method::HEAD {
            return empty(response);
        }
        match self.stream(first, after).await {
            Ok(body) => made(response, body),
            Err(_) => empty(Response::builder().status(StatusCode::INTERNAL_SERVER_ERROR)),
        }
    }

    async fn stream(self: Arc<Self>, first: u64, after: u64) -> io::Result<Given> {
        let mut file = tokio::fs::File::open(&self.file).await?;
        file.seek(io::SeekFrom::Start(first)).await?;
        let mut done = first;
        let frames = ReaderStream::with_capacity(file.take(after - first), CHUNK).map(move |read| {
            read.map(|chunk| {
                done += chunk.len() as u64;
                self.passed(done);
                Frame::data(chunk)
            })
        });
        Ok(BodyExt::boxed(StreamBody::new(frames)))
    }

    fn passed(&self, done: u64) {
        if self.furthest.fetch_max(done, Ordering::Relaxed) < done {
            self.bar.lock().unwrap_or_else(PoisonError::into_inner).show(done);
        }
    }
}

/// The head of the answer to who asks for `range` of `bytes` bytes, and the bytes that follow it, from the first to the one after the last; none if there
/// is no such part.
pub(crate) fn portion(head: Builder, range: Option<&str>, bytes: u64) -> (Builder, Option<(u64, u64)>) {
    let (head, first, after) = match range.and_then(|range| part(range, bytes)) {
        None => (head.status(StatusCode::OK), 0, bytes),
        Some(Ok((first, after))) => {
            let said = format!("bytes {first}-{}/{bytes}", after - 1);
            (head.status(StatusCode::PARTIAL_CONTENT).header(CONTENT_RANGE, said), first, after)
        }
        Some(Err(())) => {
            let head = head.status(StatusCode::RANGE_NOT_SATISFIABLE);
            return (head.header(CONTENT_RANGE, format!("bytes */{bytes}")), None);
        }
    };
    (head.header(CONTENT_LENGTH, after - first), Some((first, after)))
}

/// The part that is asked for, from its first byte to the one after its last; nothing if it is to be the whole, and an error if there is no
/// such part (RFC 9110, 14.1.2). Several parts at once are answered with the whole, which is allowed.
fn part(range: &str, bytes: u64) -> Option<Result<(u64, u64), ()>> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    let (first, after) = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => (first, last.saturating_add(1).min(bytes)),
        (Ok(first), Err(_)) if last.is_empty() => (first, bytes),
        // The last so many.
        (Err(_), Ok(count)) if first.is_empty() => (bytes - count.min(bytes), bytes),
        _ => return None,
    };
    Some(if first < after { Ok((first, after)) } else { Err(()) })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cx::tests_support::cx;
    use tokio::io::AsyncWriteExt as _;

    #[test]
    fn parts_are_those_of_the_standard() {
        for (said, expected) in [
            ("bytes=0-", Some(Ok((0, 10)))),
            ("bytes=3-5", Some(Ok((3, 6)))),
            ("bytes=3-99", Some(Ok((3, 10)))),
            ("bytes=-4", Some(Ok((6, 10)))),
            ("bytes=-99", Some(Ok((0, 10)))),
            ("bytes=10-", Some(Err(()))),
            ("bytes=-0", Some(Err(()))),
            ("bytes=5-3", None),
            ("bytes=0-1,3-4", None),
            ("lines=1-2", None),
        ] {
            assert_eq!(part(said, 10), expected, "{said}");
        }
    }

    /// What is answered to one request.
    async fn say(url: &str, method: &str, path: Option<&str>, range: &str) -> String {
        let url = url::Url::parse(url).unwrap();
        let address = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
        let path = path.unwrap_or(url.path());
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{range}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_file_is_there_whole_and_in_parts_and_nothing_else_is() {
        let cx = cx();
        let file = cx.work().join("web.qcow2");
        std::fs::write(&file, "0123456789").unwrap();
        let at = "127.0.0.1:0".parse().unwrap();
        let served = Served::start(&cx, at, (&file, 10), "web.qcow2").await.unwrap();
        let url = served.url.clone();
        assert!(say(&url, "GET", Some("/web.qcow2"), "").await.starts_with("HTTP/1.1 404 "));
        assert_eq!(served.fetched(), None);
        assert!(say(&url, "PUT", None, "").await.starts_with("HTTP/1.1 405 "));
        let head = say(&url, "HEAD", None, "").await;
        assert!(head.contains("content-length: 10\r\n") && head.ends_with("\r\n\r\n"), "{head}");
        assert_eq!(served.fetched(), Some(0));
        let some = say(&url, "GET", None, "Range: bytes=2-4\r\n").await;
        assert!(some.starts_with("HTTP/1.1 206 ") && some.contains("content-range: bytes 2-4/10\r\n"));
        assert!(some.ends_with("\r\n\r\n234"), "{some}");
        assert!(
            say(&url, "GET", None, "Range: bytes=10-\r\n").await.contains("content-range: bytes */10\r\n")
        );
        assert!(say(&url, "GET", None, "").await.ends_with("\r\n\r\n0123456789"));
        assert_eq!(served.fetched(), Some(10));
        drop(served);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        let address = url::Url::parse(&url).unwrap();
        let gone = tokio::net::TcpStream::connect(("127.0.0.1", address.port().unwrap())).await;
        assert!(gone.is_err(), "it ends with the value");
    }
}
