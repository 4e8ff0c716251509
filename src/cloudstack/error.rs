//! One error for all that is done in a cloud: what was attempted, what the server answered, what to do.
use super::Fault;
use crate::{
    cx::{Failure, FailureKind},
    wire::WireKind,
};

/// What a caller may want to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloudStackErrorKind {
    /// No keys, or wrong ones, or a clock that is wrong.
    Auth,
    /// The certificate is not one that is trusted.
    Trust,
    /// Not allowed.
    Permission,
    /// Something named is not there.
    NotFound,
    /// Something of that name is there already.
    Exists,
    /// A limit of the account, or the capacity of the cloud, has run out.
    Quota,
    /// The server cannot do this: it is too old, or none of CloudStack's.
    Unsupported,
    /// The server did not answer, or is too busy; it may work later.
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

impl FailureKind for CloudStackErrorKind {
    const CANCELLED: Self = Self::Cancelled;
    const TIMEOUT: Self = Self::Timeout;
    const OTHER: Self = Self::Other;
}

impl WireKind for CloudStackErrorKind {
    const UNAVAILABLE: Self = Self::Unavailable;
    const NO_SPACE: Self = Self::Quota;
}

/// Something in a cloud could not be done.
pub type CloudStackError = Failure<CloudStackErrorKind>;

impl CloudStackError {
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
