//! Answers that an installer fetches from this host, for those that take them in no other way.
//!
//! The server listens on this host's loopback only, where machines with QEMU's user-mode network reach it, and has nothing but the
//! answers, which hold no secret. It remembers what was fetched: an installer that never fetched anything was not told where it is, or
//! has no network, and that is worth more than that it timed out.
use crate::{
    cx::Cx,
    plan::{AnswerFile, with_server},
    wire::Door,
};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, Response, StatusCode, body::Incoming};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::net::TcpListener;

/// The server; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Served {
    /// As the guest sees it.
    address: SocketAddr,
    shelf: Arc<Shelf>,
    _door: Door,
}

/// What there is, and what of it was asked for.
#[derive(Debug)]
struct Shelf {
    cx: Cx,
    files: BTreeMap<String, Bytes>,
    asked: Mutex<BTreeSet<String>>,
}

impl Served {
    /// Serves `files`; guests reach this host's loopback at `host`.
    pub(super) async fn start(cx: &Cx, host: IpAddr, files: &[AnswerFile]) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = SocketAddr::new(host, listener.local_addr()?.port());
        let files = files.iter().map(|file| (file.name.clone(), Bytes::from(file.text.clone())));
        let shelf = Arc::new(Shelf { cx: cx.clone(), files: files.collect(), asked: Mutex::default() });
        let shared = Arc::clone(&shelf);
        let door = Door::open(listener, move |request| {
            let response = shared.answer(&request);
            async move { response }
        });
        Ok(Self { address, shelf, _door: door })
    }

    /// `text` with the address of the server in the place of its placeholders.
    pub(super) fn told(&self, text: &str) -> String {
        with_server(text, self.address)
    }

    /// What to think of when nothing was ever fetched.
    pub(super) fn never_fetched(&self) -> Option<String> {
        let asked = self.shelf.asked();
        if self.shelf.files.keys().any(|name| asked.contains(name)) {
            return None;
        }
        let instead = match asked.first() {
            Some(name) => format!(", but asked for `{name}`"),
            None => String::new(),
        };
        Some(format!(
            "the installer never fetched its answers from http://{}/{instead}: is it told that address, and had it a network before it looked?",
            self.address
        ))
    }
}

impl Shelf {
    fn asked(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        /// More names than any installer asks for are not remembered.
        const MOST: usize = 100;
        let name = request.uri().path().trim_start_matches('/');
        let file = self.files.get(name);
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return respond(StatusCode::METHOD_NOT_ALLOWED, Bytes::new());
        }
        let first = {
            let mut asked = self.asked();
            asked.len() < MOST && asked.insert(name.to_owned())
        };
        if first {
            self.cx.events().notice(match file {
                Some(_) => format!("the installer fetches `{name}`"),
                None => {
                    format!("the installer asks for `{}`, which is none of its answers", name.escape_debug())
                }
            });
        }
        match file {
            Some(file) => respond(StatusCode::OK, file.clone()),
            None => respond(StatusCode::NOT_FOUND, Bytes::new()),
        }
    }
}

fn respond(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cx::tests_support::cx;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// What a server answers to one request, sent as it is.
    async fn say(address: &str, request: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("{request} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn answers_are_fetched_and_nothing_else_is_there() {
        let file = AnswerFile { name: "preseed.cfg".into(), text: "d-i\n".into() };
        let served = Served::start(&cx(), Ipv4Addr::LOCALHOST.into(), &[file]).await.unwrap();
        let address = served.told("{{ .HTTPIP }}:{{ .HTTPPort }}");
        let never = served.never_fetched().unwrap();
        assert!(never.contains(&format!("never fetched its answers from http://{address}/:")), "{never}");
        assert!(say(&address, "GET /../etc/passwd").await.starts_with("HTTP/1.1 404 "));
        assert!(served.never_fetched().unwrap().contains(", but asked for `../etc/passwd`"));
        assert!(say(&address, "POST /preseed.cfg").await.starts_with("HTTP/1.1 405 "));
        let answer = say(&address, "GET /preseed.cfg").await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nd-i\n"), "{answer}");
        assert_eq!(served.never_fetched(), None);
        assert!(say(&address, "nonsense").await.starts_with("HTTP/1.1 400 "));
        drop(served);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(tokio::net::TcpStream::connect(&address).await.is_err(), "it ends with the installer");
    }
}
