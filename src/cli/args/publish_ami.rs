//! What the user may say about an AMI that is made of a disk.
use super::{AccountArgs, Source, name_and_value};
use crate::{
    plan::{BootMode, ROOT_DEVICE, VolumeKind},
    value::{Arch, Size},
};
use clap::{Args, ValueEnum, ValueHint};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(in crate::cli) struct PublishAmi {
    #[command(flatten)]
    pub(in crate::cli) source: Source,
    /// Name of the AMI, which must be new in the account and region
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) name: String,
    /// A text for people
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) description: Option<String>,
    /// Architecture of the disk [default: this host's]
    #[arg(long, value_name = "ARCH", value_enum)]
    pub(in crate::cli) arch: Option<ArchArg>,
    /// How instances start [default: what the partitions of the disk are for]
    #[arg(long, value_name = "MODE", value_enum)]
    pub(in crate::cli) boot_mode: Option<BootModeArg>,
    /// The disk has no driver for Amazon's network card (ENA)
    #[arg(long)]
    pub(in crate::cli) no_ena: bool,
    /// The disk has a driver for Intel's 82599 virtual functions
    #[arg(long)]
    pub(in crate::cli) sriov: bool,
    /// Let instances tell their metadata without a session (IMDSv1)
    #[arg(long)]
    pub(in crate::cli) no_imds_v2: bool,
    /// Give instances a TPM 2.0
    #[arg(long)]
    pub(in crate::cli) tpm: bool,
    /// A store of UEFI variables as Amazon wants it (base64), for Secure Boot
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) uefi_data: Option<PathBuf>,
    /// What Amazon calls the first disk
    #[arg(long, value_name = "DEVICE", default_value = ROOT_DEVICE)]
    pub(in crate::cli) root_device: String,
    /// Size of the volume, when it is to be larger than the disk
    #[arg(long, value_name = "SIZE")]
    pub(in crate::cli) volume_size: Option<Size>,
    /// Type of the volume
    #[arg(long, value_name = "TYPE", value_enum, default_value_t = VolumeKindArg::Gp3)]
    pub(in crate::cli) volume_type: VolumeKindArg,
    /// Operations a second of a gp3, io1 or io2 volume
    #[arg(long, value_name = "N")]
    pub(in crate::cli) iops: Option<u32>,
    /// Throughput of a gp3 volume in MiB a second
    #[arg(long, value_name = "N")]
    pub(in crate::cli) throughput: Option<u32>,
    /// Leave the volume when its instance goes
    #[arg(long)]
    pub(in crate::cli) keep_volume: bool,
    /// Encrypt the snapshot, and so all volumes that are made from it
    #[arg(long)]
    pub(in crate::cli) encrypted: bool,
    /// Encrypt it with this key [default: the account's own for EBS]
    #[arg(long, value_name = "ARN")]
    pub(in crate::cli) kms_key: Option<String>,
    /// Send only the difference to an earlier snapshot (`snap-…`), or to that of an AMI (`ami-…`)
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) parent: Option<String>,
    /// A tag of the AMI and its snapshot; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = name_and_value)]
    pub(in crate::cli) tags: Vec<(String, String)>,
    /// Send so many blocks at once, fewer where the service refuses them [default: as many as help, up to 128]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=128))]
    pub(in crate::cli) connections: Option<u16>,
    /// How many threads read and hash [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=32))]
    pub(in crate::cli) threads: Option<u16>,
    #[command(flatten)]
    pub(in crate::cli) account: AccountArgs,
}

/// The architecture of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ArchArg {
    /// 64-bit x86
    #[value(name = "x86_64", alias = "amd64")]
    X86_64,
    /// 64-bit ARM
    #[value(name = "aarch64", alias = "arm64")]
    Aarch64,
}

impl From<ArchArg> for Arch {
    fn from(arg: ArchArg) -> Self {
        match arg {
            ArchArg::X86_64 => Self::X86_64,
            ArchArg::Aarch64 => Self::Aarch64,
        }
    }
}

/// How instances start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum BootModeArg {
    /// By BIOS
    Bios,
    /// By UEFI
    Uefi,
    /// By UEFI where there is one, else by BIOS
    UefiPreferred,
}

impl From<BootModeArg> for BootMode {
    fn from(arg: BootModeArg) -> Self {
        match arg {
            BootModeArg::Bios => Self::Bios,
            BootModeArg::Uefi => Self::Uefi,
            BootModeArg::UefiPreferred => Self::UefiPreferred,
        }
    }
}

/// The type of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum VolumeKindArg {
    /// SSD
    Gp3,
    /// SSD, the older one
    Gp2,
    /// SSD with a stated number of operations a second, the older one
    Io1,
    /// SSD with a stated number of operations a second
    Io2,
    /// Magnetic
    Standard,
}

impl From<VolumeKindArg> for VolumeKind {
    fn from(arg: VolumeKindArg) -> Self {
        match arg {
            VolumeKindArg::Gp3 => Self::Gp3,
            VolumeKindArg::Gp2 => Self::Gp2,
            VolumeKindArg::Io1 => Self::Io1,
            VolumeKindArg::Io2 => Self::Io2,
            VolumeKindArg::Standard => Self::Standard,
        }
    }
}
