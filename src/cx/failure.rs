//! One error for calls of somebody else's service: what was attempted, what it answered, what to do.
use super::{Cancelled, JournalError, WaitError};
use std::{error::Error, fmt, fmt::Debug};

/// What a caller may want to do about a failure; each service has its own kinds.
pub trait FailureKind: Copy + Debug + Send + Sync + 'static {
    /// The user interrupted it.
    const CANCELLED: Self;
    /// It took too long.
    const TIMEOUT: Self;
    /// Anything that has no kind.
    const OTHER: Self;
}

/// Something at a service could not be done.
#[derive(Debug)]
pub struct Failure<K> {
    kind: K,
    attempt: String,
    source: Option<Box<dyn Error + Send + Sync>>,
    hint: Option<String>,
    unsent: bool,
}

impl<K: FailureKind> Failure<K> {
    /// `attempt` completes the sentence "could not …".
    pub fn new(kind: K, attempt: impl Into<String>) -> Self {
        Self { kind, attempt: attempt.into(), source: None, hint: None, unsent: false }
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
    pub fn or_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// Adds what to do about it, if there is something.
    #[must_use]
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }

    /// Notes that the other side never heard of it.
    #[must_use]
    pub fn unsent(mut self) -> Self {
        self.unsent = true;
        self
    }

    /// Whether the other side never heard of it.
    pub fn is_unsent(&self) -> bool {
        self.unsent
    }

    /// What kind it is.
    pub fn kind(&self) -> K {
        self.kind
    }

    /// What to do about it.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Its cause, if it is one of these.
    pub fn cause<T: Error + 'static>(&self) -> Option<&T> {
        self.source.as_ref()?.downcast_ref()
    }

    /// All that it says, for errors of those who call the service: kind, attempt, cause and hint.
    #[allow(clippy::type_complexity, reason = "it is taken apart at once")]
    pub fn into_parts(self) -> (K, String, Option<Box<dyn Error + Send + Sync>>, Option<String>) {
        (self.kind, self.attempt, self.source, self.hint)
    }
}

impl<K: Debug> fmt::Display for Failure<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {}", self.attempt)
    }
}

impl<K: Debug> Error for Failure<K> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl<K: FailureKind> From<Cancelled> for Failure<K> {
    fn from(cancelled: Cancelled) -> Self {
        Self::new(K::CANCELLED, "go on").because(cancelled)
    }
}

impl<K: FailureKind> From<JournalError> for Failure<K> {
    fn from(error: JournalError) -> Self {
        Self::new(K::OTHER, "write down what is to be undone").because(error)
    }
}

impl<K: FailureKind> From<WaitError> for Failure<K> {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::Cancelled(cancelled) => cancelled.into(),
            WaitError::TimedOut { what, limit, seen } => Self::new(K::TIMEOUT, format!("wait for {what}"))
                .because(WaitError::TimedOut { what, limit, seen }),
            WaitError::Hopeless { what, source } => match source.downcast::<Self>() {
                Ok(error) => *error,
                Err(source) => Self::new(K::OTHER, format!("wait for {what}")).because(source),
            },
        }
    }
}
