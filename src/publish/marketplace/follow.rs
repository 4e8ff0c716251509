//! A change set on its way.
use super::Prepared;
use crate::{
    aws::{Aws, AwsError, AwsErrorKind},
    cx::{Cx, Look, Sight, WaitError},
};
use aws_sdk_marketplacecatalog::{
    operation::describe_change_set::DescribeChangeSetOutput, types::ChangeStatus,
};
use serde::Serialize;
use std::time::Duration;

/// How a change set is watched.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How often it is looked at.
    pub every: Duration,
    /// For how long. The Marketplace copies and scans the AMI, which takes it an hour, or several.
    pub limit: Duration,
}

/// A version that is in the Marketplace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Released {
    /// The change set.
    pub change_set: String,
    /// The product.
    pub product: String,
    /// What the version is called.
    pub title: String,
    /// What it recommends.
    pub instance_type: String,
    /// When it was done, as the Marketplace says it.
    pub ended: Option<String>,
}

/// What was wrong with a change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ProblemOfChange {
    /// Such as `INVALID_INPUT`.
    pub code: String,
    /// For people.
    pub message: String,
}

/// Waits for the end of the change set `id`.
pub(super) async fn to_its_end(
    cx: &Cx,
    aws: &Aws,
    prepared: &Prepared,
    id: &str,
    pace: Pace,
) -> Result<Released, AwsError> {
    let product = &prepared.change_set.product;
    let place = format!("https://aws.amazon.com/marketplace/management/requests/{id}");
    let what = format!("the change set `{id}` of the product `{product}`");
    let look = || async {
        match describe(aws, id).await {
            Ok(seen) => match seen.status() {
                Some(ChangeStatus::Succeeded | ChangeStatus::Failed | ChangeStatus::Cancelled) => {
                    Look::Ready(seen)
                }
                status => {
                    let status = status.map_or("unknown", ChangeStatus::as_str).to_lowercase();
                    Look::NotYet(vec![Sight::unknown("change set", status)])
                }
            },
            // It goes on there, whether we can see it or not.
            Err(error) if matches!(error.kind(), AwsErrorKind::Throttled | AwsErrorKind::Unavailable) => {
                Look::NotYet(vec![Sight::no("catalogue", error.to_string())])
            }
            Err(error) => Look::Hopeless(Box::new(error)),
        }
    };
    let again = format!("it goes on there: the same command follows it further, or look at {place}");
    let ended = cx.wait_for(&what, pace.limit, pace.every, look).await.map_err(|error| match error {
        WaitError::Cancelled(cancelled) => AwsError::from(cancelled).hint(&again),
        WaitError::TimedOut { .. } => {
            AwsError::new(AwsErrorKind::Timeout, format!("see the end of {what}")).because(error).hint(&again)
        }
        WaitError::Hopeless { source, .. } => {
            AwsError::new(AwsErrorKind::Other, format!("see the end of {what}")).because(source).hint(&again)
        }
    })?;
    if ended.status() == Some(&ChangeStatus::Succeeded) {
        return Ok(Released {
            change_set: id.to_owned(),
            product: product.clone(),
            title: prepared.title.clone(),
            instance_type: prepared.instance_type.clone(),
            ended: ended.end_time().map(ToOwned::to_owned),
        });
    }
    let attempt = format!("release `{}` to the product `{product}`", prepared.image);
    Err(AwsError::new(AwsErrorKind::Other, attempt).because(why(id, &ended)).hint(format!("see {place}")))
}

async fn describe(aws: &Aws, id: &str) -> Result<DescribeChangeSetOutput, AwsError> {
    aws.marketplace()
        .describe_change_set()
        .catalog(super::change_set::CATALOG)
        .change_set_id(id)
        .send()
        .await
        .map_err(|error| AwsError::of(format!("look at the change set `{id}`"), "DescribeChangeSet", error))
}

/// All that the catalogue says about a change set that failed.
fn why(id: &str, ended: &DescribeChangeSetOutput) -> String {
    let status = ended.status().map_or("unknown", ChangeStatus::as_str).to_lowercase();
    let mut text = format!("the change set `{id}` is {status}");
    if let Some(code) = ended.failure_code() {
        text += &format!(" ({})", code.as_str());
    }
    if let Some(description) = ended.failure_description() {
        text += &format!(": {description}");
    }
    for change in ended.change_set() {
        for error in change.error_detail_list() {
            let problem = ProblemOfChange {
                code: error.error_code().unwrap_or("unknown").to_owned(),
                message: error.error_message().unwrap_or_default().to_owned(),
            };
            text += &format!("\n    {}: {problem}", change.change_type().unwrap_or("change"));
        }
    }
    text
}
