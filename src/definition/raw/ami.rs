//! The table of an AMI.
use super::{Map, One, Text};
use crate::{
    definition::{
        reader::{Key, Table},
        table::table,
    },
    plan::{BootMode, VolumeKind},
    value::Size,
};

table! {
    /// What Amazon is told about an AMI. It is made in the account and region of `[aws]`, after its proof.
    "`ami` of an `[[output]]`", Ami {
        /// Its name, which is there only once in an account and region. Default: the image's name.
        name: optional Text,
        /// A text for people.
        description: optional Text,
        /// How instances start: `bios`, `uefi`, or `uefi-preferred` for images that can do both. Default: as `firmware` in `[machine]`
        /// says.
        boot_mode: optional One<BootMode>,
        /// Whether the image has a driver for Amazon's network card (ENA), without which newer instances do not start. Default: true.
        ena: optional bool,
        /// Whether the image has a driver for Intel's 82599 virtual functions, which older instances have. Default: false.
        sriov: optional bool,
        /// Whether instances tell their metadata only to who opens a session first (IMDSv2). Default: true.
        imds_v2: optional bool,
        /// Whether instances have a TPM 2.0; needs UEFI. Default: false.
        tpm: optional bool,
        /// A file with a store of UEFI variables as Amazon wants it (base64), for Secure Boot; relative to the definition's folder.
        uefi_data: optional Text,
        /// What Amazon calls the first disk. Default: `/dev/sda1`.
        root_device: optional Text,
        /// Size of the volume when it is to be larger than the disk, which is rounded up to whole GiB.
        volume_size: optional Size,
        /// Type of the volume: `gp3`, `gp2`, `io1`, `io2` or `standard`. Default: `gp3`.
        volume_type: optional One<VolumeKind>,
        /// Operations a second, for `gp3`, `io1` and `io2`.
        iops: optional u32,
        /// Throughput in MiB a second, for `gp3`.
        throughput: optional u32,
        /// Whether the volume goes with its instance. Default: true.
        delete_on_termination: optional bool,
        /// Whether snapshot and volumes are encrypted. Default: true with `kms-key`, else false.
        encrypted: optional bool,
        /// The ARN of the key to encrypt with. Default: the account's own for EBS.
        kms_key: optional Text,
        /// The id of an earlier snapshot (`snap-…`), or of the AMI that has it: only the blocks that differ from it are sent. Not for
        /// `driver = "ec2"`.
        parent: optional Text,
        /// Tags of the AMI and its snapshot.
        tags: optional Map<Text>,
    }
}

/// By how people find them.
pub(super) const TABLES: &[(&str, &[Key])] = &[(Ami::HEADER, Ami::KEYS)];
