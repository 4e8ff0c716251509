//! Downloads: resumed, retried, verified and kept by digest.
//!
//! ```text
//!   <cache>/sha256/<hex>           the file, only ever complete and verified
//!   <cache>/sha256/<hex>.verified  its size and mtime when it was last hashed
//!   <cache>/sha256/<hex>.part      what has arrived so far, with .part.json telling from where
//!   <cache>/sha256/<hex>.lock      held while one build downloads it
//!   <cache>/url/…                  the same for downloads without a digest, by hash of the address
//!   <cache>/kept/…                 copies of small files that change, for when nobody answers
//!   <cache>/local/…                what local files hashed to
//! ```
//!
//! Start reading at [`Fetcher::get`].
mod archive;
mod cache;
mod client;
mod download;
mod error;
mod gate;
mod held;
mod kept;
mod moved;
mod pass;
mod post;
mod registry;
mod small;
mod stock;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod tests_stock;

#[cfg(test)]
pub(crate) use archive::Rule;
pub use cache::{cached, has_as_long, missing};
pub use error::{FetchError, PlainUrl};
pub use gate::{AllowedHost, COLLECT, Detour, Gate, NoHost, Way};
pub use kept::{Freshness, Kept};
pub use moved::Probed;
pub use pass::Passed;
pub use post::{PostError, post_json};
pub use registry::{ImagePart, RegistryError};
pub use stock::{Held, Stock};

use crate::{
    cx::{Cx, Look, Sight},
    value::{Digest, DigestAlgorithm},
};
use backon::{BackoffBuilder, ExponentialBuilder};
use cache::Entry;
use download::Attempt;
use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Duration,
};
use url::Url;

/// How long to put up with a bad server.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Without a byte for this long, a transfer has stalled. There is no limit on the whole transfer.
    pub stall: Duration,
    /// Attempts in a row without progress before the next mirror is tried.
    pub attempts: usize,
    /// Pause after the first failure; it doubles each time, up to 30 s.
    pub pause: Duration,
    /// How long to wait while another build downloads the same file.
    pub lock: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            stall: Duration::from_secs(30),
            attempts: 5,
            pause: Duration::from_secs(1),
            lock: Duration::from_secs(2 * 3600),
        }
    }
}

/// A file that is here now and was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Where it is. It belongs to the cache or to the user: never write to it.
    pub path: PathBuf,
    /// Its digest: of the algorithm asked for, else SHA-256.
    pub digest: Digest,
    /// Its size.
    pub bytes: u64,
    /// Nothing had to be downloaded.
    pub from_cache: bool,
}

/// Fetches files into one cache folder. Several builds may share the folder.
#[derive(Debug)]
pub struct Fetcher {
    cache: PathBuf,
    patience: Patience,
    client: OnceLock<reqwest::Client>,
    tokens: registry::Tokens,
    archives: &'static [archive::Rule],
    gate: Gate,
}

impl Fetcher {
    /// A fetcher that keeps what it downloads in `cache`. Makes the folder when it first needs it.
    pub fn new(cache: impl Into<PathBuf>) -> Self {
        Self {
            cache: cache.into(),
            patience: Patience::default(),
            client: OnceLock::new(),
            tokens: registry::Tokens::default(),
            archives: archive::PUBLISHED,
            gate: Gate::open(),
        }
    }

    /// The same behind a gate.
    #[must_use]
    pub fn behind(mut self, gate: Gate) -> Self {
        self.gate = gate;
        self
    }

    /// What lets its addresses through.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The folder of what is kept between builds.
    pub fn folder(&self) -> &Path {
        &self.cache
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// The same with other archives.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn with_archives(mut self, archives: &'static [Rule]) -> Self {
        self.archives = archives;
        self
    }

    /// The file that all `origins` hold, from the cache or from the first origin that delivers it. With a digest the
    /// cache is asked first and every byte is verified; without one it is always downloaded anew. A release that is at its place
    /// no more is looked for in its publisher's archive.
    pub async fn get(
        &self,
        cx: &Cx,
        origins: &[Url],
        digest: Option<&Digest>,
    ) -> Result<Fetched, FetchError> {
        self.get_up_to(cx, origins, digest, None).await
    }

