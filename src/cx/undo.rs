//! Undo as data: planned before a side effect, resolved after it, replayed newest first.
use super::{Cx, Event, Journal, JournalError, Line, Replay, Stop};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex},
};

/// How to remove one thing that a build made. Removing what is already gone is a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undo {
    /// A file, or a folder with all that is in it.
    Path {
        /// Absolute.
        path: PathBuf,
    },
    /// A process of ours and its descendants. The start time keeps us from killing a stranger that got the number.
    Process {
        /// Process id.
        pid: u32,
        /// Start time in clock ticks since boot: field 22 of `/proc/<pid>/stat` (proc(5)).
        started: u64,
        /// For people.
        what: String,
    },
    /// Something that a driver made.
    Resource(ResourceRef),
}

/// A thing that lives in a hypervisor or a cloud, named so that another process can find it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceRef {
    /// The driver that can remove it.
    pub driver: String,
    /// The driver's word for it: `domain`, `snapshot`.
    pub kind: String,
    /// Name or id by which the driver finds it. Chosen by us before the thing exists, wherever the API lets us.
    pub id: String,
    /// Whatever else the driver needs, such as the connection; never a secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
}

impl fmt::Display for Undo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path { path } => write!(f, "`{}`", path.display()),
            Self::Process { pid, what, .. } => write!(f, "process {pid} ({what})"),
            Self::Resource(resource) => fmt::Display::fmt(resource, f),
        }
    }
}

impl fmt::Display for ResourceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} `{}`", self.driver, self.kind, self.id)
    }
}

/// Why something could not be undone.
#[derive(Debug, thiserror::Error)]
#[error("could not remove {what}")]
pub struct UndoError {
    /// What.
    pub what: String,
    /// Why.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Whoever can carry out undo data. Idempotent: gone is `Ok`.
#[async_trait]
pub trait Undoer: Send + Sync {
    /// Removes the thing; `stop.is_hurried()` shortens grace periods.
    async fn undo(&self, undo: &Undo, stop: &Stop) -> Result<(), UndoError>;
}

/// Names one entry of the undo log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "resolve it, keep it, or leave it to the unwinding knowingly with `let _ =`"]
pub struct UndoHandle(u64);

/// One thing that is still there although it should not be.
#[derive(Debug)]
pub struct Leftover {
    /// What.
    pub undo: Undo,
    /// Why.
    pub error: UndoError,
}

/// What an unwinding did.
#[derive(Debug, Default)]
pub struct UnwindReport {
    /// Number of things removed.
    pub undone: usize,
    /// What could not be removed.
    pub leftovers: Vec<Leftover>,
}

/// The undo log: a stack in memory, mirrored in the journal. Clones share it.
#[derive(Debug, Clone)]
pub struct UndoLog {
    shared: Arc<Mutex<State>>,
    journal: Arc<Journal>,
}

#[derive(Debug)]
struct State {
    owed: Vec<(u64, Undo)>,
    next: u64,
}

impl UndoLog {
    /// An empty log over a new journal.
    pub fn new(journal: Journal) -> Self {
        let state = State { owed: Vec::new(), next: 0 };
        Self { shared: Arc::new(Mutex::new(state)), journal: Arc::new(journal) }
    }

