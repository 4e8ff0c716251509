//! Hypervisors: the traits that a driver implements, and the drivers.
//!
//! A driver knows neither another driver nor the guest nor a provisioner. It plans its undo before every call that makes
//! something, tags what it makes with the build's id, and keeps its SDK's types inside its folder.
mod address;
pub mod cloudstack;
#[cfg(feature = "aws")]
pub mod ec2;
mod error;
#[cfg(test)]
pub(crate) mod fake;
#[cfg(feature = "libvirt")]
pub mod libvirt;
mod machine_name;
pub mod nutanix;
pub mod vsphere;

pub use error::{DriverError, DriverErrorKind};

use crate::{
    cx::{BuildId, Cx, ResourceRef, Stop},
    plan::{
        Accelerator, AmiPlan, CloudStackImagePlan, Firmware, NutanixImagePlan, SourcePlan, VsphereImagePlan,
    },
    value::{Arch, Digest, HumanDuration, Size},
};
use async_trait::async_trait;
use serde::Serialize;
use std::{
    fmt::Debug,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};
use tokio::sync::broadcast;

/// One machine to make: for a build, or for the proof of one output.
#[derive(Debug, Clone)]
pub struct MachineSpec {
    /// Distinguishes the machines of one build: `build`, `verify-qcow2-efi`. Letters, digits and `-`.
    pub role: String,
    /// The image's name, for people.
    pub image: String,
    /// Architecture.
    pub arch: Arch,
    /// Firmware; UEFI variables start empty.
    pub firmware: Firmware,
    /// Virtual CPUs.
    pub cpus: u32,
    /// Memory.
    pub memory: Size,
    /// Accelerator, as asked for.
    pub accelerator: Accelerator,
    /// Disks in boot order; the machine boots from the first.
    pub disks: Vec<DiskAttachment>,
    /// System credentials for the guest.
    pub credentials: Vec<Credential>,
    /// What it starts from.
    pub boot: Boot,
    /// Files in its CD-ROM drives. They are only read.
    pub optical: Vec<Optical>,
    /// A restart ends it, as powering off does. So an installer that restarts into what it installed does not start again.
    pub ends_at_restart: bool,
    /// It has no route out: nothing but its SSH is reached, and it reaches nobody. Hypervisors of a site leave that to the site's network.
    pub isolated: bool,
    /// For a machine whose disks stay with its hypervisor.
    pub instance: InstanceSeed,
}

/// A file in a CD-ROM drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Optical {
    /// The file, on this host.
    pub path: PathBuf,
    /// Its digest, when other builds will want the same file: a hypervisor that is elsewhere may keep it.
    pub digest: Option<Digest>,
}

/// What a machine whose disks stay with its hypervisor is told about who gets in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceSeed {
    /// A file of this host with its user data. Never on a command line: it holds keys.
    pub user_data: Option<PathBuf>,
    /// Its user data is for Ignition, not for cloud-init.
    pub ignition: bool,
    /// Tells this machine of this build from others; cloud-init does its work once for each.
    pub id: String,
    /// The build's public key, as a line of `authorized_keys`, for a key pair of the cloud's.
    pub authorized_key: Option<String>,
}

/// What a machine starts from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Boot {
    /// Its first disk.
    #[default]
    Disk,
    /// A kernel in a file of this host, past all boot loaders.
    Kernel(KernelBoot),
    /// Its first disk, and where that does not boot, the first CD-ROM.
    Optical,
    /// An image that the hypervisor keeps, by its name there. The machine has no disks of this host then.
    Image(String),
    /// It is there already, and off, with the disks that an installer filled: it goes on with other media.
    Made(ResourceRef),
}

/// A Linux kernel to start with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelBoot {
    /// The kernel's file.
    pub kernel: PathBuf,
    /// The file of its initial RAM disk.
    pub initrd: PathBuf,
    /// Its command line.
    pub cmdline: String,
}

/// A [system credential](https://systemd.io/CREDENTIALS/): a named piece of data that the hypervisor hands to the guest's
/// systemd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its name: `tmpfiles.extra`.
    pub name: String,
    /// The file on this host that holds it. Never on a command line: those are for everyone to read.
    pub path: PathBuf,
}

