//! What is done in the guest.
mod basic;

pub use basic::*;

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
}
