//! Calls: signed anew each time, made again only when nothing can have happened.
use super::{
    CloudStackError, CloudStackErrorKind, Fault, Params, Place,
    answer::inner,
    http::{self, Http},
    sign,
};
use backon::{BackoffBuilder, ExponentialBuilder};
use serde_json::Value;
use std::{sync::Arc, time::Duration};

/// How often a call that the server was too busy for, or that reads only, is made.
const ATTEMPTS: usize = 6;
/// The longest that a call may take. Those that take longer are jobs.
const LIMIT: Duration = Duration::from_secs(120);
/// How long a signature is good. A server may refuse more than 15 minutes.
const GOOD: jiff::SignedDuration = jiff::SignedDuration::from_mins(10);
/// An answer may be that large, in bytes.
const LARGEST: usize = 64 << 20;
/// A pause that a server asks for is not longer than this, in seconds.
const LONGEST_PAUSE: u64 = 60;
/// A clock that is this wrong, in seconds, is told.
const SKEW: i64 = 120;

/// A cloud with somebody's keys. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CloudStack {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    place: Place,
    http: Http,
}

/// One try that failed, whether the server cannot have begun, and the pause that it asks for.
struct Failed {
    error: CloudStackError,
    again: Again,
    pause: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    /// Nothing happened.
    Yes,
    /// It may have happened.
    IfItReads,
    /// It would be the same.
    No,
}

impl CloudStack {
    /// Prepares it; nothing is called yet.
    pub fn open(place: &Place) -> Result<Self, CloudStackError> {
        let http = Http::new(&place.endpoint)?;
        Ok(Self { inner: Arc::new(Inner { place: place.clone(), http }) })
    }

    /// Where it is, and as whom.
    pub fn place(&self) -> &Place {
        &self.inner.place
    }

    pub(super) fn http(&self) -> &Http {
        &self.inner.http
    }