    /// As [`Fetcher::get`] for one address, where somebody who is trusted told the length, too: who sends more is not listened to.
    pub async fn get_no_longer_than(
        &self,
        cx: &Cx,
        origin: &Url,
        digest: &Digest,
        bytes: u64,
    ) -> Result<Fetched, FetchError> {
        self.get_up_to(cx, std::slice::from_ref(origin), Some(digest), Some(bytes)).await
    }

    async fn get_up_to(
        &self,
        cx: &Cx,
        origins: &[Url],
        digest: Option<&Digest>,
        limit: Option<u64>,
    ) -> Result<Fetched, FetchError> {
        let Some(first) = origins.first() else { return Err(FetchError::NoOrigin) };
        let entry = match digest {
            Some(digest) => Entry::by_digest(&self.cache, digest),
            None => Entry::by_url(&self.cache, first),
        };
        // A file on this host is used where it lies; the cache would only double it.
        if let Some(path) = origins.iter().find_map(local_path)
            && origins.len() == 1
        {
            return self.local(cx, &path, digest).await;
        }
        entry.make_folder()?;
        let _lock = self.lock(cx, &entry, first).await?;
        if let Some(digest) = digest
            && let Some(found) = cache::verified(cx, &entry, digest).await?
        {
            return Ok(found);
        }
        // One place that may be asked is enough; none is an error about the first.
        let through = |origin: &&Url| self.gate.lets_through(origin, digest);
        let open: Vec<&Url> = origins.iter().filter(through).collect();
        if open.is_empty() {
            return Err(self.gate.refuse(first));
        }
        let mut failures = Vec::new();
        for origin in open {
            let result = match local_path(origin) {
                Some(path) => self.local(cx, &path, digest).await,
                None => self.fetch_from(cx, &entry, origin, digest, limit).await,
            };
            match result {
                Ok(fetched) => return Ok(fetched),
                Err(error) if error.concerns_origin() => {
                    if origins.len() > 1 {
                        cx.events().notice(format!("{}; trying the next place", error::chain(&error)));
                    }
                    failures.push(error);
                }
                Err(error) => return Err(error),
            }
        }
        for moved in self.moved(&failures, origins) {
            if let Some(failure) = failures.last() {
                cx.events().notice(format!("{}; {}", error::chain(failure), moved::looking(&moved)));
            }
            match self.fetch_from(cx, &entry, &moved.url, digest, limit).await {
                Ok(fetched) => {
                    moved::advise(cx, &moved);
                    return Ok(fetched);
                }
                Err(error) if error.concerns_origin() => failures.push(error),
                Err(error) => return Err(error),
            }
        }
        Err(match <[FetchError; 1]>::try_from(failures) {
            Ok([only]) => only,
            Err(failures) => FetchError::Everywhere { failures },
        })
    }

    /// A file of the user, verified in place. Its digest is remembered as long as its size and mtime stay.
    pub async fn local(&self, cx: &Cx, path: &Path, digest: Option<&Digest>) -> Result<Fetched, FetchError> {
        let algorithm = digest.map_or(DigestAlgorithm::Sha256, Digest::algorithm);
        let (found, bytes) = cache::digest_of_local(cx, &self.cache, path, algorithm).await?;
        match digest {
            Some(expected) if *expected != found => {
                Err(FetchError::LocalDigest { path: path.to_owned(), expected: expected.clone(), found })
            }
            _ => Ok(Fetched { path: path.to_owned(), digest: found, bytes, from_cache: true }),
        }
    }

    /// The digest of a file. It is remembered as long as size and mtime stay.
    pub async fn digest(
        &self,
        cx: &Cx,
        path: &Path,
        algorithm: DigestAlgorithm,
    ) -> Result<Digest, FetchError> {
        Ok(cache::digest_of_local(cx, &self.cache, path, algorithm).await?.0)
    }

