//! What can be wrong at a front door.

/// Something at a front door cannot be understood, or is refused as the original refuses it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct CompatError {
    message: String,
    hints: Vec<String>,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl CompatError {
    /// What was wrong, in the words of the original where it has some.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hints: Vec::new(), source: None }
    }

    /// The same with what helps.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The same with why.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same as a part of an error, which keeps its hints.
    #[must_use]
    pub fn because_of(mut self, mut source: Self) -> Self {
        self.hints.append(&mut source.hints);
        self.because(source)
    }

    /// What helps.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }
}
