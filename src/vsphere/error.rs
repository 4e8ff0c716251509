//! One error for all of a vCenter's calls: what was attempted, what the server answered, what to do.
use super::Fault;
use crate::{
    cx::{Failure, FailureKind},
    wire::WireKind,
};

/// What a caller may want to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum VsphereErrorKind {
    /// No credentials, or wrong ones.
    Auth,
    /// The certificate is not the one that was promised.
    Trust,
    /// Not allowed.
    Permission,
    /// Something named is not there.
    NotFound,
    /// Something of that name is there already.
    Exists,
    /// A datastore is full, or something else has run out.
    NoSpace,
    /// The server cannot do this: it is too old, or not a vCenter.
    Unsupported,
    /// The server did not answer, or with an error of its own; it may work later.
    Unavailable,
    /// What the user asked for cannot be.
    Usage,
    /// It took too long.
    Timeout,
    /// The user interrupted it.
    Cancelled,
    /// Anything else.
    Other,
}

impl FailureKind for VsphereErrorKind {
    const CANCELLED: Self = Self::Cancelled;
    const TIMEOUT: Self = Self::Timeout;
    const OTHER: Self = Self::Other;
}

impl WireKind for VsphereErrorKind {
    const UNAVAILABLE: Self = Self::Unavailable;
    const NO_SPACE: Self = Self::NoSpace;
}

/// Something in a vCenter could not be done.
pub type VsphereError = Failure<VsphereErrorKind>;

impl VsphereError {
    /// The server answered with `fault` when asked to do `attempt` ("could not …").
    pub fn of(attempt: impl Into<String>, fault: Fault) -> Self {
        let (kind, hint) = (fault.kind(), fault.hint());
        Self::new(kind, attempt).because(fault).maybe_hint(hint)
    }

    /// What the server answered, if it did.
    pub fn fault(&self) -> Option<&Fault> {
        self.cause()
    }
}
