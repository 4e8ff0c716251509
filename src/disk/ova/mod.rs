//! OVA: a machine's description (OVF), the digests of its files and its disks in one tar archive.
//!
//! ```text
//! name.ovf | name.mf | name-disk1.vmdk ...
//! ```
//!
//! [`OvaSpec`] says what the description is to hold, and `convert` writes the archive; [`Ova`] reads one, whoever made
//! it. The description and the digests come first, though they are known last: see `write.rs`.
mod assemble;
mod files;
mod front;
mod guest;
mod manifest;
mod ovf;
mod pack;
mod parse;
mod read;
mod spec;
pub(crate) mod tar;
mod write;
mod xml;

pub use assemble::{Assembled, Assembly, Slot};
pub use files::OvaFile;
pub use guest::GuestOs;
pub use pack::{Packed, pack};
pub use read::{Ova, OvaDisk};
pub use spec::{Controller, ExtraDisk, Firmware, OvaSpec, Product, Property, PropertyKind};
pub(crate) use write::OvaSink;

/// What a description, or a list of digests, may take when it is read.
const MAX_TEXT: u64 = 4 << 20;
