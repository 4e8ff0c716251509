//! What is delivered and how it is proved.
use super::Firmware;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Format of a delivered file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum OutputFormat {
    /// The disk's bytes, sparse.
    #[serde(rename = "raw")]
    Raw,
    /// The disk's bytes, compressed with gzip.
    #[serde(rename = "raw.gz")]
    RawGz,
    /// QEMU copy-on-write, version 3.
    #[serde(rename = "qcow2")]
    Qcow2,
}

impl OutputFormat {
    /// As in a definition; also the usual file extension.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::RawGz => "raw.gz",
            Self::Qcow2 => "qcow2",
        }
    }
}

impl std::fmt::Display for OutputFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// One file to deliver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct OutputPlan {
    /// Its format.
    pub format: OutputFormat,
    /// Its place, absolute.
    pub path: PathBuf,
    /// Compression level; what it means depends on the format.
    pub level: Option<u32>,
}

/// What is removed before the image is finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SealPlan {
    /// Empty machine-id, remove host keys, logs, caches, cloud-init's state and the host name.
    pub sysprep: bool,
    /// Give freed blocks back, so that they become holes.
    pub trim: bool,
}

/// How the outputs are proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct VerifyPlan {
    /// Boot every output and check it from inside.
    pub boot: bool,
    /// With which firmware; every output boots with each.
    pub firmware: Vec<Firmware>,
    /// Shell commands that must succeed inside the booted result, besides the derived checks.
    pub commands: Vec<String>,
}
