//! Why there is no first disk.
use super::iso::{IsoError, NoEntry};
use crate::{
    cx::{Cancelled, JournalError},
    disk::DiskError,
    fetch::FetchError,
    seed::SeedError,
    value::{Size, SumsError},
};
use std::path::{Path, PathBuf};

/// Why the first disk could not be prepared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A download or a digest failed.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// No origin has the image.
    #[error("could not read the source image from any of {} places: {}", .tried.len(), .tried.join("; "))]
    NoOrigin {
        /// One message for each place.
        tried: Vec<String>,
    },
    /// A file of this host that the definition names is not there, or is none.
    #[error("could not read `{}`, which the definition starts from", .path.display())]
    NoFile {
        /// The path.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// An image could not be read or written.
    #[error("could not {attempt}")]
    Disk {
        /// What was attempted.
        attempt: String,
        /// Why not.
        #[source]
        source: DiskError,
    },
    /// It is an image that a hypervisor keeps.
    #[error("could not make a disk of an AMI on this host: it stays where it is")]
    Kept,
    /// The image is larger than the disk.
    #[error("could not put an image of {image} onto a disk of {disk}: disks are never shrunk")]
    Shrink {
        /// Virtual size of the image.
        image: Size,
        /// Size of the machine's disk.
        disk: Size,
    },
    /// Programs are missing on this host.
    #[error("could not find {} on this host", .programs.join(", "))]
    MissingTools {
        /// Their names.
        programs: Vec<String>,
        /// Debian packages that hold them.
        packages: Vec<String>,
    },
    /// This host does not let us build a system.
    #[error("could not set up a place to bootstrap in: {reason}")]
    Namespace {
        /// What the attempt printed.
        reason: String,
        /// What to do about it.
        hint: String,
    },
    /// A program failed.
    #[error("could not {attempt}: {status}; it last said:\n{}", .tail.join("\n"))]
    Tool {
        /// What it was to do.
        attempt: String,
        /// How it ended.
        status: String,
        /// Its last lines, redacted.
        tail: Vec<String>,
    },
    /// A program could not be started.
    #[error("could not start `{program}`")]
    Spawn {
        /// Its name.
        program: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The package archive is not usable.
    #[error("could not use the package archive: {reason}")]
    Archive {
        /// What is wrong.
        reason: String,
        /// What to do about it.
        hint: String,
    },
    /// apt does not find a way.
    #[error("could not {attempt}: {}", .said.join("; "))]
    Packages {
        /// What it was to work out.
        attempt: String,
        /// What it said.
        said: Vec<String>,
    },
    /// The partitions do not fit.
    #[error("could not lay out the disk: {reason}")]
    Layout {
        /// What is wrong.
        reason: String,
    },
    /// The new system lacks something it needs to boot.
    #[error("could not make the disk bootable: {reason}")]
    Boot {
        /// What is wrong.
        reason: String,
    },
    /// A file could not be written or read.
    #[error("could not {action} `{}`", .path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A list of digests does not say what the medium's is.
    #[error("could not find the medium's digest in `{list}`")]
    Sums {
        /// Where the list is.
        list: String,
        /// Why not.
        #[source]
        source: SumsError,
    },
    /// An installer ended its machine without having installed anything.
    #[error("could not use what the installer left: there is no partition on the disk")]
    NotInstalled,
    /// The medium has no such file.
    #[error("could not find `{file}` on the medium; at its top are {}", .there.join(", "))]
    NotOnMedium {
        /// What was looked for.
        file: String,
        /// What is at its top.
        there: Vec<String>,
    },
    /// The medium could not be read.
    #[error(transparent)]
    Iso(#[from] IsoError),
    /// The medium does not say how its installer is started.
    #[error(transparent)]
    NoEntry(#[from] NoEntry),
    /// The installer's answers could not be written.
    #[error(transparent)]
    Answers(#[from] SeedError),
    /// The undo could not be recorded.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The build was interrupted.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl SourceError {
    pub(super) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    /// What to do about it, with the exact command where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Fetch(error) => error.hint(),
            Self::NoFile { source, .. } if source.kind() == std::io::ErrorKind::NotFound => Some(
                "put the file there, or change `path`: a relative one is looked for in the definition's folder".to_owned(),
            ),
            Self::MissingTools { packages, .. } => {
                Some(format!("on Debian and Ubuntu: sudo apt-get install -y {}", packages.join(" ")))
            }
            Self::Namespace { hint, .. } | Self::Archive { hint, .. } => Some(hint.clone()),
            Self::Shrink { image, .. } => Some(format!("set `machine.disk` to {image} or more")),
            Self::Sums { source: SumsError::Other { .. }, .. } => {
                Some("is it the list of another release? Write the `digest` itself, or the list's address".to_owned())
            }
            Self::NotInstalled => Some(
                "the installer may have refused its answers and restarted; its whole console is in `serial-install.log`".to_owned(),
            ),
            Self::NotOnMedium { .. } => Some("`goldsmith inspect` of the medium shows its boot menus; say `kernel` and `initrd` in `[source.iso]`".to_owned()),
            Self::NoEntry(error) => Some(error.hint()),
            Self::Layout { .. } => Some("make `machine.disk` larger or the partitions smaller".to_owned()),
            _ => None,
        }
    }
}
