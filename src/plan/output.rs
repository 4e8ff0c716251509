//! What is delivered and how it is proved.
use super::Firmware;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, ops::RangeInclusive, path::PathBuf};

/// Format of a delivered file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum OutputFormat {
    /// The disk's bytes, sparse.
    #[serde(rename = "raw")]
    Raw,
    /// The disk's bytes, compressed with gzip.
    #[serde(rename = "raw.gz")]
    RawGz,
    /// The disk's bytes, compressed with zstd.
    #[serde(rename = "raw.zst")]
    RawZst,
    /// The disk's bytes, compressed with xz.
    #[serde(rename = "raw.xz")]
    RawXz,
    /// The disk's bytes, compressed with lz4.
    #[serde(rename = "raw.lz4")]
    RawLz4,
    /// QEMU copy-on-write, version 3.
    #[serde(rename = "qcow2")]
    Qcow2,
    /// VMware's streamOptimized disk.
    #[serde(rename = "vmdk")]
    Vmdk,
    /// Such a disk and the description of its machine, for vSphere and other importers of OVF.
    #[serde(rename = "ova")]
    Ova,
    /// A fixed VHD.
    #[serde(rename = "vhd")]
    Vhd,
}

impl OutputFormat {
    /// As in a definition; also the usual file extension.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::RawGz => "raw.gz",
            Self::RawZst => "raw.zst",
            Self::RawXz => "raw.xz",
            Self::RawLz4 => "raw.lz4",
            Self::Qcow2 => "qcow2",
            Self::Vmdk => "vmdk",
            Self::Ova => "ova",
            Self::Vhd => "vhd",
        }
    }

    /// The compression levels that it has, from fast to small; `None` if it has none.
    pub const fn levels(self) -> Option<RangeInclusive<u32>> {
        match self {
            Self::Raw | Self::RawLz4 | Self::Vhd => None,
            Self::RawXz => Some(0..=9),
            Self::RawZst => Some(1..=19),
            // libdeflate's.
            Self::RawGz | Self::Qcow2 | Self::Vmdk | Self::Ova => Some(1..=12),
        }
    }

    /// Whether it is to be unpacked before it can be used as a disk.
    pub const fn is_packed(self) -> bool {
        matches!(self, Self::RawGz | Self::RawZst | Self::RawXz | Self::RawLz4 | Self::Ova)
    }
}

/// How a qcow2 is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// By zlib, which every reader of qcow2 knows.
    Zlib,
    /// By zstd, which QEMU knows since 5.1: faster in both directions.
    Zstd,
}

impl std::fmt::Display for OutputFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// One file to deliver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct OutputPlan {
    /// Its format.
    pub format: OutputFormat,
    /// Its place, absolute.
    pub path: PathBuf,
    /// Compression level; what it means depends on the format.
    pub level: Option<u32>,
    /// How a qcow2 is compressed, if it is.
    pub compression: Option<Compression>,
    /// What an OVA says about its machine.
    pub ova: Option<OvaPlan>,
}

/// What an OVA says about its machine, besides what the plan and the guest say anyway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct OvaPlan {
    /// vSphere's name for the guest, such as `debian12_64Guest`; the guest's os-release says it when this does not.
    pub guest_os: Option<String>,
    /// The virtual hardware that it needs: 15 is `vmx-15`.
    pub hardware_version: u32,
    /// Whether the firmware boots signed code only.
    pub secure_boot: bool,
    /// Names of the networks, one adapter for each.
    pub networks: Vec<String>,
    /// What the product is called.
    pub product: Option<String>,
    /// Who made it.
    pub vendor: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// For people.
    pub annotation: Option<String>,
    /// Facts about the image, by key.
    pub properties: BTreeMap<String, String>,
}

/// What is removed before the image is finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SealPlan {
    /// Empty machine-id, remove host keys, logs, caches, cloud-init's state and the host name.
    pub sysprep: bool,
    /// Overwrite freed blocks before that: where blocks go back in larger pieces than the guest's, or not at all, their old content would stay.
    pub zero: bool,
    /// Give freed blocks back, so that they become holes.
    pub trim: bool,
}

/// How the outputs are proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct VerifyPlan {
    /// Boot every output and check it from inside.
    pub boot: bool,
    /// With which firmware; every output boots with each.
    pub firmware: Vec<Firmware>,
    /// Shell commands that must succeed inside the booted result, besides the derived checks.
    pub commands: Vec<String>,
}
