//! Waiting for an AMI: long, patient, and never to its harm.
use super::find::{self, Image};
use crate::{
    aws::{Aws, AwsError, AwsErrorKind},
    cx::{Cx, Look, Sight, WaitError, causes},
};
use std::{collections::BTreeMap, sync::Mutex, time::Duration};

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
    Available(Box<Image>),
    /// It never will be; the state's name and its reason.
    Broken(Box<Image>),
    /// There is no such AMI.
    Gone,
}

/// What several waits see at once: one line says it for all of them.
#[derive(Debug, Default)]
pub struct Board {
    what: String,
    regions: Mutex<BTreeMap<String, String>>,
}

impl Board {
    /// A board for waits for `what`.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), regions: Mutex::default() }
    }

    fn regions(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.regions.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Notes the state of a region, and tells how all are: regions by state.
    fn note<T>(&self, region: &str, state: &str, reason: &str) -> Look<T> {
        /// More regions than these are only counted.
        const NAMED: usize = 3;
        let state = if reason.is_empty() { state.to_owned() } else { format!("{state}: {reason}") };
        let mut regions = self.regions();
        regions.insert(region.to_owned(), state);
        let mut states: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (region, state) in &*regions {
            states.entry(state).or_default().push(region);
        }
        let sights = states.into_iter().map(|(state, regions)| {
            let more = regions.len().saturating_sub(NAMED);
            let names = regions.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
            Sight::no(state, if more == 0 { names } else { format!("{names} and {more} more") })
        });
        Look::NotYet(sights.collect())
    }

    fn wipe(&self, region: &str) {
        self.regions().remove(region);
    }
}

/// Waits until the AMI `id` in the session's region is available, or will never be. Trouble on the way to EC2 ends no wait, and an AMI
/// that takes long is never removed.
pub async fn settled(
    cx: &Cx,
    aws: &Aws,
    id: &str,
    patience: Patience,
    board: &Board,
) -> Result<Settled, AwsError> {
    let settled = wait(cx, aws, id, patience, board).await;
    board.wipe(aws.region());
    settled
}

async fn wait(cx: &Cx, aws: &Aws, id: &str, patience: Patience, board: &Board) -> Result<Settled, AwsError> {
    let begun = tokio::time::Instant::now();
    let region = aws.region();
    let looked: Result<Result<Settled, AwsError>, WaitError> = cx
        .wait_for(&board.what, patience.limit, patience.every, async || match find::one(aws, id).await {
            Ok(ami) => match ami.state.as_str() {
                "available" => Look::Ready(Ok(Settled::Available(Box::new(ami)))),
                "failed" | "error" | "invalid" | "disabled" => {
                    Look::Ready(Ok(Settled::Broken(Box::new(ami))))
                }
                "deregistered" => Look::Ready(Ok(Settled::Gone)),
                state => board.note(region, state, ami.reason.as_deref().unwrap_or_default()),
            },
            Err(error) => match error.kind() {
                // EC2 knows that it was there.
                AwsErrorKind::NotFound if error.code() == Some("InvalidAMIID.Unavailable") => {
                    Look::Ready(Ok(Settled::Gone))
                }
                AwsErrorKind::NotFound if begun.elapsed() >= patience.unknown => {
                    Look::Ready(Ok(Settled::Gone))
                }
                AwsErrorKind::NotFound => board.note(region, "not known yet", ""),
                AwsErrorKind::Unavailable | AwsErrorKind::Throttled => {
                    let why = causes(&error).pop().unwrap_or_default();
                    board.note(region, "no answer", &why)
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
