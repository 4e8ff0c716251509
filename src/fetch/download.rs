//! One attempt to get the rest of a file from one server.
use super::{
    FetchError,
    cache::{self, Entry, Hasher},
    registry::{self, Tokens},
};
use crate::{
    cx::{Cx, Event, Unit},
    value::{Digest, DigestAlgorithm},
};
use reqwest::{
    StatusCode,
    header::{CONTENT_RANGE, ETAG, HeaderMap, IF_RANGE, LAST_MODIFIED, RANGE, RETRY_AFTER},
};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use url::Url;

/// At most one progress event in this time.
const REPORT: Duration = Duration::from_millis(200);

pub(super) struct Attempt<'a> {
    pub(super) cx: &'a Cx,
    pub(super) client: &'a reqwest::Client,
    pub(super) tokens: &'a Tokens,
    pub(super) entry: &'a Entry,
    pub(super) origin: &'a Url,
    pub(super) algorithm: DigestAlgorithm,
    /// A digest will tell a wrong file, so that parts of several servers may be put together.
    pub(super) identified: bool,
    pub(super) stall: Duration,
}

/// A whole file, in the entry's `.part`.
pub(super) struct Arrived {
    pub(super) digest: Digest,
    pub(super) bytes: u64,
    /// It consists of more than one transfer.
    pub(super) spliced: bool,
}

/// Where a `.part` came from.
#[derive(Debug, Default, Serialize, Deserialize)]
struct PartOrigin {
    url: String,
    /// A strong ETag or else Last-Modified, for `If-Range`.
    validator: Option<String>,
    total: Option<u64>,
}

impl PartOrigin {
    fn read(entry: &Entry) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(entry.part_origin()).ok()?).ok()
    }

    fn write(&self, entry: &Entry) -> Result<(), FetchError> {
        let path = entry.part_origin();
        let bytes = serde_json::to_vec(self).map_err(|error| FetchError::io("write", &path, error.into()))?;
        cache::write_atomically(&path, &bytes)
    }
}

