//! An account's block of public access: one for AMIs and one for snapshots, in each region.
use crate::{
    aws::{self, Aws, AwsError, AwsErrorKind, Kind, resource},
    cx::{Cx, Look, ResourceRef, Sight, Undo, UndoHandle},
};
use aws_sdk_ec2::types::{ManagedBy, SnapshotBlockPublicAccessState as Snapshots};
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

/// Leave to make images public, in one region.
#[derive(Debug)]
pub(super) struct Leave {
    aws: Aws,
    taken: Vec<(ResourceRef, UndoHandle)>,
}

/// Takes away what forbids public images, and waits until that holds: EC2 may take ten minutes. Who ends here leaves the account's block
/// lifted only if `stays`: otherwise it comes back with [`Leave::restore`], or by undoing.
pub(super) async fn lift(
    cx: &Cx,
    aws: &Aws,
    before: &Blocks,
    stays: bool,
    every: Duration,
) -> Result<Leave, AwsError> {
    const LIMIT: Duration = Duration::from_secs(20 * 60);
    let attempt = || format!("allow public images in {}", aws.region());
    let mut leave = Leave { aws: aws.clone(), taken: Vec::new() };
    let mut plan = |what: &str| -> Result<(), AwsError> {
        if !stays {
            let undo = resource(aws, Kind::PublicLeave, what);
            leave.taken.push((undo.clone(), cx.undo().plan(Undo::Resource(undo))?));
        }
        Ok(())
    };
    if before.images {
        plan("images")?;
        aws.ec2()
            .disable_image_block_public_access()
            .send()
            .await
            .map_err(|error| AwsError::of(attempt(), "DisableImageBlockPublicAccess", error))?;
    }
    if before.snapshots.is_some() {
        plan("snapshots")?;
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
    .await?;
    Ok(leave)
}

impl Leave {
    /// Forbids new public images again.
    pub(super) async fn restore(self, cx: &Cx) -> Result<(), AwsError> {
        for (resource, handle) in self.taken {
            aws::remove_with(&self.aws, &resource, cx.stop()).await?;
            cx.undo().keep(handle)?;
        }
        Ok(())
    }
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
