//! What is done in the guest.
mod basic;
mod files;
mod flow;
mod software;
mod system;

pub use basic::*;
pub use files::*;
pub use flow::*;
pub use software::*;
pub use system::*;

use crate::value::HumanDuration;
use serde::{Deserialize, Serialize};

/// One provisioning step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Step {
    /// For people: the user's own words, or derived: "install tcpdump, jq".
    pub label: String,
    /// What it does.
    pub kind: StepKind,
    /// At most this long.
    pub timeout: HumanDuration,
    /// How often it is tried again after a failure; for what touches the network.
    pub retries: u32,
    /// Where it stands in the definition, as `file:line`, for error messages.
    pub at: String,
    /// Whether, how often and with which names.
    #[serde(default, skip_serializing_if = "Rules::is_plain")]
    pub rules: Rules,
}

/// Whether a step is done, how often, and what its texts mean.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Rules {
    /// Left out unless this expression holds.
    pub when: Option<String>,
    /// Done once for each of these.
    pub for_each: Option<ForEach>,
    /// Done at the end of provisioning, and also after a failure if the build got as far as where it stands.
    pub finally: bool,
    /// Its texts are templates.
    pub templated: bool,
    /// The use of a role that it belongs to, by index into the plan's roles.
    pub role: Option<usize>,
}

impl Rules {
    /// Whether they say nothing.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// What a step is done for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForEach {
    /// The list that this expression gives.
    Expression(String),
    /// These.
    List(Vec<serde_json::Value>),
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    /// Run a script with `/bin/sh`.
    Shell(ShellStep),
    /// Put a file in place.
    File(FileStep),
    /// Put a file in place whose content is a template. Resolving makes it a `File`.
    Template(TemplateStep),
    /// Install or remove packages.
    Package(PackageStep),
    /// Enable, disable, start or stop a systemd unit.
    Service(ServiceStep),
    /// Make or remove a user.
    User(UserStep),
    /// Restart the guest and wait until it is back.
    Reboot(RebootStep),
    /// Make, empty or remove a folder.
    Directory(DirectoryStep),
    /// Make or remove a symbolic link.
    Link(LinkStep),
    /// Put a line into a file, or take it out.
    Line(LineStep),
    /// Write a systemd unit or a drop-in.
    Unit(UnitStep),
    /// Set kernel parameters.
    Sysctl(SysctlStep),
    /// Load or forbid kernel modules.
    Module(ModuleStep),
    /// Make or remove a group.
    Group(GroupStep),
    /// Write or remove rules for sudo.
    Sudoers(SudoersStep),
    /// Name the guest.
    Hostname(HostnameStep),
    /// Name addresses.
    Hosts(HostsStep),
    /// Turn swap off, or make it.
    Swap(SwapStep),
    /// Mount a file system at every boot.
    Mount(MountStep),
    /// Wait until something is there.
    WaitFor(WaitForStep),
    /// Nothing now; an assertion about the booted result.
    Check(CheckStep),
    /// Say where packages come from.
    Repository(RepositoryStep),
    /// Get a file from elsewhere.
    Download(DownloadStep),
    /// Unpack an archive.
    Archive(ArchiveStep),
    /// Give images to containerd.
    Image(ImageStep),
    /// Run a playbook.
    Ansible(AnsibleStep),
}
