//! Tasks: work that a vCenter does after it answered.
use super::{Fault, Moref, Node, VCenter, VsphereError, VsphereErrorKind};
use crate::cx::{Cx, Look, Sight};
use std::time::Duration;

/// A look costs the server little; people wait for the end of it.
const EVERY: Duration = Duration::from_millis(500);

impl VCenter {
    /// Waits for the end of the task that `method` began to do `attempt`; returns its result. An interruption asks the server to give it up.
    pub async fn finish(
        &self,
        cx: &Cx,
        attempt: &str,
        method: &str,
        task: &Moref,
        limit: Duration,
    ) -> Result<Node, VsphereError> {
        let look = || async {
            match self.look_at_task(attempt, method, task).await {
                Ok(TaskState::Done(result)) => Look::Ready(result),
                Ok(TaskState::Going(percent)) => {
                    let said =
                        percent.map_or_else(|| "going on".to_owned(), |percent| format!("{percent} %"));
                    Look::NotYet(vec![Sight::no("task", said)])
                }
                Err(error) if error.kind() == VsphereErrorKind::Unavailable => {
                    Look::NotYet(vec![Sight::unknown("task", crate::cx::causes(&error).join(": "))])
                }
                Err(error) => Look::Hopeless(Box::new(error)),
            }
        };
        let ended = cx.wait_for(&format!("the vCenter to {attempt}"), limit, EVERY, look).await;
        match ended.map_err(VsphereError::from) {
            Err(error) if matches!(error.kind(), VsphereErrorKind::Cancelled | VsphereErrorKind::Timeout) => {
                // Whether it can be given up is the server's to say; what it makes all the same is undone by its name.
                let _ = self.call(attempt, "CancelTask", task, |_| {}).await;
                Err(error)
            }
            other => other,
        }
    }

    /// As [`VCenter::finish`], for undoing: nobody interrupts it.
    pub(super) async fn finish_undoing(
        &self,
        attempt: &str,
        method: &str,
        task: &Moref,
        limit: Duration,
    ) -> Result<Node, VsphereError> {
        let begun = tokio::time::Instant::now();
        loop {
            if let TaskState::Done(result) = self.look_at_task(attempt, method, task).await? {
                return Ok(result);
            }
            if begun.elapsed() >= limit {
                return Err(VsphereError::new(VsphereErrorKind::Timeout, attempt)
                    .because(format!("{method} goes on still after {} s", limit.as_secs())));
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    async fn look_at_task(
        &self,
        attempt: &str,
        method: &str,
        task: &Moref,
    ) -> Result<TaskState, VsphereError> {
        let properties = self.properties(task, &["info"]).await?;
        let unreadable = || {
            VsphereError::new(VsphereErrorKind::Other, attempt)
                .because(format!("the task of {method} says nothing about itself"))
        };
        let info = properties.get("info").ok_or_else(unreadable)?;
        match info.text_at("state").unwrap_or_default() {
            "success" => Ok(TaskState::Done(info.at("result").cloned().unwrap_or_default())),
            "error" => {
                let fault = info.at("error").map_or_else(
                    || Fault {
                        call: method.to_owned(),
                        name: None,
                        message: "it failed, and does not say why".to_owned(),
                        details: Vec::new(),
                    },
                    |error| Fault::of_method(method, error),
                );
                Err(VsphereError::of(attempt, fault))
            }
            _ => Ok(TaskState::Going(info.text_at("progress").map(ToOwned::to_owned))),
        }
    }

    /// Calls a method that begins a task, to do `attempt`, and waits for its end.
    pub async fn run(
        &self,
        cx: &Cx,
        attempt: impl AsRef<str>,
        method: &'static str,
        this: &Moref,
        limit: Duration,
        fill: impl FnOnce(&mut super::Element),
    ) -> Result<Node, VsphereError> {
        let attempt = attempt.as_ref();
        let task = self.begin(attempt, method, this, fill).await?;
        self.finish(cx, attempt, method, &task, limit).await
    }

    /// Calls a method that begins a task.
    pub async fn begin(
        &self,
        attempt: &str,
        method: &'static str,
        this: &Moref,
        fill: impl FnOnce(&mut super::Element),
    ) -> Result<Moref, VsphereError> {
        let answer = self.call(attempt, method, this, fill).await?;
        answer.at("returnval").and_then(Node::as_moref).ok_or_else(|| {
            VsphereError::new(VsphereErrorKind::Other, attempt)
                .because(format!("{method} answered without a task"))
        })
    }
}

enum TaskState {
    /// With its per cent.
    Going(Option<String>),
    /// With its result.
    Done(Node),
}
