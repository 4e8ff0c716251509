//! Parts of a task that people see one by one.
use crate::cx::{Cx, Event};
use std::{error::Error, time::Instant};

/// Runs `work` as a stage, so that whoever watches sees what goes on.
pub(super) async fn stage<T, E: Error>(
    cx: &Cx,
    name: &str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let (stage, begun) = (name.to_owned(), Instant::now());
    cx.emit(Event::StageStarted { stage: stage.clone() });
    let result = work.await;
    let seconds = begun.elapsed().into();
    cx.emit(match &result {
        Ok(_) => Event::StageFinished { stage, seconds },
        Err(error) => Event::StageFailed { stage, seconds, error: error.to_string() },
    });
    result
}
