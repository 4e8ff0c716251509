//! Installer media: reads ISO 9660 volumes. Synchronous; nothing is mounted, and no program runs.
mod error;
mod read;
#[cfg(test)]
mod tests;

pub use error::IsoError;
pub use read::{BootImage, Entry, Iso, Kind, Names, Platform};
