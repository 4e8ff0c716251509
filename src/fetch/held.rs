//! Files out of collections: into the cache as if they had been downloaded, or into memory when they are small.
use super::{
    FetchError, Fetched, Held, Stock,
    cache::{self, Entry, Hasher, blocking},
    small::too_large,
};
use crate::{
    cx::{Cx, Event, Unit},
    value::{Digest, DigestAlgorithm},
};
use std::{
    fs::File,
    io::{Read, Write as _},
    sync::Arc,
    time::{Duration, Instant},
};
use url::Url;

/// As much is read at once.
const CHUNK: usize = 256 << 10;
/// At most one progress event in this time.
const REPORT: Duration = Duration::from_millis(200);

/// Copies what `stock` holds of `url` into the cache, and compares it with `digest`.
pub(super) async fn store(
    cx: &Cx,
    entry: &Entry,
    (url, digest): (&Url, Option<&Digest>),
    (stock, held): (Arc<dyn Stock>, Held),
) -> Result<Fetched, FetchError> {
    entry.discard_part()?;
    let algorithm = digest.map_or(DigestAlgorithm::Sha256, Digest::algorithm);
    let name = url.path_segments().and_then(|mut segments| segments.next_back()).unwrap_or_default();
    let what = format!("take {name} from {}", stock.name());
    let (part, context, asked, said) = (entry.part(), cx.clone(), url.clone(), what.clone());
    let copied = blocking(move || {
        let failed = |source| FetchError::stock(&asked, &*stock, source);
        let mut from = stock.open(&held).map_err(failed)?;
        let mut file = File::create(&part).map_err(|source| FetchError::io("create", &part, source))?;
        let (mut hasher, mut buffer, mut done) = (Hasher::new(algorithm), vec![0; CHUNK], 0);
        let mut reported = None::<Instant>;
        loop {
            context.check()?;
            let n = from.read(&mut buffer).map_err(failed)?;
            if n == 0 {
                break;
            }
            hasher.update(&buffer[..n]);
            file.write_all(&buffer[..n]).map_err(|source| FetchError::io("write", &part, source))?;
            done += n as u64;
            if reported.is_none_or(|at| at.elapsed() >= REPORT) {
                reported = Some(Instant::now());
                let (what, total) = (said.clone(), Some(held.bytes));
                context.emit(Event::Progress { what, done, total, unit: Unit::Bytes });
            }
        }
        Ok((hasher.finish(), done))
    })
    .await;
    cx.emit(Event::ProgressFinished { what });
    let (found, bytes) = match copied {
        Ok(copied) => copied,
        Err(error) => {
            entry.discard_part()?;
            return Err(error);
        }
    };
    match digest {
        Some(expected) if *expected != found => {
            entry.discard_part()?;
            Err(FetchError::Digest { url: Box::new(url.clone()), expected: expected.clone(), found })
        }
        _ => cache::adopt(entry, found, bytes).await,
    }
}

/// The whole of a small file.
pub(super) async fn small(
    url: &Url,
    limit: usize,
    (stock, held): (Arc<dyn Stock>, Held),
) -> Result<Vec<u8>, FetchError> {
    let url = url.clone();
    blocking(move || {
        if held.bytes > limit as u64 {
            return Err(too_large(&url, limit));
        }
        let mut bytes = Vec::new();
        stock
            .open(&held)
            .and_then(|from| from.take(limit as u64 + 1).read_to_end(&mut bytes))
            .map_err(|source| FetchError::stock(&url, &*stock, source))?;
        if bytes.len() > limit { Err(too_large(&url, limit)) } else { Ok(bytes) }
    })
    .await
}
