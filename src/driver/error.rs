//! One error type at the seam between builds and drivers.
use crate::cx::{Cancelled, Failure, FailureKind, JournalError, WaitError};
use std::fmt;

/// What a caller may want to do about a driver's error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DriverErrorKind {
    /// Wrong credentials.
    Auth,
    /// Not allowed.
    Permission,
    /// Something named is not there.
    NotFound,
    /// The hypervisor or a part of it is not installed or does not answer.
    Unavailable,
    /// It cannot do this.
    Unsupported,
    /// It took too long.
    Timeout,
    /// The machine died or is stuck.
    MachineFailed,
    /// The user interrupted the build.
    Cancelled,
    /// Anything else.
    Other,
}

/// A driver could not do something.
#[derive(Debug)]
pub struct DriverError {
    kind: DriverErrorKind,
    attempt: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
    hint: Option<String>,
}

impl DriverError {
    /// `attempt` completes the sentence "could not …".
    pub fn new(kind: DriverErrorKind, attempt: impl Into<String>) -> Self {
        Self { kind, attempt: attempt.into(), source: None, hint: None }
    }

    /// Adds why.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A service's failure, which is of this kind to a driver.
    pub(super) fn of<K: FailureKind>(failure: Failure<K>, kind: DriverErrorKind) -> Self {
        let (_, attempt, source, hint) = failure.into_parts();
        Self { source, hint, ..Self::new(kind, attempt) }
    }

    /// Why a wait ended, in the words of the service that ended it, where there are some: `E` is its error.
    pub(super) fn waited<E: std::error::Error + Into<Self> + 'static>(error: WaitError) -> Self {
        match error {
            WaitError::Hopeless { what, source } => match source.downcast::<E>() {
                Ok(error) => (*error).into(),
                Err(source) => WaitError::Hopeless { what, source }.into(),
            },
            other => other.into(),
        }
    }

    /// What kind it is.
    pub fn kind(&self) -> DriverErrorKind {
        self.kind
    }

    /// What to do about it.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {}", self.attempt)
    }
}

impl std::error::Error for DriverError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<Cancelled> for DriverError {
    fn from(cancelled: Cancelled) -> Self {
        Self::new(DriverErrorKind::Cancelled, "go on").because(cancelled)
    }
}

impl From<JournalError> for DriverError {
    fn from(error: JournalError) -> Self {
        Self::new(DriverErrorKind::Other, "record how to undo the next step").because(error)
    }
}

impl From<WaitError> for DriverError {
    fn from(error: WaitError) -> Self {
        let kind = match &error {
            WaitError::TimedOut { .. } => DriverErrorKind::Timeout,
            WaitError::Hopeless { .. } => DriverErrorKind::MachineFailed,
            WaitError::Cancelled(_) => DriverErrorKind::Cancelled,
        };
        Self::new(kind, "see the machine do what it should").because(error)
    }
}
