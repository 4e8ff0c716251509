//! A Prism Central for the tests: images, tasks, clusters, categories and the object store, in both dialects, with state. Answers have the
//! shapes of recorded ones of the real product, as far as there are any. Every request is compared with the tables ([`super::schema`]).
use super::{
    prism::{self, Answer, State},
    schema::{Asked, Schema},
};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    Request, Response,
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

pub(crate) const USER: &str = "builder@example.com";
pub(crate) const PASSWORD: &str = "not-the-real-one:7";

/// One call as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Call {
    /// Which number it has among those of its method and path, from 0.
    pub(crate) number: usize,
    pub(crate) method: String,
    pub(crate) path: String,
    /// As it came.
    pub(crate) raw_query: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl Call {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// `POST /api/nutanix/v3/images`
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub(crate) fn is_upload(&self) -> bool {
        self.method == "PUT" && (self.path.ends_with("/file") || self.path.contains("/objects/"))
    }
}

/// What becomes of a call.
pub(crate) enum Fate {
    Forward,
    /// The server answers so, and does nothing.
    Answer(u16, String),
    /// The connection is cut before all of the body is there.
    Cut,
    /// It is done, and the connection is cut before the answer.
    Lost,
    /// It is done after this time.
    Late(Duration),
    /// It is done, and the connection is cut after so many bytes of the answer.
    Break(usize),
}

type Decide = Arc<dyn Fn(&Call) -> Fate + Send + Sync>;

/// A server of its own; it ends with this value.
pub(crate) struct Fixture {
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: tokio::runtime::Runtime,
}

struct Shared {
    state: Mutex<State>,
    calls: Mutex<Vec<Call>>,
    /// How many came of each name.
    arrived: Mutex<BTreeMap<String, usize>>,
    wrongs: Mutex<Vec<String>>,
    decide: Mutex<Decide>,
    /// Where moto listens, if it is the object store.
    store: Mutex<Option<u16>>,
    v3: Schema,
    v4: Schema,
}

