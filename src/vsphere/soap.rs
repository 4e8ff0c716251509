//! SOAP: one envelope there, one back.
use super::{Element, Fault, Moref, Node, VsphereError, VsphereErrorKind, http::Http};
use std::time::Duration;
use url::Url;

/// The longest that an answer may take. What takes longer is a task, or says itself how long it waits.
const ANSWER: Duration = Duration::from_mins(2);
/// How often a call that a server was too busy for, or that reads only, is made.
const ATTEMPTS: u32 = 6;
/// No answer of a vCenter's to our questions comes near.
const LARGEST: u64 = 64 << 20;

/// One way to a server's SOAP interface.
#[derive(Debug, Clone)]
pub(super) struct Soap {
    pub(super) http: Http,
    /// `https://host/sdk`.
    pub(super) url: Url,
    /// The newest version of the interface that both sides know: `8.0.1.0`.
    pub(super) version: String,
}

/// What came back: the answer with the cookie of a session that it begins, or a fault.
pub(super) struct Answered {
    pub(super) result: Result<Node, Fault>,
    pub(super) cookie: Option<String>,
}

/// The text of a call.
pub(super) fn envelope(method: &str, this: &Moref, fill: impl FnOnce(&mut Element)) -> String {
    let mut arguments = Element::default();
    arguments.moref("_this", this);
    fill(&mut arguments);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
         <soapenv:Body><{method} xmlns=\"urn:vim25\">{}</{method}></soapenv:Body></soapenv:Envelope>",
        arguments.into_text()
    )
}

impl Soap {
    /// Sends a call, again when nothing can have happened yet, or when it only reads.
    pub(super) async fn send(
        &self,
        attempt: &str,
        method: &str,
        text: &str,
        cookie: Option<&str>,
    ) -> Result<Answered, VsphereError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let (error, untouched) = match self.once(attempt, method, text, cookie).await {
                Ok(answered) => return Ok(answered),
                Err(failed) => failed,
            };
            let may_repeat = error.kind() == VsphereErrorKind::Unavailable && (untouched || reads(method));
            if tries >= ATTEMPTS || !may_repeat {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(250 << tries.min(6))).await;
        }
    }

    /// One try; with an error comes whether the server cannot have begun.
    async fn once(
        &self,
        attempt: &str,
        method: &str,
        text: &str,
        cookie: Option<&str>,
    ) -> Result<Answered, (VsphereError, bool)> {
        let mut request = self
            .http
            .client
            .post(self.url.clone())
            .timeout(ANSWER)
            .header("content-type", "text/xml; charset=utf-8")
            .header("soapaction", format!("urn:vim25/{}", self.version))
            .body(text.to_owned());
        if let Some(cookie) = cookie {
            request = request.header("cookie", cookie);
        }
        let response = request.send().await.map_err(|error| {
            let untouched = error.is_connect();
            (self.http.failed(attempt, error), untouched)
        })?;
        let status = response.status().as_u16();
        let cookie = session_cookie(&response);
        let body = limited(response).await.map_err(|error| {
            (VsphereError::new(VsphereErrorKind::Unavailable, attempt).because(error), false)
        })?;
        let unexpected = |why: String| {
            let busy = matches!(status, 429 | 502 | 503 | 504);
            let kind = match status {
                502..=504 | 429 => VsphereErrorKind::Unavailable,
                401 => VsphereErrorKind::Auth,
                403 => VsphereErrorKind::Permission,
                404 => VsphereErrorKind::Unsupported,
                _ => VsphereErrorKind::Other,
            };
            let error =
                VsphereError::new(kind, attempt).because(format!("{method} answered HTTP {status}{why}"));
            let error = if status == 404 {
                error.hint("is this the address of a vCenter? its page https://HOST/sdk should answer")
            } else {
                error
            };
            (error, busy && status != 504)
        };
        // Faults come with HTTP 500.
        if status != 200 && status != 500 {
            return Err(unexpected(String::new()));
        }
        let node = Node::parse(&body).map_err(|error| unexpected(format!(", and no XML: {error}")))?;
        let Some(answer) = node.at("Body").and_then(|body| body.nodes.first()) else {
            return Err(unexpected(", and nothing in it".to_owned()));
        };
        let result = match answer.name.as_str() {
            "Fault" => Err(Fault::of_answer(method, answer)),
            _ => Ok(answer.clone()),
        };
        Ok(Answered { result, cookie })
    }
}

/// Whether making a call twice is the same as making it once.
fn reads(method: &str) -> bool {
    ["Retrieve", "ContinueRetrieve", "Find", "Fetch", "Has", "Query", "HttpNfcLeaseProgress"]
        .iter()
        .any(|prefix| method.starts_with(prefix))
}

/// `vmware_soap_session="…"`, without its path and its flags.
fn session_cookie(response: &reqwest::Response) -> Option<String> {
    let cookies = response.headers().get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.filter_map(|cookie| cookie.split(';').next());
    pairs.find(|pair| pair.starts_with("vmware_soap_session=")).map(ToOwned::to_owned)
}

/// The text of an answer, up to a size.
pub(super) async fn limited(
    mut response: reqwest::Response,
) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if (body.len() + chunk.len()) as u64 > LARGEST {
            return Err("the answer is too large".into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8(body)?)
}