    async fn lock(&self, cx: &Cx, entry: &Entry, origin: &Url) -> Result<std::fs::File, FetchError> {
        let path = entry.lock();
        let file = std::fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|source| FetchError::io("open", &path, source))?;
        cx.wait_for("another build that downloads the same file", self.patience.lock, POLL, || async {
            match file.try_lock() {
                Ok(()) => Look::Ready(()),
                Err(std::fs::TryLockError::WouldBlock) => {
                    Look::NotYet(vec![Sight::no("lock", PlainUrl(origin).to_string())])
                }
                Err(std::fs::TryLockError::Error(error)) => {
                    Look::Hopeless(FetchError::io("lock", &path, error).into())
                }
            }
        })
        .await?;
        Ok(file)
    }

    fn client(&self) -> Result<&reqwest::Client, FetchError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = client::new(&self.gate)?;
        Ok(self.client.get_or_init(|| client))
    }

    /// One origin with its retries: a server that makes progress now and then is never given up.
    async fn fetch_from(
        &self,
        cx: &Cx,
        entry: &Entry,
        origin: &Url,
        digest: Option<&Digest>,
        limit: Option<u64>,
    ) -> Result<Fetched, FetchError> {
        match self.gate.way(origin, digest) {
            Way::Network => {}
            Way::Stock(stock, held) => return held::store(cx, entry, (origin, digest), (stock, held)).await,
            Way::Refused => return Err(self.gate.refuse(origin)),
        }
        let pauses = || {
            ExponentialBuilder::default()
                .with_min_delay(self.patience.pause)
                .with_max_delay(Duration::from_secs(30))
                .with_max_times(self.patience.attempts.saturating_sub(1))
                .build()
        };
        let (mut delays, mut best) = (pauses(), cache::len(&entry.part()));
        let mut restarted = false;
        loop {
            cx.check()?;
            let attempt = Attempt {
                cx,
                client: self.client()?,
                tokens: &self.tokens,
                gate: &self.gate,
                entry,
                origin,
                algorithm: digest.map_or(DigestAlgorithm::Sha256, Digest::algorithm),
                identified: digest.is_some(),
                stall: self.patience.stall,
                limit,
            };
            let error = match attempt.run().await {
                Ok(arrived) => match digest {
                    Some(expected) if *expected != arrived.digest => {
                        entry.discard_part()?;
                        // Two servers, or two versions on one, made one wrong file: that is nobody's fault yet.
                        if arrived.spliced && !restarted {
                            restarted = true;
                            continue;
                        }
                        return Err(FetchError::Digest {
                            url: Box::new(origin.clone()),
                            expected: expected.clone(),
                            found: arrived.digest,
                        });
                    }
                    _ => return cache::adopt(entry, arrived.digest, arrived.bytes).await,
                },
                Err(error) if !error.is_transient() => return Err(error),
                Err(error) => error,
            };
            let here = cache::len(&entry.part());
            if here >= best.saturating_add(PROGRESS) {
                (delays, best) = (pauses(), here);
            }
            let Some(delay) = delays.next() else { return Err(error) };
            let delay = error.retry_after().map_or(delay, |asked| asked.clamp(delay, LONGEST_PAUSE));
            cx.events().notice(format!(
                "{}; trying again in {}",
                error::chain(&error),
                crate::value::HumanDuration::from(delay)
            ));
            cx.stop().unless_cancelled(tokio::time::sleep(delay)).await?;
        }
    }
}

/// How often the lock is looked at.
const POLL: Duration = Duration::from_millis(250);

/// At least this many new bytes since the count began start the count of attempts anew.
const PROGRESS: u64 = 1 << 20;

/// The longest pause a server can ask for by `Retry-After`.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

fn local_path(url: &Url) -> Option<PathBuf> {
    (url.scheme() == "file").then(|| url.to_file_path().ok()).flatten()
}
