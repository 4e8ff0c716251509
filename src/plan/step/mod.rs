//! What is done in the guest.
mod basic;
mod files;
mod flow;
mod system;

pub use basic::*;
pub use files::*;
pub use flow::*;
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
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    /// Run a script with `/bin/sh`.
    Shell(ShellStep),
    /// Put a file in place.
    File(FileStep),
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
}
