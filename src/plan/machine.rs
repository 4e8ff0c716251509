//! The machine and the way into its guest.
use crate::value::{HumanDuration, Size};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The libvirt connection used when a definition names none: QEMU's driver inside this process.
pub const DEFAULT_LIBVIRT_URI: &str = EMBEDDED_URI;

/// libvirt's embedded QEMU driver; the driver appends a private `?root=` of its own.
pub const EMBEDDED_URI: &str = "qemu:///embed";

/// What the machine boots with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Firmware {
    /// PC BIOS.
    Bios,
    /// UEFI without Secure Boot.
    Efi,
}

impl std::fmt::Display for Firmware {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bios => "bios",
            Self::Efi => "efi",
        })
    }
}

/// What an image is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// vSphere and other VMware products.
    Vmware,
    /// QEMU and KVM.
    Qemu,
    /// Bare metal.
    Raw,
    /// Apache CloudStack.
    Cloudstack,
    /// Nutanix AHV.
    Nutanix,
    /// Amazon EC2.
    Aws,
    /// Any of them: nothing of the image depends on it.
    #[default]
    Generic,
}

impl Provider {
    /// Its name in definitions and expressions.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vmware => "vmware",
            Self::Qemu => "qemu",
            Self::Raw => "raw",
            Self::Cloudstack => "cloudstack",
            Self::Nutanix => "nutanix",
            Self::Aws => "aws",
            Self::Generic => "generic",
        }
    }
}

/// Who executes the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Accelerator {
    /// KVM when it provably runs a guest, otherwise TCG, with a notice.
    #[default]
    Auto,
    /// KVM or an error.
    Kvm,
    /// QEMU's software emulation.
    Tcg,
}

impl std::fmt::Display for Accelerator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        })
    }
}

/// The machine that is built in, and the ones that prove the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct MachinePlan {
    /// libvirt connection URI: `qemu:///embed`, `qemu:///session`, `qemu:///system` or `qemu+ssh://host/system`.
    pub uri: String,
    /// BIOS or UEFI.
    pub firmware: Firmware,
    /// Number of virtual CPUs.
    pub cpus: u32,
    /// Memory.
    pub memory: Size,
    /// Size of the disk; the source grows to it.
    pub disk: Size,
    /// Who executes the guest's instructions.
    pub accelerator: Accelerator,
    /// The instance, when the machine is one of Amazon's; all of the above then means nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ec2: Option<Box<super::Ec2Plan>>,
    /// The machine, when it is one of a vCenter's; the rest then means nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vsphere: Option<Box<super::VsphereMachinePlan>>,
    /// The machine, when it is one of Nutanix's; the rest then means nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nutanix: Option<Box<super::NutanixMachinePlan>>,
    /// The machine, when it is one of CloudStack's; the rest then means nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloudstack: Option<Box<super::CloudStackMachinePlan>>,
}

impl MachinePlan {
    /// Whether disks of this machine stay with its hypervisor.
    pub fn keeps_its_disks(&self) -> bool {
        self.ec2.is_some() || self.vsphere.is_some() || self.nutanix.is_some() || self.cloudstack.is_some()
    }
}

/// How the build's keys come into the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SeedKind {
    /// A volume that cloud-init reads.
    #[default]
    #[serde(rename = "nocloud")]
    NoCloud,
    /// System credentials, which systemd 252 and later read by itself; the guest needs no cloud-init.
    Credentials,
    /// By a login that the image has already.
    Login,
    /// User data, which cloud-init reads: of an instance on EC2, in `guestinfo` of a machine in a vCenter, of a machine of Nutanix's or
    /// CloudStack's.
    UserData,
    /// User data, which Ignition reads: Flatcar, Fedora CoreOS.
    Ignition,
}

impl std::fmt::Display for SeedKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoCloud => "nocloud",
            Self::Credentials => "credentials",
            Self::Login => "login",
            Self::UserData => "user-data",
            Self::Ignition => "ignition",
        })
    }
}

/// A login that the image has already. The build uses it once, to bring its own key in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LoginPlan {
    /// The user: root, or one who may use sudo without password.
    pub user: String,
    /// The image's public host key, as a line of `ssh_host_ed25519_key.pub`.
    pub host_key: String,
    /// Ways to prove who we are, in the order in which they are tried.
    pub proofs: Vec<LoginProof>,
}

/// One way to prove who we are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoginProof {
    /// A private key in a file of this host.
    Key {
        /// Which.
        path: PathBuf,
        /// Name of the secret that it is encrypted with.
        passphrase: Option<String>,
    },
    /// The keys of the SSH agent at `$SSH_AUTH_SOCK`.
    Agent,
    /// A password.
    Password {
        /// Name of the secret.
        secret: String,
    },
}

/// How the guest is reached and how long we wait for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct GuestPlan {
    /// The build user that the seed creates and the seal removes; `root` logs in as root directly.
    pub user: String,
    /// How the build's keys come into the guest.
    pub seed: SeedKind,
    /// The login that brings them in, if that is how they come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<LoginPlan>,
    /// From power-on to a login.
    pub connect_timeout: HumanDuration,
    /// From the request to power off until it is off; then the plug is pulled and the build fails.
    pub shutdown_timeout: HumanDuration,
}
