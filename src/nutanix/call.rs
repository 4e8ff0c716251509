//! One call and its answer; made again when nothing can have happened, when it only reads, or when the server knows it again by its id.
use super::{Fault, Prism, PrismError, PrismErrorKind, http};
use serde_json::Value;
use std::{fmt::Write as _, time::Duration};
use uuid::Uuid;

/// The longest that an answer may take. None waits for disks: those are tasks.
const ANSWER: Duration = Duration::from_mins(2);
/// How often a call is made.
const ATTEMPTS: u32 = 6;
/// The longest pause that a server may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A call, to do `attempt` ("could not …").
#[derive(Debug)]
pub(super) struct Call<'a> {
    attempt: &'a str,
    method: reqwest::Method,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
    reads: bool,
    request_id: Option<Uuid>,
    etag: Option<String>,
}

/// What the server answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) value: Value,
    /// The state of the thing, for who changes or removes exactly that.
    pub(super) etag: Option<String>,
}

/// One try that failed, and whether the server cannot have begun.
struct Failed {
    error: PrismError,
    untouched: bool,
    pause: Option<Duration>,
}

impl<'a> Call<'a> {
    fn new(attempt: &'a str, method: reqwest::Method, path: impl Into<String>) -> Self {
        let path = path.into();
        Self {
            attempt,
            method,
            path,
            query: Vec::new(),
            body: None,
            reads: false,
            request_id: None,
            etag: None,
        }
    }

    /// Reads something.
    pub(super) fn get(attempt: &'a str, path: impl Into<String>) -> Self {
        Self { reads: true, ..Self::new(attempt, reqwest::Method::GET, path) }
    }

    /// Reads something whose description is too long for an address: lists of v3.
    pub(super) fn list(attempt: &'a str, path: impl Into<String>, body: Value) -> Self {
        Self { reads: true, ..Self::post(attempt, path, body) }
    }

    pub(super) fn post(attempt: &'a str, path: impl Into<String>, body: Value) -> Self {
        Self { body: Some(body), ..Self::new(attempt, reqwest::Method::POST, path) }
    }

    /// Has something done to a thing: no more is said than its address.
    pub(super) fn act(attempt: &'a str, path: impl Into<String>) -> Self {
        Self::new(attempt, reqwest::Method::POST, path)
    }

    /// Makes something be as told: twice is once.
    pub(super) fn put(attempt: &'a str, path: impl Into<String>, body: Value) -> Self {
        Self { body: Some(body), reads: true, ..Self::new(attempt, reqwest::Method::PUT, path) }
    }

    pub(super) fn delete(attempt: &'a str, path: impl Into<String>) -> Self {
        Self::new(attempt, reqwest::Method::DELETE, path)
    }

    pub(super) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// Names the request: the server answers one that it had as it did before, so it may be made again.
    pub(super) fn request_id(self, id: Uuid) -> Self {
        Self { request_id: Some(id), ..self }
    }

    /// Only if the thing is still as it was then.
    pub(super) fn if_match(self, etag: Option<String>) -> Self {
        Self { etag, ..self }
    }
}

impl Prism {
    /// Makes a call.
    pub(super) async fn send(&self, call: Call<'_>) -> Result<Answer, PrismError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let failed = match self.send_once(&call).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            let harmless = failed.untouched || call.reads || call.request_id.is_some();
            if tries >= ATTEMPTS || failed.error.kind() != PrismErrorKind::Unavailable || !harmless {
                return Err(failed.error);
            }
            tokio::time::sleep(failed.pause.unwrap_or(pause(tries))).await;
        }
    }

    async fn send_once(&self, call: &Call<'_>) -> Result<Answer, Failed> {
        let failed = |error, untouched, pause| Failed { error, untouched, pause };
        let mut url = self.url(call.attempt, &call.path).map_err(|error| failed(error, true, None))?;
        for (name, value) in &call.query {
            url.query_pairs_mut().append_pair(name, value);
        }
        let name = format!("{} {}", call.method, url.path());
        let place = self.place();
        let mut request = self
            .client()
            .request(call.method.clone(), url)
            .timeout(ANSWER)
            .basic_auth(&place.user, Some(place.password.expose()))
            .header("accept", "application/json");
        if let Some(id) = call.request_id {
            request = request.header("ntnx-request-id", id.to_string());
        }
        if let Some(etag) = &call.etag {
            request = request.header("if-match", etag);
        }
        if let Some(body) = &call.body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await.map_err(|error| {
            let untouched = error.is_connect();
            failed(http::failed(call.attempt, &error), untouched, None)
        })?;
        let status = response.status().as_u16();
        let header = |name: &str| response.headers().get(name)?.to_str().ok().map(ToOwned::to_owned);
        let (etag, after) = (header("etag"), header("retry-after"));
        let text = http::text(response).await.map_err(|error| {
            let error = PrismError::new(PrismErrorKind::Unavailable, call.attempt).because(error);
            failed(error, false, None)
        })?;
        if !(200..300).contains(&status) {
            let pause = after.and_then(|text| text.parse().ok()).map(Duration::from_secs);
            let error = PrismError::of(call.attempt, Fault::of_answer(&name, status, &text));
            return Err(failed(
                error,
                matches!(status, 429 | 503),
                pause.map(|pause| pause.min(LONGEST_PAUSE)),
            ));
        }
        if text.trim().is_empty() {
            return Ok(Answer { value: Value::Null, etag });
        }
        let value = serde_json::from_str(&text).map_err(|error| {
            let why = format!("{name} answered no JSON: {error}");
            failed(PrismError::new(PrismErrorKind::Other, call.attempt).because(why), false, None)
        })?;
        Ok(Answer { value, etag })
    }

    /// All entries of a list of v3 that `body` asks for.
    pub(super) async fn list_v3(
        &self,
        attempt: &str,
        path: &str,
        body: Value,
    ) -> Result<Vec<Value>, PrismError> {
        const LENGTH: usize = 100;
        let mut found: Vec<Value> = Vec::new();
        loop {
            let mut body = body.clone();
            body["offset"] = found.len().into();
            body["length"] = LENGTH.into();
            let mut answer = self.send(Call::list(attempt, path, body)).await?.value;
            let entries = answer["entities"].as_array_mut().map(std::mem::take).unwrap_or_default();
            let total = answer["metadata"]["total_matches"].as_u64().unwrap_or_default();
            let none = entries.is_empty();
            found.extend(entries);
            if none || found.len() as u64 >= total {
                return Ok(found);
            }
        }
    }

    /// All entries of a list of v4.
    pub(super) async fn list_v4(
        &self,
        attempt: &str,
        path: &str,
        filter: Option<&str>,
    ) -> Result<Vec<Value>, PrismError> {
        const LIMIT: usize = 100;
        let mut found: Vec<Value> = Vec::new();
        for page in 0.. {
            let mut call =
                Call::get(attempt, path).query("$page", page.to_string()).query("$limit", LIMIT.to_string());
            if let Some(filter) = filter {
                call = call.query("$filter", filter);
            }
            let mut answer = self.send(call).await?.value;
            let entries = answer["data"].as_array_mut().map(std::mem::take).unwrap_or_default();
            let total = answer["metadata"]["totalAvailableResults"].as_u64();
            let got = entries.len();
            found.extend(entries);
            if got == 0 || total.map_or(got < LIMIT, |total| found.len() as u64 >= total) {
                break;
            }
        }
        Ok(found)
    }
}

/// The pause before the next try of a call.
pub(super) fn pause(tries: u32) -> Duration {
    Duration::from_millis(250 << tries.min(6))
}

/// A value in an address.
pub(super) fn escape(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}
