//! One bundle that is open: its index is in memory, its chunks are read one by one.
use super::{
    BundleError, BundleErrorKind,
    index::{Found, Index},
    layout::{FOOTER, Fault, Footer, HEADER, check_header},
};
use crate::value::{Digest, DigestAlgorithm};
use sha2::{Digest as _, Sha256};
use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

/// An open bundle.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) path: PathBuf,
    pub(super) length: u64,
    /// SHA-256 of its index, by which others know it.
    pub(super) id: Digest,
    pub(super) index: Index,
    pub(super) found: Found,
    file: File,
}

impl Opened {
    pub(super) fn open(path: &Path) -> Result<Self, BundleError> {
        let attempt = || format!("open the bundle `{}`", path.display());
        let io = |error: io::Error| BundleError::new(BundleErrorKind::Usage, attempt()).because(error);
        let file = File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        if !metadata.is_file() {
            return Err(BundleError::new(BundleErrorKind::Usage, attempt()).because("it is no regular file"));
        }
        let damaged = |fault: Fault| BundleError::new(BundleErrorKind::Damaged, attempt()).because(fault);
        let footer = ends(&file, metadata.len()).map_err(io)?.map_err(damaged)?;
        let json = index_of(&file, &footer).map_err(io)?.map_err(damaged)?;
        let (index, found) = Index::read(&json, footer.at).map_err(damaged)?;
        let id = Digest::from_bytes(DigestAlgorithm::Sha256, &footer.sha256)
            .ok_or_else(|| damaged(Fault::new("its index has no digest")))?;
        Ok(Self { path: path.to_owned(), length: metadata.len(), id, index, found, file })
    }

    /// The id of the bundle at `path`, if one is there: only its ends are read.
    pub(super) fn id_of(path: &Path) -> Option<Digest> {
        let file = File::open(path).ok()?;
        let length = file.metadata().ok().filter(std::fs::Metadata::is_file)?.len();
        let footer = ends(&file, length).ok()?.ok()?;
        Digest::from_bytes(DigestAlgorithm::Sha256, &footer.sha256)
    }

    /// For people: its file.
    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// The bytes of a chunk that is in this file, checked.
    pub(super) fn chunk(&self, number: u32) -> io::Result<Vec<u8>> {
        let damaged = |why: &str| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("chunk {number} of `{}` is damaged: {why}", self.path.display()),
            )
        };
        let at = number as usize;
        let (Some(chunk), Some(offset)) = (self.index.chunks.get(at), self.found.offsets.get(at)) else {
            return Err(damaged("there is none"));
        };
        // Both lengths were compared with the greatest that there may be when the index was read.
        let mut stored = vec![0; chunk.stored as usize];
        self.file.read_exact_at(&mut stored, *offset)?;
        let bytes = if chunk.stored == chunk.bytes {
            stored
        } else {
            zstd::bulk::decompress(&stored, chunk.bytes as usize)
                .map_err(|_| damaged("it cannot be unpacked"))?
        };
        if bytes.len() != chunk.bytes as usize || Sha256::digest(&bytes).as_slice() != chunk.sha256 {
            return Err(damaged("it is not what the index says"));
        }
        Ok(bytes)
    }
}

/// Looks at the first and the last bytes.
fn ends(file: &File, length: u64) -> io::Result<Result<Footer, Fault>> {
    if length < (HEADER + FOOTER) as u64 {
        return Ok(Err(Fault::new("it is too short for one")));
    }
    let mut header = [0; HEADER];
    file.read_exact_at(&mut header, 0)?;
    if let Err(fault) = check_header(&header) {
        return Ok(Err(fault));
    }
    let mut footer = [0; FOOTER];
    file.read_exact_at(&mut footer, length - FOOTER as u64)?;
    Ok(Footer::read(&footer, length))
}

/// The index, unpacked. Memory grows with what is really there, never with what is only said.
fn index_of(file: &File, footer: &Footer) -> io::Result<Result<Vec<u8>, Fault>> {
    /// The window of the packer, in bits: another one could ask for gigabytes.
    const WINDOW: u32 = 27;
    let mut stored = vec![0; footer.stored as usize];
    file.read_exact_at(&mut stored, footer.at)?;
    if Sha256::digest(&stored).as_slice() != footer.sha256 {
        return Ok(Err(Fault::new("its index is damaged")));
    }
    if footer.stored == footer.bytes {
        return Ok(Ok(stored));
    }
    let unpacked = || -> io::Result<Vec<u8>> {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(stored.as_slice())?;
        decoder.window_log_max(WINDOW)?;
        let mut json = Vec::new();
        decoder.take(footer.bytes + 1).read_to_end(&mut json)?;
        Ok(json)
    };
    Ok(match unpacked() {
        Ok(json) if json.len() as u64 == footer.bytes => Ok(json),
        Ok(_) => Err(Fault::new("its index has another length than is said")),
        Err(error) => Err(Fault::new(format!("its index cannot be unpacked: {error}"))),
    })
}
