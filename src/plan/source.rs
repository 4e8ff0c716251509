//! Where the first disk comes from.
use crate::value::{Digest, Size};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use url::Url;

/// The source of the first disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(clippy::large_enum_variant, reason = "a plan has one source; a box would only be in the way")]
pub enum SourcePlan {
    /// A Debian-family system assembled from an apt mirror.
    Bootstrap(BootstrapPlan),
    /// An existing disk image, such as a cloud image.
    Disk(DiskSourcePlan),
    /// An installer's medium.
    Iso(super::IsoPlan),
    /// An AMI, for builds on EC2.
    Ami(super::AmiSourcePlan),
    /// A machine or an image of a vCenter, for builds there.
    Vsphere(super::VsphereSourcePlan),
    /// An image of a Prism Central, for builds there.
    Nutanix(super::NutanixSourcePlan),
    /// A template or a medium of a cloud of CloudStack, for builds there.
    Cloudstack(super::CloudStackSourcePlan),
}

/// A Debian-family system from packages. Boots by BIOS and by UEFI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct BootstrapPlan {
    /// Release code name: `bookworm`.
    pub suite: String,
    /// Where packages come from.
    pub mirror: Mirror,
    /// Archive components: `main`.
    pub components: Vec<String>,
    /// Whether cloud-init is part of the bootable minimum.
    pub cloud_init: bool,
    /// Packages on top of the bootable minimum (which is: systemd, kernel, boot loader, network, cloud-init, sshd, sudo).
    pub packages: Vec<String>,
    /// The kernel package.
    pub kernel: String,
    /// Kernel command line besides `root=`.
    pub cmdline: String,
    /// Kernel modules of the initramfs; empty means all that real hardware may need (`MODULES=most`).
    pub initramfs_modules: Vec<String>,
    /// File systems, in the order on the disk, after the BIOS boot and EFI system partitions. One is mounted at `/`.
    pub partitions: Vec<Partition>,
    /// Size of the EFI system partition.
    pub esp: Size,
}

/// Where packages come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mirror {
    /// What this host's apt is configured to use for the suite.
    Host,
    /// This mirror for the suite and its updates, and the security archive if there is one.
    Url {
        /// Base of the archive: `http://deb.example.org/debian`.
        main: Url,
        /// Base of the security archive.
        security: Option<Url>,
    },
}

/// One file system of a bootstrapped disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Partition {
    /// Mount point, absolute.
    pub mount: String,
    /// How large.
    pub size: PartitionSize,
    /// File system label, at most 16 bytes (ext4).
    pub label: Option<String>,
}

/// How large a partition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartitionSize {
    /// Exactly this.
    Fixed(Size),
    /// All that is left; one partition at most, the last.
    Rest,
}

/// An existing disk image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct DiskSourcePlan {
    /// Where it is: the first that answers is used.
    pub origins: Vec<Origin>,
    /// Its digest, as downloaded; URLs have it, or `checksums`.
    pub digest: Option<Digest>,
    /// A published list of digests that names it, instead of its digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checksums: Option<Url>,
    /// Its format after decompression; detected by magic when not stated.
    pub format: Option<ImageFormat>,
}

/// A place to read an image from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A local file, absolute.
    Path(PathBuf),
    /// `http`, `https` or `file`.
    Url(Url),
}

/// Format of a disk image that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ImageFormat {
    /// The disk's bytes.
    Raw,
    /// QEMU copy-on-write, version 2 or 3.
    Qcow2,
}
