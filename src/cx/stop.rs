//! Cancellation in two degrees: stop and clean up, stop and clean up quickly.
use tokio_util::sync::CancellationToken;

/// The cancellation state of a build. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    cancelled: CancellationToken,
    hurried: CancellationToken,
}

/// The build was cancelled by the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the build was interrupted")]
pub struct Cancelled;

impl Stop {
    /// Ends the build at the next opportunity; what it made is undone.
    pub fn cancel(&self) {
        self.cancelled.cancel();
    }

    /// Ends it and shortens every grace period of the undo.
    pub fn hurry(&self) {
        self.cancelled.cancel();
        self.hurried.cancel();
    }

    /// Whether the build was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }

    /// Whether the undo should hurry.
    pub fn is_hurried(&self) -> bool {
        self.hurried.is_cancelled()
    }

    /// Resolves when the build is cancelled.
    pub async fn cancelled(&self) {
        self.cancelled.cancelled().await;
    }

    /// Resolves when the undo should hurry.
    pub async fn hurried(&self) {
        self.hurried.cancelled().await;
    }

    /// An error as soon as the build was cancelled.
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.is_cancelled() { Err(Cancelled) } else { Ok(()) }
    }

    /// Runs `future` until it ends or the build is cancelled. Only for work that may be dropped half-way.
    pub async fn unless_cancelled<T>(&self, future: impl Future<Output = T>) -> Result<T, Cancelled> {
        tokio::select! {
            biased;
            () = self.cancelled.cancelled() => Err(Cancelled),
            value = future => Ok(value),
        }
    }

    /// A stop that follows this one but can also be cancelled alone: one build of several.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { cancelled: self.cancelled.child_token(), hurried: self.hurried.child_token() }
    }
}
