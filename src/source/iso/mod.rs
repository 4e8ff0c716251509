//! Installer media: what is on an ISO, whose installer it is, and how that is booted directly. Synchronous; nothing is mounted, and no
//! program runs.
//!
//! ```text
//!  file ── Iso::open ──► Iso ── Medium::read ──► Medium ── direct ──► BootEntry (kernel, initrd, arguments)
//!                         ├──── Iso::extract ──► the files that the entry names
//!                         └──── inspect ───────► all of it, for people
//! ```
mod entries;
mod error;
mod inspect;
mod layout;
mod read;
#[cfg(test)]
mod tests;

pub use entries::BootEntry;
pub use error::IsoError;
pub use inspect::{Choice, Inspection, Installer, inspect};
pub use layout::{Family, Medium, NoEntry, direct};
pub use read::{BootImage, Entry, Iso, Kind, Names, Origin, Platform};
