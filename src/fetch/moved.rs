//! Goes on in a publisher's archive when a release is no longer at its place.
use super::{
    FetchError, Fetcher, Gate, PlainUrl, Way,
    archive::{self, Archived, Rule},
    client,
};
use crate::{cx::Cx, value::Digest};
use url::Url;

/// What answered to a question for a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// Where it is: the address that was asked, or the file's place in its publisher's archive.
    pub url: Url,
    /// Its size, when the server tells.
    pub bytes: Option<u64>,
}

pub(super) async fn probe_in(gate: &Gate, archives: &[Rule], url: &Url) -> Result<Probed, FetchError> {
    let first = match client::probe(gate, url).await {
        Ok(bytes) => return Ok(Probed { url: url.clone(), bytes }),
        Err(error) => error,
    };
    let moved = if first.is_gone() { archive::archived(archives, url) } else { None };
    let Some(Archived { url, .. }) = moved.filter(|moved| gate.lets_through(&moved.url, None)) else {
        return Err(first);
    };
    match client::probe(gate, &url).await {
        Ok(bytes) => Ok(Probed { url, bytes }),
        Err(second) => Err(FetchError::Everywhere { failures: vec![first, second] }),
    }
}

impl Fetcher {
    /// Asks whether `url` answers with a file, without downloading it; a release that is gone is looked for in its publisher's
    /// archive. With `digest`, a collection that has the file under another address counts.
    pub async fn probe(&self, url: &Url, digest: Option<&Digest>) -> Result<Probed, FetchError> {
        if let Way::Stock(_, held) = self.gate.way(url, digest) {
            return Ok(Probed { url: url.clone(), bytes: Some(held.bytes) });
        }
        probe_in(&self.gate, self.archives, url).await
    }

    /// Where else to look for what is gone from `failures`' addresses; not where `origins` were looked for already.
    pub(super) fn moved(&self, failures: &[FetchError], origins: &[Url]) -> Vec<Archived> {
        let mut found: Vec<Archived> = Vec::new();
        for failure in failures.iter().filter(|failure| failure.is_gone()) {
            let FetchError::Http { url, .. } = failure else { continue };
            let Some(moved) = archive::archived(self.archives, url) else { continue };
            let open = self.gate.lets_through(&moved.url, None);
            if open && !origins.contains(&moved.url) && !found.contains(&moved) {
                found.push(moved);
            }
        }
        found
    }

    /// What the list of digests at `list`, of at most `limit` bytes, says; `read` makes something of its text. When the list is gone
    /// or says nothing of the medium at `file`, the one in the publisher's archive is asked.
    pub async fn list<T, E: From<FetchError> + std::error::Error + 'static>(
        &self,
        cx: &Cx,
        list: &Url,
        file: Option<&Url>,
        limit: usize,
        read: impl Fn(&Url, &[u8]) -> Result<T, E>,
    ) -> Result<T, E> {
        let first = match self.small(cx, list, limit).await {
            Ok(text) => match read(list, &text) {
                Ok(found) => return Ok(found),
                Err(error) => error,
            },
            Err(error) if error.is_gone() => error.into(),
            Err(error) => return Err(error.into()),
        };
        let moved = archive::archived_list(self.archives, list, file.unwrap_or(list));
        let moved = moved.filter(|moved| self.gate.lets_through(&moved.url, None));
        let Some(moved) = moved else { return Err(first) };
        cx.events().notice(format!("{}; {}", super::error::chain(&first), looking(&moved)));
        let second = match self.small(cx, &moved.url, limit).await {
            Ok(text) => read(&moved.url, &text),
            Err(error) => Err(error.into()),
        };
        cx.check().map_err(FetchError::from)?;
        match second {
            Ok(found) => {
                advise(cx, &moved);
                Ok(found)
            }
            Err(second) => {
                cx.events().notice(super::error::chain(&second));
                Err(first)
            }
        }
    }
}

/// What is done about it, for people.
pub(super) fn looking(moved: &Archived) -> String {
    format!("looking in the archive of {}: `{}`", moved.publisher, PlainUrl(&moved.url))
}

/// Says that the file came from an archive, and what to do about it.
pub(super) fn advise(cx: &Cx, moved: &Archived) {
    let name = moved.url.path_segments().and_then(|mut segments| segments.next_back()).unwrap_or_default();
    cx.events().warn(
        format!("`{name}` came from the archive of {}: its release is not current any more", moved.publisher),
        Some(format!("write its new address into the definition: {}", PlainUrl(&moved.url))),
    );
}
