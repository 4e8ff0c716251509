//! Seeds: what a guest reads at its first boot so that the build can get in.
//!
//! A NoCloud seed is a small FAT volume labelled `CIDATA` with `user-data` and `meta-data`. It has no `network-config` on
//! purpose: cloud-init then configures DHCP on the first connected interface, by its real name. A version 2 document
//! that matches `e*` would be shorter to explain, but cloud-init 22.4 renders such a match for ifupdown and networkd as an
//! interface that is called like the entry, and the guest has no network.
//!
//! The same input gives the same bytes.
mod fat;
mod nocloud;

pub use nocloud::{SeedError, SeedSpec, write_nocloud};
