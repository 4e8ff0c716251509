//! Files that are published somewhere: images and installers' media.
use super::SourceError;
use crate::{
    cx::Cx,
    fetch::{self, Fetched, Fetcher},
    plan::Origin,
    value::Digest,
};
use url::Url;

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
                if tried.is_empty() && rest.is_empty() {
                    return Err(error.into());
                }
                tried.push(chain(&error));
            }
        }
    }
    Err(SourceError::NoOrigin { tried })
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

/// Looks whether `place` answers: its name for people, and its length in bytes if that is known.
pub(super) async fn probe(place: &Origin) -> Result<(String, Option<u64>), SourceError> {
    Ok(match place {
        Origin::Path(path) => {
            let found = tokio::fs::metadata(path).await;
            let bytes = found.map_err(|source| SourceError::io("read", path, source))?.len();
            (path.display().to_string(), Some(bytes))
        }
        Origin::Url(url) => {
            let found = fetch::probe(url).await?;
            (fetch::PlainUrl(&found.url).to_string(), found.bytes)
        }
    })
}
