//! Bytes on their way: counted and hashed.
use super::{CloudStackError, CloudStackErrorKind};
use crate::{cx::Cx, wire::Bar};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use sha2::Digest as _;
use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::io::AsyncRead;
use tokio_util::io::ReaderStream;

/// As much is read at once.
const CHUNK: usize = 256 << 10;

/// Bytes that pass, seen from outside.
#[derive(Debug, Clone, Default)]
pub(super) struct Passing {
    done: Arc<AtomicU64>,
    hash: Arc<Mutex<sha2::Sha256>>,
}

impl Passing {
    pub(super) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// SHA-256 in hexadecimal digits.
    pub(super) fn sha256(&self) -> String {
        hex::encode(self.hash.lock().unwrap_or_else(PoisonError::into_inner).clone().finalize())
    }

    pub(super) fn pass(&self, bytes: &[u8]) {
        self.hash.lock().unwrap_or_else(PoisonError::into_inner).update(bytes);
        self.done.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    }

    /// A reader as a stream of what passes.
    pub(super) fn stream<R: AsyncRead + Send + Unpin + 'static>(
        &self,
        from: R,
    ) -> impl Stream<Item = std::io::Result<Bytes>> + Send + use<R> {
        let passing = self.clone();
        ReaderStream::with_capacity(from, CHUNK).map(move |read| read.inspect(|chunk| passing.pass(chunk)))
    }
}

pub(super) fn unreadable(path: &Path, why: std::io::Error) -> CloudStackError {
    CloudStackError::new(CloudStackErrorKind::Usage, format!("read `{}`", path.display())).because(why)
}

/// The length of a file in bytes and its SHA-256 in hexadecimal digits.
pub async fn digest_of(cx: &Cx, path: &Path) -> Result<(u64, String), CloudStackError> {
    let file = tokio::fs::File::open(path).await.map_err(|why| unreadable(path, why))?;
    let size = file.metadata().await.map_err(|why| unreadable(path, why))?.len();
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut bar = Bar::new(cx, format!("digest {name}"), Some(size));
    let passing = Passing::default();
    let mut stream = Box::pin(passing.stream(file));
    while let Some(read) = stream.next().await {
        read.map_err(|why| unreadable(path, why))?;
        cx.check()?;
        bar.show(passing.done());
    }
    Ok((passing.done(), passing.sha256()))
}
