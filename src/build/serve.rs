//! Answers that an installer fetches from this host, for those that take them in no other way.
//!
//! The server listens on this host's loopback only, where machines with QEMU's user-mode network reach it, and has nothing but the
//! answers, which hold no secret. It remembers what was fetched: an installer that never fetched anything was not told where it is, or
//! has no network, and that is worth more than that it timed out.
use crate::{
    cx::Cx,
    plan::{AnswerFile, with_server},
};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

/// A request that takes longer is none of an installer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The server; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Served {
    /// As the guest sees it.
    address: SocketAddr,
    shelf: Arc<Shelf>,
    task: JoinHandle<()>,
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
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                // Those that are over are forgotten.
                while connections.try_join_next().is_some() {}
                let Ok((stream, _)) = listener.accept().await else { continue };
                let shelf = Arc::clone(&shared);
                connections.spawn(async move {
                    let answer = service_fn(|request| {
                        let response = shelf.answer(&request);
                        async move { Ok::<_, Infallible>(response) }
                    });
                    let mut server = http1::Builder::new();
                    server.timer(TokioTimer::new()).header_read_timeout(PATIENCE).keep_alive(false);
                    // One who breaks off asks again.
                    let _ = server.serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        });
        Ok(Self { address, shelf, task })
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

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
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
        let (status, body) = match (request.method(), file) {
            (&Method::GET | &Method::HEAD, Some(file)) => (StatusCode::OK, file.clone()),
            (&Method::GET | &Method::HEAD, None) => (StatusCode::NOT_FOUND, Bytes::new()),
            _ => (StatusCode::METHOD_NOT_ALLOWED, Bytes::new()),
        };
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cx::tests_support::cx;

    #[tokio::test]
    async fn answers_are_fetched_and_nothing_else_is_there() {
        let cx = cx();
        let file = AnswerFile { name: "preseed.cfg".into(), text: "d-i\n".into() };
        let served = Served::start(&cx, Ipv4Addr::LOCALHOST.into(), &[file]).await.unwrap();
        let never = served.never_fetched().unwrap();
        let base = served.told("http://{{ .HTTPIP }}:{{ .HTTPPort }}/");
        assert!(never.contains(&format!("never fetched its answers from {base}:")), "{never}");
        let get = async |path: &str| reqwest::get(format!("{base}{path}")).await.unwrap();
        assert_eq!(get("../etc/passwd").await.status(), 404);
        assert!(served.never_fetched().unwrap().contains(", but asked for `etc/passwd`"));
        let response = get("preseed.cfg").await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.text().await.unwrap(), "d-i\n");
        assert_eq!(served.never_fetched(), None);
        let posted = reqwest::Client::new().post(format!("{base}preseed.cfg")).send().await.unwrap();
        assert_eq!(posted.status(), 405);
        drop(served);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(reqwest::get(&base).await.is_err(), "it ends with the installer");
    }
}
