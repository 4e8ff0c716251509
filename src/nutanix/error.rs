//! One error for all of calls of a Prism Central: what was attempted, what the server answered, what to do.
use super::Fault;
use crate::cx::{Cancelled, JournalError, WaitError};
use std::{error::Error, fmt};

/// What a caller may want to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PrismErrorKind {
    /// No credentials, or wrong ones.
    Auth,
    /// The certificate is signed by nobody who is trusted.
    Trust,
    /// Not allowed.
    Permission,
    /// Something named is not there.
    NotFound,
    /// Something of that name is there already.
    Exists,
    /// There is no room for it, or a quota is used up.
    NoSpace,
    /// The server cannot do this: it is too old, or no Prism Central.
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

/// Something in a Prism Central could not be done.
#[derive(Debug)]
pub struct PrismError {
    kind: PrismErrorKind,
    attempt: String,
    source: Option<Box<dyn Error + Send + Sync>>,
    hint: Option<String>,
}

impl PrismError {
    /// `attempt` completes the sentence "could not …".
    pub fn new(kind: PrismErrorKind, attempt: impl Into<String>) -> Self {
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
    pub fn kind(&self) -> PrismErrorKind {
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
    ) -> (PrismErrorKind, String, Option<Box<dyn Error + Send + Sync>>, Option<String>) {
        (self.kind, self.attempt, self.source, self.hint)
    }
}

impl fmt::Display for PrismError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {}", self.attempt)
    }
}

impl Error for PrismError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<Cancelled> for PrismError {
    fn from(cancelled: Cancelled) -> Self {
        Self::new(PrismErrorKind::Cancelled, "go on").because(cancelled)
    }
}

impl From<JournalError> for PrismError {
    fn from(error: JournalError) -> Self {
        Self::new(PrismErrorKind::Other, "write down what is to be undone").because(error)
    }
}

impl From<WaitError> for PrismError {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::Cancelled(cancelled) => cancelled.into(),
            WaitError::TimedOut { what, limit, seen } => {
                Self::new(PrismErrorKind::Timeout, format!("wait for {what}")).because(WaitError::TimedOut {
                    what,
                    limit,
                    seen,
                })
            }
            WaitError::Hopeless { what, source } => match source.downcast::<Self>() {
                Ok(error) => *error,
                Err(source) => Self::new(PrismErrorKind::Other, format!("wait for {what}")).because(source),
            },
        }
    }
}
