//! The calls around the blocks: a snapshot is started, completed, and awaited.
use super::{
    parent::Parent,
    record::Digests,
    trouble::{self, Trouble},
};
use crate::{
    aws::{Aws, AwsError, AwsErrorKind, Tags},
    cx::{Cx, Look, Sight},
};
use aws_sdk_ebs::config::retry::RetryConfig;
use aws_sdk_ebs::types::{ChecksumAggregationMethod, ChecksumAlgorithm, Tag};
use aws_sdk_ec2::types::SnapshotState;
use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// A snapshot is given up by the service when so many minutes pass without a block: enough for a night's pause of an upload, and short
/// enough that what is forgotten goes away ([StartSnapshot](https://docs.aws.amazon.com/ebs/latest/APIReference/API_StartSnapshot.html);
/// at most 4320).
const TIMEOUT_MINUTES: i32 = 24 * 60;
/// The longest that the service may take after the last block. Nothing is removed when it takes longer.
const COMPLETE_LIMIT: Duration = Duration::from_secs(4 * 3600);
/// How often a snapshot is looked at.
const EVERY: Duration = Duration::from_secs(2);
/// A new snapshot may be unknown to other servers of the service for so long.
const UNKNOWN_FOR: Duration = Duration::from_secs(120);
/// How often a call is repeated.
const ATTEMPTS: u32 = 8;

/// What a snapshot is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotSpec {
    /// Size of the disk in bytes; a volume has whole GiB.
    pub disk_bytes: u64,
    /// For people.
    pub description: String,
    /// Its tags.
    pub tags: Tags,
    /// Whether it is encrypted. Accounts may encrypt everything anyway.
    pub encrypted: bool,
    /// With which key, as an ARN.
    pub kms_key: Option<String>,
    /// The snapshot that only the difference to is sent. It says which key is used, so there is none here.
    pub parent: Option<Parent>,
    /// The same for each try of one upload: the service makes one snapshot of them.
    pub token: String,
}

/// Starts a snapshot; returns its id.
pub(super) async fn start(aws: &Aws, spec: &SnapshotSpec) -> Result<String, AwsError> {
    let attempt = || format!("start a snapshot in {}", aws.region());
    if spec.parent.is_some() && (spec.encrypted || spec.kms_key.is_some()) {
        return Err(AwsError::new(AwsErrorKind::Usage, attempt())
            .because("a snapshot with a parent is encrypted as its parent is: leave the key out"));
    }
    let gib = volume_gib(spec.disk_bytes);
    let size = i64::try_from(gib).ok().filter(|gib| *gib <= 65_536).ok_or_else(|| {
        AwsError::new(AwsErrorKind::Usage, attempt())
            .because(format!("the disk has {gib} GiB, and a volume has at most 65536"))
    })?;
    let tags = spec.tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
    let call = aws
        .ebs()
        .start_snapshot()
        .volume_size(size)
        .description(&spec.description)
        .set_tags(Some(tags.collect()))
        .client_token(&spec.token)
        .timeout(TIMEOUT_MINUTES)
        .set_encrypted(spec.encrypted.then_some(true))
        .set_kms_key_arn(spec.kms_key.clone())
        .set_parent_snapshot_id(spec.parent.as_ref().map(|parent| parent.snapshot().to_owned()));
    // The token makes it safe to ask again.
    let patient =
        aws_sdk_ebs::config::Builder::new().retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS));
    let started = call.customize().config_override(patient).send().await.map_err(|error| {
        let error = AwsError::of(attempt(), "StartSnapshot", error);
        match error.code() {
            Some("ConcurrentLimitExceededException" | "ServiceQuotaExceededException") => error
                .hint("too many snapshots are being made: `goldsmith gc` removes those of uploads that were given up"),
            Some("ValidationException") if spec.parent.is_some() => error.hint(
                "an account that encrypts everything by default takes no parent that is not encrypted: make an encrypted copy of \
                 the parent, or publish without one",
            ),
            _ => error,
        }
    })?;
    started.snapshot_id.ok_or_else(|| {
        AwsError::new(AwsErrorKind::Other, attempt()).because("StartSnapshot answered without an id")
    })
}

/// Whole GiB of the volume for a disk of so many bytes.
pub fn volume_gib(disk_bytes: u64) -> u64 {
    disk_bytes.div_ceil(1 << 30).max(1)
}

/// The digest of all digests, in the order of the blocks: what CompleteSnapshot compares (`LINEAR`). It is about "each written block", as
/// is the count ([CompleteSnapshot](https://docs.aws.amazon.com/ebs/latest/APIReference/API_CompleteSnapshot.html)): those that were sent
/// to this snapshot, not its parent's.
pub(super) fn linear(digests: &Digests) -> String {
    let mut hash = Sha256::new();
    for digest in digests.values() {
        hash.update(digest);
    }
    BASE64_STANDARD.encode(hash.finalize())
}

