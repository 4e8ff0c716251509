//! One error for releases: what was attempted, why not, what to do.
use crate::{
    cx::{Failure, FailureKind},
    fetch::FetchError,
};
use std::fmt;

/// What a caller may want to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EksaErrorKind {
    /// What the user asked for cannot be.
    Usage,
    /// A release, channel, asset or file is not there.
    NotFound,
    /// The bundle does not have the release channel.
    Channel,
    /// What arrived is no such manifest, or a broken one.
    Manifest,
    /// A signature does not fit, or one is missing that was asked for.
    Signature,
    /// The server did not answer; it may later.
    Unavailable,
    /// It took too long.
    Timeout,
    /// The user interrupted it.
    Cancelled,
    /// Anything else.
    Other,
}

impl FailureKind for EksaErrorKind {
    const CANCELLED: Self = Self::Cancelled;
    const TIMEOUT: Self = Self::Timeout;
    const OTHER: Self = Self::Other;
}

/// Something about a release could not be done.
pub type EksaError = Failure<EksaErrorKind>;

impl EksaError {
    /// A file did not come; `attempt` completes "could not …".
    pub(super) fn fetch(attempt: impl Into<String>, error: FetchError) -> Self {
        let kind = match &error {
            FetchError::Cancelled(_) => EksaErrorKind::Cancelled,
            FetchError::Wait(_) => EksaErrorKind::Timeout,
            FetchError::Digest { .. } | FetchError::LocalDigest { .. } => EksaErrorKind::Other,
            error if error.is_gone() => EksaErrorKind::NotFound,
            error if error.is_transient() => EksaErrorKind::Unavailable,
            _ => EksaErrorKind::Other,
        };
        let hint = match &error {
            // What to do about a definition is no help here: nobody wrote one.
            FetchError::Digest { .. } | FetchError::LocalDigest { .. } => Some(
                "the file is not the one that the manifest means: try again, or look for a proxy or mirror that changes it"
                    .to_owned(),
            ),
            error => error.hint(),
        };
        Self::new(kind, attempt).because(error).maybe_hint(hint)
    }
}

/// Why bytes are no manifest, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestFault {
    line: Option<usize>,
    reason: String,
}

impl ManifestFault {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { line: None, reason: reason.into() }
    }

    pub(super) fn at(line: usize, reason: impl Into<String>) -> Self {
        Self { line: Some(line), reason: reason.into() }
    }

    /// The line of the manifest, from 1, where there is one to blame.
    pub fn line(&self) -> Option<usize> {
        self.line
    }
}

impl fmt::Display for ManifestFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        f.write_str(&self.reason)
    }
}

impl std::error::Error for ManifestFault {}
