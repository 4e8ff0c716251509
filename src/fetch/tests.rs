//! The fetcher against a real HTTP server that misbehaves on request.
mod gate;
mod moved;

use super::*;
use crate::cx::{Event, Events, Record, Sink, Stop, tests_support::cx};
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Instant,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// What the server does with one request; the last rule stays in force.
#[derive(Debug, Clone)]
enum Reply {
    /// The file, or the range that was asked for.
    Serve,
    /// The same under another ETag and with other content: the file was replaced.
    Replaced(&'static str, Vec<u8>),
    /// Only that many bytes, then the connection ends.
    Truncate(usize),
    /// A status without a body.
    Status(u16),
    /// That many bytes, then silence.
    Hang(usize),
    /// The whole file, whatever range was asked for.
    IgnoreRange,
}

#[derive(Debug, Clone, Default)]
struct Request {
    path: String,
    range: Option<String>,
    if_range: Option<String>,
}

struct Server {
    url: Url,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    async fn start(content: Vec<u8>, rules: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/images/disk.img", listener.local_addr().unwrap()).parse().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        tokio::spawn(async move {
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let rule = rules.get(number).or(rules.last()).unwrap().clone();
                tokio::spawn(answer(stream, content.clone(), rule, log.clone()));
            }
        });
        Self { url, seen }
    }

    fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

async fn answer(stream: TcpStream, content: Vec<u8>, rule: Reply, seen: Arc<Mutex<Vec<Request>>>) {
    let mut stream = BufReader::new(stream);
    let mut headers = HashMap::new();
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    line.clear();
    while stream.read_line(&mut line).await.unwrap() > 2 {
        if let Some((key, value)) = line.split_once(": ") {
            headers.insert(key.to_ascii_lowercase(), value.trim().to_owned());
        }
        line.clear();
    }
    let (range, if_range) = (headers.get("range").cloned(), headers.get("if-range").cloned());
    let request = Request { path, range, if_range };
    seen.lock().unwrap().push(request.clone());
    let (tag, content) = match &rule {
        Reply::Replaced(tag, content) => (*tag, content.clone()),
        _ => ("\"one\"", content),
    };
    let from: usize = request
        .range
        .filter(|_| !matches!(rule, Reply::IgnoreRange))
        .filter(|_| request.if_range.as_deref().is_none_or(|wanted| wanted == tag))
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok())
        .unwrap_or(0);
    let head = match &rule {
        Reply::Status(status) => format!("HTTP/1.1 {status} Odd\r\ncontent-length: 0\r\n"),
        _ if from >= content.len() => {
            format!("HTTP/1.1 416 Range\r\ncontent-range: bytes */{}\r\ncontent-length: 0\r\n", content.len())
        }
        _ if from > 0 => format!(
            "HTTP/1.1 206 Partial\r\netag: {tag}\r\ncontent-range: bytes {from}-{}/{}\r\ncontent-length: {}\r\n",
            content.len() - 1,
            content.len(),
            content.len() - from
        ),
        _ => format!("HTTP/1.1 200 OK\r\netag: {tag}\r\ncontent-length: {}\r\n", content.len()),
    };
    let body = match &rule {
        Reply::Status(_) => &[],
        Reply::Truncate(bytes) | Reply::Hang(bytes) => &content[from..(from + bytes).min(content.len())],
        _ => &content[from.min(content.len())..],
    };
    let _ = stream.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).await;
    let _ = stream.write_all(body).await;
    let _ = stream.flush().await;
    if matches!(rule, Reply::Hang(_)) {
        std::future::pending::<()>().await;
    }
}

fn content() -> Vec<u8> {
    (0..300_000u32).flat_map(u32::to_le_bytes).collect()
}

fn digest(content: &[u8]) -> Digest {
    Digest::from_bytes(DigestAlgorithm::Sha256, &Sha256::digest(content)).unwrap()
}

