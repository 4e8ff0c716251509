//! The bytes of an ISO, and errors that name it.
use super::super::IsoError;
use crate::value::Size;
use std::{
    fmt::Debug,
    fs::File,
    io::{self, Seek, SeekFrom},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// Something that can be read anywhere.
trait Bytes: Debug + Send + Sync {
    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<()>;
}

impl Bytes for File {
    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<()> {
        self.read_exact_at(buf, at)
    }
}

impl Bytes for Vec<u8> {
    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<()> {
        let from =
            usize::try_from(at).ok().and_then(|at| self.get(at..)).and_then(|rest| rest.get(..buf.len()));
        buf.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// A file or block device that is an ISO, or was taken for one.
#[derive(Debug)]
pub(super) struct Image {
    bytes: Box<dyn Bytes>,
    len: u64,
    path: PathBuf,
}

impl Image {
    pub(super) fn open(path: &Path) -> Result<Self, IsoError> {
        let open = || {
            let mut file = File::open(path)?;
            // Not the metadata's length, which is 0 for a block device.
            let len = file.seek(SeekFrom::End(0))?;
            Ok((file, len))
        };
        let (file, len) = open().map_err(|source| IsoError::Read { path: path.to_owned(), source })?;
        Ok(Self { bytes: Box::new(file), len, path: path.to_owned() })
    }

    pub(super) fn memory(bytes: Vec<u8>) -> Self {
        Self { len: bytes.len() as u64, bytes: Box::new(bytes), path: PathBuf::from("(in memory)") }
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Fills `buf` from `at`; `what` is for people, should it lie behind the end.
    pub(super) fn read(&self, buf: &mut [u8], at: u64, what: &str) -> Result<(), IsoError> {
        if at.checked_add(buf.len() as u64).is_none_or(|end| end > self.len) {
            return Err(self.damaged(format!("{what} would be at byte {at}, behind the end of the file")));
        }
        self.bytes.read_at(buf, at).map_err(|source| IsoError::Read { path: self.path.clone(), source })
    }

    pub(super) fn damaged(&self, what: impl Into<String>) -> IsoError {
        IsoError::Damaged { path: self.path.clone(), what: what.into() }
    }

    pub(super) fn not_iso(&self, found: impl Into<String>) -> IsoError {
        IsoError::NotIso { path: self.path.clone(), found: found.into() }
    }

    pub(super) fn truncated(&self, want: u64) -> IsoError {
        let (have, want) = (Size::bytes(self.len), Size::bytes(want));
        IsoError::Truncated { path: self.path.clone(), have, want }
    }

    pub(super) fn unsupported(&self, file: &str, why: &'static str) -> IsoError {
        IsoError::Unsupported { path: self.path.clone(), file: file.to_owned(), why }
    }
}
