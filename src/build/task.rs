//! Work that is no build but makes things all the same: with a journal, a log, and undo.
use super::{BuildError, Dirs, LocalUndoer, World, run::open};
use crate::cx::{Cx, Event, Sink, Stop, UnwindReport, causes};
use crate::value::HumanDuration;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

/// How a task ended.
#[derive(Debug)]
pub struct TaskOutcome<T, E> {
    /// What it made, or why not.
    pub result: Result<T, E>,
    /// Its records.
    pub logs: PathBuf,
    /// What was removed afterwards, and what could not be.
    pub unwound: UnwindReport,
    /// How long it took.
    pub seconds: HumanDuration,
}

/// Runs `work`, called `name` in journal and log; `subject` is the user's file, or whatever it is about. What it made and did not
/// keep is removed afterwards, also when it fails. What a task wants to find again (an upload that goes on later), it keeps.
pub async fn task<T, E: std::error::Error>(
    world: &dyn World,
    (name, subject): (&str, &Path),
    dirs: &Dirs,
    sinks: Vec<Arc<dyn Sink>>,
    stop: &Stop,
    work: impl AsyncFnOnce(&Cx) -> Result<T, E>,
) -> Result<TaskOutcome<T, E>, BuildError> {
    let start = Instant::now();
    let cx = open(name, subject, dirs, sinks, stop)?;
    cx.emit(Event::BuildStarted {
        definition: subject.to_owned(),
        logs: cx.logs().to_owned(),
        stages: vec![name.to_owned()],
    });
    // Renderers show progress and waits as those of a stage.
    cx.emit(Event::StageStarted { stage: name.to_owned() });
    let result = work(&cx).await;
    let (stage, seconds) = (name.to_owned(), start.elapsed().into());
    cx.emit(match &result {
        Ok(_) => Event::StageFinished { stage, seconds },
        Err(error) => Event::StageFailed { stage, seconds, error: error.to_string() },
    });
    let unwound = cx.unwind(&LocalUndoer::new(world)).await;
    let _closed =
        cx.undo().close().map_err(|error| BuildError::because("could not close the journal", error))?;
    let seconds: HumanDuration = start.elapsed().into();
    cx.emit(match &result {
        Ok(_) => Event::BuildFinished { seconds },
        Err(error) => {
            Event::BuildFailed { stage: name.to_owned(), error: causes(error), bundle: cx.logs().to_owned() }
        }
    });
    Ok(TaskOutcome { result, logs: cx.logs().to_owned(), unwound, seconds })
}