    /// Makes a call, to do `attempt` ("could not …"). Returns what is in the answer.
    pub async fn call(
        &self,
        attempt: &str,
        command: &str,
        params: &Params,
    ) -> Result<Value, CloudStackError> {
        let reads = command.starts_with("list") || command.starts_with("query");
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(500))
            .with_max_delay(Duration::from_secs(20))
            .with_max_times(ATTEMPTS - 1)
            .with_jitter()
            .build();
        loop {
            let failed = match self.once(attempt, command, params).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            let may = match failed.again {
                Again::Yes => true,
                Again::IfItReads => reads,
                Again::No => false,
            };
            let Some(pause) = pauses.next().filter(|_| may) else { return Err(failed.error) };
            tokio::time::sleep(failed.pause.unwrap_or(pause)).await;
        }
    }

    /// All that a call lists, page by page; `field` is what the items are called in its answers.
    pub async fn list(
        &self,
        attempt: &str,
        command: &str,
        field: &str,
        params: &Params,
    ) -> Result<Vec<Value>, CloudStackError> {
        let mut all: Vec<Value> = Vec::new();
        // The first answer has as many as the server gives at once: to ask for more than that is an error, and how much that is, it does not tell.
        let mut page = 1;
        let mut size = None;
        loop {
            let params = params.clone().maybe("page", size.map(|_| page)).maybe("pagesize", size);
            let mut answer = self.call(attempt, command, &params).await?;
            let Value::Array(items) = answer.get_mut(field).map(Value::take).unwrap_or_default() else {
                break;
            };
            let count = answer.get("count").and_then(Value::as_u64).unwrap_or_default();
            let came = items.len();
            all.extend(items);
            if came == 0 || all.len() as u64 >= count {
                break;
            }
            size.get_or_insert(came);
            page += 1;
        }
        Ok(all)
    }

    async fn once(&self, attempt: &str, command: &str, params: &Params) -> Result<Value, Failed> {
        let Place { endpoint, key, secret } = self.place();
        let expires = (jiff::Timestamp::now() + GOOD).strftime("%Y-%m-%dT%H:%M:%S+0000").to_string();
        let mut all = params.0.clone();
        for (name, value) in [
            ("command", command),
            ("response", "json"),
            ("apiKey", key.expose()),
            ("signatureVersion", "3"),
            ("expires", &expires),
        ] {
            all.push((name.to_owned(), value.to_owned()));
        }
        let form = sign::signed(all, secret);
        // In a body, since addresses stand in logs.
        let request = self
            .http()
            .api
            .post(&endpoint.url)
            .timeout(LIMIT)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json")
            .body(form);
        let response = request.send().await.map_err(|error| {
            let again = if error.is_connect() { Again::Yes } else { Again::IfItReads };
            let error = http::failed(attempt, &error);
            let again = if error.kind() == CloudStackErrorKind::Trust { Again::No } else { again };
            Failed { error, again, pause: None }
        })?;
        let status = response.status().as_u16();
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let pause = header("retry-after").and_then(|seconds| seconds.trim().parse().ok());
        let pause = pause.map(|seconds: u64| Duration::from_secs(seconds.min(LONGEST_PAUSE)));
        let skew = header("date").and_then(skew);
        let text = crate::wire::text(response, LARGEST).await.map_err(|error| Failed {
            error: CloudStackError::new(CloudStackErrorKind::Unavailable, attempt).because(error),
            again: Again::IfItReads,
            pause: None,
        })?;
        let answer = serde_json::from_str::<Value>(&text).ok().and_then(inner);
        let again = match status {
            429 | 503 => Again::Yes,
            500 | 502 | 504 => Again::IfItReads,
            _ => Again::No,
        };
        let failed = |error| Failed { error, again, pause };
        match answer {
            Some(answer) => match Fault::of(&answer) {
                Some(fault) => Err(failed(of(attempt, fault, skew))),
                None if (200..300).contains(&status) => Ok(answer),
                None => Err(failed(self.foreign(attempt, command, status))),
            },
            None => Err(failed(self.foreign(attempt, command, status))),
        }
    }

    /// Something answered that does not speak as CloudStack does: a proxy, or another program.
    fn foreign(&self, attempt: &str, command: &str, status: u16) -> CloudStackError {
        let endpoint = &self.place().endpoint;
        let (kind, hint) = match status {
            429 | 500..=599 => {
                (CloudStackErrorKind::Unavailable, "something before the cloud may be down; try again later")
            }
            _ => (
                CloudStackErrorKind::Unsupported,
                "is this the address of the API? It is such as `https://cloud.example.com/client/api`",
            ),
        };
        CloudStackError::new(kind, attempt)
            .because(format!("{endpoint} answered {command} with HTTP {status}, and not as CloudStack does"))
            .hint(hint)
    }
}

/// A refusal, which may come from a clock: the server says the same of an expired signature as of a wrong one.
fn of(attempt: &str, fault: Fault, skew: Option<i64>) -> CloudStackError {
    let code = fault.code;
    let error = CloudStackError::of(attempt, fault);
    match skew.filter(|seconds| code == 401 && seconds.abs() >= SKEW) {
        Some(seconds) => {
            let (minutes, way) = (seconds.abs() / 60, if seconds > 0 { "behind" } else { "ahead of" });
            error.hint(format!(
                "this host's clock is {minutes} min {way} the cloud's, and signatures expire: set the clock"
            ))
        }
        None => error,
    }
}

/// How many seconds the server's clock is ahead of ours.
fn skew(date: &str) -> Option<i64> {
    let there = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    Some(there.as_second() - jiff::Timestamp::now().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_clock_is_told_where_a_signature_was_refused() {
        let fault =
            || Fault { code: 401, text: "unable to verify user credentials and/or request signature".into() };
        assert!(of("x", fault(), Some(900)).hint_text().unwrap().contains("15 min behind"));
        assert!(of("x", fault(), Some(-900)).hint_text().unwrap().contains("ahead"));
        assert!(of("x", fault(), Some(3)).hint_text().unwrap().contains("API key"));
        assert!(skew("Sun, 06 Nov 1994 08:49:37 GMT").unwrap() < -900_000_000);
    }
}