    /// The log of a dead build.
    pub fn adopt(journal: Journal, replay: Replay) -> Self {
        let state = State { owed: replay.owed, next: replay.next };
        Self { shared: Arc::new(Mutex::new(state)), journal: Arc::new(journal) }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Records how to remove what is about to be made. On the disk when this returns.
    pub fn plan(&self, undo: Undo) -> Result<UndoHandle, JournalError> {
        let mut state = self.state();
        let entry = state.next;
        self.journal.append(&Line::Plan { entry, undo: undo.clone() })?;
        state.next += 1;
        state.owed.push((entry, undo));
        Ok(UndoHandle(entry))
    }

    /// Replaces the entry by what is now known better.
    pub fn resolve(&self, handle: UndoHandle, undo: Undo) -> Result<(), JournalError> {
        let mut state = self.state();
        if let Some(owed) = state.owed.iter_mut().find(|(entry, _)| *entry == handle.0) {
            self.journal.append(&Line::Resolve { entry: handle.0, undo: undo.clone() })?;
            owed.1 = undo;
        }
        Ok(())
    }

    /// The thing is a result of the build: it survives.
    pub fn keep(&self, handle: UndoHandle) -> Result<(), JournalError> {
        self.settle(handle.0, Line::Keep { entry: handle.0 })
    }

    /// All that `what` says yes to are results: they survive.
    pub fn keep_where(&self, what: impl Fn(&Undo) -> bool) -> Result<(), JournalError> {
        let entries: Vec<u64> =
            self.state().owed.iter().filter(|(_, undo)| what(undo)).map(|(entry, _)| *entry).collect();
        entries.into_iter().try_for_each(|entry| self.settle(entry, Line::Keep { entry }))
    }

    fn settle(&self, entry: u64, line: Line) -> Result<(), JournalError> {
        let mut state = self.state();
        if let Some(at) = state.owed.iter().position(|(n, _)| *n == entry) {
            self.journal.append(&line)?;
            state.owed.remove(at);
        }
        Ok(())
    }

    /// What would be undone now, newest first.
    pub fn owed(&self) -> Vec<Undo> {
        self.state().owed.iter().rev().map(|(_, undo)| undo.clone()).collect()
    }

    /// Undoes one entry early, when its thing has served.
    pub async fn undo_now(
        &self,
        handle: UndoHandle,
        undoer: &dyn Undoer,
        stop: &Stop,
    ) -> Result<(), UndoError> {
        let Some(undo) =
            self.state().owed.iter().find(|(entry, _)| *entry == handle.0).map(|(_, undo)| undo.clone())
        else {
            return Ok(());
        };
        undoer.undo(&undo, stop).await?;
        self.settle(handle.0, Line::Undone { entry: handle.0 })
            .map_err(|error| UndoError { what: undo.to_string(), source: error.into() })
    }

    /// Undoes the entry that names `resource`, when there is one.
    pub async fn undo_resource(
        &self,
        resource: &ResourceRef,
        undoer: &dyn Undoer,
        stop: &Stop,
    ) -> Result<(), UndoError> {
        let is_it = |undo: &Undo| matches!(undo, Undo::Resource(owed) if owed.id == resource.id);
        let entry = self.state().owed.iter().find(|(_, undo)| is_it(undo)).map(|(entry, _)| *entry);
        match entry {
            Some(entry) => self.undo_now(UndoHandle(entry), undoer, stop).await,
            None => Ok(()),
        }
    }

    /// Undoes everything, newest first, and never stops at a failure. What could not be removed stays in the journal.
    pub async fn unwind(
        &self,
        undoer: &dyn Undoer,
        stop: &Stop,
        report: &(dyn Fn(Event) + Sync),
    ) -> UnwindReport {
        let owed: Vec<(u64, Undo)> = self.state().owed.iter().rev().cloned().collect();
        report(Event::UndoStarted { count: owed.len() });
        let mut outcome = UnwindReport::default();
        for (entry, undo) in owed {
            let result = match undoer.undo(&undo, stop).await {
                Ok(()) => self
                    .settle(entry, Line::Undone { entry })
                    .map_err(|error| UndoError { what: undo.to_string(), source: error.into() }),
                Err(error) => Err(error),
            };
            match result {
                Ok(()) => {
                    outcome.undone += 1;
                    report(Event::Undone { what: undo.to_string() });
                }
                Err(error) => {
                    let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                    report(Event::UndoFailed { what: undo.to_string(), error: why });
                    outcome.leftovers.push(Leftover { undo, error });
                }
            }
        }
        outcome
    }

    /// Removes the journal when nothing is owed any more; returns whether it did.
    pub fn close(&self) -> Result<bool, JournalError> {
        let state = self.state();
        if !state.owed.is_empty() {
            return Ok(false);
        }
        self.journal.remove()?;
        Ok(true)
    }
}

impl Cx {
    /// Undoes everything this build made and did not keep.
    pub async fn unwind(&self, undoer: &dyn Undoer) -> UnwindReport {
        self.undo().unwind(undoer, self.stop(), &|event| self.emit(event)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cx::tests_support::cx;

    #[derive(Default)]
    struct Recorder {
        seen: Mutex<Vec<String>>,
        refuse: Option<&'static str>,
    }

    #[async_trait]
    impl Undoer for Recorder {
        async fn undo(&self, undo: &Undo, _: &Stop) -> Result<(), UndoError> {
            let Undo::Path { path } = undo else { unreachable!("only paths here") };
            let name = path.display().to_string();
            if self.refuse == Some(name.as_str()) {
                return Err(UndoError { what: undo.to_string(), source: "busy".into() });
            }
            self.seen.lock().unwrap().push(name);
            Ok(())
        }
    }

    #[tokio::test]
    async fn unwinding_goes_newest_first_and_spares_what_is_kept() {
        let cx = cx();
        let _ = cx.plan_path("a").unwrap();
        let kept = cx.plan_path("b").unwrap();
        let _ = cx.plan_path("c").unwrap();
        cx.undo().keep(kept).unwrap();
        let recorder = Recorder::default();
        let report = cx.unwind(&recorder).await;
        assert_eq!(*recorder.seen.lock().unwrap(), ["c", "a"]);
        assert_eq!(report.undone, 2);
        assert!(cx.undo().close().unwrap());
    }

    #[tokio::test]
    async fn a_failed_undo_is_reported_and_does_not_stop_the_others() {
        let cx = cx();
        for name in ["a", "b", "c"] {
            let _ = cx.plan_path(name).unwrap();
        }
        let recorder = Recorder { refuse: Some("b"), ..Recorder::default() };
        let report = cx.unwind(&recorder).await;
        assert_eq!(*recorder.seen.lock().unwrap(), ["c", "a"]);
        assert_eq!(report.leftovers.len(), 1);
        assert!(!cx.undo().close().unwrap(), "the journal must outlive what is left");
        let again = cx.unwind(&Recorder::default()).await;
        assert_eq!(again.undone, 1);
        assert!(cx.undo().close().unwrap());
    }
}
