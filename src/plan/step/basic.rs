//! Scripts, files, packages, units, users.
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

/// Run a script as root with `/bin/sh -eu`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ShellStep {
    /// The script; may hold `${secret.NAME}`.
    pub script: String,
    /// Environment; values may hold `${secret.NAME}`.
    pub env: BTreeMap<String, String>,
    /// Run as this user instead of root.
    pub user: Option<String>,
    /// Skipped when this path exists in the guest; afterwards it must exist.
    pub creates: Option<String>,
    /// Exit codes that mean success.
    pub exit_codes: Vec<u32>,
}

/// Put a file in place, atomically.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FileStep {
    /// Absolute path in the guest; missing parent folders are made.
    pub dest: String,
    /// What is in it.
    pub content: Content,
    /// Permission bits.
    pub mode: u32,
    /// Owner, by name.
    pub owner: String,
    /// Group, by name.
    pub group: String,
}

/// A file made from a template, in minijinja's language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TemplateStep {
    /// Absolute path in the guest; missing parent folders are made.
    pub dest: String,
    /// The template; may hold `${secret.NAME}`.
    pub text: String,
    /// Where the template came from, for error messages.
    pub origin: String,
    /// Permission bits.
    pub mode: u32,
    /// Owner, by name.
    pub owner: String,
    /// Group, by name.
    pub group: String,
}

/// Content of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// This text; may hold `${secret.NAME}`.
    Text(String),
    /// A file on this host, absolute.
    Path(PathBuf),
}

/// Install or remove packages with the guest's own package manager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PackageStep {
    /// To be present: a name, `name=version`, the path of a package file in the guest, or its `https://` address.
    pub install: Vec<String>,
    /// To be absent.
    pub remove: Vec<String>,
    /// Not to be changed by upgrades any more; `*` for all that is installed.
    pub hold: Vec<String>,
    /// To be changed again; `*` for all that is held.
    pub unhold: Vec<String>,
    /// Upgrade everything first.
    pub upgrade: bool,
    /// Upgrade what `install` names, if it is there already.
    pub latest: bool,
    /// Whether a version of `install` may be older than what is there.
    pub downgrade: bool,
    /// Whether what `install` names brings along what it merely recommends.
    pub recommends: bool,
    /// Whether signatures are looked at.
    pub gpg_check: bool,
}

impl Default for PackageStep {
    fn default() -> Self {
        Self {
            install: vec![],
            remove: vec![],
            hold: vec![],
            unhold: vec![],
            upgrade: false,
            latest: false,
            downgrade: false,
            recommends: true,
            gpg_check: true,
        }
    }
}

/// State of a unit now and at boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ServiceStep {
    /// The unit; `.service` may be left out.
    pub name: String,
    /// Whether it starts at boot; unchanged when not said.
    pub enabled: Option<bool>,
    /// Whether it can be started at all; unchanged when not said.
    pub masked: Option<bool>,
    /// What it does now; unchanged when not said.
    pub state: Option<ServiceState>,
}

/// What a unit should do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceState {
    /// Run.
    Started,
    /// Not run.
    Stopped,
    /// Run, with what was just configured.
    Restarted,
}

/// A user of the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UserStep {
    /// Login name.
    pub name: String,
    /// Remove the user instead.
    pub absent: bool,
    /// User id; the guest chooses when not said.
    pub uid: Option<u32>,
    /// Supplementary groups; missing ones are made.
    pub groups: Vec<String>,
    /// Login shell.
    pub shell: Option<String>,
    /// A system user.
    pub system: bool,
    /// May use sudo without password.
    pub sudo: bool,
    /// Public keys that may log in.
    pub authorized_keys: Vec<String>,
}

/// Restart the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RebootStep {}