struct Bench {
    folder: tempfile::TempDir,
    cx: Cx,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), cx: cx() }
    }

    fn fetcher(&self) -> Fetcher {
        Fetcher::new(self.folder.path()).with_patience(Patience {
            stall: Duration::from_millis(400),
            attempts: 4,
            pause: Duration::from_millis(5),
            lock: Duration::from_secs(20),
        })
    }

    /// Fetches `content()` by its digest.
    async fn get(&self, origins: &[&Server]) -> Result<Fetched, FetchError> {
        let urls: Vec<Url> = origins.iter().map(|server| server.url.clone()).collect();
        self.fetcher().get(&self.cx, &urls, Some(&digest(&content()))).await
    }

    fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.folder.path().join("sha256"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn is_a(name: &str, extension: &str) -> bool {
    Path::new(name).extension().is_some_and(|found| found == extension)
}

fn assert_is_content(fetched: &Fetched) {
    assert_eq!(std::fs::read(&fetched.path).unwrap(), content());
    assert_eq!((fetched.digest.clone(), fetched.bytes), (digest(&content()), content().len() as u64));
}

#[tokio::test]
async fn a_file_is_downloaded_once_and_then_comes_from_the_cache() {
    let bench = Bench::new();
    let server = Server::start(content(), vec![Reply::Serve]).await;
    let first = bench.get(&[&server]).await.unwrap();
    assert_is_content(&first);
    assert!(!first.from_cache);
    let second = bench.get(&[&server]).await.unwrap();
    assert!(second.from_cache);
    assert_eq!(server.requests().len(), 1);
    let hex = first.digest.hex();
    assert_eq!(bench.files(), [hex.to_owned(), format!("{hex}.lock"), format!("{hex}.verified")]);
}

#[tokio::test]
async fn a_damaged_cached_file_is_fetched_again() {
    let bench = Bench::new();
    let server = Server::start(content(), vec![Reply::Serve]).await;
    let first = bench.get(&[&server]).await.unwrap();
    std::fs::write(&first.path, vec![0; content().len()]).unwrap();
    let second = bench.get(&[&server]).await.unwrap();
    assert!(!second.from_cache);
    assert_is_content(&second);
}

#[tokio::test]
async fn a_broken_transfer_goes_on_where_it_stopped() {
    let bench = Bench::new();
    let server =
        Server::start(content(), vec![Reply::Truncate(500_000), Reply::Truncate(100_000), Reply::Serve])
            .await;
    assert_is_content(&bench.get(&[&server]).await.unwrap());
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[1].range.as_deref(), Some("bytes=500000-"));
    assert_eq!(requests[1].if_range.as_deref(), Some("\"one\""));
    assert_eq!(requests[2].range.as_deref(), Some("bytes=600000-"));
}

#[tokio::test]
async fn a_later_run_goes_on_with_what_an_earlier_one_left() {
    let bench = Bench::new();
    let broken = Server::start(content(), vec![Reply::Truncate(500_000), Reply::Status(404)]).await;
    assert!(bench.get(&[&broken]).await.is_err());
    let whole = Server::start(content(), vec![Reply::Serve]).await;
    assert_is_content(&bench.get(&[&whole]).await.unwrap());
    assert_eq!(whole.requests()[0].range.as_deref(), Some("bytes=500000-"));
    assert_eq!(whole.requests()[0].if_range, None, "another server's ETag means nothing here");
}

#[tokio::test]
async fn a_file_that_changed_in_between_is_started_anew() {
    let bench = Bench::new();
    let server = Server::start(
        b"the old file, longer than what is sent of it".to_vec(),
        vec![Reply::Truncate(10), Reply::Replaced("\"two\"", content())],
    )
    .await;
    assert_is_content(&bench.get(&[&server]).await.unwrap());
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn parts_of_different_files_are_not_the_servers_fault() {
    let bench = Bench::new();
    let mut other = content();
    other.reverse();
    let first = Server::start(other, vec![Reply::Truncate(500_000), Reply::Status(404)]).await;
    let second = Server::start(content(), vec![Reply::Serve]).await;
    assert_is_content(&bench.get(&[&first, &second]).await.unwrap());
    assert_eq!(second.requests().len(), 2, "resumed, found wrong, fetched whole");
}

#[tokio::test]
async fn a_server_without_ranges_sends_it_all_again() {
    let bench = Bench::new();
    let server = Server::start(content(), vec![Reply::Truncate(500_000), Reply::IgnoreRange]).await;
    assert_is_content(&bench.get(&[&server]).await.unwrap());
}

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    let bench = Bench::new();
    let server = Server::start(content(), vec![Reply::Status(503), Reply::Status(503), Reply::Serve]).await;
    assert_is_content(&bench.get(&[&server]).await.unwrap());
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_missing_file_is_looked_for_on_the_next_mirror_at_once() {
    let bench = Bench::new();
    let missing = Server::start(content(), vec![Reply::Status(404)]).await;
    let there = Server::start(content(), vec![Reply::Serve]).await;
    assert_is_content(&bench.get(&[&missing, &there]).await.unwrap());
    assert_eq!(missing.requests().len(), 1);
}

#[tokio::test]
async fn an_error_names_address_and_status_and_hides_the_login() {
    let bench = Bench::new();
    let server = Server::start(content(), vec![Reply::Status(403)]).await;
    let mut url = server.url.clone();
    url.set_username("me").unwrap();
    url.set_password(Some("hunter22")).unwrap();
    url.set_query(Some("token=hunter23"));
    let error = bench.fetcher().get(&bench.cx, &[url], None).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("/images/disk.img") && text.contains("HTTP 403"), "{text}");
    assert!(!text.contains("hunter"), "{text}");
    assert!(error.hint().unwrap().contains("login"));
}