impl Fixture {
    /// Listens on loopback.
    pub(crate) fn start(state: State) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            calls: Mutex::default(),
            arrived: Mutex::default(),
            wrongs: Mutex::default(),
            decide: Mutex::new(Arc::new(|_: &Call| Fate::Forward)),
            store: Mutex::default(),
            v3: Schema::v3(),
            v4: Schema::v4(),
        });
        let serving = Arc::clone(&shared);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let shared = Arc::clone(&shared);
                        async move { one(request, &shared).await }
                    });
                    // A fate that cuts the connection ends it with an error.
                    let connection = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service);
                    let _ = connection.await;
                });
            }
        });
        Self { address, shared, runtime }
    }

    /// From now on, this decides.
    pub(crate) fn trouble(&self, decide: impl Fn(&Call) -> Fate + Send + Sync + 'static) {
        *self.shared.decide.lock().unwrap() = Arc::new(decide);
    }

    /// From now on, moto at this port is the object store.
    #[cfg(feature = "aws")]
    pub(crate) fn keep_objects_in(&self, port: u16) {
        let bucket = Call { method: "PUT".into(), path: format!("{OBJECTS}/vmm-images"), ..Call::default() };
        let (made, _) = self.runtime.block_on(forward(port, &bucket));
        assert_eq!(made.status, 200);
        *self.shared.store.lock().unwrap() = Some(port);
    }

    /// What is in moto under a key, or nothing.
    #[cfg(feature = "aws")]
    pub(crate) fn object(&self, port: u16, key: &str) -> Option<Vec<u8>> {
        let get =
            Call { method: "GET".into(), path: format!("{OBJECTS}/vmm-images/{key}"), ..Call::default() };
        let (answer, _) = self.runtime.block_on(forward(port, &get));
        (answer.status == 200).then_some(answer.body)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All calls so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.shared.calls.lock().unwrap().clone()
    }

    /// How many calls there were of this method and beginning of a path.
    pub(crate) fn count(&self, method: &str, path: &str) -> usize {
        self.calls().iter().filter(|call| call.method == method && call.path.starts_with(path)).count()
    }

    pub(crate) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }

    /// What was wrong with requests.
    pub(crate) fn wrongs(&self) -> Vec<String> {
        self.shared.wrongs.lock().unwrap().clone()
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

fn whole(bytes: Bytes) -> BoxBody<Bytes, Severed> {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

/// Bytes, and then the end of the connection, when they are on their way.
fn broken(bytes: Bytes) -> BoxBody<Bytes, Severed> {
    let end = stream::once(async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        Err(Severed)
    });
    BodyExt::boxed(StreamBody::new(stream::iter([Ok(Frame::data(bytes))]).chain(end)))
}

async fn one(
    request: Request<Incoming>,
    shared: &Shared,
) -> Result<Response<BoxBody<Bytes, Severed>>, Severed> {
    let (head, mut body) = request.into_parts();
    let headers: Vec<(String, String)> = head
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let raw_query = head.uri.query().unwrap_or_default().to_owned();
    let pairs = url::form_urlencoded::parse(raw_query.as_bytes());
    let mut call = Call {
        number: 0,
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect(),
        raw_query,
        headers,
        body: Bytes::new(),
    };
    {
        // Several parts are on their way at once.
        let mut arrived = shared.arrived.lock().unwrap();
        let count = arrived.entry(call.name()).or_default();
        call.number = *count;
        *count += 1;
    }
    let decide = Arc::clone(&shared.decide.lock().unwrap());
    let fate = decide(&call);
    // A request that is cut counts, too, with what came of it.
    if call.is_upload() && matches!(fate, Fate::Cut) {
        shared.calls.lock().unwrap().push(call);
        let _ = body.frame().await;
        return Err(Severed);
    }
    call.body = body.collect().await.map_err(|_| Severed)?.to_bytes();
    shared.calls.lock().unwrap().push(call.clone());
    let asked = Asked {
        method: &call.method,
        path: &call.path,
        query: &call.query,
        headers: &call.headers,
        body: &call.body,
    };
    let wrongs = if call.path.starts_with("/api/nutanix/v3/") {
        shared.v3.wrongs(&asked)
    } else if call.path.contains("/objects/") {
        Vec::new()
    } else {
        shared.v4.wrongs(&asked)
    };
    shared.wrongs.lock().unwrap().extend(wrongs);
    let store = call.path.starts_with(OBJECTS).then(|| *shared.store.lock().unwrap()).flatten();
    let kept = match store {
        Some(port) => Some(keep(shared, port, &call).await),
        None => None,
    };
    let answer = |most: Option<usize>| {
        let answer = kept.unwrap_or_else(|| prism::answer(&mut shared.state.lock().unwrap(), &call));
        let mut response = Response::builder().status(answer.status);
        for (name, value) in answer.headers {
            response = response.header(name, value);
        }
        let body = Bytes::from(answer.body);
        match most.filter(|most| *most < body.len()) {
            Some(most) => {
                response.header("content-length", body.len()).body(broken(body.slice(..most))).unwrap()
            }
            None => response.body(whole(body)).unwrap(),
        }
    };
    match fate {
        Fate::Forward => Ok(answer(None)),
        Fate::Break(most) => Ok(answer(Some(most))),
        Fate::Answer(status, text) => {
            Ok(Response::builder().status(status).body(whole(text.into())).unwrap())
        }
        Fate::Cut => Err(Severed),
        Fate::Lost => {
            let _ = answer(None);
            Err(Severed)
        }
        Fate::Late(time) => {
            tokio::time::sleep(time).await;
            Ok(answer(None))
        }
    }
}

const OBJECTS: &str = "/api/prism/v4.0/objects";

/// What moto answers. Objects that are whole then are what images can be made of.
async fn keep(shared: &Shared, port: u16, call: &Call) -> Answer {
    let (answer, key) = forward(port, call).await;
    let is_part = call.parameter("partNumber").is_some() || call.raw_query == "uploads=";
    if answer.status == 200 && !is_part {
        let get = Call { method: "GET".into(), path: call.path.clone(), ..Call::default() };
        let (object, _) = forward(port, &get).await;
        shared.state.lock().unwrap().objects.insert(key, object.body);
    }
    answer
}

/// Sends a call of the object store to moto; the answer, and the key that it was about.
async fn forward(port: u16, call: &Call) -> (Answer, String) {
    let path = call.path.strip_prefix(OBJECTS).unwrap();
    let question = if call.raw_query.is_empty() { "" } else { "?" };
    let mut request =
        Request::builder().method(call.method.as_str()).uri(format!("{path}{question}{}", call.raw_query));
    for (name, value) in call.headers.iter().filter(|(name, _)| name != "connection" && name != "host") {
        request = request.header(name, value);
    }
    request = request.header("host", format!("127.0.0.1:{port}"));
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let answer = sender.send_request(request.body(Full::new(call.body.clone())).unwrap()).await.unwrap();
    let status = answer.status().as_u16();
    let etag = answer.headers().get("etag").map(|etag| ("etag", etag.to_str().unwrap().to_owned()));
    let body = answer.into_body().collect().await.unwrap().to_bytes().to_vec();
    let key = path.trim_start_matches("/vmm-images").trim_start_matches('/').to_owned();
    (Answer { status, headers: etag.into_iter().collect(), body }, key)
}
