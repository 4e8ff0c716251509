//! What every step of a build gets: its identity, its folders, the way to report, to wait, to be cancelled and to be
//! undone.
//!
//! ```text
//!   Cx ─┬─ Events   typed, serialisable; renderers and the build log listen
//!       ├─ Undo log journal on disk, written before each side effect
//!       ├─ Stop     cancelled (first Ctrl-C) and hurried (second Ctrl-C)
//!       └─ wait_for the only loop that may sleep
//! ```
//!
//! Nothing here knows a driver, a guest or a definition. Start reading at [`Cx`].
mod causes;
mod escape;
mod event;
mod failure;
mod id;
mod journal;
mod onlooker;
mod stop;
mod undo;
mod wait;

pub use causes::causes;
pub use escape::{Escapes, Shown, clean_line};
pub use event::{Check, Event, Events, Level, Record, Sight, Sink, Stream, Unit};
pub use failure::{Failure, FailureKind};
pub use id::BuildId;
pub use journal::{Header, Journal, JournalError, Line, Replay};
pub use onlooker::Onlooker;
pub use stop::{Cancelled, Stop};
pub use undo::{Leftover, ResourceRef, Undo, UndoError, UndoHandle, UndoLog, Undoer, UnwindReport};
pub use wait::{Look, WaitError};

use crate::value::Redactor;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Everything that a step of one build needs, besides its own input. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Cx {
    inner: Arc<Inner>,
    onlooker: Option<Arc<dyn Onlooker>>,
}

#[derive(Debug)]
struct Inner {
    id: BuildId,
    work: PathBuf,
    logs: PathBuf,
    events: Events,
    stop: Stop,
    undo: UndoLog,
    redactor: Redactor,
}

impl Cx {
    /// A context for build `id`, whose temporary files go to `work` and whose lasting records go to `logs`.
    pub fn new(id: BuildId, work: PathBuf, logs: PathBuf, events: Events, stop: Stop, undo: UndoLog) -> Self {
        let redactor = events.redactor().clone();
        Self { inner: Arc::new(Inner { id, work, logs, events, stop, undo, redactor }), onlooker: None }
    }

    /// The same context, with someone who looks at the guest after each step.
    #[must_use]
    pub fn watched_by(self, onlooker: Option<Arc<dyn Onlooker>>) -> Self {
        Self { onlooker, ..self }
    }

    /// Whether someone looks at the guest after each step, so that steps are done one by one.
    pub fn is_watched(&self) -> bool {
        self.onlooker.is_some()
    }

    /// Lets whoever looks at the guest do so, after `step` went well.
    pub async fn after_step(&self, step: &str) -> Result<(), Cancelled> {
        match &self.onlooker {
            Some(onlooker) => onlooker.after_step(step, self.stop()).await,
            None => Ok(()),
        }
    }

    /// The build's id, unique for ever.
    pub fn id(&self) -> &BuildId {
        &self.inner.id
    }

    /// Folder for temporary files of this build, on a file system with room for disks. Removed at the end.
    pub fn work(&self) -> &Path {
        &self.inner.work
    }

    /// Folder for the records of this build: log, serial output, failure bundle. Kept.
    pub fn logs(&self) -> &Path {
        &self.inner.logs
    }

    /// Where events go.
    pub fn events(&self) -> &Events {
        &self.inner.events
    }

    /// Reports one event.
    pub fn emit(&self, event: Event) {
        self.inner.events.emit(event);
    }

    /// The cancellation state.
    pub fn stop(&self) -> &Stop {
        &self.inner.stop
    }

    /// An error as soon as the build was cancelled.
    pub fn check(&self) -> Result<(), Cancelled> {
        self.inner.stop.check()
    }

    /// The undo log of this build.
    pub fn undo(&self) -> &UndoLog {
        &self.inner.undo
    }

    /// The filter for text that came from the guest or from a tool.
    pub fn redactor(&self) -> &Redactor {
        &self.inner.redactor
    }

    /// Plans the removal of a file or folder of this build; call it before creating the path.
    pub fn plan_path(&self, path: impl Into<PathBuf>) -> Result<UndoHandle, JournalError> {
        self.inner.undo.plan(Undo::Path { path: path.into() })
    }
}

#[cfg(test)]
pub(crate) mod tests_support {
    //! A context for unit tests: real journal, real folders, no listener.
    use super::*;

    /// Keeps a folder as long as anybody has the context that reports to it.
    #[derive(Debug)]
    pub(crate) struct Folder(#[allow(dead_code, reason = "removed with it")] pub(crate) tempfile::TempDir);

    impl Sink for Folder {
        fn take(&self, _record: &Record) {}
    }

    /// A context whose folders live as long as it does.
    pub(crate) fn cx() -> Cx {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        let id = BuildId::random();
        let header = Header {
            build: id.clone(),
            name: "test".into(),
            definition: "test.toml".into(),
            created: jiff::Timestamp::UNIX_EPOCH,
            pid: std::process::id(),
        };
        let (work, logs) = (root.join("work"), root.join("logs"));
        for folder in [&work, &logs] {
            std::fs::create_dir_all(folder).unwrap();
        }
        let journal = Journal::create(&root.join("journal"), &header).unwrap();
        let events = Events::new(id.clone(), "test", vec![Arc::new(Folder(folder))]);
        Cx::new(id, work, logs, events, Stop::default(), UndoLog::new(journal))
    }
}
