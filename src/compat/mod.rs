//! The front doors of other builders: what their users type and write becomes a definition.
//!
//! ```text
//!   flags + JSON of EKS Anywhere's image-builder ──(eksa)──▸ target + variables ─┐
//!   make target + var files of image-builder ────(capi)────▸ target + variables ─┴─(capi::define)──▸ Defined
//! ```
//!
//! A door makes text, not a plan: `goldsmith plan` prints it, and who keeps it needs the door no more. So secrets are never in it, only where they are read from.
pub mod capi;
mod defined;
pub mod eksa;
mod error;

pub use defined::Defined;
pub use error::CompatError;
