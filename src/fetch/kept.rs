//! Small files without a digest that change, such as lists of releases: asked for anew each time, but a copy is kept.
//!
//! The copy spares the transfer when the server says that nothing changed, and stands in when no server answers.
use super::{
    FetchError, Fetcher, Way, cache, held, local_path,
    small::{Answer, Validators},
};
use crate::{
    cx::Cx,
    value::{Digest, DigestAlgorithm},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use url::Url;

/// A small file, and how new it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its content.
    pub bytes: Vec<u8>,
    /// Where it came from.
    pub freshness: Freshness,
}

/// Where a small file came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// From the server, just now; or the server said that the copy is what it has.
    Fresh,
    /// From this host, where the address leads to, or from a collection of files.
    Local,
    /// From the copy of this time: the server did not answer, or was not to be asked.
    Copy(Timestamp),
}

/// What is known about a copy.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    url: String,
    validators: Validators,
    at: Timestamp,
    digest: Digest,
}

/// A copy in the cache: `<cache>/kept/<hash of the address>` and `….json`.
struct Copied {
    path: PathBuf,
}

impl Copied {
    fn of(cache: &Path, url: &Url) -> Self {
        Self { path: cache.join("kept").join(hex::encode(Sha256::digest(url.as_str().as_bytes()))) }
    }

    /// The copy, if there is one and it is whole.
    fn read(&self, url: &Url) -> Option<(Vec<u8>, Record)> {
        let record: Record =
            serde_json::from_slice(&std::fs::read(self.path.with_extension("json")).ok()?).ok()?;
        let bytes = std::fs::read(&self.path).ok()?;
        (record.url == url.as_str() && digest_of(&bytes) == Some(record.digest.clone()))
            .then_some((bytes, record))
    }

    /// Two files: whoever reads between the two writes finds that they do not fit, and has no copy for once.
    fn write(&self, url: &Url, bytes: &[u8], validators: Validators) -> Result<(), FetchError> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(folder).map_err(|source| FetchError::io("create", folder, source))?;
        let Some(digest) = digest_of(bytes) else { return Ok(()) };
        let record = Record { url: url.to_string(), validators, at: Timestamp::now(), digest };
        let path = self.path.with_extension("json");
        let record = serde_json::to_vec(&record).map_err(|why| FetchError::io("write", &path, why.into()))?;
        cache::write_atomically(&self.path, bytes)?;
        cache::write_atomically(&path, &record)
    }
}

fn digest_of(bytes: &[u8]) -> Option<Digest> {
    Digest::from_bytes(DigestAlgorithm::Sha256, &Sha256::digest(bytes))
}

impl Fetcher {
    /// What is at `url`, of at most `limit` bytes. When the server does not answer, after all attempts, the copy of the last time is taken;
    /// a server that answers that there is no such file is believed. With `offline`, only copies and files of this host count.
    pub async fn kept(&self, cx: &Cx, url: &Url, limit: usize, offline: bool) -> Result<Kept, FetchError> {
        if local_path(url).is_some() {
            return Ok(Kept { bytes: self.small(cx, url, limit).await?, freshness: Freshness::Local });
        }
        let way = self.gate.way(url, None);
        if let Way::Stock(stock, held) = way {
            return Ok(Kept {
                bytes: held::small(url, limit, (stock, held)).await?,
                freshness: Freshness::Local,
            });
        }
        let copied = Copied::of(&self.cache, url);
        let before = copied.read(url);
        if offline || matches!(way, Way::Refused) {
            let (bytes, record) = before.ok_or_else(|| {
                if offline {
                    FetchError::NoCopy { url: Box::new(url.clone()) }
                } else {
                    self.gate.refuse(url)
                }
            })?;
            return Ok(Kept { bytes, freshness: Freshness::Copy(record.at) });
        }
        let asked = self.ask(cx, url, limit, before.as_ref().map(|(_, record)| &record.validators)).await;
        match (asked, before) {
            (Ok(Answer::Whole(bytes, validators)), _) => {
                copied.write(url, &bytes, validators)?;
                Ok(Kept { bytes, freshness: Freshness::Fresh })
            }
            (Ok(Answer::Unchanged), Some((bytes, record))) => {
                copied.write(url, &bytes, record.validators)?;
                Ok(Kept { bytes, freshness: Freshness::Fresh })
            }
            (Ok(Answer::Unchanged), None) => Err(FetchError::NoCopy { url: Box::new(url.clone()) }),
            (Err(error), Some((bytes, record))) if error.is_transient() => {
                cx.events().warn(
                    format!("{}; taking the copy of {}", super::error::chain(&error), record.at),
                    error.hint(),
                );
                Ok(Kept { bytes, freshness: Freshness::Copy(record.at) })
            }
            (Err(error), _) => Err(error),
        }
    }
}