/// A disk of a machine. Files are on this host and belong to the build.
#[derive(Debug, Clone)]
pub struct DiskAttachment {
    /// The image file.
    pub path: PathBuf,
    /// Its format; never guessed.
    pub format: DiskFormat,
    /// The guest cannot write to it.
    pub read_only: bool,
    /// The backing chain below it, nearest first; access to these must be allowed too.
    pub backing: Vec<PathBuf>,
}

/// Formats that a machine's disk can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFormat {
    /// The disk's bytes.
    Raw,
    /// QEMU copy-on-write.
    Qcow2,
    /// VMware's, as it comes out of a vCenter. No machine of this host has one.
    Vmdk,
}

/// What the driver found out before anything was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// For people: `QEMU 7.2.22, libvirt 9.0.0`.
    pub hypervisor: String,
    /// What will execute the guest; never `Auto`.
    pub accelerator: Accelerator,
    /// Why not KVM, when it was asked or hoped for.
    pub notice: Option<String>,
}

/// State of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MachineState {
    /// Executes.
    Running,
    /// Stopped by an error; it will not go on by itself.
    Paused,
    /// Off.
    Off,
    /// The guest's kernel panicked.
    Crashed,
}

/// What a machine tells without being asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MachineEvent {
    /// The guest powered itself off, or was.
    Off,
    /// The guest restarted.
    Reset,
    /// The guest crashed.
    Crashed(String),
    /// It was taken away, such as a spot instance; in words.
    Gone(String),
    /// A disk could not be read or written; the machine is paused.
    IoError(String),
    /// The machine was paused for another reason.
    Paused(String),
}

/// A disk after the machine was shut down.
#[derive(Debug, Clone)]
pub struct ExportedDisk {
    /// The image file, on this host.
    pub path: PathBuf,
    /// Its format.
    pub format: DiskFormat,
}

/// What kind of image a hypervisor keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeptKind {
    /// An AMI.
    Ami,
    /// A machine that is off.
    Machine,
    /// A template.
    Template,
    /// An item of a content library.
    LibraryItem,
    /// An image of a disk.
    Image,
    /// An OVA.
    Ova,
}

/// An image that a hypervisor keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct KeptImage {
    /// What it is.
    pub kind: KeptKind,
    /// Its name there: `ami-0123456789abcdef0`, or a path of an inventory. [`Boot::Image`] takes it.
    pub id: String,
    /// Where it is, such as a region or a vCenter.
    pub place: String,
    /// Its name, for people.
    pub name: String,
    /// What the hypervisor calls the disks of it: snapshots, in a vCenter the one that was asked for.
    pub disks: Vec<String>,
    /// For people and for the record: what it is and who made it.
    pub description: String,
}

/// An image that was made of a machine, and what would remove it.
#[derive(Debug)]
pub struct Captured {
    /// The image.
    pub image: KeptImage,
    /// Undo entries of all that it is made of, besides the machine.
    pub undo: Vec<crate::cx::UndoHandle>,
    /// The image is the machine that was built in: who removes that removes the image.
    pub is_the_machine: bool,
}