#[tokio::test]
async fn a_wrong_file_is_named_with_both_digests_and_removed() {
    let bench = Bench::new();
    let server = Server::start(b"something else".to_vec(), vec![Reply::Serve]).await;
    let error = bench.get(&[&server]).await.unwrap_err();
    let text = error.to_string();
    for part in [server.url.as_str(), digest(&content()).hex(), digest(b"something else").hex()] {
        assert!(text.contains(part), "{text}");
    }
    assert!(bench.files().iter().all(|name| is_a(name, "lock")), "{:?}", bench.files());
}

#[tokio::test]
async fn silence_is_a_failure_that_names_how_long_it_lasted() {
    let bench = Bench::new();
    let server = Server::start(content(), vec![Reply::Hang(1000)]).await;
    let started = Instant::now();
    let error = bench.get(&[&server]).await.unwrap_err();
    assert!(matches!(error, FetchError::Stalled { .. }), "{error}");
    assert!(error.to_string().contains("no byte arrived for 400 ms"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(15));
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn every_place_that_failed_is_in_the_error() {
    let bench = Bench::new();
    let (a, b) = (
        Server::start(content(), vec![Reply::Status(404)]).await,
        Server::start(content(), vec![Reply::Status(410)]).await,
    );
    let text = bench.get(&[&a, &b]).await.unwrap_err().to_string();
    assert!(text.contains("2 places") && text.contains("HTTP 404") && text.contains("HTTP 410"), "{text}");
}

#[tokio::test]
async fn a_cancelled_download_ends_at_once_and_keeps_its_part() {
    let bench = Bench::new();
    let server = Server::start(content(), vec![Reply::Hang(500_000)]).await;
    let stop: Stop = bench.cx.stop().clone();
    let watch = server.seen.clone();
    let canceller = tokio::spawn(async move {
        while watch.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        stop.cancel();
    });
    let error = bench.get(&[&server]).await.unwrap_err();
    canceller.await.unwrap();
    assert!(matches!(error, FetchError::Cancelled(_)), "{error}");
    assert!(bench.files().iter().any(|name| is_a(name, "part")));
}

#[tokio::test]
async fn two_builds_at_once_download_a_file_once() {
    let bench = Bench::new();
    let server = Server::start(content(), vec![Reply::Serve]).await;
    let origins = [&server];
    let (first, second) = tokio::join!(bench.get(&origins), bench.get(&origins));
    assert_is_content(&first.unwrap());
    assert_is_content(&second.unwrap());
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_local_file_is_used_where_it_lies() {
    let bench = Bench::new();
    let path = bench.folder.path().join("mine.img");
    std::fs::write(&path, content()).unwrap();
    let url = Url::from_file_path(&path).unwrap();
    let fetched =
        bench.fetcher().get(&bench.cx, std::slice::from_ref(&url), Some(&digest(&content()))).await.unwrap();
    assert_eq!(fetched.path, path);
    std::fs::write(&path, b"changed").unwrap();
    let error = bench.fetcher().get(&bench.cx, &[url], Some(&digest(&content()))).await.unwrap_err();
    assert!(matches!(error, FetchError::LocalDigest { .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"changed", "a user's file is never removed");
}

#[tokio::test]
async fn progress_tells_how_much_of_the_file_is_here() {
    #[derive(Default)]
    struct Memory(Mutex<Vec<Record>>);
    impl Sink for Memory {
        fn take(&self, record: &Record) {
            self.0.lock().unwrap().push(record.clone());
        }
    }
    let bench = Bench::new();
    let memory = Arc::new(Memory::default());
    let events = Events::new(bench.cx.id().clone(), "test", vec![memory.clone()]);
    let (work, logs) = (bench.cx.work().to_owned(), bench.cx.logs().to_owned());
    let cx = Cx::new(bench.cx.id().clone(), work, logs, events, Stop::default(), bench.cx.undo().clone());
    let server = Server::start(content(), vec![Reply::Serve]).await;
    bench.fetcher().get(&cx, std::slice::from_ref(&server.url), Some(&digest(&content()))).await.unwrap();
    let records = memory.0.lock().unwrap();
    let all: Vec<&Event> = records.iter().map(|record| &record.event).collect();
    assert!(all.iter().any(|event| matches!(event, Event::Progress { what, total: Some(1_200_000), .. }
        if what == "download disk.img")));
    assert!(matches!(all.last(), Some(Event::ProgressFinished { what }) if what == "download disk.img"));
}

#[tokio::test]
async fn a_probe_tells_the_size_without_downloading() {
    let server = Server::start(content(), vec![Reply::Status(405), Reply::Serve]).await;
    assert_eq!(Fetcher::new("unused").probe(&server.url, None).await.unwrap().bytes, Some(1_200_000));
    let missing = Server::start(content(), vec![Reply::Status(404)]).await;
    assert!(matches!(
        Fetcher::new("unused").probe(&missing.url, None).await,
        Err(FetchError::Http { status: 404, .. })
    ));
}
