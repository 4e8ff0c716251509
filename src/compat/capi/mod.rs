//! kubernetes-sigs/image-builder: make targets and Packer's variables.
mod target;
mod variables;

pub use target::Target;
pub use variables::Variables;

use super::{CompatError, Defined};
use std::path::Path;

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

/// The definition that `target` with `variables` stands for. Relative paths of variables start in `folder`.
pub fn define(
    target: &Target,
    variables: &Variables,
    flavour: &Flavour,
    folder: &Path,
) -> Result<Defined, CompatError> {
    let _ = (variables, flavour, folder);
    Err(CompatError::new(format!("`{}` is not known", target.name())))
}