impl Attempt<'_> {
    pub(super) async fn run(&self) -> Result<Arrived, FetchError> {
        if !matches!(self.origin.scheme(), "http" | "https") {
            return Err(FetchError::Scheme { url: Box::new(self.origin.clone()) });
        }
        let what = format!("download {}", self.name());
        let result = self.transfer(&what).await;
        self.cx.emit(Event::ProgressFinished { what });
        result
    }

    fn name(&self) -> String {
        let last = self.origin.path_segments().and_then(|mut segments| segments.next_back());
        last.filter(|name| !name.is_empty())
            .unwrap_or_else(|| self.origin.host_str().unwrap_or("file"))
            .to_owned()
    }

    /// Something that takes at most as long as a stall may last.
    async fn soon<T>(&self, future: impl Future<Output = reqwest::Result<T>>) -> Result<T, FetchError> {
        match self.cx.stop().unless_cancelled(tokio::time::timeout(self.stall, future)).await? {
            Ok(result) => result.map_err(|error| FetchError::network(self.origin, error)),
            Err(_elapsed) => {
                Err(FetchError::Stalled { url: Box::new(self.origin.clone()), limit: self.stall.into() })
            }
        }
    }

    /// The part that can be gone on with, if any: same server and version, or a digest that will tell.
    fn resumable(&self) -> Result<(u64, PartOrigin), FetchError> {
        let have = cache::len(&self.entry.part());
        let origin = PartOrigin::read(self.entry).unwrap_or_default();
        let same = origin.url == self.origin.as_str() && origin.validator.is_some();
        if have > 0 && (same || self.identified) {
            return Ok((have, origin));
        }
        self.entry.discard_part()?;
        Ok((0, PartOrigin::default()))
    }

    async fn transfer(&self, what: &str) -> Result<Arrived, FetchError> {
        let (have, before) = self.resumable()?;
        let mut request = self.client.get(self.origin.clone());
        if have > 0 {
            request = request.header(RANGE, format!("bytes={have}-"));
            if before.url == self.origin.as_str()
                && let Some(validator) = &before.validator
            {
                request = request.header(IF_RANGE, validator);
            }
        }
        let mut response =
            self.soon(Box::pin(registry::send(self.tokens, self.client, self.origin, request))).await?;
        let status = response.status();
        let start = match status {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT => match content_range(response.headers()) {
                Some((start, total))
                    if start == have
                        && (before.total.is_none() || total.is_none() || total == before.total) =>
                {
                    start
                }
                // Another version, or an answer to another question: from the beginning, next time.
                _ => {
                    self.entry.discard_part()?;
                    return Err(self.odd("the server sent another range than was asked for"));
                }
            },
            StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => {
                let complete = before.total == Some(have)
                    || content_range(response.headers()).is_some_and(|(_, total)| total == Some(have));
                if complete && self.identified {
                    let hasher = self.hash_part().await?;
                    return Ok(Arrived { digest: hasher.finish(), bytes: have, spliced: true });
                }
                self.entry.discard_part()?;
                return Err(self.odd("the server has less of it than we have"));
            }
            _ => {
                return Err(FetchError::Http {
                    url: Box::new(self.origin.clone()),
                    status: status.as_u16(),
                    retry_after: retry_after(response.headers()),
                });
            }
        };
        let total = response.content_length().map(|rest| start + rest).or(before.total.filter(|_| start > 0));
        PartOrigin { url: self.origin.to_string(), validator: validator(response.headers()), total }
            .write(self.entry)?;

        let part = self.entry.part();
        let io = |action| {
            let part = part.clone();
            move |source| FetchError::io(action, &part, source)
        };
        let mut hasher = if start > 0 { self.hash_part().await? } else { Hasher::new(self.algorithm) };
        let mut options = tokio::fs::OpenOptions::new();
        options.create(true).write(true).append(start > 0).truncate(start == 0);
        let mut file = options.open(&part).await.map_err(io("open"))?;
        let (mut done, mut reported) = (start, None::<Instant>);
        let outcome = loop {
            match self.soon(response.chunk()).await {
                Ok(Some(chunk)) => {
                    hasher.update(&chunk);
                    file.write_all(&chunk).await.map_err(io("write"))?;
                    done += chunk.len() as u64;
                    if reported.is_none_or(|at| at.elapsed() >= REPORT) {
                        reported = Some(Instant::now());
                        self.cx.emit(Event::Progress {
                            what: what.to_owned(),
                            done,
                            total,
                            unit: Unit::Bytes,
                        });
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        // What has arrived is worth keeping, whatever ended the transfer.
        file.flush().await.map_err(io("write"))?;
        outcome?;
        if total.is_some_and(|total| total != done) {
            return Err(self.odd("the connection ended before the file did"));
        }
        Ok(Arrived { digest: hasher.finish(), bytes: done, spliced: start > 0 })
    }

    async fn hash_part(&self) -> Result<Hasher, FetchError> {
        cache::hash_into(self.cx.stop(), &self.entry.part(), Hasher::new(self.algorithm)).await
    }

    fn odd(&self, why: &'static str) -> FetchError {
        FetchError::Network { url: Box::new(self.origin.clone()), source: why.into() }
    }
}

/// First byte and total of `Content-Range: bytes 5-9/10`; of `bytes */10`, the total alone.
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let (range, total) =
        headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?.split_once('/')?;
    let start = if range == "*" { 0 } else { range.split_once('-')?.0.parse().ok()? };
    Some((start, total.parse().ok()))
}

/// What identifies this version of the file: `If-Range` takes a strong ETag or a date.
fn validator(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value: &reqwest::header::HeaderValue| value.to_str().ok());
    text(ETAG).filter(|tag| !tag.starts_with("W/")).or_else(|| text(LAST_MODIFIED)).map(str::to_owned)
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}
