//! Bytes on their way: counted, shown, and given up when nothing moves any more.
use super::{PrismError, PrismErrorKind};
use crate::{
    cx::{Cx, Event, Unit},
    value::{Digest, DigestAlgorithm},
};
use sha2::Digest as _;
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{io::AsyncReadExt as _, time::Instant};

/// As much is read at once.
pub(super) const CHUNK: usize = 256 << 10;
/// A transfer in which nothing moves for so long is given up.
const STALLED: Duration = Duration::from_mins(5);

/// How many bytes have passed. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Count(Arc<AtomicU64>);

impl Count {
    pub(super) fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes that will pass once more.
    pub(super) fn take_back(&self, bytes: u64) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Waits for work in which bytes pass: shows them, and ends it when nothing moves or the user interrupts.
pub(super) async fn watch<T>(
    cx: &Cx,
    attempt: &str,
    (what, total): (&str, u64),
    count: &Count,
    work: impl Future<Output = T>,
) -> Result<T, PrismError> {
    const GLANCE: Duration = Duration::from_millis(200);
    let show = || {
        let (what, done) = (what.to_owned(), count.get());
        cx.emit(Event::Progress { what, done, total: Some(total), unit: Unit::Bytes });
    };
    let mut work = std::pin::pin!(work);
    let mut moved = (0, Instant::now());
    let ended = loop {
        match cx.stop().unless_cancelled(tokio::time::timeout(GLANCE, &mut work)).await {
            Err(cancelled) => break Err(cancelled.into()),
            Ok(Ok(answer)) => {
                show();
                break Ok(answer);
            }
            Ok(Err(_)) => show(),
        }
        if moved.0 != count.get() {
            moved = (count.get(), Instant::now());
        } else if moved.1.elapsed() >= STALLED {
            break Err(PrismError::new(PrismErrorKind::Unavailable, attempt)
                .because(format!("nothing moves for {} minutes", STALLED.as_secs() / 60)));
        }
    };
    cx.emit(Event::ProgressFinished { what: what.to_owned() });
    ended
}

/// The SHA-256 of a file.
pub async fn digest_of(cx: &Cx, path: &Path, bytes: u64) -> Result<Digest, PrismError> {
    let attempt = format!("read `{}`", path.display());
    let count = Count::default();
    let work = async {
        let mut file = tokio::fs::File::open(path).await?;
        let (mut hash, mut buffer) = (sha2::Sha256::new(), vec![0; CHUNK]);
        loop {
            let read = file.read(&mut buffer).await?;
            if read == 0 {
                return Ok::<_, std::io::Error>(hash.finalize());
            }
            hash.update(&buffer[..read]);
            count.add(read as u64);
        }
    };
    let hash = watch(cx, &attempt, ("digest", bytes), &count, work).await?;
    let hash = hash.map_err(|why| unreadable(path, why))?;
    Digest::from_bytes(DigestAlgorithm::Sha256, &hash).ok_or_else(|| {
        PrismError::new(PrismErrorKind::Other, attempt).because("its digest has another length")
    })
}

/// A file of the user's could not be read.
pub(super) fn unreadable(path: &Path, why: std::io::Error) -> PrismError {
    PrismError::new(PrismErrorKind::Usage, format!("read `{}`", path.display())).because(why)
}
