//! Folders, links, lines, units.
use super::{Content, ServiceState};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A folder that is there, empty, or not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DirectoryStep {
    /// Absolute path in the guest; missing parent folders are made.
    pub path: String,
    /// Permission bits. When not said, a new folder has 0755, and one that is there keeps its own.
    pub mode: Option<u32>,
    /// Owner, by name; root's when new, unchanged when there.
    pub owner: Option<String>,
    /// Group, by name; root's when new, unchanged when there.
    pub group: Option<String>,
    /// Remove it with all that is in it.
    pub absent: bool,
    /// Remove what is in it.
    pub empty: bool,
    /// A folder of this host, absolute: what is in it is put into this one.
    pub source: Option<PathBuf>,
    /// Permission bits of the files that come from there; 0644 when not said. Programs get an x beside each r.
    pub file_mode: Option<u32>,
    /// Remove what is in it and not in `source`.
    pub delete: bool,
}

/// A symbolic link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LinkStep {
    /// Where the link is.
    pub path: String,
    /// What it points to; empty when it is to be absent.
    pub to: String,
    /// Remove the link.
    pub absent: bool,
}

/// A line in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LineStep {
    /// The file.
    pub path: String,
    /// The line; may hold `${secret.NAME}`. Empty for an absent line that is only known by `match`.
    pub line: String,
    /// Extended regular expression: the last line that matches is replaced. With `absent`, all of them go.
    #[serde(rename = "match")]
    pub matching: Option<String>,
    /// Extended regular expression: a new line comes after the last line that matches, else at the end.
    pub after: Option<String>,
    /// Remove the line.
    pub absent: bool,
    /// Make the file when it is not there.
    pub create: bool,
}

/// A systemd unit of the user's own, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UnitStep {
    /// The unit; `.service` may be left out.
    pub name: String,
    /// What is in it.
    pub content: Content,
    /// Name of the drop-in file, when this is not the whole unit.
    pub drop_in: Option<String>,
    /// Permission bits of the file.
    pub mode: u32,
    /// Whether it starts at boot; unchanged when not said.
    pub enabled: Option<bool>,
    /// Whether it can be started at all; unchanged when not said.
    pub masked: Option<bool>,
    /// What it does now; unchanged when not said.
    pub state: Option<ServiceState>,
}
