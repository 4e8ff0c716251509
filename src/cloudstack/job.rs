//! Calls that take their time: they answer with the number of a job, which is asked for until it is over.
use super::{CloudStack, CloudStackError, CloudStackErrorKind, Fault, Params, answer};
use crate::cx::{Cx, Look, Sight, Stop};
use serde_json::Value;
use std::time::Duration;

/// How often a job is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// A call whose job runs.
#[derive(Debug)]
pub(super) struct Begun {
    job: String,
    made: Option<String>,
}

impl Begun {
    /// The job.
    pub(super) fn job(&self) -> &str {
        &self.job
    }

    /// The identifier of what is being made, which calls that make something answer at once.
    pub(super) fn made(&self, attempt: &str) -> Result<&str, CloudStackError> {
        self.made.as_deref().ok_or_else(|| {
            CloudStackError::new(CloudStackErrorKind::Other, attempt)
                .because("the answer has no identifier of what is made")
        })
    }
}

impl CloudStack {
    /// Makes a call and waits for its job. Returns what came of it.
    pub async fn job(
        &self,
        cx: &Cx,
        attempt: &str,
        command: &str,
        params: &Params,
        limit: Duration,
    ) -> Result<Value, CloudStackError> {
        let begun = self.begin(attempt, command, params).await?;
        self.finish(cx, attempt, &begun, limit).await
    }

    /// Waits for the job of a call that was made. Returns what came of it.
    pub(super) async fn finish(
        &self,
        cx: &Cx,
        attempt: &str,
        begun: &Begun,
        limit: Duration,
    ) -> Result<Value, CloudStackError> {
        let look = || async {
            match self.look(attempt, &begun.job).await {
                Ok(Some(result)) => Look::Ready(result),
                Ok(None) => Look::NotYet(vec![Sight::unknown("job", "it goes on")]),
                Err(error) => Look::Hopeless(Box::new(error)),
            }
        };
        let what = format!("the cloud to {attempt}");
        Ok(cx.wait_for(&what, limit, EVERY, look).await?)
    }

    /// The same when undoing: it goes on when the user interrupts, and ends when they do so again.
    pub(super) async fn job_undone(
        &self,
        attempt: &str,
        command: &str,
        params: &Params,
        stop: &Stop,
    ) -> Result<(), CloudStackError> {
        const LIMIT: Duration = Duration::from_mins(10);
        let Begun { job: id, .. } = self.begin(attempt, command, params).await?;
        self.over(attempt, &id, stop, LIMIT).await
    }

    /// Waits until a job is over when undoing, whatever came of it.
    pub(super) async fn settled(&self, attempt: &str, job: &str, stop: &Stop) -> Result<(), CloudStackError> {
        const LIMIT: Duration = Duration::from_hours(1);
        match self.over(attempt, job, stop, LIMIT).await {
            Err(error) if error.kind() == CloudStackErrorKind::Timeout => Err(error),
            // It failed, or the cloud has forgotten it: it does nothing any more.
            Err(error) if error.fault().is_some() => Ok(()),
            Err(error) if error.kind() == CloudStackErrorKind::Other => Ok(()),
            other => other,
        }
    }

    async fn over(
        &self,
        attempt: &str,
        id: &str,
        stop: &Stop,
        limit: Duration,
    ) -> Result<(), CloudStackError> {
        let deadline = tokio::time::Instant::now() + limit;
        while self.look(attempt, id).await?.is_none() {
            if stop.is_hurried() || tokio::time::Instant::now() >= deadline {
                return Err(CloudStackError::new(CloudStackErrorKind::Timeout, attempt)
                    .because(format!("its job {id} goes on"))
                    .hint("`goldsmith gc` looks again"));
            }
            tokio::select! {
                () = stop.hurried() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
        }
        Ok(())
    }

    pub(super) async fn begin(
        &self,
        attempt: &str,
        command: &str,
        params: &Params,
    ) -> Result<Begun, CloudStackError> {
        let answer = self.call(attempt, command, params).await?;
        match answer.get("jobid") {
            Some(id) => Ok(Begun { job: answer::text(id), made: answer.get("id").map(answer::text) }),
            None => Err(CloudStackError::new(CloudStackErrorKind::Other, attempt)
                .because(format!("{command} answered without a job"))),
        }
    }

    /// What came of a job, if it is over.
    async fn look(&self, attempt: &str, id: &str) -> Result<Option<Value>, CloudStackError> {
        let mut answer = self.call(attempt, "queryAsyncJobResult", &Params::new().with("jobid", id)).await?;
        let result = answer.get_mut("jobresult").map(Value::take).unwrap_or_default();
        match answer.get("jobstatus").and_then(Value::as_u64) {
            Some(0) => Ok(None),
            Some(1) => Ok(Some(result)),
            _ => Err(match Fault::of(&result) {
                Some(fault) => CloudStackError::of(attempt, fault),
                None => CloudStackError::new(CloudStackErrorKind::Other, attempt)
                    .because(format!("its job {id} failed, and the cloud says no more")),
            }),
        }
    }
}