/// What is to be made of a machine.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'a> {
    /// An AMI.
    Ami(&'a AmiPlan),
    /// Something in a vCenter.
    Vsphere(&'a VsphereImagePlan),
    /// Something in a Prism Central.
    Nutanix(&'a NutanixImagePlan),
    /// A template in a cloud of CloudStack.
    Cloudstack(&'a CloudStackImagePlan),
}

/// Addresses of a guest in the network of its machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestAddresses {
    /// The one that the way to its SSH port leads to.
    pub leads_to: Ipv4Addr,
    /// Whether it speaks from there.
    pub answers: bool,
    /// Others that it speaks from.
    pub others: Vec<Ipv4Addr>,
}

/// A hypervisor that can make machines.
#[async_trait]
pub trait Hypervisor: Debug + Send + Sync {
    /// Where guests of its machines reach this host's loopback; `None` when they cannot.
    fn loopback_for_guests(&self) -> Option<IpAddr>;

    /// The driver's name, as in [`ResourceRef::driver`].
    fn name(&self) -> &'static str;

    /// Looks whether `spec` can work: connection, permissions, accelerator, firmware. Makes nothing.
    async fn preflight(&self, spec: &MachineSpec) -> Result<Readiness, DriverError>;

    /// The image that a build starts from, if the hypervisor keeps some. Makes nothing, unless the source is something that the hypervisor
    /// fetches itself.
    async fn find_image(&self, _: &Cx, _: &SourcePlan, _: Arch) -> Result<KeptImage, DriverError> {
        Err(DriverError::new(DriverErrorKind::Unsupported, "find an image to start from")
            .because("this hypervisor keeps none"))
    }

    /// Makes the machine, powered off; where there is no such thing, it starts at once. Plans its undo before each call that makes
    /// something.
    async fn create(&self, cx: &Cx, spec: &MachineSpec) -> Result<Box<dyn Machine>, DriverError>;

    /// An image that was captured is a result: it gets its name, and survives.
    async fn keep(&self, cx: &Cx, captured: Captured) -> Result<KeptImage, DriverError> {
        for handle in captured.undo {
            cx.undo().keep(handle)?;
        }
        Ok(captured.image)
    }

    /// Everything on this hypervisor that carries the tag of `build`, whether or not a journal knows it.
    async fn owned(&self, build: &BuildId) -> Result<Vec<ResourceRef>, DriverError>;

    /// Removes a resource for good, pulling the plug of a running machine. Gone already is `Ok`.
    async fn destroy(&self, resource: &ResourceRef, stop: &Stop) -> Result<(), DriverError>;
}

/// One machine.
#[async_trait]
pub trait Machine: Debug + Send + Sync {
    /// Names it for undo and for people.
    fn resource(&self) -> &ResourceRef;

    /// Starts it, or waits until it runs. Once per machine.
    async fn power_on(&self, cx: &Cx) -> Result<(), DriverError>;

    /// Where the guest's SSH port can be reached from this host: on loopback, or the guest's own address where it has one that others
    /// cannot take. The guest need not listen yet.
    async fn ssh_address(&self, cx: &Cx) -> Result<SocketAddr, DriverError>;

    /// Where that way leads to, and where the guest is; `None` when nobody can tell.
    async fn guest_addresses(&self) -> Option<GuestAddresses>;

    /// Leads that way to the guest's address, when it has proved to be another than expected, and returns this one.
    async fn follow_guest(&self) -> Result<Option<Ipv4Addr>, DriverError>;

    /// Its state now.
    async fn state(&self) -> Result<MachineState, DriverError>;

    /// Its events from now on. A slow listener loses the oldest.
    fn events(&self) -> broadcast::Receiver<MachineEvent>;

    /// The file to which the guest's serial console is written.
    fn serial_log(&self) -> Option<PathBuf>;

    /// Brings what the console said into [`Self::serial_log`], where that does not happen by itself.
    async fn fetch_console(&self) {}

    /// The screen, as PNG or JPEG.
    async fn screenshot(&self) -> Result<Vec<u8>, DriverError>;

    /// What stands on the screen, row by row, while it is in text mode, as under BIOS before a system takes it; otherwise anything.
    async fn screen_text(&self) -> Result<String, DriverError>;

    /// Presses the keys (Linux input event codes, `linux/input-event-codes.h`) together for `hold`.
    async fn send_keys(&self, keys: &[u32], hold: Duration) -> Result<(), DriverError>;

    /// Presses keys as [`Self::send_keys`] does, one chord after the other; where a call costs much, all of them in one.
    async fn send_chords(&self, chords: &[Vec<u32>], hold: Duration) -> Result<(), DriverError> {
        for keys in chords {
            self.send_keys(keys, hold).await?;
        }
        Ok(())
    }

    /// Presses the power button (ACPI) and waits until it is off. After `limit`: [`DriverErrorKind::Timeout`], still on.
    async fn shut_down(&self, cx: &Cx, limit: HumanDuration) -> Result<(), DriverError>;

    /// Pulls the plug. Off already is `Ok`.
    async fn power_off(&self) -> Result<(), DriverError>;

    /// The disk with this index of the spec, after the machine is off.
    async fn export(&self, cx: &Cx, index: usize) -> Result<ExportedDisk, DriverError>;

    /// Makes an image that the hypervisor keeps of the machine, which is off. Nothing of it may outlive a build that fails.
    async fn capture(&self, _: &Cx, _: Wanted<'_>) -> Result<Captured, DriverError> {
        Err(DriverError::new(DriverErrorKind::Unsupported, "make an image of the machine")
            .because("this hypervisor keeps none"))
    }
}
