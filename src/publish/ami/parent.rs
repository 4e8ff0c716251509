//! Which snapshot an AMI is to be the difference to, and whether it can be.
use super::find;
use crate::{
    aws::{Aws, AwsError, AwsErrorKind},
    cx::Cx,
    plan::AmiPlan,
    publish::ebs::{self, volume_gib},
    value::Size,
};
use aws_sdk_ec2::types::SnapshotState;

/// A snapshot that can be a parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// Its id.
    pub snapshot: String,
    /// Size of its volume.
    pub volume_gib: u64,
    /// The key that it is encrypted with, if it is.
    key: Option<String>,
}

/// The parent of `ami`, if it has one, when it can be that of a disk of so many bytes. Makes nothing.
pub async fn base(aws: &Aws, ami: &AmiPlan, disk_bytes: Option<u64>) -> Result<Option<Base>, AwsError> {
    let Some(parent) = &ami.parent else { return Ok(None) };
    let snapshot = if parent.starts_with("ami-") { root_of(aws, parent).await? } else { parent.clone() };
    let attempt = || format!("publish the difference to the snapshot `{snapshot}` in {}", aws.region());
    let wrong = |why: String| AwsError::new(AwsErrorKind::Usage, attempt()).because(why);
    let Some(found) = ebs::described(aws, &snapshot).await? else {
        return Err(AwsError::new(AwsErrorKind::NotFound, attempt()).because("there is no such snapshot").hint(
            format!("snapshots belong to one region: say which with `--region` or `region` in `[aws]`; this was {}", aws.region()),
        ));
    };
    if found.state != Some(SnapshotState::Completed) {
        let state = found.state.as_ref().map_or("unknown", SnapshotState::as_str);
        return Err(wrong(format!("it is `{state}`, and only a completed snapshot can be a parent")));
    }
    if let Some(bytes) = disk_bytes
        && volume_gib(bytes) < found.volume_gib
    {
        let (gib, disk) = (found.volume_gib, Size::bytes(bytes));
        return Err(wrong(format!(
            "its volume has {gib} GiB, and the disk only {disk}: a volume never shrinks"
        ))
        .hint("publish it without a parent: it is another disk"));
    }
    let volume = &ami.volume;
    if volume.encrypted && !found.encrypted {
        return Err(wrong("it is not encrypted, and what lies over it cannot be".to_owned()).hint(
            "publish without a parent, or over an encrypted copy of it (`aws ec2 copy-snapshot --encrypted`)",
        ));
    }
    if let (Some(wanted), Some(has)) = (&volume.kms_key, &found.kms_key)
        && wanted != has
    {
        return Err(wrong(format!(
            "it is encrypted with {has}, as will be what lies over it, and not with {wanted}"
        ))
        .hint("leave the key out, or publish without a parent"));
    }
    let key = found.encrypted.then(|| found.kms_key.unwrap_or_else(|| "its key".to_owned()));
    Ok(Some(Base { snapshot, volume_gib: found.volume_gib, key }))
}

/// The snapshot of an AMI's root device.
async fn root_of(aws: &Aws, ami: &str) -> Result<String, AwsError> {
    let found = find::one(aws, ami).await?;
    found.snapshots.into_iter().next().ok_or_else(|| {
        AwsError::new(AwsErrorKind::Usage, format!("publish the difference to the AMI `{ami}`"))
            .because("it has no snapshot")
    })
}

impl Base {
    /// Says what nobody asked for, but comes with the parent.
    pub fn tell(&self, cx: &Cx, ami: &AmiPlan) {
        if let Some(key) = &self.key
            && !ami.volume.encrypted
        {
            cx.events().notice(format!(
                "the snapshot is encrypted with {key}, as its parent `{}` is",
                self.snapshot
            ));
        }
    }
}
