//! What a machine is to be, in words of ours.
use super::Network;
use crate::{
    value::{Secret, Size},
    vsphere::{Mark, VsphereError, VsphereErrorKind},
};

/// A machine to be made.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Its name in its folder.
    pub name: String,
    /// What people read about it; the build's mark goes below.
    pub annotation: String,
    /// The build's mark.
    pub mark: Mark,
    /// The guest's system: `ubuntu64Guest`
    /// ([VirtualMachineGuestOsIdentifier](https://developer.broadcom.com/xapis/vsphere-web-services-api/latest/)).
    pub guest_id: String,
    /// The version of the virtual hardware: `vmx-19`. Without one, the newest that the host has.
    pub hardware: Option<String>,
    /// Virtual CPUs.
    pub cpus: u32,
    /// Of these in one socket.
    pub cores_per_socket: Option<u32>,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// What starts it.
    pub firmware: Firmware,
    /// Whether it has a TPM. The vCenter needs a key provider for that.
    pub tpm: bool,
    /// Whether it has a USB controller (xHCI).
    pub usb: bool,
    /// Its disks; the first is the one that it starts from.
    pub disks: Vec<Disk>,
    /// Its network cards.
    pub nics: Vec<Nic>,
    /// Its CD drives, with what is in them.
    pub cds: Vec<Cd>,
    /// More of its configuration, such as `guestinfo.userdata`. Keys of builds and passwords stand there, so it does not print.
    pub extra: Vec<(String, Secret)>,
    /// What it tries to start from, first one first; nothing is as the firmware likes.
    pub boot: Vec<BootDevice>,
}

/// What starts a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// BIOS.
    Bios,
    /// EFI.
    Efi,
    /// EFI that starts signed boot loaders only.
    EfiSecure,
}

impl Firmware {
    /// As in `VirtualMachineConfigSpec.firmware` (GuestOsDescriptorFirmwareType).
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bios => "bios",
            Self::Efi | Self::EfiSecure => "efi",
        }
    }
}

/// A disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Its size; whole KiB.
    pub size: Size,
    /// How its blocks come to be.
    pub provisioning: Provisioning,
    /// What it is connected to. Disks of one kind share a controller.
    pub controller: Controller,
}

/// How a disk's blocks come to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provisioning {
    /// When they are written.
    Thin,
    /// At once, and erased when they are written.
    Thick,
    /// At once, and erased at once.
    EagerZeroed,
}

/// What a disk is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controller {
    /// VMware's paravirtual SCSI.
    Pvscsi,
    /// LSI Logic parallel SCSI.
    LsiLogic,
    /// NVMe.
    Nvme,
}

impl Controller {
    pub(super) const ALL: [Self; 3] = [Self::Pvscsi, Self::LsiLogic, Self::Nvme];

    /// The type of the device.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Pvscsi => "ParaVirtualSCSIController",
            Self::LsiLogic => "VirtualLsiLogicController",
            Self::Nvme => "VirtualNVMEController",
        }
    }

    /// The numbers that disks may have there. A SCSI controller has 7 for itself.
    pub(super) fn units(self) -> impl Iterator<Item = i32> {
        let (end, own) = match self {
            Self::Pvscsi | Self::LsiLogic => (16, Some(7)),
            Self::Nvme => (15, None),
        };
        (0..end).filter(move |unit| Some(*unit) != own)
    }
}

/// A network card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nic {
    /// Where its cable goes.
    pub network: Network,
    /// Which card it is.
    pub model: NicModel,
    /// Its address, such as `00:50:56:00:00:01`; without one the vCenter chooses.
    pub mac: Option<String>,
}

/// Which network card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NicModel {
    /// VMware's paravirtual card.
    Vmxnet3,
    /// Intel 82574.
    E1000e,
}

impl NicModel {
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Vmxnet3 => "VirtualVmxnet3",
            Self::E1000e => "VirtualE1000e",
        }
    }
}

/// A CD drive with an image in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cd {
    /// The image: `[datastore] folder/name.iso`.
    pub file: String,
    /// What the drive is connected to.
    pub bus: CdBus,
}

/// What a CD drive is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CdBus {
    /// AHCI.
    Sata,
    /// IDE, which has room for four.
    Ide,
}

/// What a machine may start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootDevice {
    /// The disk of this number, from 0.
    Disk(usize),
    /// The CD drives.
    Cd,
}

/// A vCenter's own limit for names of machines.
const LONGEST_NAME: usize = 80;

impl Spec {
    /// What cannot be, before a server is asked.
    pub fn check(&self) -> Result<(), VsphereError> {
        let wrong = |why: String| {
            Err(VsphereError::new(VsphereErrorKind::Usage, format!("describe the machine `{}`", self.name))
                .because(why))
        };
        check_name(&self.name)?;
        if self.cpus == 0 || self.memory_mib == 0 {
            return wrong("it needs a CPU and memory".to_owned());
        }
        if !self.memory_mib.is_multiple_of(4) {
            return wrong(format!("its memory of {} MiB is no multiple of 4 MiB", self.memory_mib));
        }
        check_cores(&self.name, Some(self.cpus), self.cores_per_socket)?;
        if self.tpm && self.firmware == Firmware::Bios {
            return wrong("a TPM needs the firmware EFI".to_owned());
        }
        for controller in Controller::ALL {
            let there = self.disks.iter().filter(|disk| disk.controller == controller).count();
            let room = controller.units().count();
            if there > room {
                return wrong(format!("{there} disks do not fit on one {}: {room} do", controller.kind()));
            }
        }
        if let Some(disk) = self
            .disks
            .iter()
            .find(|disk| disk.size.as_bytes() == 0 || !disk.size.as_bytes().is_multiple_of(1024))
        {
            return wrong(format!("a disk of {} B is no number of KiB", disk.size.as_bytes()));
        }
        let on = |bus: CdBus| self.cds.iter().filter(|cd| cd.bus == bus).count();
        if on(CdBus::Ide) > 4 || on(CdBus::Sata) > 30 {
            return wrong("IDE has room for 4 CD drives, SATA for 30".to_owned());
        }
        let missing = self.boot.iter().find(|device| match device {
            BootDevice::Disk(at) => *at >= self.disks.len(),
            BootDevice::Cd => self.cds.is_empty(),
        });
        match missing {
            Some(device) => wrong(format!("it is to start from {device:?}, which it does not have")),
            None => Ok(()),
        }
    }
}

pub(super) fn check_name(name: &str) -> Result<(), VsphereError> {
    let wrong = |why: &str| {
        Err(VsphereError::new(VsphereErrorKind::Usage, format!("name a machine `{name}`")).because(why))
    };
    if name.trim().is_empty() {
        return wrong("the name is empty");
    }
    if name.chars().count() > LONGEST_NAME {
        return wrong("a vCenter takes names of up to 80 characters");
    }
    Ok(())
}

pub(super) fn check_cores(name: &str, cpus: Option<u32>, cores: Option<u32>) -> Result<(), VsphereError> {
    match (cpus, cores) {
        (Some(cpus), Some(cores)) if cores == 0 || !cpus.is_multiple_of(cores) => {
            Err(VsphereError::new(VsphereErrorKind::Usage, format!("describe the machine `{name}`"))
                .because(format!("{cpus} CPUs cannot be divided into sockets of {cores} cores")))
        }
        _ => Ok(()),
    }
}
