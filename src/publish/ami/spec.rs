//! What Amazon is told about an AMI, in its own words.
use crate::{
    aws::{Aws, AwsError, AwsErrorKind, Tags},
    plan::{AmiPlan, AmiVolume, BootMode, VolumeKind},
    publish::ebs::volume_gib,
    value::Arch,
};
use aws_sdk_ec2::{
    operation::register_image::builders::RegisterImageFluentBuilder,
    types::{
        ArchitectureValues, BlockDeviceMapping, BootModeValues, EbsBlockDevice, ImdsSupportValues,
        ResourceType, TpmSupportValues, VolumeType,
    },
};

/// UEFI variables are some KiB; Amazon takes at most 64.
const MOST_UEFI_DATA: u64 = 64 << 10;

/// The call that makes `ami` of `snapshot`.
pub(super) async fn request(
    aws: &Aws,
    ami: &AmiPlan,
    snapshot: &str,
    tags: &Tags,
) -> Result<RegisterImageFluentBuilder, AwsError> {
    let uefi_data = uefi_data(ami).await?;
    Ok(aws
        .ec2()
        .register_image()
        .name(&ami.name)
        .set_description(ami.description.clone())
        .architecture(match ami.arch {
            Arch::X86_64 => ArchitectureValues::X8664,
            Arch::Aarch64 => ArchitectureValues::Arm64,
        })
        // Unsaid, it is `paravirtual`, which no system of today is.
        .virtualization_type("hvm")
        .boot_mode(match ami.boot_mode {
            BootMode::Bios => BootModeValues::LegacyBios,
            BootMode::Uefi => BootModeValues::Uefi,
            BootMode::UefiPreferred => BootModeValues::UefiPreferred,
        })
        .ena_support(ami.ena)
        .set_sriov_net_support(ami.sriov.then(|| "simple".to_owned()))
        .set_imds_support(ami.imds_v2.then_some(ImdsSupportValues::V20))
        .set_tpm_support(ami.tpm.then_some(TpmSupportValues::V20))
        .set_uefi_data(uefi_data)
        .root_device_name(&ami.root_device)
        .block_device_mappings(
            BlockDeviceMapping::builder()
                .device_name(&ami.root_device)
                .ebs(volume(&ami.volume, snapshot))
                .build(),
        )
        .tag_specifications(tags.specification(ResourceType::Image)))
}

/// Encryption is left out: the snapshot has it, and saying it again is refused.
fn volume(volume: &AmiVolume, snapshot: &str) -> EbsBlockDevice {
    let whole = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    EbsBlockDevice::builder()
        .snapshot_id(snapshot)
        .delete_on_termination(!volume.keep)
        .volume_type(match volume.kind {
            VolumeKind::Gp2 => VolumeType::Gp2,
            VolumeKind::Gp3 => VolumeType::Gp3,
            VolumeKind::Io1 => VolumeType::Io1,
            VolumeKind::Io2 => VolumeType::Io2,
            VolumeKind::Standard => VolumeType::Standard,
        })
        .set_volume_size(volume.size.map(|size| whole(volume_gib(size.as_bytes()) as u32)))
        .set_iops(volume.iops.map(whole))
        .set_throughput(volume.throughput.map(whole))
        .build()
}

/// The store of UEFI variables, as text. Looked at before anything is made.
pub(super) async fn uefi_data(ami: &AmiPlan) -> Result<Option<String>, AwsError> {
    let Some(path) = &ami.uefi_data else { return Ok(None) };
    let attempt = || format!("read the UEFI variables in `{}`", path.display());
    let wrong = |why: String| AwsError::new(AwsErrorKind::Usage, attempt()).because(why);
    let metadata = tokio::fs::metadata(path).await.map_err(|error| wrong(error.to_string()))?;
    if metadata.len() > MOST_UEFI_DATA {
        return Err(wrong("a store of UEFI variables has at most 64 KiB".to_owned()));
    }
    let text = tokio::fs::read_to_string(path).await.map_err(|error| wrong(error.to_string()))?;
    let text = text.split_ascii_whitespace().collect::<String>();
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    if text.is_empty() || !text.bytes().all(base64) {
        return Err(wrong("it is not base64".to_owned())
            .hint("`aws ec2 get-instance-uefi-data` and `uefivars -i json -o aws` write such files"));
    }
    Ok(Some(text))
}

/// An error about the first value that Amazon would refuse.
pub(super) fn check(ami: &AmiPlan, snapshot_bytes: Option<u64>) -> Result<(), AwsError> {
    let attempt = || format!("make the AMI `{}`", ami.name);
    if let Some(fault) = ami.faults().into_iter().next() {
        return Err(AwsError::new(AwsErrorKind::Usage, attempt()).because(fault.why));
    }
    if let (Some(size), Some(bytes)) = (ami.volume.size, snapshot_bytes)
        && volume_gib(size.as_bytes()) < volume_gib(bytes)
    {
        return Err(AwsError::new(AwsErrorKind::Usage, attempt())
            .because(format!("its volume has {size}, and the disk takes {} GiB", volume_gib(bytes))));
    }
    Ok(())
}
