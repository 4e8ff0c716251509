//! The answers to an installer's questions: everything that decides an unattended installation, as values.
//!
//! What is installed is a combination of axes (installer, layout, file system, network, packages, …); [`AnswersPlan::new`] knows the
//! usual value of each for a system and a platform, and any of them can be another. [`AnswersPlan::check`] says which
//! combinations there are not.
mod check;
mod defaults;
mod start;
#[cfg(test)]
mod tests;

pub use check::AnswersProblem;
pub(crate) use check::is_login;
pub use start::NotTyped;

use crate::{
    plan::{Firmware, Provider, SeedKind},
    value::{Arch, Size},
};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
};
use url::Url;

/// Everything that decides what an installer is told. It is told no key: what it installs is kept for other builds, whose keys come
/// at the next boot by their seeds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AnswersPlan {
    /// What is installed.
    pub system: InstallSystem,
    /// Its version as its makers write it: `24.04`, `9`, `9.6`, `12`.
    pub version: String,
    /// Its architecture.
    pub arch: Arch,
    /// What the image is for.
    pub provider: Provider,
    /// What the machine boots with, now and later.
    pub firmware: Firmware,
    /// Who asks the questions.
    pub installer: Installer,
    /// How builds get into the installed system; decides whether it needs cloud-init.
    pub seed: SeedKind,
    /// The user of `[guest.login]`, when that is how; these answers must make it.
    pub login: Option<String>,
    /// Which partitions there are.
    pub layout: DiskLayout,
    /// What `/` is formatted with.
    pub filesystem: RootFileSystem,
    /// Size of the EFI system partition, in layouts that have one.
    pub esp: Size,
    /// Size of `/boot`, in layouts that have one.
    pub boot: Size,
    /// Size of a swap partition; none for a node of Kubernetes, and by default.
    pub swap: Option<Size>,
    /// The disk that is overwritten.
    pub disk: TargetDisk,
    /// `en_US.UTF-8`.
    pub locale: String,
    /// Layout of the console's keyboard: `us`.
    pub keyboard: String,
    /// Name in the time zone database: `UTC`.
    pub timezone: String,
    /// The system's name.
    pub hostname: String,
    /// How it reaches others, while it is installed and afterwards.
    pub network: NetworkPlan,
    /// For downloads of the installer.
    pub proxy: Option<Url>,
    /// Where packages come from.
    pub mirror: InstallMirror,
    /// More package repositories for the installer; Anaconda only.
    pub repositories: Vec<Repository>,
    /// Which updates are installed with the system; Subiquity and Debian's installer only.
    pub updates: Updates,
    /// The kernel package where it is not the installer's own choice; Subiquity and Debian's installer only.
    pub kernel: Option<String>,
    /// Packages besides the installer's minimum, OpenSSH's server and sudo.
    pub packages: Vec<String>,
    /// Packages that must not be there. Anaconda takes patterns.
    pub without: Vec<String>,
    /// Units that start at boot, besides OpenSSH's server.
    pub services: Vec<String>,
    /// What SELinux does, where there is one.
    pub selinux: Selinux,
    /// Whether the distribution's firewall starts; Anaconda only.
    pub firewall: bool,
    /// Users who stay.
    pub users: Vec<InstallUser>,
    /// Shell commands in the installer before it looks at disks.
    pub early: Vec<String>,
    /// Shell commands as root in the installed system, at the end.
    pub late: Vec<String>,
    /// What the machine does when the system is installed.
    pub end: InstallEnd,
    /// A template in place of the built-in one.
    pub template: Option<AnswersTemplate>,
}

/// Who asks the questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Installer {
    /// Ubuntu's live server installer, 22.04 and later.
    Subiquity,
    /// The installer of RHEL and its family.
    Anaconda,
    /// `d-i`: Debian, and Ubuntu's legacy server medium of 20.04.
    DebianInstaller,
    /// Photon OS.
    Photon,
}

/// A system that can be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InstallSystem {
    /// Ubuntu Server.
    Ubuntu,
    /// Debian.
    Debian,
    /// Red Hat Enterprise Linux.
    Rhel,
    /// Rocky Linux.
    Rocky,
    /// AlmaLinux.
    Almalinux,
    /// CentOS Stream.
    Centos,
    /// Photon OS.
    Photon,
}

