//! kubernetes-sigs/image-builder: make targets and Packer's variables.
//!
//! [`Target`] says what is made, [`Variables`] what the user wants different, and [`define`] writes the definition of both. What image-builder's own
//! var files say is in `defaults`, which of its variables mean something is in `known`, and what it builds and goldsmith does not in `refused`.
mod commands;
mod defaults;
mod define;
mod functions;
mod known;
mod manifest;
mod refused;
mod settings;
mod target;
mod toml;
mod variables;

#[cfg(test)]
mod tests;

pub use commands::{Commands, OnError};
pub use define::define;
pub use manifest::{Manifest, Publication, build_name, manifest, publication};
pub use refused::refusals;
pub use target::{Group, Target, all};
pub use variables::{AdditionalFile, SecretPlace, Value, Variables};

use super::{CompatError, Defined};

/// Whose images are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flavour {
    /// As image-builder makes them.
    Upstream,
    /// With what EKS Anywhere adds to them.
    EksAnywhere(EksAnywhere),
}

/// What EKS Anywhere's door knows besides variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EksAnywhere {
    /// Name of the result: `ubuntu-2204-kube-1-31`.
    pub name: String,
    /// Release channel: `1-31`.
    pub channel: String,
    /// Name of the release of EKS Distro: `kubernetes-1-31-eks-47`.
    pub eksd_name: String,
}