/// Says that all blocks are there. `again` when it may have been said before: a service that then knows of nothing to complete has done so.
pub(super) async fn complete(
    cx: &Cx,
    aws: &Aws,
    snapshot: &str,
    digests: &Digests,
    mut again: bool,
) -> Result<(), AwsError> {
    let attempt = || format!("complete the snapshot `{snapshot}` in {}", aws.region());
    let count = i32::try_from(digests.len())
        .map_err(|_| AwsError::new(AwsErrorKind::Usage, attempt()).because("it has too many blocks"))?;
    let mut tries = 0;
    loop {
        cx.check()?;
        let mut call = aws.ebs().complete_snapshot().snapshot_id(snapshot).changed_blocks_count(count);
        if count > 0 {
            call = call
                .checksum(linear(digests))
                .checksum_algorithm(ChecksumAlgorithm::ChecksumAlgorithmSha256)
                .checksum_aggregation_method(ChecksumAggregationMethod::ChecksumAggregationLinear);
        }
        let Err(error) = call.send().await else { return Ok(()) };
        let error = AwsError::of(attempt(), "CompleteSnapshot", error);
        tries += 1;
        match Trouble::of(&error) {
            Some(Trouble::Throttled | Trouble::Unavailable) if tries < ATTEMPTS * 2 => {
                again = true;
                cx.stop().unless_cancelled(tokio::time::sleep(trouble::pause(tries))).await?;
            }
            _ if again && matches!(error.code(), Some("ConflictException" | "ValidationException")) => {
                return Ok(());
            }
            _ => return Err(error),
        }
    }
}

/// Waits until a snapshot can be used.
pub async fn completed(cx: &Cx, aws: &Aws, snapshot: &str) -> Result<(), AwsError> {
    let what = format!("the snapshot `{snapshot}` in {}", aws.region());
    let begun = tokio::time::Instant::now();
    let look = || async {
        match state(aws, snapshot).await {
            Ok(Some((SnapshotState::Completed, _))) => Look::Ready(()),
            Ok(Some((SnapshotState::Error, why))) => Look::Hopeless(why.into()),
            Ok(Some((state, why))) => Look::NotYet(vec![Sight::no(state.as_str(), why)]),
            Ok(None) if begun.elapsed() < UNKNOWN_FOR => Look::NotYet(vec![Sight::no("known", "not yet")]),
            Ok(None) => Look::Hopeless("there is no such snapshot any more".into()),
            Err(error) if Trouble::of(&error).is_some() => {
                Look::NotYet(vec![Sight::unknown("state", error.to_string())])
            }
            Err(error) => Look::Hopeless(Box::new(error)),
        }
    };
    cx.wait_for(&what, COMPLETE_LIMIT, EVERY, look).await.map_err(AwsError::from)
}

/// The state of a snapshot with what is said about it; `None` when there is none.
pub(super) async fn state(aws: &Aws, snapshot: &str) -> Result<Option<(SnapshotState, String)>, AwsError> {
    let found = described(aws, snapshot).await?;
    Ok(found.and_then(|found| Some((found.state?, found.said))))
}

/// What EC2 says about a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::publish) struct Described {
    pub(in crate::publish) state: Option<SnapshotState>,
    /// How far it is, and why.
    pub(in crate::publish) said: String,
    /// Size of its volume.
    pub(in crate::publish) volume_gib: u64,
    pub(in crate::publish) encrypted: bool,
    /// With which key, as an ARN.
    pub(in crate::publish) kms_key: Option<String>,
}

/// What EC2 says about a snapshot; `None` when there is none.
pub(in crate::publish) async fn described(aws: &Aws, snapshot: &str) -> Result<Option<Described>, AwsError> {
    let attempt = || format!("look at the snapshot `{snapshot}` in {}", aws.region());
    let answer = aws.ec2().describe_snapshots().snapshot_ids(snapshot).send().await;
    let answer = match answer.map_err(|error| AwsError::of(attempt(), "DescribeSnapshots", error)) {
        Err(error) if error.kind() == AwsErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let Some(found) = answer.snapshots().first() else { return Ok(None) };
    let said = [found.progress(), found.state_message()];
    let said: Vec<&str> = said.into_iter().flatten().filter(|text| !text.is_empty()).collect();
    Ok(Some(Described {
        state: found.state().cloned(),
        said: said.join(", "),
        volume_gib: found.volume_size().and_then(|gib| u64::try_from(gib).ok()).unwrap_or_default(),
        encrypted: found.encrypted().unwrap_or_default(),
        kms_key: found.kms_key_id().filter(|key| !key.is_empty()).map(ToOwned::to_owned),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_has_whole_gib_and_at_least_one() {
        assert_eq!([0, 1, 1 << 30, (1 << 30) + 1].map(volume_gib), [1, 1, 1, 2]);
    }

    #[test]
    fn the_linear_checksum_is_over_the_digests_in_the_order_of_the_blocks() {
        let digests = Digests::from([(7, [2; 32]), (1, [1; 32])]);
        let joined = [[1; 32], [2; 32]].concat();
        assert_eq!(linear(&digests), BASE64_STANDARD.encode(Sha256::digest(joined)));
    }
}
