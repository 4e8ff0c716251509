//! VMware's disk format, as its specification "Virtual Disk Format 5.0" describes it.
//!
//! ```text
//! streamOptimized: header | descriptor | grain ... grain | table | grain ... | table | directory | footer | end
//! monolithicSparse: header | descriptor | directory | tables | grain ... grain
//! flat, split: a text file that names the files with the bytes ("extents")
//! ```
//!
//! [`VmdkDisk`] reads all of them; [`VmdkSink`] makes the first, the only one that vSphere takes in an OVA, and
//! [`check_stream`] proves that it is one. The disk is cut into grains of 64 KiB; a table holds the sectors of 512 of
//! them, the directory those of the tables; 0 stands for nothing in both.
mod check;
mod descriptor;
mod header;
mod read;
mod sparse;
mod stream;
mod write;

pub(crate) use check::check_stream;
pub(crate) use read::VmdkDisk;
pub(crate) use write::{GrainSink, VmdkSink};

/// The unit of every number in a VMDK, in bytes.
const SECTOR: u64 = super::SECTOR;
/// Bytes of the disk in one grain of the images made here. The only size that every VMware product reads compressed.
const GRAIN: u64 = 64 << 10;
/// Entries of a grain table of the images made here; VMware's library reads no other number.
const TABLE_ENTRIES: u64 = 512;
/// Where the grains begin in the images made here, in sectors, as VMware's own exports have it.
const OVERHEAD: u64 = 128;
