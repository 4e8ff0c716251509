//! Files that are published somewhere: images and installers' media.
use super::SourceError;
use crate::{
    cx::Cx,
    fetch::{self, FetchError, Fetched, Fetcher, PlainUrl, Probed},
    plan::Origin,
    value::{self, Digest},
};
use std::path::Path;
use url::Url;

/// More than any list of digests has.
const SUMS_LIMIT: usize = 1 << 20;

/// The digest of what is at `origins`, by the list that is published beside it.
pub(super) async fn listed(
    cx: &Cx,
    origins: &[Origin],
    list: &Url,
    fetcher: &Fetcher,
) -> Result<Digest, SourceError> {
    let (medium, name) = match origins.first() {
        Some(Origin::Url(url)) => (Some(url), url.path().to_owned()),
        Some(Origin::Path(path)) => (None, path.display().to_string()),
        None => (None, String::new()),
    };
    let read = |list: &Url, text: &[u8]| {
        value::digest_of(&String::from_utf8_lossy(text), &name)
            .map_err(|source| SourceError::Sums { list: PlainUrl(list).to_string(), source })
    };
    fetcher.list(cx, list, medium, SUMS_LIMIT, read).await
}

/// The file as it was published, from the first origin that has it. Neighbouring URLs are mirrors of each other.
pub(super) async fn obtain(
    cx: &Cx,
    origins: &[Origin],
    digest: Option<&Digest>,
    fetcher: &Fetcher,
) -> Result<(Fetched, String), SourceError> {
    let mut tried = Vec::new();
    let mut rest = origins;
    while let Some((first, more)) = rest.split_first() {
        let result = match first {
            Origin::Path(path) => {
                rest = more;
                let result = fetcher.local(cx, path, digest).await;
                result.map(|fetched| (fetched, path.display().to_string()))
            }
            Origin::Url(_) => {
                let urls: Vec<Url> = rest
                    .iter()
                    .map_while(|origin| match origin {
                        Origin::Url(url) => Some(url.clone()),
                        Origin::Path(_) => None,
                    })
                    .collect();
                rest = &rest[urls.len()..];
                let from = urls.first().map(|url| fetch::PlainUrl(url).to_string()).unwrap_or_default();
                fetcher.get(cx, &urls, digest).await.map(|fetched| (fetched, from))
            }
        };
        match result {
            Ok(found) => return Ok(found),
            Err(error) => {
                cx.check()?;
                tried.push(error.into());
            }
        }
    }
    Err(nowhere(tried))
}

/// What is wrong when no origin has it: what is wrong with the only one, or with each of them.
pub(super) fn nowhere(tried: Vec<SourceError>) -> SourceError {
    match <[SourceError; 1]>::try_from(tried) {
        Ok([only]) => only,
        Err(tried) => SourceError::NoOrigin { tried: tried.iter().map(|error| chain(error)).collect() },
    }
}

/// How many bytes of what is at `url` the cache has yet to take.
pub(super) fn download(url: &Url, cache: &Path, digest: Option<&Digest>, bytes: u64) -> u64 {
    if url.scheme() == "file" { 0 } else { fetch::missing(cache, digest, bytes) }
}

/// Length of a file of this host.
pub(super) fn length(path: &Path) -> Result<u64, SourceError> {
    let missing = |source| SourceError::NoFile { path: path.to_owned(), source };
    let found = std::fs::metadata(path).map_err(missing)?;
    if found.is_dir() {
        return Err(missing(std::io::ErrorKind::IsADirectory.into()));
    }
    Ok(found.len())
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}

/// Looks whether `url` answers; what the cache has need not.
pub(super) async fn ask(url: &Url, cache: &Path, digest: Option<&Digest>) -> Result<Probed, FetchError> {
    match digest.and_then(|digest| fetch::cached(cache, digest)) {
        Some(bytes) => Ok(Probed { url: url.clone(), bytes: Some(bytes) }),
        None => fetch::probe(url).await,
    }
}

/// Looks whether `place` answers: its name for people, and its length in bytes if that is known.
pub(super) async fn probe(
    place: &Origin,
    cache: &Path,
    digest: Option<&Digest>,
) -> Result<(String, Option<u64>), SourceError> {
    Ok(match place {
        Origin::Path(path) => (path.display().to_string(), Some(length(path)?)),
        Origin::Url(url) => {
            let found = ask(url, cache, digest).await?;
            (fetch::PlainUrl(&found.url).to_string(), found.bytes)
        }
    })
}
