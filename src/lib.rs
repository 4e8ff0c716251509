//! Goldsmith builds golden VM images: it boots a guest, provisions it, proves the result and delivers it.
//!
//! Read the modules in this order; arrows in ARCHITECTURE.md point only downwards.
pub mod cx;
pub mod disk;
pub mod driver;
pub mod guest;
pub mod plan;
pub mod provision;
pub mod seed;
pub mod value;
