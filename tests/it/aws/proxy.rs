//! A proxy before moto that makes the trouble which moto cannot: throttling, errors, late answers, cut connections, other states.
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

/// One call as it came.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// Which number it has, from 0.
    pub(crate) number: usize,
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl Call {
    /// The parameter `name` of a call of EC2, decoded.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(&self.body)
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// The same call with another body.
    fn with(&self, body: Vec<u8>) -> Self {
        let length = ("content-length".to_owned(), body.len().to_string());
        let mut call = Self { body: body.into(), ..self.clone() };
        call.headers.retain(|(name, _)| name != "content-length");
        call.headers.push(length);
        call
    }

    /// The call's name: EC2's `Action`, or the last part of other services' `X-Amz-Target`; for EBS and S3 the method.
    pub(crate) fn action(&self) -> String {
        let target = self.headers.iter().find(|(name, _)| name == "x-amz-target");
        self.parameter("Action")
            .or_else(|| target.map(|(_, value)| value.rsplit('.').next().unwrap_or_default().to_owned()))
            .unwrap_or_else(|| self.method.clone())
    }
}

/// What becomes of a call.
pub(crate) enum Fate {
    /// moto answers.
    Forward,
    /// moto answers after this time.
    Late(Duration),
    /// moto answers, and this is not passed on before so long.
    Hold(Duration),
    /// moto never hears of it.
    Answer(u16, String),
    /// moto answers, and the connection is cut before the answer is through.
    Lost,
    /// The connection is cut before moto hears of it.
    Cut,
    /// moto answers another call than was made, and its answer gets through or not.
    Rewrite(Vec<u8>, bool),
    /// The same, and the connection is cut before the answer is through.
    RewriteLost(Vec<u8>),
    /// moto answers, and this makes another answer of it.
    Change(Box<dyn Fn(String) -> String + Send>),
}

/// A call with one kind of tags only: moto refuses to tag the snapshots of an image that is made of an instance.
pub(crate) fn without_second_specification(body: &[u8]) -> Vec<u8> {
    let mut kept = url::form_urlencoded::Serializer::new(String::new());
    for (key, value) in url::form_urlencoded::parse(body) {
        if !key.starts_with("TagSpecification.2") {
            kept.append_pair(&key, &value);
        }
    }
    kept.finish().into_bytes()
}

/// A proxy of its own; it ends with this value.
pub(crate) struct Proxy {
    address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Decide = Arc<dyn Fn(&Call) -> Fate + Send + Sync>;

impl Proxy {
    /// Listens on loopback, and passes to `port` what `decide` lets through.
    pub(crate) async fn start(port: u16, decide: impl Fn(&Call) -> Fate + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls: Arc<Mutex<Vec<Call>>> = Arc::default();
        let (seen, decide): (_, Decide) = (Arc::clone(&calls), Arc::new(decide));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, decide) = (Arc::clone(&seen), Arc::clone(&decide));
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let (seen, decide) = (Arc::clone(&seen), Arc::clone(&decide));
                        async move { one(request, port, &seen, &decide).await }
                    });
                    let connection = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service);
                    // A fate that cuts the connection ends it with an error.
                    let _ = connection.await;
                });
            }
        });
        Self { address, calls, task }
    }

    /// For `--endpoint-url`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All calls so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

/// The connection is to be cut: hyper drops it when a service fails.
#[derive(Debug)]
struct Severed;

impl std::fmt::Display for Severed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("severed")
    }
}

impl std::error::Error for Severed {}

async fn one(
    request: Request<Incoming>,
    port: u16,
    seen: &Mutex<Vec<Call>>,
    decide: &Decide,
) -> Result<Response<Full<Bytes>>, Severed> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Severed)?.to_bytes();
    let headers: Vec<(String, String)> = head
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let call = {
        let mut seen = seen.lock().unwrap();
        let call = Call {
            number: seen.len(),
            method: head.method.to_string(),
            path: head.uri.to_string(),
            headers,
            body,
        };
        seen.push(call.clone());
        call
    };
    match decide(&call) {
        Fate::Forward => Ok(forward(&call, port).await),
        Fate::Late(time) => {
            tokio::time::sleep(time).await;
            Ok(forward(&call, port).await)
        }
        Fate::Answer(status, text) => {
            Ok(Response::builder().status(status).body(Full::new(text.into())).unwrap())
        }
        Fate::Lost => {
            let _ = forward(&call, port).await;
            Err(Severed)
        }
        Fate::Hold(time) => {
            let answer = forward(&call, port).await;
            tokio::time::sleep(time).await;
            Ok(answer)
        }
        Fate::Cut => Err(Severed),
        Fate::RewriteLost(body) => {
            let _ = forward(&call.with(body), port).await;
            Err(Severed)
        }
        Fate::Rewrite(body, heard) => {
            let answer = forward(&call.with(body), port).await;
            if heard { Ok(answer) } else { Ok(Response::new(Full::new("<!-- lost".into()))) }
        }
        Fate::Change(change) => {
            let answer = forward(&call, port).await;
            let (mut head, body) = answer.into_parts();
            let body = body.collect().await.unwrap_or_else(|never: Infallible| match never {}).to_bytes();
            head.headers.remove("content-length");
            let text = change(String::from_utf8_lossy(&body).into_owned());
            Ok(Response::from_parts(head, Full::new(text.into())))
        }
    }
}

/// What moto answers. The proxy's own headers name moto, so that signatures, which cover the host, are left alone.
async fn forward(call: &Call, port: u16) -> Response<Full<Bytes>> {
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::builder().method(call.method.as_str()).uri(&call.path);
    for (name, value) in call.headers.iter().filter(|(name, _)| name != "connection") {
        request = request.header(name, value);
    }
    let answer = sender.send_request(request.body(Full::new(call.body.clone())).unwrap()).await.unwrap();
    let (mut head, body) = answer.into_parts();
    head.headers.remove("transfer-encoding");
    head.headers.remove("connection");
    Response::from_parts(head, Full::new(body.collect().await.unwrap().to_bytes()))
}
