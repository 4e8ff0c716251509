//! The folder of the cache: names, verification once per file, and atomic entry.
use super::{FetchError, Fetched};
use crate::{
    cx::{Cx, Event, Stop, Unit},
    value::{Digest, DigestAlgorithm},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha512};
use std::{
    fs::{File, Metadata},
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};
use url::Url;

/// The files of one cached thing.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    path: PathBuf,
    by_digest: bool,
}

impl Entry {
    pub(super) fn by_digest(cache: &Path, digest: &Digest) -> Self {
        Self { path: cache.join(digest.algorithm().name()).join(digest.hex()), by_digest: true }
    }

    pub(super) fn by_url(cache: &Path, url: &Url) -> Self {
        Self { path: cache.join("url").join(name_of(url.as_str().as_bytes())), by_digest: false }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn part(&self) -> PathBuf {
        self.path.with_extension("part")
    }

    pub(super) fn part_origin(&self) -> PathBuf {
        self.path.with_extension("part.json")
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.path.with_extension("lock")
    }

    fn record(&self) -> PathBuf {
        self.path.with_extension("verified")
    }

    pub(super) fn make_folder(&self) -> Result<(), FetchError> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(folder).map_err(|source| FetchError::io("create", folder, source))
    }

    pub(super) fn discard_part(&self) -> Result<(), FetchError> {
        for path in [self.part(), self.part_origin()] {
            remove(&path)?;
        }
        Ok(())
    }
}

fn name_of(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Length of a file, 0 when it is not there.
pub(super) fn len(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// Length of the file with this digest, when the cache has it.
pub fn cached(cache: &Path, digest: &Digest) -> Option<u64> {
    std::fs::metadata(Entry::by_digest(cache, digest).path()).ok().map(|found| found.len())
}

/// How much of a file of `bytes` bytes is still to be downloaded. Without a digest nothing tells that it is there already.
pub fn missing(cache: &Path, digest: Option<&Digest>, bytes: u64) -> u64 {
    let Some(digest) = digest else { return bytes };
    let arrived = || len(&Entry::by_digest(cache, digest).part());
    if cached(cache, digest).is_some() { 0 } else { bytes.saturating_sub(arrived()) }
}

/// Whether the cache has a file of so many bytes: of large files whose digest is not known yet, most likely the one.
pub fn has_as_long(cache: &Path, bytes: u64) -> bool {
    [DigestAlgorithm::Sha256, DigestAlgorithm::Sha512].iter().any(|algorithm| {
        let Ok(entries) = std::fs::read_dir(cache.join(algorithm.name())) else { return false };
        entries
            .flatten()
            .any(|entry| entry.metadata().is_ok_and(|found| found.is_file() && found.len() == bytes))
    })
}

pub(super) fn remove(path: &Path) -> Result<(), FetchError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(FetchError::io("remove", path, error))
        }
        _ => Ok(()),
    }
}

/// Writes `bytes` to `path` so that a reader sees the old file or the whole new one.
pub(super) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), FetchError> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let write = || -> std::io::Result<()> {
        let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
        std::io::Write::write_all(&mut temporary, bytes)?;
        temporary.as_file().sync_all()?;
        temporary.persist(path)?;
        Ok(())
    };
    write().map_err(|source| FetchError::io("write", path, source))
}

/// What a file was like when its digest was computed.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    size: u64,
    mtime_seconds: i64,
    mtime_nanoseconds: i64,
    inode: u64,
    digest: Digest,
}

impl Record {
    fn of(metadata: &Metadata, digest: Digest) -> Self {
        Self {
            size: metadata.len(),
            mtime_seconds: metadata.mtime(),
            mtime_nanoseconds: metadata.mtime_nsec(),
            inode: metadata.ino(),
            digest,
        }
    }

    fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    fn write(&self, path: &Path) -> Result<(), FetchError> {
        let bytes = serde_json::to_vec(self).map_err(|error| FetchError::io("write", path, error.into()))?;
        write_atomically(path, &bytes)
    }
}

/// The cached file, when it is there and is what it should be. A damaged one is removed.
pub(super) async fn verified(cx: &Cx, entry: &Entry, digest: &Digest) -> Result<Option<Fetched>, FetchError> {
    let path = entry.path();
    let Ok(metadata) = std::fs::metadata(path) else { return Ok(None) };
    let fetched =
        Fetched { path: path.to_owned(), digest: digest.clone(), bytes: metadata.len(), from_cache: true };
    let expected = Record::of(&metadata, digest.clone());
    if Record::read(&entry.record()).is_some_and(|record| record == expected) {
        return Ok(Some(fetched));
    }
    let found = hash_file(cx, path, digest.algorithm()).await?;
    if found == *digest {
        expected.write(&entry.record())?;
        return Ok(Some(fetched));
    }
    cx.events().warn(
        format!("the cached file `{}` was damaged and is fetched again", path.display()),
        Some("check the disk that holds the cache".to_owned()),
    );
    remove(path)?;
    Ok(None)
}