/// Which partitions there are, in the order on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DiskLayout {
    /// One partition, `/`, for BIOS.
    Root,
    /// EFI system partition and `/`.
    EfiRoot,
    /// EFI system partition, `/boot` and `/`.
    EfiBootRoot,
    /// `/` as the first partition of the table, and the EFI system partition as the second, which lies before it. Tinkerbell's
    /// actions for RHEL expect `/` there. Anaconda only.
    RootEfi,
    /// What the installer takes for right, without LVM, swap and `/home`. Subiquity and Anaconda only.
    Automatic,
}

/// What `/` is formatted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RootFileSystem {
    /// ext4.
    Ext4,
    /// XFS.
    Xfs,
}

/// The disk that is overwritten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetDisk {
    /// The one that is large enough for a system: the volume with the answers and the medium are disks as well. (Subiquity: the
    /// largest. Photon cannot choose: `vda`.)
    First,
    /// This one, without `/dev/`: `sda`.
    Device(String),
}

/// How the system reaches others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkPlan {
    /// An address by DHCP, on whatever interface has a link.
    Dhcp,
    /// This address on that interface.
    Static {
        /// The address.
        address: Ipv4Addr,
        /// Bits of the network, at most 32.
        prefix: u8,
        /// The way out.
        gateway: Option<Ipv4Addr>,
        /// Name servers.
        dns: Vec<IpAddr>,
    },
}

/// Where packages come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstallMirror {
    /// The medium; Ubuntu asks its archive too, and goes on without when there is no answer.
    Medium,
    /// The distribution's own, besides the medium.
    Distribution,
    /// This one.
    Url {
        /// Base of the archive; for Anaconda the tree that it installs from.
        main: Url,
        /// Base of the security archive, for Debian. Without one there are no security updates while it is installed.
        security: Option<Url>,
    },
}

/// One more package repository for Anaconda.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Repository {
    /// Its id: `AppStream`.
    pub name: String,
    /// Where its `repodata` folder is.
    pub url: Url,
}

/// Which updates are installed with the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Updates {
    /// Security updates.
    Security,
    /// All updates.
    All,
}

/// What SELinux does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Selinux {
    /// Forbid.
    Enforcing,
    /// Log only; what kubeadm's documents ask for.
    Permissive,
    /// Nothing.
    Disabled,
}

/// A user who stays in the image. Nobody has a password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct InstallUser {
    /// Login name.
    pub name: String,
    /// Groups that exist in the system, besides the user's own.
    pub groups: Vec<String>,
    /// Whether the user may do everything with sudo, without a password.
    pub sudo: bool,
    /// Lines of `authorized_keys`.
    pub authorized_keys: Vec<String>,
}

/// What the machine does when the system is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InstallEnd {
    /// Power off.
    PowerOff,
    /// Reboot. Photon knows nothing else.
    Reboot,
}

/// A template in place of the built-in one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AnswersTemplate {
    /// Where it was read, for messages.
    pub path: PathBuf,
    /// What stands there.
    pub text: String,
}

impl Installer {
    /// Its name in definitions and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Subiquity => "subiquity",
            Self::Anaconda => "anaconda",
            Self::DebianInstaller => "debian-installer",
            Self::Photon => "photon",
        }
    }
}

impl InstallSystem {
    /// Its `ID` in `/etc/os-release`.
    pub fn id(self) -> &'static str {
        match self {
            Self::Ubuntu => "ubuntu",
            Self::Debian => "debian",
            Self::Rhel => "rhel",
            Self::Rocky => "rocky",
            Self::Almalinux => "almalinux",
            Self::Centos => "centos",
            Self::Photon => "photon",
        }
    }
}

impl DiskLayout {
    /// Its name in definitions and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::EfiRoot => "efi-root",
            Self::EfiBootRoot => "efi-boot-root",
            Self::RootEfi => "root-efi",
            Self::Automatic => "automatic",
        }
    }
}

impl RootFileSystem {
    /// Its name for `mount`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
        }
    }
}

impl AnswersPlan {
    /// The version's first number.
    pub fn major(&self) -> u32 {
        major(&self.version)
    }
}

/// The first number of a version; 0 when there is none.
fn major(version: &str) -> u32 {
    version.split('.').next().and_then(|first| first.parse().ok()).unwrap_or(0)
}

impl fmt::Display for Installer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for InstallSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl fmt::Display for DiskLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
