//! One error for bundles: what was attempted, why not, what to do.
use crate::{
    cx::{Failure, FailureKind},
    fetch::FetchError,
    wire::WireKind,
};
use std::{io, path::Path};

/// What a caller may want to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BundleErrorKind {
    /// What the user asked for cannot be.
    Usage,
    /// The file is no bundle, a damaged one, or one of a newer format.
    Damaged,
    /// Another bundle is needed, or a file is in none of them.
    Missing,
    /// Inputs are not what is locked.
    Drift,
    /// The server did not answer; it may later.
    Unavailable,
    /// The server's certificate is not trusted.
    Trust,
    /// There is no room for it.
    NoSpace,
    /// It took too long.
    Timeout,
    /// The user interrupted it.
    Cancelled,
    /// Anything else.
    Other,
}

impl FailureKind for BundleErrorKind {
    const CANCELLED: Self = Self::Cancelled;
    const TIMEOUT: Self = Self::Timeout;
    const OTHER: Self = Self::Other;
}

impl WireKind for BundleErrorKind {
    const UNAVAILABLE: Self = Self::Unavailable;
    const TRUST: Self = Self::Trust;
    const USAGE: Self = Self::Usage;
    const NO_SPACE: Self = Self::NoSpace;
}

/// Something about a bundle could not be done.
pub type BundleError = Failure<BundleErrorKind>;

impl BundleError {
    /// A file of this host could not be read or written; `action` is the verb.
    pub(super) fn io(action: &str, path: &Path, error: io::Error) -> Self {
        let attempt = format!("{action} `{}`", path.display());
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::new(BundleErrorKind::NoSpace, attempt)
                    .because(error)
                    .hint("free space there, or write to another file system; nothing of it was left")
            }
            // What readers of bundles say about bytes that are not what the index tells.
            io::ErrorKind::InvalidData => Self::new(BundleErrorKind::Damaged, attempt).because(error),
            _ => Self::new(BundleErrorKind::Other, attempt).because(error),
        }
    }

    /// A file did not come; `attempt` completes "could not …".
    pub(super) fn fetch(attempt: impl Into<String>, error: FetchError) -> Self {
        let kind = match &error {
            FetchError::Cancelled(_) => BundleErrorKind::Cancelled,
            FetchError::Wait(_) => BundleErrorKind::Timeout,
            error if error.is_transient() => BundleErrorKind::Unavailable,
            _ => BundleErrorKind::Other,
        };
        let hint = error.hint();
        Self::new(kind, attempt).because(error).maybe_hint(hint)
    }
}
