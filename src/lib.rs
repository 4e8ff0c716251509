//! Goldsmith builds golden VM images: it boots a guest, provisions it, proves the result and delivers it.
//!
//! Arrows between the modules point only downwards; ARCHITECTURE.md says which, and `tests/it/tidy.rs` checks it. A good place
//! to start reading is [`build`], whose recipe is one function.
#[cfg(feature = "aws")]
pub mod aws;
pub mod build;
pub mod bundle;
pub mod cli;
pub mod cloudstack;
pub mod compat;
pub mod cx;
pub mod definition;
pub mod disk;
pub mod doctor;
pub mod driver;
pub mod eksa;
pub mod fetch;
pub mod guest;
pub mod nutanix;
pub mod plan;
pub mod provision;
pub mod publish;
pub mod report;
pub mod seed;
pub mod source;
mod template;
#[cfg(feature = "tuf")]
pub mod tuf;
pub mod value;
pub mod vsphere;
pub mod wire;
mod yaml;
