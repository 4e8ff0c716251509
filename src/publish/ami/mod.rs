//! AMIs: made of snapshots, and of disks by way of one.
//!
//! Start reading at [`FromDisk`], which is all of `goldsmith publish ami`.
mod from_disk;
mod register;
mod spec;

pub use from_disk::{DiskSource, FromDisk, Published, Stopped};
pub use register::{Ami, check, preflight, register};
