//! Tasks: work that a Prism Central does after it answered.
use super::{
    Dialect, Fault, Prism, PrismError, PrismErrorKind,
    call::{Call, escape},
};
use crate::cx::{Cx, Event, Look, Sight, Stop, Unit};
use serde_json::Value;
use std::time::Duration;

/// A look costs the server little; people wait for the end of it.
const EVERY: Duration = Duration::from_millis(500);

/// The detail of undo data that names a task that makes the thing.
pub(super) const TASK: &str = "task";

/// What a task did.
#[derive(Debug)]
pub(super) struct Done {
    /// Kinds and UUIDs of what it made or changed: `image` in v3, `vmm:content:image` in v4.
    pub(super) entities: Vec<(String, String)>,
}

impl Done {
    /// The one of this kind.
    pub(super) fn entity(&self, kind: &str) -> Option<&str> {
        // Servers write a plural at times.
        let is_it = |(found, _): &&(String, String)| {
            found.rsplit(':').next().is_some_and(|last| last.strip_suffix('s').unwrap_or(last) == kind)
        };
        self.entities.iter().find(is_it).map(|(_, uuid)| uuid.as_str())
    }
}

enum TaskState {
    /// With its state and per cent.
    Going(String, Option<u64>),
    Done(Done),
}

impl Prism {
    /// Waits for the end of the task that was begun to do `attempt`, and shows how far it is.
    pub(super) async fn finish(
        &self,
        cx: &Cx,
        attempt: &str,
        task: &str,
        limit: Duration,
    ) -> Result<Done, PrismError> {
        let what = format!("Prism Central to {attempt}");
        let look = || async {
            match self.look_at_task(attempt, task).await {
                Ok(TaskState::Done(done)) => Look::Ready(done),
                Ok(TaskState::Going(state, percent)) => {
                    let said = match percent {
                        Some(percent) => format!("{}, {percent} %", state.to_lowercase()),
                        None => state.to_lowercase(),
                    };
                    if let Some(done) = percent {
                        cx.emit(Event::Progress {
                            what: what.clone(),
                            done,
                            total: Some(100),
                            unit: Unit::Items,
                        });
                    }
                    Look::NotYet(vec![Sight::no("task", said)])
                }
                Err(error) if error.kind() == PrismErrorKind::Unavailable => {
                    Look::NotYet(vec![Sight::unknown("task", crate::cx::causes(&error).join(": "))])
                }
                Err(error) => Look::Hopeless(Box::new(error)),
            }
        };
        let ended = cx.wait_for(&what, limit, EVERY, look).await;
        cx.emit(Event::ProgressFinished { what: what.clone() });
        Ok(ended?)
    }

    /// As [`Prism::finish`], for undoing: only who is in a hurry ends it.
    pub(super) async fn finish_undoing(
        &self,
        attempt: &str,
        task: &str,
        limit: Duration,
        stop: &Stop,
    ) -> Result<Done, PrismError> {
        let begun = tokio::time::Instant::now();
        loop {
            if let TaskState::Done(done) = self.look_at_task(attempt, task).await? {
                return Ok(done);
            }
            if begun.elapsed() >= limit || stop.is_hurried() {
                return Err(PrismError::new(PrismErrorKind::Timeout, attempt)
                    .because(format!("task {task} goes on still after {} s", limit.as_secs())));
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    async fn look_at_task(&self, attempt: &str, task: &str) -> Result<TaskState, PrismError> {
        let path = match self.dialect() {
            Dialect::V3 => format!("api/nutanix/v3/tasks/{}", escape(task)),
            Dialect::V4 => format!("api/prism/v4.0/config/tasks/{}", escape(task)),
        };
        let mut said = self.send(Call::get(attempt, path)).await?.value;
        if self.dialect() == Dialect::V4 {
            said = said["data"].take();
        }
        let state = said["status"].as_str().unwrap_or_default();
        match state {
            "SUCCEEDED" => Ok(TaskState::Done(Done { entities: entities(&said) })),
            "FAILED" | "ABORTED" | "CANCELED" => Err(PrismError::of(attempt, Fault::of_task(task, &said))),
            _ => {
                let percent = said["percentage_complete"].as_u64().or(said["progressPercentage"].as_u64());
                Ok(TaskState::Going(state.to_owned(), percent))
            }
        }
    }
}

fn entities(said: &Value) -> Vec<(String, String)> {
    let list = |field: &str, kind: &str, uuid: &str| -> Vec<(String, String)> {
        let entries = said[field].as_array().map(Vec::as_slice).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        entries.iter().map(|entry| (text(&entry[kind]), text(&entry[uuid]))).collect()
    };
    let mut found = list("entity_reference_list", "kind", "uuid");
    found.extend(list("entitiesAffected", "rel", "extId"));
    found
}

/// The id of the task that an answer tells of.
pub(super) fn task_of(dialect: Dialect, answer: &Value) -> Option<String> {
    let told = match dialect {
        // Servers write a list of one at times.
        Dialect::V3 => match &answer["status"]["execution_context"]["task_uuid"] {
            Value::Array(tasks) => tasks.first()?.as_str(),
            told => told.as_str(),
        },
        Dialect::V4 => answer["data"]["extId"].as_str(),
    };
    told.map(ToOwned::to_owned)
}
