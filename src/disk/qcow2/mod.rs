//! QEMU's copy-on-write format: <https://www.qemu.org/docs/master/interop/qcow2.html>.
//!
//! [`Header`] parses and encodes the first cluster, [`Qcow2Disk`] reads images and their backing chains, and
//! [`create_empty`] and [`create_overlay`] make the small files that QEMU then fills. The writer that fills an image
//! itself belongs to the conversion loop (`convert/qcow2.rs`).
mod create;
mod header;
mod read;

pub use create::{create_empty, create_overlay};
pub(crate) use header::{Backing, Compression, Found, Header};
pub(crate) use read::Qcow2Disk;

/// The cluster size of every image made here, and QEMU's default: 64 KiB.
pub(crate) const CLUSTER_BITS: u32 = 16;
/// Bytes of a cluster of an image made here.
pub(crate) const CLUSTER: u64 = 1 << CLUSTER_BITS;
/// Entries of an L2 table of an image made here.
pub(crate) const L2_ENTRIES: u64 = CLUSTER / 8;
/// Bytes of the disk that one L2 table of an image made here describes: 512 MiB.
pub(crate) const L2_SPAN: u64 = L2_ENTRIES * CLUSTER;
/// 16-bit refcounts that fit in a cluster of an image made here.
pub(crate) const REFCOUNTS: u64 = CLUSTER / 2;

/// The cluster is used once, hence may be written in place.
pub(crate) const COPIED: u64 = 1 << 63;
/// The L2 entry describes a compressed cluster.
pub(crate) const COMPRESSED: u64 = 1 << 62;
/// The cluster reads as zeroes whatever else its L2 entry says.
pub(crate) const ZERO: u64 = 1;
/// The bits of L1 and L2 entries that hold an offset.
pub(crate) const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;

/// Where the offset ends and the number of sectors begins in the L2 entry of a compressed cluster.
pub(crate) const fn compressed_shift(cluster_bits: u32) -> u32 {
    62 - (cluster_bits - 8)
}
