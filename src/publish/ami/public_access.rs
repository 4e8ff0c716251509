//! An account's block of public access: one for AMIs and one for snapshots, in each region.
use crate::{
    aws::{Aws, AwsError, AwsErrorKind},
    cx::{Cx, Look, Sight},
};
use aws_sdk_ec2::types::{
    ImageBlockPublicAccessEnabledState, ManagedBy, SnapshotBlockPublicAccessState as Snapshots,
};
use std::time::Duration;

/// What a region forbids.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Blocks {
    /// AMIs cannot become public.
    pub images: bool,
    /// Snapshots cannot become public; the state in EC2's words.
    pub snapshots: Option<String>,
    /// The organisation decides, not the account.
    pub by_policy: bool,
}

impl Blocks {
    /// Whether anything is forbidden.
    pub fn any(&self) -> bool {
        self.images || self.snapshots.is_some()
    }
}

/// What the session's region forbids
/// ([GetImageBlockPublicAccessState](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetImageBlockPublicAccessState.html)).
pub async fn blocks(aws: &Aws, with_snapshots: bool) -> Result<Blocks, AwsError> {
    let attempt = || format!("see whether public images are allowed in {}", aws.region());
    let images = aws
        .ec2()
        .get_image_block_public_access_state()
        .send()
        .await
        .map_err(|error| AwsError::of(attempt(), "GetImageBlockPublicAccessState", error))?;
    let policy = |managed: Option<&ManagedBy>| managed == Some(&ManagedBy::DeclarativePolicy);
    let mut blocks = Blocks {
        images: images.image_block_public_access_state().is_some_and(|state| state != "unblocked"),
        snapshots: None,
        by_policy: policy(images.managed_by()),
    };
    if with_snapshots {
        let snapshots = aws
            .ec2()
            .get_snapshot_block_public_access_state()
            .send()
            .await
            .map_err(|error| AwsError::of(attempt(), "GetSnapshotBlockPublicAccessState", error))?;
        blocks.by_policy |= policy(snapshots.managed_by());
        blocks.snapshots = snapshots
            .state()
            .filter(|state| **state != Snapshots::Unblocked)
            .map(|state| state.as_str().to_owned());
    }
    blocks.by_policy &= blocks.any();
    Ok(blocks)
}

/// Takes away what forbids public images, and waits until that holds: EC2 may take ten minutes.
pub(super) async fn lift(cx: &Cx, aws: &Aws, before: &Blocks, every: Duration) -> Result<(), AwsError> {
    const LIMIT: Duration = Duration::from_secs(20 * 60);
    let attempt = || format!("allow public images in {}", aws.region());
    if before.images {
        aws.ec2()
            .disable_image_block_public_access()
            .send()
            .await
            .map_err(|error| AwsError::of(attempt(), "DisableImageBlockPublicAccess", error))?;
    }
    if before.snapshots.is_some() {
        aws.ec2()
            .disable_snapshot_block_public_access()
            .send()
            .await
            .map_err(|error| AwsError::of(attempt(), "DisableSnapshotBlockPublicAccess", error))?;
    }
    let with_snapshots = before.snapshots.is_some();
    let what = format!("public images to be allowed in {}", aws.region());
    cx.wait_for(&what, LIMIT, every, async || match blocks(aws, with_snapshots).await {
        Ok(now) if !now.any() => Look::Ready(()),
        Ok(now) => Look::NotYet(vec![
            Sight { label: "images".into(), up: Some(!now.images), detail: String::new() },
            Sight { label: "snapshots".into(), up: Some(now.snapshots.is_none()), detail: String::new() },
        ]),
        Err(error) => Look::Hopeless(error.into()),
    })
    .await
    .map_err(AwsError::from)
}

/// Forbids new public images again. What is public stays so: a block of all sharing comes back as one of new sharing, since it would take
/// back what was just done.
pub(super) async fn restore(aws: &Aws, before: &Blocks) -> Result<(), AwsError> {
    let attempt = || format!("forbid new public images in {} again", aws.region());
    if before.images {
        aws.ec2()
            .enable_image_block_public_access()
            .image_block_public_access_state(ImageBlockPublicAccessEnabledState::BlockNewSharing)
            .send()
            .await
            .map_err(|error| AwsError::of(attempt(), "EnableImageBlockPublicAccess", error))?;
    }
    if before.snapshots.is_some() {
        aws.ec2()
            .enable_snapshot_block_public_access()
            .state(Snapshots::BlockNewSharing)
            .send()
            .await
            .map_err(|error| AwsError::of(attempt(), "EnableSnapshotBlockPublicAccess", error))?;
    }
    Ok(())
}

/// The error for regions that forbid what was asked for.
pub(super) fn forbidden(regions: &[&str], by_policy: bool) -> AwsError {
    let error = AwsError::new(AwsErrorKind::Usage, "make images public")
        .because(format!("the account's block of public access forbids it in {}", regions.join(", ")));
    if by_policy {
        error.hint("a policy of the organisation sets this block; only its management account can change it")
    } else {
        error.hint("`--lift-public-access-block` takes it away there, for all images of the account; nothing was copied")
    }
}
