//! The one error of `disk`: a small stable kind for control flow, the place, and what the system said.
use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What a caller may branch on. New formats add no kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DiskErrorKind {
    /// The file, partition or path inside the image does not exist.
    NotFound,
    /// The operating system denied access.
    Permission,
    /// Something that must be created exists already.
    Exists,
    /// The content contradicts its format, or ends too early.
    Corrupt,
    /// The content is sound, but uses a feature that is not read or written here.
    Unsupported,
    /// The target's file system (or quota) is full.
    NoSpace,
    /// The caller asked to stop.
    Cancelled,
    /// A safety rule forbids it, such as a backing file outside the image's folder.
    Refused,
    /// Whoever read the output stream has gone.
    Closed,
    /// Any other failure of the operating system.
    Io,
}

/// A failure of reading, writing or looking into a disk image.
///
/// `Display` says what was attempted and where; `source()` says why.
#[derive(Debug)]
pub struct DiskError {
    kind: DiskErrorKind,
    what: String,
    path: Option<PathBuf>,
    offset: Option<u64>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl DiskError {
    /// An error that knows no place yet; see [`DiskError::at`] and [`DiskError::in_file`].
    pub fn new(kind: DiskErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), path: None, offset: None, source: None }
    }

    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::new(DiskErrorKind::Corrupt, what)
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::new(DiskErrorKind::Unsupported, what)
    }

    pub(crate) fn refused(what: impl Into<String>) -> Self {
        Self::new(DiskErrorKind::Refused, what)
    }

    pub(crate) fn cancelled() -> Self {
        Self::new(DiskErrorKind::Cancelled, "stopped on request")
    }

    /// An error of the operating system; its kind follows from `source`.
    pub(crate) fn io(what: impl Into<String>, source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::NotFound => DiskErrorKind::NotFound,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => DiskErrorKind::Permission,
            io::ErrorKind::AlreadyExists => DiskErrorKind::Exists,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => DiskErrorKind::NoSpace,
            io::ErrorKind::BrokenPipe => DiskErrorKind::Closed,
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => DiskErrorKind::Corrupt,
            _ => DiskErrorKind::Io,
        };
        Self::new(kind, what).because(source)
    }

    /// Adds the cause.
    #[must_use]
    pub(crate) fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds the byte offset, unless a more precise one is known already.
    #[must_use]
    pub(crate) fn at(mut self, offset: u64) -> Self {
        self.offset.get_or_insert(offset);
        self
    }

    /// Adds the file, unless a more precise one is known already.
    #[must_use]
    pub(crate) fn in_file(mut self, path: &Path) -> Self {
        self.path.get_or_insert_with(|| path.to_path_buf());
        self
    }

    /// What a caller may branch on.
    pub fn kind(&self) -> DiskErrorKind {
        self.kind
    }

    /// The file that was worked on, if one is to blame.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Where in the file (or in the disk, for errors that name no file) it went wrong, in bytes.
    pub fn offset(&self) -> Option<u64> {
        self.offset
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match (&self.path, self.offset) {
            (Some(path), Some(offset)) => write!(f, " (`{}`, byte {offset})", path.display()),
            (Some(path), None) => write!(f, " (`{}`)", path.display()),
            (None, Some(offset)) => write!(f, " (byte {offset})"),
            (None, None) => Ok(()),
        }
    }
}

impl Error for DiskError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_names_the_place_and_never_repeats_the_cause() {
        let error = DiskError::io("could not write the disk", io::Error::from_raw_os_error(libc::ENOSPC))
            .in_file(Path::new("/x/disk.raw"))
            .at(512)
            .in_file(Path::new("/later"));
        assert_eq!(error.kind(), DiskErrorKind::NoSpace);
        assert_eq!(error.to_string(), "could not write the disk (`/x/disk.raw`, byte 512)");
        assert!(error.source().unwrap().to_string().contains("No space left"));
    }
}
