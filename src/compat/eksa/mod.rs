//! EKS Anywhere's `image-builder`: its flags and JSON files become a make target and Packer's variables, as that tool makes them.
//!
//! ```text
//!   Flags ──(Asked::check)──▸ Asked ──┬─(target)────▸ Target ───┐
//!              config files ─────┘    └─(variables)─▸ Variables ┴─(capi::define)──▸ Defined
//!              manifests ──(Mirrors)──▸ NodeInputs ─────┘
//! ```
//!
//! What is checked, in which order and with which words, is what users of that tool know (`check`); where it is wrong or does nothing, docs/eks-a.md says
//! what is done here.
mod check;
mod choice;
mod config;
mod files;
mod keys;
mod mirrors;
mod proxy;
mod remarks;
mod target;
#[cfg(test)]
mod tests;
mod variables;

pub use check::{Asked, Flags};
pub use choice::{Builder, Firmware, Hypervisor, Os};
pub use config::Config;
pub use mirrors::Mirrors;
pub use remarks::about_environment;
pub use target::{image_name, output_name, target};
pub use variables::{Facts, FactsError, variables};
