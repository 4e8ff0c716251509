//! An AMI of a second volume, which the build's steps filled: snapshot, then RegisterImage.
use super::{Ec2, find, image, machine, machine::Instance};
use crate::{
    aws::{Aws, AwsError},
    cx::{Cx, Event, Look, Sight, WaitError},
    driver::{Captured, DriverError, DriverErrorKind},
    plan::{AmiPlan, BootMode, RootVolume, SurrogatePlan},
};
use aws_sdk_ec2::{
    operation::register_image::builders::RegisterImageFluentBuilder,
    types::{
        BlockDeviceMapping, BootModeValues, ImdsSupportValues, ResourceType, SnapshotState, TpmSupportValues,
    },
};

/// The machine that has the second volume; the ones that prove the result have none.
pub(super) const ROLE: &str = "build";

/// Makes an AMI whose root is the surrogate volume of the instance.
pub(super) async fn capture(
    built: &Instance,
    cx: &Cx,
    ami: &AmiPlan,
    surrogate: &SurrogatePlan,
) -> Result<Captured, DriverError> {
    let ec2 = &built.ec2;
    let volume = volume(ec2, &built.launched.id, &surrogate.device).await?;
    let tags = image::tags(ec2, cx, &built.image, ami);
    let planned = image::Planned::new(ec2, cx)?;
    let attempt = || format!("make a snapshot of the volume `{volume}` in {}", ec2.aws.region());
    let made = ec2
        .aws
        .ec2()
        .create_snapshot()
        .volume_id(&volume)
        .description(format!("goldsmith build {} of {}", cx.id(), ami.name))
        .tag_specifications(tags.specification(ResourceType::Snapshot))
        .send()
        .await
        .map_err(|error| AwsError::of(attempt(), "CreateSnapshot", error))?;
    let snapshot = made.snapshot_id().unwrap_or_default().to_owned();
    planned.snapshot_known(ec2, cx, &snapshot)?;
    planned.unless_late(cx, complete(ec2, cx, &snapshot).await, &snapshot)?;

    let attempt = || format!("register the AMI `{}` in {}", ami.name, ec2.aws.region());
    let registered = request(&ec2.aws, ami, surrogate, &snapshot)
        .await?
        .tag_specifications(tags.specification(ResourceType::Image))
        .send()
        .await
        .map_err(|error| AwsError::of(attempt(), "RegisterImage", error));
    let id = match registered {
        Ok(registered) => registered.image_id().unwrap_or_default().to_owned(),
        Err(error) => image::ours_or(ec2, cx, error, &ami.name).await?,
    };
    planned.known(ec2, cx, &id)?;
    let available = planned.unless_late(cx, image::available(ec2, cx, &id).await, &id)?;
    Ok(Captured { image: find::kept(&ec2.aws, &available), undo: planned.handles(), is_the_machine: false })
}

/// The volume that is attached under this name.
async fn volume(ec2: &Ec2, instance: &str, device: &str) -> Result<String, DriverError> {
    let described = machine::describe(ec2, instance).await?;
    let attached = described.block_device_mappings().iter().find(|known| known.device_name() == Some(device));
    attached.and_then(|known| known.ebs()?.volume_id()).map(ToOwned::to_owned).ok_or_else(|| {
        image::impossible(
            format!("find the volume `{device}` of the instance `{instance}`"),
            "it has none of this name any more",
        )
    })
}

async fn complete(ec2: &Ec2, cx: &Cx, id: &str) -> Result<(), WaitError> {
    let what = format!("the snapshot {id} to be complete");
    let waited = cx
        .wait_for(&what, ec2.pace.image.get(), ec2.pace.every, || async {
            let attempt = || format!("look at the snapshot `{id}` in {}", ec2.aws.region());
            let answer = ec2.aws.ec2().describe_snapshots().snapshot_ids(id).send().await;
            let answer = match answer.map_err(|error| AwsError::of(attempt(), "DescribeSnapshots", error)) {
                Ok(answer) => answer,
                Err(error) if machine::passes(&error) => {
                    return Look::NotYet(vec![Sight::unknown("snapshot", machine::aws_text(&error))]);
                }
                Err(error) => return Look::Hopeless(error.into()),
            };
            let found = answer.snapshots().first();
            let why = found.and_then(|snapshot| snapshot.state_message()).unwrap_or_default();
            match found.and_then(|snapshot| snapshot.state()) {
                Some(SnapshotState::Completed) => Look::Ready(()),
                Some(SnapshotState::Error) => Look::Hopeless(format!("the snapshot failed ({why})").into()),
                state => {
                    let name = state.map_or("unknown", SnapshotState::as_str);
                    let done = found.and_then(|snapshot| image::percent(snapshot.progress()?));
                    let done = done.map(|percent| {
                        image::progress(cx, percent);
                        format!(", {percent} %")
                    });
                    Look::NotYet(vec![Sight::no("snapshot", format!("{name}{}", done.unwrap_or_default()))])
                }
            }
        })
        .await;
    cx.emit(Event::ProgressFinished { what: "snapshot".to_owned() });
    waited
}

/// What Amazon is told about the image.
async fn request(
    aws: &Aws,
    ami: &AmiPlan,
    surrogate: &SurrogatePlan,
    snapshot: &str,
) -> Result<RegisterImageFluentBuilder, DriverError> {
    let root = RootVolume {
        size: ami.volume.size.or(surrogate.volume.size),
        kind: Some(ami.volume.kind),
        iops: ami.volume.iops,
        throughput: ami.volume.throughput,
        // The snapshot's own.
        encrypted: None,
        kms_key: None,
    };
    let device = BlockDeviceMapping::builder()
        .device_name(&ami.root_device)
        .ebs(super::launch::ebs(&root).snapshot_id(snapshot).delete_on_termination(!ami.volume.keep).build());
    let boot_mode = match ami.boot_mode {
        BootMode::Bios => BootModeValues::LegacyBios,
        BootMode::Uefi => BootModeValues::Uefi,
        BootMode::UefiPreferred => BootModeValues::UefiPreferred,
    };
    let uefi_data = match &ami.uefi_data {
        Some(path) => Some(tokio::fs::read_to_string(path).await.map_err(|error| {
            DriverError::new(DriverErrorKind::NotFound, format!("read `{}`", path.display())).because(error)
        })?),
        None => None,
    };
    let mut request = aws
        .ec2()
        .register_image()
        .name(&ami.name)
        .set_description(ami.description.clone())
        .architecture(find::architecture(ami.arch).into())
        .virtualization_type("hvm")
        .root_device_name(&ami.root_device)
        .block_device_mappings(device.build())
        .boot_mode(boot_mode)
        .ena_support(ami.ena)
        .set_uefi_data(uefi_data.map(|text| text.trim().to_owned()));
    if ami.sriov {
        request = request.sriov_net_support("simple");
    }
    if ami.imds_v2 {
        request = request.imds_support(ImdsSupportValues::V20);
    }
    if ami.tpm {
        request = request.tpm_support(TpmSupportValues::V20);
    }
    Ok(request)
}
