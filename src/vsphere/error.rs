//! One error for all of a vCenter's calls: what was attempted, what the server answered, what to do.
use super::Fault;
use crate::cx::{Cancelled, JournalError, WaitError};
use std::{error::Error, fmt};

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

/// Something in a vCenter could not be done.
#[derive(Debug)]
pub struct VsphereError {
    kind: VsphereErrorKind,
    attempt: String,
    source: Option<Box<dyn Error + Send + Sync>>,
    hint: Option<String>,
}

impl VsphereError {
    /// `attempt` completes the sentence "could not …".
    pub fn new(kind: VsphereErrorKind, attempt: impl Into<String>) -> Self {
        Self { kind, attempt: attempt.into(), source: None, hint: None }
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

    /// Adds what to do about it, where nothing better was said.
    #[must_use]
    pub(super) fn or_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// What kind it is.
    pub fn kind(&self) -> VsphereErrorKind {
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

    /// All that it says, for errors of those who call this module: kind, attempt, cause and hint.
    #[allow(clippy::type_complexity, reason = "it is taken apart at once")]
    pub fn into_parts(
        self,
    ) -> (VsphereErrorKind, String, Option<Box<dyn Error + Send + Sync>>, Option<String>) {
        (self.kind, self.attempt, self.source, self.hint)
    }
}

impl fmt::Display for VsphereError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {}", self.attempt)
    }
}

impl Error for VsphereError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<Cancelled> for VsphereError {
    fn from(cancelled: Cancelled) -> Self {
        Self::new(VsphereErrorKind::Cancelled, "go on").because(cancelled)
    }
}

impl From<JournalError> for VsphereError {
    fn from(error: JournalError) -> Self {
        Self::new(VsphereErrorKind::Other, "write down what is to be undone").because(error)
    }
}

impl From<WaitError> for VsphereError {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::Cancelled(cancelled) => cancelled.into(),
            WaitError::TimedOut { what, limit, seen } => {
                Self::new(VsphereErrorKind::Timeout, format!("wait for {what}"))
                    .because(WaitError::TimedOut { what, limit, seen })
            }
            WaitError::Hopeless { what, source } => match source.downcast::<Self>() {
                Ok(error) => *error,
                Err(source) => Self::new(VsphereErrorKind::Other, format!("wait for {what}")).because(source),
            },
        }
    }
}
