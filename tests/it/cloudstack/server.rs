//! The HTTP of the cloud and of its storage VM, on one address. Signatures are checked as the server's own sources do it.
use super::cloud::{Answer, Call, Cloud, Fate, KEY, SECRET, Sent, Template, refusal};
use base64::Engine as _;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

/// A cloud of its own; it ends with this value.
pub(crate) struct Server {
    cloud: Arc<Mutex<Cloud>>,
    task: tokio::task::JoinHandle<()>,
}

/// hyper drops the connection when a service fails.
#[derive(Debug)]
struct Severed;

impl std::fmt::Display for Severed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("severed")
    }
}

impl std::error::Error for Severed {}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let cloud = Arc::new(Mutex::new(Cloud::at(address)));
        let shared = Arc::clone(&cloud);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let cloud = Arc::clone(&shared);
                tokio::spawn(async move {
                    let service = service_fn(move |request| one(request, Arc::clone(&cloud)));
                    let connection = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service);
                    // A fate that cuts the connection ends it with an error.
                    let _ = connection.await;
                });
            }
        });
        Self { cloud, task }
    }

    pub(crate) fn cloud(&self) -> MutexGuard<'_, Cloud> {
        self.cloud.lock().unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/client/api", self.cloud().address)
    }

    /// What becomes of the next call of this command.
    pub(crate) fn fault(&self, command: &str, fate: Fate) {
        self.cloud().faults.entry(command.to_owned()).or_default().push_back(fate);
    }

    /// What becomes of the next upload.
    pub(crate) fn sent(&self, sent: Sent) {
        self.cloud().sent.push_back(sent);
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.cloud().calls.clone()
    }

    /// How often a command was called.
    pub(crate) fn count(&self, command: &str) -> usize {
        self.cloud().calls.iter().filter(|call| call.command == command).count()
    }

    pub(crate) fn templates(&self) -> Vec<Template> {
        self.cloud().templates.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn text(status: u16, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::new(text.into())).unwrap()
}

async fn one(request: Request<Incoming>, cloud: Arc<Mutex<Cloud>>) -> Result<Response<Full<Bytes>>, Severed> {
    let path = request.uri().path().to_owned();
    match (request.method().as_str(), path.as_str()) {
        ("POST", "/client/api") => {
            let body = request.into_body().collect().await.map_err(|_| Severed)?.to_bytes();
            let params = url::form_urlencoded::parse(&body).into_owned().collect();
            let answer = api(params, &cloud);
            let registered = std::mem::take(&mut cloud.lock().unwrap().to_fetch);
            for (id, url, how) in registered {
                let cloud = Arc::clone(&cloud);
                std::thread::spawn(move || super::storage::fetch(&cloud, &id, &url, how));
            }
            answer
        }
        ("POST", upload) if upload.starts_with("/upload/") => {
            let id = upload.trim_start_matches("/upload/").to_owned();
            store(request, &id, &cloud).await
        }
        ("GET", file) if file.starts_with("/userdata/") => {
            let id = file.trim_start_matches("/userdata/").trim_end_matches(".qcow2");
            let cloud = cloud.lock().unwrap();
            let found = cloud.templates.iter().find(|template| template.id == id);
            let bytes = found.map(|template| template.bytes.clone()).or_else(|| cloud.machines.extracted(id));
            Ok(bytes.map_or_else(|| text(404, "none"), |bytes| text(200, bytes)))
        }
        _ => Ok(text(404, "<html>not here</html>")),
    }
}

fn api(params: BTreeMap<String, String>, cloud: &Mutex<Cloud>) -> Result<Response<Full<Bytes>>, Severed> {
    let command = params.get("command").cloned().unwrap_or_default();
    let json = |status: u16, value: &serde_json::Value| {
        let mut answer = text(status, value.to_string());
        answer.headers_mut().insert("content-type", "application/json;charset=UTF-8".parse().unwrap());
        answer
    };
    if !is_signed(&params) {
        let why = "unable to verify user credentials and/or request signature".to_owned();
        return Ok(json(401, &refusal(&command, &(401, why))));
    }
    let call = Call { command, params };
    match cloud.lock().unwrap().answer(&call) {
        Answer::Json(status, value) => Ok(json(status, &value)),
        Answer::Text(status, said) => Ok(text(status, said)),
        Answer::Skewed(value, seconds) => {
            let mut answer = json(401, &value);
            let there = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
            let date = there.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            answer.headers_mut().insert("date", date.parse().unwrap());
            Ok(answer)
        }
        Answer::Cut => Err(Severed),
    }
}

