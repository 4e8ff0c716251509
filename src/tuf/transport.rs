//! How the metadata of a repository come here: through our own client, bounded, with copies for when no server is to be asked.
use crate::{
    cx::Cx,
    fetch::{FetchError, Fetcher},
};
use std::sync::{Arc, Mutex, PoisonError};
use tough::{Bytes, Limits, Transport, TransportError, TransportErrorKind, TransportStream, async_trait};
use url::Url;

/// The largest files that are read, and how many roots are followed: what the crate has by default.
pub(super) const LIMITS: Limits = Limits {
    max_root_size: SMALL as u64,
    max_targets_size: LARGE as u64,
    max_timestamp_size: SMALL as u64,
    max_snapshot_size: SMALL as u64,
    max_root_updates: 1024,
};
const SMALL: usize = 1 << 20;
const LARGE: usize = 10 << 20;

/// A transport that remembers why it failed in our own words.
#[derive(Debug, Clone)]
pub(super) struct Through {
    cx: Cx,
    fetcher: Arc<Fetcher>,
    offline: bool,
    failure: Arc<Mutex<Option<FetchError>>>,
}

impl Through {
    pub(super) fn new(cx: &Cx, fetcher: &Arc<Fetcher>, offline: bool) -> Self {
        Self { cx: cx.clone(), fetcher: Arc::clone(fetcher), offline, failure: Arc::default() }
    }

    /// Why the last file did not come, if it did not.
    pub(super) fn failure(&self) -> Option<FetchError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[async_trait]
impl Transport for Through {
    async fn fetch(&self, url: Url) -> Result<TransportStream, TransportError> {
        self.failure();
        // Signed metadata never are that large; who sends without end is not listened to.
        let limit = if url.path().ends_with("targets.json") { LARGE } else { SMALL };
        let bytes = match self.fetcher.kept(&self.cx, &url, limit, self.offline).await {
            Ok(kept) => Ok(Bytes::from(kept.bytes)),
            Err(error) => {
                let kind = if is_absent(&error) {
                    TransportErrorKind::FileNotFound
                } else {
                    TransportErrorKind::Other
                };
                *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                // As a part of the stream: an error at once would be taken for "there is no newer root", whatever it is.
                Err(TransportError::new(kind, url.as_str()))
            }
        };
        Ok(Box::pin(futures_util::stream::once(std::future::ready(bytes))))
    }
}

/// Whether there is no such file. Stores of objects say 403 for what is not there, to who may not list them.
fn is_absent(error: &FetchError) -> bool {
    match error {
        FetchError::Http { status, .. } => matches!(status, 403 | 404 | 410),
        FetchError::NoCopy { .. } => true,
        FetchError::Io { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}
