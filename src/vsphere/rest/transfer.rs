//! Bytes on their way: counted and hashed, from a file or from a stream, to a file.
use super::library::{Checksum, ItemFile};
use crate::{
    cx::Cx,
    value::{Digest, DigestAlgorithm},
    vsphere::{VsphereError, VsphereErrorKind, nfc::Supply},
    wire::Bar,
};
use bytes::Bytes as Chunk;
use futures_util::{Stream, StreamExt as _};
use sha2::Digest as _;
use std::{
    fmt, io,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::io::AsyncRead;
use tokio_util::io::ReaderStream;

/// As much is read at once.
const CHUNK: usize = 256 << 10;

/// Where the bytes of a file come from.
pub enum Bytes {
    /// A file. It is read again when a connection was cut.
    Path(PathBuf),
    /// Something that can be had again, such as a file of an archive. So it is when a connection was cut.
    Supply(Arc<dyn Supply>),
    /// Something that can be read once.
    Stream(Box<dyn AsyncRead + Send + Unpin>),
}

/// Bytes as they are read.
pub(super) type Chunks = Pin<Box<dyn Stream<Item = io::Result<Chunk>> + Send>>;

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.debug_tuple("Path").field(path).finish(),
            Self::Supply(supply) => f.debug_tuple("Supply").field(supply).finish(),
            Self::Stream(_) => f.write_str("Stream(…)"),
        }
    }
}

impl Bytes {
    /// All of them from their start, with what opens them once more, if that can be.
    pub(super) async fn open(self) -> Result<(Chunks, Option<Self>), VsphereError> {
        Ok(match self {
            Self::Path(path) => {
                let file = tokio::fs::File::open(&path).await.map_err(|why| unreadable(&path, why))?;
                (Box::pin(ReaderStream::with_capacity(file, CHUNK)), Some(Self::Path(path)))
            }
            Self::Supply(supply) => {
                let mut pieces = supply.open();
                let pieces = futures_util::stream::poll_fn(move |task| pieces.poll_recv(task));
                (Box::pin(pieces), Some(Self::Supply(supply)))
            }
            Self::Stream(stream) => (Box::pin(ReaderStream::with_capacity(stream, CHUNK)), None),
        })
    }
}

/// A file that is put into an item.
#[derive(Debug)]
pub struct Upload {
    /// Its name there: `web.ovf`, `web.ova`.
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// SHA-256. Where it is not known, what can be read again is read once more before, and a stream is only compared afterwards.
    pub sha256: Option<Digest>,
    /// The bytes.
    pub bytes: Bytes,
}

/// A file that an item is to have afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Its name.
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// Digests in lower-case hexadecimal digits, by the server's names of the algorithms: `SHA256`.
    pub digests: Vec<(&'static str, String)>,
}

impl Upload {
    /// The file at `path`, by its own name.
    pub async fn of_path(path: &Path) -> Result<Self, VsphereError> {
        let failed = |why: io::Error| unreadable(path, why);
        let metadata = tokio::fs::metadata(path).await.map_err(failed)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, size: metadata.len(), sha256: None, bytes: Bytes::Path(path.to_owned()) })
    }

    /// An error for names that are none of a file.
    pub(super) fn check_name(&self, attempt: &str) -> Result<(), VsphereError> {
        let name = self.name.as_str();
        if matches!(name, "" | "." | "..") || name.contains(['/', '\\']) {
            return Err(VsphereError::new(VsphereErrorKind::Usage, attempt)
                .because(format!("`{name}` is no name of a file")));
        }
        Ok(())
    }
}

pub(super) fn unreadable(path: &Path, why: io::Error) -> VsphereError {
    VsphereError::new(VsphereErrorKind::Usage, format!("read `{}`", path.display())).because(why)
}

impl Expected {
    /// What differs from what the server tells, or nothing. Digests by algorithms that we do not know of are not compared.
    pub(super) fn differs(&self, told: &ItemFile) -> Option<String> {
        if told.size.is_some_and(|size| size != self.size) {
            let size = told.size.unwrap_or_default();
            return Some(format!("`{}` has {size} bytes there, not {}", self.name, self.size));
        }
        let checksum = told.checksum_info.as_ref()?;
        let known = checksum.known(&self.digests)?;
        (!known.eq_ignore_ascii_case(&checksum.checksum)).then(|| {
            format!(
                "`{}` has the {} {} there, not {known}",
                self.name,
                checksum.algorithm(),
                checksum.checksum.to_lowercase()
            )
        })
    }
}

