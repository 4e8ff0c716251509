//! Files that are read at once, such as one with a digest: bounded, and never kept.
use super::{FetchError, Fetcher, local_path};
use crate::cx::Cx;
use backon::{BackoffBuilder, ExponentialBuilder};
use std::time::Duration;
use url::Url;

impl Fetcher {
    /// What is at `url`, of at most `limit` bytes.
    pub async fn small(&self, cx: &Cx, url: &Url, limit: usize) -> Result<Vec<u8>, FetchError> {
        if let Some(path) = local_path(url) {
            let bytes =
                tokio::fs::read(&path).await.map_err(|source| FetchError::io("read", &path, source))?;
            return if bytes.len() > limit { Err(too_large(url, limit)) } else { Ok(bytes) };
        }
        if !matches!(url.scheme(), "http" | "https") {
            return Err(FetchError::Scheme { url: Box::new(url.clone()) });
        }
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(self.patience.pause)
            .with_max_delay(Duration::from_secs(30))
            .with_max_times(self.patience.attempts.saturating_sub(1))
            .build();
        loop {
            let error = match self.small_once(cx, url, limit).await {
                Err(error) if error.is_transient() => error,
                other => return other,
            };
            let Some(pause) = pauses.next() else { return Err(error) };
            cx.stop().unless_cancelled(tokio::time::sleep(pause)).await?;
        }
    }

    async fn small_once(&self, cx: &Cx, url: &Url, limit: usize) -> Result<Vec<u8>, FetchError> {
        let whole = async {
            let mut response = self
                .client()?
                .get(url.clone())
                .send()
                .await
                .map_err(|error| FetchError::network(url, error))?;
            if !response.status().is_success() {
                let status = response.status().as_u16();
                return Err(FetchError::Http { url: Box::new(url.clone()), status, retry_after: None });
            }
            let mut bytes = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(|error| FetchError::network(url, error))? {
                if bytes.len() + chunk.len() > limit {
                    return Err(too_large(url, limit));
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(bytes)
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
