//! Goldsmith builds golden VM images: it boots a guest, provisions it, proves the result and delivers it.
//!
//! Read the modules in this order; arrows in ARCHITECTURE.md point only downwards.
#[path = "build_seam.rs"]
pub mod build;
pub mod cli;
pub mod cx;
pub mod definition;
pub mod disk;
pub mod doctor;
pub mod driver;
pub mod plan;
pub mod report;
#[path = "source_seam.rs"]
pub mod source;
pub mod value;
