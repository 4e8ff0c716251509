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
}
