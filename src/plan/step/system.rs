//! Kernel, accounts, names, mounts.
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Kernel parameters, now and at every boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SysctlStep {
    /// The file that they are written to.
    pub file: String,
    /// Value by name, such as `net.ipv4.ip_forward`.
    pub values: BTreeMap<String, String>,
    /// Set them now, too.
    pub apply: bool,
}

/// Kernel modules, now and at every boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ModuleStep {
    /// To be loaded.
    pub load: Vec<String>,
    /// Not to be loaded by the hardware that they are for.
    pub blacklist: Vec<String>,
    /// The file that says what is loaded.
    pub file: String,
    /// Load and unload now, too.
    pub now: bool,
}

/// A group of the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct GroupStep {
    /// Its name.
    pub name: String,
    /// Group id; the guest chooses when not said.
    pub gid: Option<u32>,
    /// A system group.
    pub system: bool,
    /// Remove the group instead.
    pub absent: bool,
}

/// Rules for sudo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SudoersStep {
    /// Name of the file in /etc/sudoers.d.
    pub name: String,
    /// The rules; empty when absent.
    pub content: String,
    /// Remove the file.
    pub absent: bool,
}

/// The guest's own name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HostnameStep {
    /// The name.
    pub name: String,
}

/// Names in /etc/hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HostsStep {
    /// Names by address; an address without names is removed.
    pub entries: BTreeMap<String, Vec<String>>,
}

/// Swap space: none, or a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SwapStep {
    /// No swap, now and at every boot.
    Off {},
    /// Swap in a file.
    File {
        /// Its path.
        file: String,
        /// Its size, such as `2GiB`.
        size: String,
    },
}

/// A line of /etc/fstab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MountStep {
    /// What is mounted; empty when absent.
    pub device: String,
    /// Where.
    pub path: String,
    /// Type of the file system; empty when absent.
    pub fs: String,
    /// Options, separated by commas.
    pub options: String,
    /// Mount it now, too.
    pub now: bool,
    /// Unmount it and remove its line.
    pub absent: bool,
}
