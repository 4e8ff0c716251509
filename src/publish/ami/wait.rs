//! Waiting for an AMI: long, patient, and never to its harm.
use super::find::{self, Ami};
use crate::{
    aws::{Aws, AwsError, AwsErrorKind},
    cx::{Cx, Look, Sight, WaitError},
};
use std::time::Duration;

/// How long, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// At most. Copies over oceans take an hour, and those of large disks several.
    pub limit: Duration,
    /// Between two looks.
    pub every: Duration,
    /// For so long an AMI that was just made may be unknown: EC2's answers lag behind.
    pub unknown: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            limit: Duration::from_secs(6 * 3600),
            every: Duration::from_secs(15),
            unknown: Duration::from_secs(120),
        }
    }
}

/// What became of an AMI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// It can be used.
    Available(Box<Ami>),
    /// It never will be; the state's name and its reason.
    Broken(Box<Ami>),
    /// There is no such AMI.
    Gone,
}

/// Waits until the AMI `id` in the session's region is available, or will never be. Trouble on the way to EC2 ends no wait, and an AMI
/// that takes long is never removed.
pub async fn settled(cx: &Cx, aws: &Aws, id: &str, patience: Patience) -> Result<Settled, AwsError> {
    let begun = tokio::time::Instant::now();
    let what = format!("`{id}` in {}", aws.region());
    let looked: Result<Result<Settled, AwsError>, WaitError> = cx
        .wait_for(&what, patience.limit, patience.every, async || match find::one(aws, id).await {
            Ok(ami) => match ami.state.as_str() {
                "available" => Look::Ready(Ok(Settled::Available(Box::new(ami)))),
                "failed" | "error" | "invalid" | "disabled" => {
                    Look::Ready(Ok(Settled::Broken(Box::new(ami))))
                }
                "deregistered" => Look::Ready(Ok(Settled::Gone)),
                state => Look::NotYet(vec![Sight::no(
                    state.to_owned(),
                    ami.reason.clone().unwrap_or_default(),
                )]),
            },
            Err(error) => match error.kind() {
                // EC2 knows that it was there.
                AwsErrorKind::NotFound if error.code() == Some("InvalidAMIID.Unavailable") => {
                    Look::Ready(Ok(Settled::Gone))
                }
                AwsErrorKind::NotFound if begun.elapsed() >= patience.unknown => {
                    Look::Ready(Ok(Settled::Gone))
                }
                AwsErrorKind::NotFound => Look::NotYet(vec![Sight::unknown("not known yet", "")]),
                AwsErrorKind::Unavailable | AwsErrorKind::Throttled => {
                    let why = super::causes(&error).pop().unwrap_or_default();
                    Look::NotYet(vec![Sight::unknown("no answer", why)])
                }
                _ => Look::Ready(Err(error)),
            },
        })
        .await;
    match looked {
        Ok(settled) => settled,
        Err(WaitError::Cancelled(cancelled)) => Err(cancelled.into()),
        Err(error) => Err(AwsError::new(
            AwsErrorKind::Timeout,
            format!("see the AMI `{id}` become available in {}", aws.region()),
        )
        .because(error)),
    }
}
