//! A small HTTP server on this host, for those who fetch something from it: as long as it is held, and no longer.
use hyper::{
    Request, Response,
    body::{Body, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, error::Error, time::Duration};
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

/// A request whose head takes longer is none of those who are meant.
const PATIENCE: Duration = Duration::from_secs(30);

/// The server; it and its connections end when this is dropped.
#[derive(Debug)]
pub(crate) struct Door {
    task: JoinHandle<()>,
}

impl Door {
    /// Answers all who come to `listener`, once each.
    pub(crate) fn open<Answer, Answering, Given>(listener: TcpListener, answer: Answer) -> Self
    where
        Answer: Fn(Request<Incoming>) -> Answering + Clone + Send + Sync + 'static,
        Answering: Future<Output = Response<Given>> + Send + 'static,
        Given: Body + Send + 'static,
        Given::Data: Send,
        Given::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        Self::opened(listener, answer, false)
    }

    /// The same for those who ask often: their connections stay, and may become something else.
    pub(crate) fn open_to_stay<Answer, Answering, Given>(listener: TcpListener, answer: Answer) -> Self
    where
        Answer: Fn(Request<Incoming>) -> Answering + Clone + Send + Sync + 'static,
        Answering: Future<Output = Response<Given>> + Send + 'static,
        Given: Body + Send + 'static,
        Given::Data: Send,
        Given::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        Self::opened(listener, answer, true)
    }

    fn opened<Answer, Answering, Given>(listener: TcpListener, answer: Answer, stay: bool) -> Self
    where
        Answer: Fn(Request<Incoming>) -> Answering + Clone + Send + Sync + 'static,
        Answering: Future<Output = Response<Given>> + Send + 'static,
        Given: Body + Send + 'static,
        Given::Data: Send,
        Given::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                // Those that are over are forgotten.
                while connections.try_join_next().is_some() {}
                let Ok((stream, _)) = listener.accept().await else { continue };
                let answer = answer.clone();
                connections.spawn(async move {
                    let answer = service_fn(|request| {
                        let answering = answer(request);
                        async move { Ok::<_, Infallible>(answering.await) }
                    });
                    let mut server = http1::Builder::new();
                    server.timer(TokioTimer::new()).header_read_timeout(PATIENCE).keep_alive(stay);
                    // One who breaks off asks again.
                    let connection = server.serve_connection(TokioIo::new(stream), answer);
                    let _ = if stay { connection.with_upgrades().await } else { connection.await };
                });
            }
        });
        Self { task }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}
