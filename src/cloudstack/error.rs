//! One error for all that is done in a cloud: what was attempted, what the server answered, what to do.
use super::Fault;
use crate::cx::{Cancelled, JournalError, WaitError};
use std::{error::Error, fmt};

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

/// Something in a cloud could not be done.
#[derive(Debug)]
pub struct CloudStackError {
    kind: CloudStackErrorKind,
    attempt: String,
    source: Option<Box<dyn Error + Send + Sync>>,
    hint: Option<String>,
    unsent: bool,
}

impl CloudStackError {
    /// `attempt` completes the sentence "could not …".
    pub fn new(kind: CloudStackErrorKind, attempt: impl Into<String>) -> Self {
        Self { kind, attempt: attempt.into(), source: None, hint: None, unsent: false }
    }

    /// The server answered with `fault` when asked to do `attempt` ("could not …").
    pub fn of(attempt: impl Into<String>, fault: Fault) -> Self {
        let (kind, hint) = (fault.kind(), fault.hint());
        let mut made = Self::new(kind, attempt).because(fault);
        made.hint = hint;
        made
    }

    /// Adds why.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Notes that the other side never heard of it.
    #[must_use]
    pub(super) fn unsent(mut self) -> Self {
        self.unsent = true;
        self
    }

    /// Whether the other side never heard of it.
    pub fn is_unsent(&self) -> bool {
        self.unsent
    }

    /// What kind it is.
    pub fn kind(&self) -> CloudStackErrorKind {
        self.kind
    }

    /// What to do about it.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// What the server answered, if it did.
    pub fn fault(&self) -> Option<&Fault> {
        self.source.as_ref()?.downcast_ref()
    }
}

impl fmt::Display for CloudStackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {}", self.attempt)
    }
}

impl Error for CloudStackError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<Cancelled> for CloudStackError {
    fn from(cancelled: Cancelled) -> Self {
        Self::new(CloudStackErrorKind::Cancelled, "go on").because(cancelled)
    }
}

impl From<JournalError> for CloudStackError {
    fn from(error: JournalError) -> Self {
        Self::new(CloudStackErrorKind::Other, "write down what is to be undone").because(error)
    }
}

impl From<WaitError> for CloudStackError {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::Cancelled(cancelled) => cancelled.into(),
            WaitError::TimedOut { what, limit, seen } => {
                Self::new(CloudStackErrorKind::Timeout, format!("wait for {what}"))
                    .because(WaitError::TimedOut { what, limit, seen })
            }
            WaitError::Hopeless { what, source } => match source.downcast::<Self>() {
                Ok(error) => *error,
                Err(source) => {
                    Self::new(CloudStackErrorKind::Other, format!("wait for {what}")).because(source)
                }
            },
        }
    }
}
