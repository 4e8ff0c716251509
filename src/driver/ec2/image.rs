//! An AMI of an instance that is stopped.
use super::{Ec2, find, launch, machine::Instance, machine::aws_text, machine::passes};
use crate::{
    aws::{self, AwsError, AwsErrorKind, Kind, Tags},
    cx::{Cx, Event, Look, Sight, Undo, UndoHandle, Unit, WaitError},
    driver::{Captured, DriverError, DriverErrorKind},
    plan::{AmiPlan, RootVolume},
};
use aws_sdk_ec2::types::{
    AttributeValue, BlockDeviceMapping, Image, ImageState, ImdsSupportValues, ResourceType,
};

/// The role of an image and its snapshots, as in [`crate::aws::ROLE`].
pub(super) const ROLE: &str = "image";
/// What progress is called.
const WHAT: &str = "snapshot";

/// Makes an AMI of the instance with all of its volumes. It keeps what the source's has: boot mode, billing codes, UEFI variables.
pub(super) async fn capture(machine: &Instance, cx: &Cx, ami: &AmiPlan) -> Result<Captured, DriverError> {
    let (ec2, id) = (&machine.ec2, &machine.launched.id);
    let tags = tags(ec2, cx, &machine.image, ami);
    let planned = Planned::new(ec2, cx)?;
    let attempt = || format!("make the AMI `{}` of the instance `{id}` in {}", ami.name, ec2.aws.region());
    let root = BlockDeviceMapping::builder()
        .device_name(&machine.launched.root_device)
        .ebs(launch::ebs(&volume(ami)).delete_on_termination(!ami.volume.keep).build())
        .build();
    let made = ec2
        .aws
        .ec2()
        .create_image()
        .instance_id(id)
        .name(&ami.name)
        .set_description(ami.description.clone())
        // It is stopped already.
        .no_reboot(true)
        .block_device_mappings(root)
        .tag_specifications(tags.specification(ResourceType::Image))
        .tag_specifications(tags.specification(ResourceType::Snapshot))
        .send()
        .await
        .map_err(|error| AwsError::of(attempt(), "CreateImage", error));
    let image = match made {
        Ok(made) => made.image_id().unwrap_or_default().to_owned(),
        Err(error) => ours_or(ec2, cx, error, &ami.name).await?,
    };
    planned.known(ec2, cx, &image)?;
    let available = planned.unless_late(cx, available(ec2, cx, &image).await, &image)?;
    // What CreateImage has no parameter for.
    if ami.imds_v2 && available.imds_support() != Some(&ImdsSupportValues::V20) {
        let attempt = || format!("make IMDSv2 the rule of the AMI `{image}` in {}", ec2.aws.region());
        let value = AttributeValue::builder().value("v2.0").build();
        ec2.aws
            .ec2()
            .modify_image_attribute()
            .image_id(&image)
            .attribute("imdsSupport")
            .imds_support(value)
            .send()
            .await
            .map_err(|error| AwsError::of(attempt(), "ModifyImageAttribute", error))?;
    }
    Ok(Captured { image: find::kept(&ec2.aws, &available), undo: planned.handles(), is_the_machine: false })
}

/// The volume of the image's root, as instances of it get it. Encryption is the volume's own.
fn volume(ami: &AmiPlan) -> RootVolume {
    RootVolume {
        size: ami.volume.size,
        kind: Some(ami.volume.kind),
        iops: ami.volume.iops,
        throughput: ami.volume.throughput,
        encrypted: None,
        kms_key: None,
    }
}

/// The tags of an image and its snapshots.
pub(super) fn tags(ec2: &Ec2, cx: &Cx, image: &str, ami: &AmiPlan) -> Tags {
    Tags::of(cx.id(), image).role(ROLE).and(&ami.tags).and(&ec2.plan.tags)
}

/// The name is there once in an account and region. It may be this build's own: the answer to the first attempt was lost, and the SDK
/// has tried again.
pub(super) async fn ours_or(ec2: &Ec2, cx: &Cx, error: AwsError, name: &str) -> Result<String, AwsError> {
    if error.kind() != AwsErrorKind::Exists {
        return Err(error);
    }
    let ours = aws::of_role(&ec2.aws, Kind::Image, cx.id(), ROLE).await?;
    ours.into_iter().next().ok_or_else(|| {
        error.hint(format!(
            "an AMI of this name exists: give this one another `ami.name` than `{name}`, or deregister the old one"
        ))
    })
}

/// Undo entries of an image and its snapshots. The snapshots were planned first: they cannot go before the image.
pub(super) struct Planned {
    snapshots: UndoHandle,
    image: UndoHandle,
}

impl Planned {
    pub(super) fn new(ec2: &Ec2, cx: &Cx) -> Result<Self, DriverError> {
        let plan = |kind| cx.undo().plan(Undo::Resource(aws::tagged(&ec2.aws, kind, cx.id(), ROLE)));
        Ok(Self { snapshots: plan(Kind::Snapshot)?, image: plan(Kind::Image)? })
    }