/// As `ApiServer.verifyRequest` has it: names sorted, values escaped by Java's rules, all in lower case.
fn is_signed(params: &BTreeMap<String, String>) -> bool {
    if params.get("apiKey").map(String::as_str) != Some(KEY) {
        return false;
    }
    let plain: Vec<String> = params
        .iter()
        .filter(|(name, _)| *name != "signature")
        .map(|(name, value)| {
            let escaped: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
            format!("{name}={}", escaped.replace('+', "%20")).to_lowercase()
        })
        .collect();
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(plain.join("&").as_bytes());
    let signature = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
    params.get("signature") == Some(&signature)
}

/// What a storage VM does with a form.
async fn store(
    request: Request<Incoming>,
    id: &str,
    cloud: &Mutex<Cloud>,
) -> Result<Response<Full<Bytes>>, Severed> {
    let headers: BTreeMap<String, String> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    let told = |name: &str| headers.get(name).cloned().unwrap_or_default();
    if told("x-signature") != format!("sign-{id}")
        || told("x-metadata") != format!("meta-{id}")
        || told("x-expires") != "2099-01-01T00:00:00.000Z"
    {
        return Ok(text(400, "signature validation failed."));
    }
    let fate = {
        let mut cloud = cloud.lock().unwrap();
        if let Err(why) = cloud.begun(id) {
            return Ok(text(400, why));
        }
        cloud.sent.pop_front()
    };
    let length: usize = told("content-length").parse().unwrap();
    let (mut form, mut body) = (Vec::new(), request.into_body());
    loop {
        let frame = match body.frame().await {
            None => break,
            Some(Ok(frame)) => frame,
            Some(Err(_)) => {
                cloud.lock().unwrap().cut(id);
                return Err(Severed);
            }
        };
        form.extend_from_slice(&frame.into_data().unwrap_or_default());
        match fate {
            Some(Sent::CutAfter(bytes)) if form.len() >= bytes => {
                cloud.lock().unwrap().cut(id);
                return Err(Severed);
            }
            Some(Sent::Hangs) => {
                // Until whoever sends has gone; hyper tells only those who read.
                cloud.lock().unwrap().cut(id);
                std::future::pending::<()>().await;
            }
            _ => {}
        }
    }
    assert_eq!(form.len(), length, "the length of the form was told");
    // Whoever refuses without reading may cut the connection before the answer is through.
    if fate == Some(Sent::Refused) {
        cloud.lock().unwrap().cut(id);
        return Ok(text(400, "the url has expired."));
    }
    let Some(mut file) = file_in(&form, &told("content-type")) else {
        cloud.lock().unwrap().cut(id);
        return Ok(text(422, "received entity is not a file"));
    };
    let mut cloud = cloud.lock().unwrap();
    cloud.forms.push((headers, form));
    if fate == Some(Sent::Damaged) {
        file[7] ^= 1;
    }
    if let Err(why) = cloud.arrived(id, file) {
        return Ok(text(500, why));
    }
    match fate {
        Some(Sent::Unanswered) => Ok(text(502, "<html>Bad Gateway</html>")),
        Some(Sent::Fails) => {
            cloud.failed(id, "there is no space left on the secondary storage");
            Ok(text(200, "upload successful."))
        }
        _ => Ok(text(200, "upload successful.")),
    }
}

/// The file of a form with one field, if its name ends as the server wants it.
fn file_in(form: &[u8], kind: &str) -> Option<Vec<u8>> {
    let boundary = kind.strip_prefix("multipart/form-data; boundary=")?;
    let end = form.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&form[..end]).ok()?;
    let tail = format!("\r\n--{boundary}--\r\n");
    let name = head.split("filename=\"").nth(1)?.split('"').next()?;
    let right = head.starts_with(&format!("--{boundary}\r\n"))
        && head.contains("Content-Disposition: form-data; name=\"")
        && [".qcow2", ".ova", ".vhd"].iter().any(|end| name.ends_with(end))
        && form.ends_with(tail.as_bytes());
    right.then(|| form[end + 4..form.len() - tail.len()].to_vec())
}
