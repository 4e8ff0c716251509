//! Files that are read at once, such as one with a digest: bounded. Who wants a copy to be kept asks in `kept`.
use super::{FetchError, Fetcher, local_path, registry};
use crate::cx::Cx;
use backon::{BackoffBuilder, ExponentialBuilder};
use reqwest::{
    StatusCode,
    header::{ETAG, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use url::Url;

/// What identifies the version of a file that is here already.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Validators {
    etag: Option<String>,
    last_modified: Option<String>,
}

/// What a server says about a small file.
pub(super) enum Answer {
    /// The file, and how to ask for it the next time.
    Whole(Vec<u8>, Validators),
    /// It is the one that is here already.
    Unchanged,
}

impl Fetcher {
    /// What is at `url`, of at most `limit` bytes.
    pub async fn small(&self, cx: &Cx, url: &Url, limit: usize) -> Result<Vec<u8>, FetchError> {
        if let Some(path) = local_path(url) {
            let bytes =
                tokio::fs::read(&path).await.map_err(|source| FetchError::io("read", &path, source))?;
            return if bytes.len() > limit { Err(too_large(url, limit)) } else { Ok(bytes) };
        }
        match self.ask(cx, url, limit, None).await? {
            Answer::Whole(bytes, _) => Ok(bytes),
            Answer::Unchanged => Ok(Vec::new()),
        }
    }

    /// The same from a server; with `before`, only if it is another version.
    pub(super) async fn ask(
        &self,
        cx: &Cx,
        url: &Url,
        limit: usize,
        before: Option<&Validators>,
    ) -> Result<Answer, FetchError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(FetchError::Scheme { url: Box::new(url.clone()) });
        }
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(self.patience.pause)
            .with_max_delay(Duration::from_secs(30))
            .with_max_times(self.patience.attempts.saturating_sub(1))
            .build();
        loop {
            let error = match self.small_once(cx, url, limit, before).await {
                Err(error) if error.is_transient() => error,
                other => return other,
            };
            let Some(pause) = pauses.next() else { return Err(error) };
            cx.stop().unless_cancelled(tokio::time::sleep(pause)).await?;
        }
    }

    async fn small_once(
        &self,
        cx: &Cx,
        url: &Url,
        limit: usize,
        before: Option<&Validators>,
    ) -> Result<Answer, FetchError> {
        let whole = async {
            let mut request = self.client()?.get(url.clone());
            let (etag, date) = before.map_or((None, None), |b| (b.etag.as_ref(), b.last_modified.as_ref()));
            for (name, value) in [(IF_NONE_MATCH, etag), (IF_MODIFIED_SINCE, date)] {
                if let Some(value) = value {
                    request = request.header(name, value);
                }
            }
            let sent = Box::pin(registry::send(&self.tokens, self.client()?, url, request)).await;
            let mut response = sent.map_err(|error| FetchError::network(url, error))?;
            if response.status() == StatusCode::NOT_MODIFIED && before.is_some() {
                return Ok(Answer::Unchanged);
            }
            if !response.status().is_success() {
                let status = response.status().as_u16();
                return Err(FetchError::Http { url: Box::new(url.clone()), status, retry_after: None });
            }
            let header = |name| {
                let value = response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
                value.map(str::to_owned)
            };
            let validators = Validators { etag: header(ETAG), last_modified: header(LAST_MODIFIED) };
            let mut bytes = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(|error| FetchError::network(url, error))? {
                if bytes.len() + chunk.len() > limit {
                    return Err(too_large(url, limit));
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(Answer::Whole(bytes, validators))
        };
        match cx.stop().unless_cancelled(tokio::time::timeout(self.patience.stall, whole)).await? {
            Ok(result) => result,
            Err(_elapsed) => {
                Err(FetchError::Stalled { url: Box::new(url.clone()), limit: self.patience.stall.into() })
            }
        }
    }
}

fn too_large(url: &Url, limit: usize) -> FetchError {
    FetchError::TooLarge { url: Box::new(url.clone()), limit: crate::value::Size::bytes(limit as u64) }
}