    /// The image has an id.
    pub(super) fn known(&self, ec2: &Ec2, cx: &Cx, image: &str) -> Result<(), DriverError> {
        Ok(cx.undo().resolve(self.image, Undo::Resource(aws::resource(&ec2.aws, Kind::Image, image)))?)
    }

    /// The snapshot has an id, by which an image that is made of it is found too.
    pub(super) fn snapshot_known(&self, ec2: &Ec2, cx: &Cx, id: &str) -> Result<(), DriverError> {
        let of = |kind| Undo::Resource(aws::resource(&ec2.aws, kind, id));
        cx.undo().resolve(self.snapshots, of(Kind::Snapshot))?;
        Ok(cx.undo().resolve(self.image, of(Kind::ImageOf))?)
    }

    /// What it waited for; an image that takes long is not removed for that: Amazon goes on with it.
    pub(super) fn unless_late<T>(
        &self,
        cx: &Cx,
        waited: Result<T, WaitError>,
        id: &str,
    ) -> Result<T, DriverError> {
        match waited {
            Err(late @ WaitError::TimedOut { .. }) => {
                for handle in self.handles() {
                    cx.undo().keep(handle)?;
                }
                Err(DriverError::from(late).hint(format!(
                    "`{id}` is kept, and Amazon goes on with it: look with `aws ec2 describe-images --image-ids {id}`, then prove it \
                     with `goldsmith ami test {id}`"
                )))
            }
            other => Ok(other?),
        }
    }

    pub(super) fn handles(&self) -> Vec<UndoHandle> {
        vec![self.snapshots, self.image]
    }
}

/// Waits until the image can be used, and tells how far its snapshots are.
pub(super) async fn available(ec2: &Ec2, cx: &Cx, id: &str) -> Result<Image, WaitError> {
    let what = format!("the AMI {id} to be available");
    let waited = cx
        .wait_for(&what, ec2.pace.image.get(), ec2.pace.every, || async {
            let attempt = || format!("look at the AMI `{id}` in {}", ec2.aws.region());
            let answer = ec2.aws.ec2().describe_images().image_ids(id).send().await;
            let answer = match answer.map_err(|error| AwsError::of(attempt(), "DescribeImages", error)) {
                Ok(answer) => answer,
                Err(error) if passes(&error) => {
                    return Look::NotYet(vec![Sight::unknown("AMI", aws_text(&error))]);
                }
                Err(error) => return Look::Hopeless(error.into()),
            };
            let Some(image) = answer.images().first() else {
                return Look::NotYet(vec![Sight::unknown("AMI", "not known everywhere yet")]);
            };
            let reason = image.state_reason().and_then(|reason| reason.message()).unwrap_or_default();
            let why = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
            match image.state() {
                Some(ImageState::Available) => Look::Ready(image.clone()),
                Some(state @ (ImageState::Pending | ImageState::Transient)) => {
                    let mut seen = vec![Sight::no("AMI", format!("{}{why}", state.as_str()))];
                    seen.extend(snapshots(ec2, cx).await);
                    Look::NotYet(seen)
                }
                Some(state) => Look::Hopeless(format!("the AMI is {}{why}", state.as_str()).into()),
                None => Look::NotYet(vec![Sight::unknown("AMI", "no state is told")]),
            }
        })
        .await;
    cx.emit(Event::ProgressFinished { what: WHAT.to_owned() });
    waited
}

/// How far the snapshots of this build's image are.
async fn snapshots(ec2: &Ec2, cx: &Cx) -> Option<Sight> {
    let filter = |key: &str, value: &str| {
        aws_sdk_ec2::types::Filter::builder().name(format!("tag:{key}")).values(value).build()
    };
    let answer = ec2
        .aws
        .ec2()
        .describe_snapshots()
        .owner_ids("self")
        .filters(filter(aws::BUILD, cx.id().as_str()))
        .filters(filter(aws::ROLE, ROLE))
        .send()
        .await
        .ok()?;
    let all: Vec<u64> =
        answer.snapshots().iter().filter_map(|snapshot| percent(snapshot.progress()?)).collect();
    let least = all.iter().min().copied()?;
    progress(cx, least);
    Some(Sight::no("snapshot", format!("{least} %")))
}

/// Tells how far a snapshot is.
pub(super) fn progress(cx: &Cx, percent: u64) {
    cx.emit(Event::Progress { what: WHAT.to_owned(), done: percent, total: Some(100), unit: Unit::Items });
}

/// `34%`.
pub(super) fn percent(text: &str) -> Option<u64> {
    text.trim().trim_end_matches('%').parse().ok().filter(|percent| *percent <= 100)
}

/// An error of what a driver must never be asked.
pub(super) fn impossible(attempt: String, why: &str) -> DriverError {
    DriverError::new(DriverErrorKind::Other, attempt).because(why)
}
