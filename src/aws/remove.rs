//! What a build makes in an account, as undo data, and how it is removed.
use super::{Account, Aws, AwsError, AwsErrorKind, SNAPSHOT, UPLOAD, tagged};
use crate::cx::{ResourceRef, Stop};
use aws_sdk_ec2::types::{
    BlockDeviceMapping, Filter, Image, ImageBlockPublicAccessEnabledState, InstanceStateName,
    SnapshotBlockPublicAccessState, Tag,
};
use std::{collections::BTreeMap, time::Duration};

/// The word for all of this in journals.
pub const DRIVER: &str = "aws";

/// Kinds of things that a build makes in an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An instance; it is terminated.
    Instance,
    /// A volume.
    Volume,
    /// A snapshot.
    Snapshot,
    /// The snapshot of an upload whose id nobody heard, by the upload's tag.
    Upload,
    /// An AMI with its snapshots.
    Image,
    /// AMIs that were made of a snapshot and whose ids nobody heard, by the id of the snapshot.
    ImageOf,
    /// A key pair, by name.
    KeyPair,
    /// A security group.
    SecurityGroup,
    /// An object in S3, as `bucket/key`.
    Object,
    /// A request for a spot instance, which would start another one; it is cancelled.
    SpotRequest,
    /// Leave to make `images` or `snapshots` public, given for a while; it is taken back.
    PublicLeave,
}

impl Kind {
    const ALL: [(Self, &'static str); 11] = [
        (Self::Instance, "instance"),
        (Self::Volume, "volume"),
        (Self::Snapshot, "snapshot"),
        (Self::Upload, "upload"),
        (Self::Image, "image"),
        (Self::ImageOf, "image-of"),
        (Self::KeyPair, "key-pair"),
        (Self::SecurityGroup, "security-group"),
        (Self::Object, "object"),
        (Self::SpotRequest, "spot-request"),
        (Self::PublicLeave, "public-leave"),
    ];

    /// As in [`ResourceRef::kind`].
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("thing", |(_, name)| name)
    }

    fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

/// Undo data for the thing `id`, which is in the session's region.
pub fn resource(aws: &Aws, kind: Kind, id: impl Into<String>) -> ResourceRef {
    let Account { profile, region, endpoint } = aws.account().clone();
    let details = [("profile", profile), ("region", region), ("endpoint", endpoint)];
    let details: BTreeMap<String, String> =
        details.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
    ResourceRef { driver: DRIVER.to_owned(), kind: kind.name().to_owned(), id: id.into(), details }
}

/// Removes a thing for good. Gone already is `Ok`.
pub async fn remove(resource: &ResourceRef, stop: &Stop) -> Result<(), AwsError> {
    let aws = Aws::open(&account(resource)).await?;
    remove_with(&aws, resource, stop).await
}

/// Where a thing is.
fn account(resource: &ResourceRef) -> Account {
    let detail = |name: &str| resource.details.get(name).cloned();
    Account { profile: detail("profile"), region: detail("region"), endpoint: detail("endpoint") }
}

/// As [`remove`], with this session if the thing is where it is.
pub async fn remove_with(aws: &Aws, resource: &ResourceRef, stop: &Stop) -> Result<(), AwsError> {
    let place = account(resource);
    let other = if *aws.account() == place { None } else { Some(Aws::open(&place).await?) };
    let aws = other.as_ref().unwrap_or(aws);
    let Some(kind) = Kind::of(&resource.kind) else {
        return Err(AwsError::new(AwsErrorKind::Usage, format!("remove {resource}"))
            .because("this goldsmith does not know such a thing: a newer one made it"));
    };
    let ids = match tagged::sought(&resource.details) {
        Some(tags) => tagged::find(aws, kind, &tags, stop.is_hurried()).await?,
        None => vec![resource.id.clone()],
    };
    for id in ids {
        unless_gone(patiently(aws, kind, &id, stop).await)?;
    }
    Ok(())
}

/// Gone already is a success.
fn unless_gone(removed: Result<impl Sized, AwsError>) -> Result<(), AwsError> {
    match removed {
        Err(error) if error.kind() != AwsErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A terminated instance holds on to its security group and its volumes for some seconds more.
async fn patiently(aws: &Aws, kind: Kind, id: &str, stop: &Stop) -> Result<(), AwsError> {
    const EVERY: Duration = Duration::from_secs(3);
    const LIMIT: Duration = Duration::from_mins(2);
    let begun = tokio::time::Instant::now();
    loop {
        let removed = one(aws, kind, id, stop).await;
        let in_use = |error: &AwsError| matches!(error.code(), Some("DependencyViolation" | "VolumeInUse"));
        match &removed {
            Err(error) if in_use(error) && !stop.is_hurried() && begun.elapsed() < LIMIT => {
                tokio::time::sleep(EVERY).await;
            }
            _ => return removed,
        }
    }
}

async fn one(aws: &Aws, kind: Kind, id: &str, stop: &Stop) -> Result<(), AwsError> {
    let ec2 = aws.ec2();
    let attempt = || format!("remove the {} `{id}` in {}", kind.name(), aws.region());
    match kind {
        Kind::Instance => {
            cancel_spot_request(aws, id).await?;
            ec2.terminate_instances()
                .instance_ids(id)
                .send()
                .await
                .map_err(|error| AwsError::of(attempt(), "TerminateInstances", error))?;
            terminated(aws, id, stop).await
        }
        Kind::Volume => ec2
            .delete_volume()
            .volume_id(id)
            .send()
            .await
            .map(drop)
            .map_err(|error| AwsError::of(attempt(), "DeleteVolume", error)),
        Kind::Snapshot => ec2
            .delete_snapshot()
            .snapshot_id(id)
            .send()
            .await
            .map(drop)
            .map_err(|error| AwsError::of(attempt(), "DeleteSnapshot", error)),
        Kind::Upload => upload(aws, id).await,
        Kind::Image => image(aws, id).await,
        Kind::ImageOf => {
            for image in images_of(aws, id).await? {
                self::image(aws, &image).await?;
            }
            Ok(())
        }
        Kind::KeyPair => ec2
            .delete_key_pair()
            .key_name(id)
            .send()
            .await
            .map(drop)
            .map_err(|error| AwsError::of(attempt(), "DeleteKeyPair", error)),
        Kind::SecurityGroup => ec2
            .delete_security_group()
            .group_id(id)
            .send()
            .await
            .map(drop)
            .map_err(|error| AwsError::of(attempt(), "DeleteSecurityGroup", error)),
        Kind::Object => {
            let (bucket, key) = id.split_once('/').unwrap_or((id, ""));
            aws.s3()
                .delete_object()
                .bucket(bucket)
                .key(key)
                .send()
                .await
                .map(drop)
                .map_err(|error| AwsError::of(attempt(), "DeleteObject", error))
        }
        Kind::SpotRequest => ec2
            .cancel_spot_instance_requests()
            .spot_instance_request_ids(id)
            .send()
            .await
            .map(drop)
            .map_err(|error| AwsError::of(attempt(), "CancelSpotInstanceRequests", error)),
        Kind::PublicLeave => forbid_public(aws, id).await,
    }
}

/// Forbids new public `images` or `snapshots` again. What is public stays so: a block of all sharing comes back as one of new sharing,
/// since it would take back what was just done.
async fn forbid_public(aws: &Aws, what: &str) -> Result<(), AwsError> {
    let attempt = || format!("forbid new public {what} in {} again", aws.region());
    if what == "images" {
        aws.ec2()
            .enable_image_block_public_access()
            .image_block_public_access_state(ImageBlockPublicAccessEnabledState::BlockNewSharing)
            .send()
            .await
            .map(drop)
            .map_err(|error| AwsError::of(attempt(), "EnableImageBlockPublicAccess", error))
    } else {
        aws.ec2()
            .enable_snapshot_block_public_access()
            .state(SnapshotBlockPublicAccessState::BlockNewSharing)
            .send()
            .await
            .map(drop)
            .map_err(|error| AwsError::of(attempt(), "EnableSnapshotBlockPublicAccess", error))
    }
}

/// A persistent request would start another instance when its own is terminated.
async fn cancel_spot_request(aws: &Aws, instance: &str) -> Result<(), AwsError> {
    let attempt = || format!("look at the instance `{instance}` in {}", aws.region());
    let answer = aws
        .ec2()
        .describe_instances()
        .instance_ids(instance)
        .send()
        .await
        .map_err(|error| AwsError::of(attempt(), "DescribeInstances", error))?;
    let instances = answer.reservations().iter().flat_map(|reservation| reservation.instances());
    for request in instances.filter_map(|instance| instance.spot_instance_request_id()) {
        let attempt = || format!("cancel the spot request `{request}` in {}", aws.region());
        let cancelled =
            aws.ec2().cancel_spot_instance_requests().spot_instance_request_ids(request).send().await;
        unless_gone(cancelled.map_err(|error| AwsError::of(attempt(), "CancelSpotInstanceRequests", error)))?;
    }
    Ok(())
}

/// Waits until an instance is gone: what it uses (its security group, its volumes) cannot be removed before.
async fn terminated(aws: &Aws, id: &str, stop: &Stop) -> Result<(), AwsError> {
    const EVERY: Duration = Duration::from_secs(3);
    const LIMIT: Duration = Duration::from_secs(300);
    let begun = tokio::time::Instant::now();
    let limit = if stop.is_hurried() { Duration::from_secs(30) } else { LIMIT };
    loop {
        let attempt = || format!("look at the instance `{id}` in {}", aws.region());
        let answer = aws
            .ec2()
            .describe_instances()
            .instance_ids(id)
            .send()
            .await
            .map_err(|error| AwsError::of(attempt(), "DescribeInstances", error))?;
        let state = answer
            .reservations()
            .iter()
            .flat_map(|reservation| reservation.instances())
            .find_map(|instance| instance.state()?.name().cloned());
        match state {
            None | Some(InstanceStateName::Terminated) => return Ok(()),
            Some(state) if begun.elapsed() >= limit => {
                return Err(AwsError::new(AwsErrorKind::Timeout, format!("see the instance `{id}` end"))
                    .because(format!("it is {} still", state.as_str())));
            }
            Some(_) => tokio::time::sleep(EVERY).await,
        }
    }
}

/// Deletes every snapshot that has the tag of this upload.
async fn upload(aws: &Aws, id: &str) -> Result<(), AwsError> {
    let attempt = || format!("look for the snapshot of the upload `{id}` in {}", aws.region());
    let filter = Filter::builder().name(format!("tag:{UPLOAD}")).values(id).build();
    let answer = aws
        .ec2()
        .describe_snapshots()
        .owner_ids("self")
        .filters(filter)
        .send()
        .await
        .map_err(|error| AwsError::of(attempt(), "DescribeSnapshots", error))?;
    for snapshot in answer.snapshots().iter().filter_map(|snapshot| snapshot.snapshot_id()) {
        let removed = aws.ec2().delete_snapshot().snapshot_id(snapshot).send().await;
        let attempt = || format!("remove the snapshot `{snapshot}` in {}", aws.region());
        unless_gone(removed.map_err(|error| AwsError::of(attempt(), "DeleteSnapshot", error)))?;
    }
    Ok(())
}

/// Our own AMIs that were made of a snapshot: by what they are made of, or by our tag.
pub async fn images_of(aws: &Aws, snapshot: &str) -> Result<Vec<String>, AwsError> {
    let attempt = || format!("look for images of the snapshot `{snapshot}` in {}", aws.region());
    let answer = aws
        .ec2()
        .describe_images()
        .owners("self")
        .include_disabled(true)
        .include_deprecated(true)
        .send()
        .await
        .map_err(|error| AwsError::of(attempt(), "DescribeImages", error))?;
    let is_of = |image: &&Image| {
        let mapped =
            |device: &BlockDeviceMapping| device.ebs().and_then(|ebs| ebs.snapshot_id()) == Some(snapshot);
        let tagged = |tag: &Tag| tag.key() == Some(SNAPSHOT) && tag.value() == Some(snapshot);
        image.block_device_mappings().iter().any(mapped) || image.tags().iter().any(tagged)
    };
    let ours = answer.images().iter().filter(is_of);
    Ok(ours.filter_map(|image| image.image_id()).map(ToOwned::to_owned).collect())
}

/// Deregisters an AMI, then deletes its snapshots: they cannot go before.
async fn image(aws: &Aws, id: &str) -> Result<(), AwsError> {
    let attempt = || format!("remove the image `{id}` in {}", aws.region());
    let ec2 = aws.ec2();
    let answer = ec2
        .describe_images()
        .image_ids(id)
        .send()
        .await
        .map_err(|error| AwsError::of(attempt(), "DescribeImages", error))?;
    let snapshots: Vec<String> = answer
        .images()
        .iter()
        .flat_map(|image| image.block_device_mappings())
        .filter_map(|device| device.ebs()?.snapshot_id().map(ToOwned::to_owned))
        .collect();
    if answer.images().is_empty() {
        return Ok(());
    }
    ec2.deregister_image()
        .image_id(id)
        .send()
        .await
        .map_err(|error| AwsError::of(attempt(), "DeregisterImage", error))?;
    for snapshot in snapshots {
        let removed = ec2.delete_snapshot().snapshot_id(&snapshot).send().await;
        let attempt = || format!("remove the snapshot `{snapshot}` of the image `{id}` in {}", aws.region());
        unless_gone(removed.map_err(|error| AwsError::of(attempt(), "DeleteSnapshot", error)))?;
    }
    Ok(())
}
