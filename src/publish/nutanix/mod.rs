//! Images of a Prism Central, made of disks that are here or that it fetches, and downloaded again.
//!
//! ```text
//!   Job ── publish ──► Published      v3: image · bytes · ready        v4: bytes in parts · image of them · ready
//!                                     compared by size and digest · the one before is removed · kept
//! ```
mod download;
mod job;
mod local;
mod verify;

pub use download::{Download, Downloaded};
pub use job::{From, Job, Published};
pub use local::Local;