/// Makes a complete and verified `.part` the file of the entry.
pub(super) async fn adopt(entry: &Entry, digest: Digest, bytes: u64) -> Result<Fetched, FetchError> {
    let entry = entry.clone();
    blocking(move || {
        let (part, path) = (entry.part(), entry.path());
        let publish = || -> std::io::Result<()> {
            File::open(&part)?.sync_all()?;
            std::fs::rename(&part, path)?;
            File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
        };
        publish().map_err(|source| FetchError::io("store", path, source))?;
        remove(&entry.part_origin())?;
        if entry.by_digest {
            let metadata = std::fs::metadata(path).map_err(|source| FetchError::io("read", path, source))?;
            Record::of(&metadata, digest.clone()).write(&entry.record())?;
        }
        Ok(Fetched { path: path.to_owned(), digest, bytes, from_cache: false })
    })
    .await
}

/// Digest and size of a file of the user; hashed anew only when the file changed.
pub(super) async fn digest_of_local(
    cx: &Cx,
    cache: &Path,
    path: &Path,
    algorithm: DigestAlgorithm,
) -> Result<(Digest, u64), FetchError> {
    let metadata = std::fs::metadata(path).map_err(|source| FetchError::io("read", path, source))?;
    if !metadata.is_file() {
        let source = std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is not a regular file");
        return Err(FetchError::io("read", path, source));
    }
    let key = [algorithm.name().as_bytes(), b":", path.as_os_str().as_encoded_bytes()].concat();
    let record = cache.join("local").join(name_of(&key));
    if let Some(known) = Record::read(&record)
        && known == Record::of(&metadata, known.digest.clone())
    {
        return Ok((known.digest, metadata.len()));
    }
    let digest = hash_file(cx, path, algorithm).await?;
    // Remembering is a convenience: a cache that cannot be written must not fail a build that needs nothing from it.
    if std::fs::create_dir_all(cache.join("local")).is_ok() {
        let _ = Record::of(&metadata, digest.clone()).write(&record);
    }
    Ok((digest, metadata.len()))
}

/// A digest in the making.
#[derive(Clone)]
pub(super) enum Hasher {
    Sha256(Box<Sha256>),
    Sha512(Box<Sha512>),
}

impl Hasher {
    pub(super) fn new(algorithm: DigestAlgorithm) -> Self {
        match algorithm {
            DigestAlgorithm::Sha256 => Self::Sha256(Box::default()),
            DigestAlgorithm::Sha512 => Self::Sha512(Box::default()),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Digest {
        let digest = match self {
            Self::Sha256(hasher) => Digest::from_bytes(DigestAlgorithm::Sha256, &hasher.finalize()),
            Self::Sha512(hasher) => Digest::from_bytes(DigestAlgorithm::Sha512, &hasher.finalize()),
        };
        digest.expect("a hash function's output has its algorithm's length")
    }
}

/// Feeds the whole of `path` to `hasher` on a thread of its own.
pub(super) async fn hash_into(stop: &Stop, path: &Path, mut hasher: Hasher) -> Result<Hasher, FetchError> {
    let (stop, path) = (stop.clone(), path.to_owned());
    blocking(move || {
        let io = |source| FetchError::io("read", &path, source);
        let mut file = File::open(&path).map_err(io)?;
        let mut buffer = vec![0; 1 << 20];
        loop {
            stop.check()?;
            let n = file.read(&mut buffer).map_err(io)?;
            if n == 0 {
                return Ok(hasher);
            }
            hasher.update(&buffer[..n]);
        }
    })
    .await
}

async fn hash_file(cx: &Cx, path: &Path, algorithm: DigestAlgorithm) -> Result<Digest, FetchError> {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let what = format!("verify {name}");
    cx.emit(Event::Progress { what: what.clone(), done: 0, total: Some(len(path)), unit: Unit::Bytes });
    let result = hash_into(cx.stop(), path, Hasher::new(algorithm)).await;
    cx.emit(Event::ProgressFinished { what });
    Ok(result?.finish())
}

/// Runs blocking work aside; a panic in it goes on here.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FetchError> + Send + 'static,
) -> Result<T, FetchError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(crate::cx::Cancelled.into()),
    }
}