impl Checksum {
    /// Whether it is by an algorithm that is computed here.
    pub(super) fn is_known(&self) -> bool {
        matches!(self.algorithm(), "SHA1" | "SHA256")
    }

    fn algorithm(&self) -> &str {
        self.algorithm.as_deref().unwrap_or("SHA1")
    }

    fn known<'a>(&self, digests: &'a [(&'static str, String)]) -> Option<&'a str> {
        digests.iter().find(|(name, _)| *name == self.algorithm()).map(|(_, digest)| digest.as_str())
    }

    /// Whether it is that of these bytes; `None` if it is by an algorithm that was not computed.
    pub(super) fn agrees(&self, digests: &[(&'static str, String)]) -> Option<bool> {
        self.known(digests).map(|known| known.eq_ignore_ascii_case(&self.checksum))
    }
}

/// Digests of bytes that pass, by the algorithms that servers have been told to use.
#[derive(Debug, Default, Clone)]
pub(super) struct Hashes {
    sha256: sha2::Sha256,
    sha1: sha1::Sha1,
}

impl Hashes {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.sha1.update(bytes);
    }

    /// By the server's names of the algorithms.
    pub(super) fn all(&self) -> Vec<(&'static str, String)> {
        vec![
            ("SHA256", hex::encode(self.sha256.clone().finalize())),
            ("SHA1", hex::encode(self.sha1.clone().finalize())),
        ]
    }

    pub(super) fn sha256(&self) -> Option<Digest> {
        Digest::from_bytes(DigestAlgorithm::Sha256, &self.sha256.clone().finalize())
    }
}

/// Bytes that pass, seen from outside.
#[derive(Debug, Clone, Default)]
pub(super) struct Passing {
    done: Arc<AtomicU64>,
    hashes: Arc<Mutex<Hashes>>,
    /// Why no more could be read.
    failed: Arc<Mutex<Option<io::Error>>>,
}

impl Passing {
    pub(super) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    pub(super) fn hashes(&self) -> Hashes {
        self.hashes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn pass(&self, bytes: &[u8]) {
        self.hashes.lock().unwrap_or_else(PoisonError::into_inner).update(bytes);
        self.done.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    }

    /// What passes, looked at.
    pub(super) fn stream(&self, from: Chunks) -> impl Stream<Item = io::Result<Chunk>> + Send + use<> {
        let passing = self.clone();
        from.map(move |read| {
            // Whoever sends it tells only that it ended.
            read.inspect(|chunk| passing.pass(chunk)).map_err(|why| {
                let kind = why.kind();
                *passing.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
                kind.into()
            })
        })
    }

    /// Why no more could be read; told once.
    pub(super) fn failure(&self) -> Option<io::Error> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The SHA-256 of a file called `name`.
pub(super) async fn digest_of(
    cx: &Cx,
    name: &str,
    size: u64,
    mut from: Chunks,
) -> Result<Option<Digest>, VsphereError> {
    let mut bar = Bar::new(cx, format!("digest {name}"), Some(size));
    let passing = Passing::default();
    while let Some(read) = from.next().await {
        passing.pass(&read.map_err(|why| unreadable(Path::new(name), why))?);
        cx.check()?;
        bar.show(passing.done());
    }
    Ok(passing.hashes().sha256())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_tells_of_a_file_is_compared_as_far_as_it_tells() {
        let mut hashes = Hashes::default();
        hashes.update(b"abc");
        let expected = Expected { name: "a".into(), size: 3, digests: hashes.all() };
        let told = |size, algorithm: Option<&str>, checksum: &str| ItemFile {
            name: "a".into(),
            size,
            checksum_info: Some(Checksum {
                algorithm: algorithm.map(ToOwned::to_owned),
                checksum: checksum.to_owned(),
            }),
        };
        let sha1 = "A9993E364706816ABA3E25717850C26C9CD0D89D";
        assert_eq!(expected.differs(&told(Some(3), None, sha1)), None);
        assert_eq!(expected.differs(&told(None, Some("SHA1"), sha1)), None);
        assert_eq!(expected.differs(&told(Some(3), Some("MD5"), "whatever")), None);
        assert!(expected.differs(&told(Some(4), None, sha1)).unwrap().contains("4 bytes"));
        assert!(expected.differs(&told(Some(3), Some("SHA256"), sha1)).unwrap().contains("SHA256"));
    }
}
