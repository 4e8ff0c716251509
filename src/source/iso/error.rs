//! Why an ISO could not be read.
use crate::value::Size;
use std::{io, path::PathBuf};

/// Why an ISO could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IsoError {
    /// The operating system refused.
    #[error("could not read the ISO `{}`", path.display())]
    Read {
        /// The ISO.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is something else.
    #[error("could not read `{}` as an ISO: {found}", path.display())]
    NotIso {
        /// The file.
        path: PathBuf,
        /// What it seems to be instead.
        found: String,
    },
    /// It is shorter than it says of itself.
    #[error("could not read `{}`: the ISO ends after {have} of {want}: download it again", path.display())]
    Truncated {
        /// The ISO.
        path: PathBuf,
        /// How long the file is.
        have: Size,
        /// How long the volume is.
        want: Size,
    },
    /// Its content contradicts itself.
    #[error("could not read the ISO `{}`: it is damaged: {what}", path.display())]
    Damaged {
        /// The ISO.
        path: PathBuf,
        /// What is wrong, and where.
        what: String,
    },
    /// A file in it is kept in a way that is not read here.
    #[error("could not read `{file}` in the ISO `{}`: {why}", path.display())]
    Unsupported {
        /// The ISO.
        path: PathBuf,
        /// The file in it.
        file: String,
        /// How it is kept.
        why: &'static str,
    },
    /// What was read could not be written.
    #[error("could not write `{file}` of the ISO to `{}`", to.display())]
    Write {
        /// The file in the ISO.
        file: String,
        /// Where to.
        to: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}
