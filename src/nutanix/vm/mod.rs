//! Machines of AHV: what a new one is, what the server tells of one, how it is made, started, stopped and removed.
mod body;
mod make;
mod power;
mod read;

pub(super) use body::{customization, mapping, nics};
pub(super) use power::is_conflict;

use super::{Categories, Cluster, Project, Subnet};
use crate::value::Secret;
use serde_json::Value;
use std::net::IpAddr;

/// What starts a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootType {
    /// BIOS.
    Legacy,
    /// UEFI.
    Uefi,
    /// UEFI that starts signed boot loaders only.
    SecureBoot,
}

/// A machine to make. It is off at first.
#[derive(Debug)]
pub struct NewVm<'a> {
    /// Its name, at most [`LONGEST_NAME`] characters. The build's id is in it.
    pub name: &'a str,
    /// What people read about it.
    pub description: &'a str,
    /// Where it is.
    pub cluster: &'a Cluster,
    /// To whom it belongs.
    pub project: Option<&'a Project>,
    /// What it bears.
    pub categories: &'a Categories,
    /// Sockets of its board.
    pub sockets: u32,
    /// CPUs in each.
    pub cores_per_socket: u32,
    /// Its memory in bytes: whole MiB.
    pub memory_bytes: u64,
    /// What starts it.
    pub boot: BootType,
    /// UUID of the image that its disk is a copy of.
    pub image: &'a str,
    /// The size of that disk in bytes, whole MiB; the image's when nothing is said.
    pub disk_bytes: Option<u64>,
    /// One network card in each.
    pub subnets: &'a [Subnet],
    /// What cloud-init is told, in base64.
    pub user_data: Option<&'a Secret>,
}

/// The longest name of a machine, in characters, in both dialects.
pub const LONGEST_NAME: usize = 80;
/// The longest user data, in characters of base64, in both dialects.
pub const LONGEST_USER_DATA: usize = 128_000;

/// Whether a machine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// It runs.
    On,
    /// It is off.
    Off,
    /// It stands still.
    Paused,
    /// The server does not know.
    Unknown,
}

/// A disk of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmDisk {
    /// Its UUID, of which images are made.
    pub uuid: String,
    /// Its size in bytes.
    pub bytes: Option<u64>,
}

/// A machine as the server tells of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Vm {
    /// Its UUID.
    pub uuid: String,
    /// Its name, which others may have, too.
    pub name: String,
    /// With our mark, if it is ours.
    pub description: String,
    /// Whether it runs.
    pub power: Power,
    /// Addresses of its guest, of each of its cards: assigned and seen on the network.
    pub addresses: Vec<IpAddr>,
    /// Its disks, in the order of their addresses; no CDs.
    pub disks: Vec<VmDisk>,
    /// UUIDs of its CD drives, where v4 tells them. What cloud-init was told is in one.
    pub cds: Vec<String>,
    /// UUID of its cluster.
    pub cluster: Option<String>,
    /// What is wrong with it, in the server's words.
    pub problem: Option<String>,
    /// As the server told it: who changes something writes the rest back.
    told: Value,
}
