//! Devices: added in the order of the schema, and written back as the server told them, with what is to be changed.
use super::{Cd, CdBus, Controller, Disk, Network, Nic, Provisioning, Spec};
use crate::vsphere::{Element, Node};

/// A device of a machine, as the server tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    node: Node,
}

impl Device {
    pub(super) fn all(devices: &Node) -> Vec<Self> {
        devices.nodes.iter().map(|node| Self { node: node.clone() }).collect()
    }

    /// Its type: `VirtualDisk`.
    pub fn kind(&self) -> &str {
        self.node.kind.as_deref().unwrap_or_default()
    }

    /// Its number in the machine.
    pub fn key(&self) -> Option<i32> {
        self.node.text_at("key")?.parse().ok()
    }

    /// What it is called in vSphere's client: `Hard disk 1`.
    pub fn label(&self) -> &str {
        self.node.text_at("deviceInfo/label").unwrap_or_default()
    }

    /// All that the server tells about it.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Whether it is a disk.
    pub fn is_disk(&self) -> bool {
        self.kind() == "VirtualDisk"
    }

    /// Whether it is a CD drive.
    pub fn is_cd(&self) -> bool {
        self.kind() == "VirtualCdrom"
    }

    /// The image in a CD drive: `[datastore] folder/name.iso`.
    pub fn image(&self) -> Option<&str> {
        let is_image = self.is_cd() && self.node.at("backing")?.kind.as_deref() == Some(ISO);
        self.node.text_at("backing/fileName").filter(|_| is_image)
    }

    /// Whether it is a network card.
    pub fn is_nic(&self) -> bool {
        self.node.at("macAddress").is_some()
    }

    /// The size of a disk in bytes.
    pub fn capacity(&self) -> Option<u64> {
        let number = |name: &str| self.node.text_at(name)?.parse::<u64>().ok();
        number("capacityInBytes").or_else(|| number("capacityInKB").map(|kib| kib << 10))
    }

    /// Asks for it to be changed: each of `new` stands in the place of the element of its name. `None` takes it away.
    pub(super) fn edit(&self, spec: &mut Element, new: &[(&str, Option<Part<'_>>)]) {
        self.change(spec, "edit", new);
    }

    /// Asks for it to be removed, with the file of a disk.
    pub(super) fn remove(&self, spec: &mut Element) {
        self.change(spec, "remove", &[]);
    }

    fn change(&self, spec: &mut Element, operation: &str, new: &[(&str, Option<Part<'_>>)]) {
        spec.node("deviceChange", |change| {
            change.leaf("operation", operation).extended("device", self.kind(), |device| {
                let write = |device: &mut Element, node: &Node| {
                    device.copy(node);
                };
                for name in BASE {
                    match new.iter().find(|(known, _)| known == name) {
                        Some((_, part)) => part.iter().for_each(|part| part(device)),
                        None => self.node.all(name).for_each(|node| write(device, node)),
                    }
                }
                for node in self.node.nodes.iter().filter(|node| !BASE.contains(&node.name.as_str())) {
                    match new.iter().find(|(known, _)| *known == node.name) {
                        Some((_, part)) => part.iter().for_each(|part| part(device)),
                        None => write(device, node),
                    }
                }
            });
        });
    }
}

/// Writes one element of a device.
pub(super) type Part<'a> = &'a dyn Fn(&mut Element);

/// What `VirtualDevice` begins with, in its order; what extends it follows.
const BASE: &[&str] = &[
    "key",
    "deviceInfo",
    "backing",
    "connectable",
    "slotInfo",
    "controllerKey",
    "unitNumber",
    "numaNode",
    "deviceGroupInfo",
];

/// Whether something is connected, now and when the machine starts.
pub(super) fn connectable(device: &mut Element, connected: bool) {
    device.node("connectable", |info| {
        info.flag("startConnected", connected).flag("allowGuestControl", true).flag("connected", connected);
    });
}

/// Asks for a device to be added.
pub(super) fn add(spec: &mut Element, kind: &str, makes_file: bool, fill: impl FnOnce(&mut Element)) {
    spec.node("deviceChange", |change| {
        change.leaf("operation", "add");
        if makes_file {
            change.leaf("fileOperation", "create");
        }
        change.extended("device", kind, fill);
    });
}

/// Numbers for devices that are not there yet: below zero; the server gives others.
struct Keys(i32);

impl Keys {
    fn next(&mut self) -> i32 {
        self.0 -= 1;
        self.0
    }
}

/// The key of the first disk of a new machine, as recommendations for its place want to know.
pub(super) const FIRST_DISK: i32 = -1001;

/// Asks for all devices of a new machine: controllers before what is on them.
pub(super) fn write_all(spec: &Spec, out: &mut Element) {
    let mut keys = Keys(-100);
    let mut disk_keys = Keys(FIRST_DISK + 1);
    for controller in Controller::ALL {
        let mut disks = spec.disks.iter().filter(|disk| disk.controller == controller).peekable();
        if disks.peek().is_none() {
            continue;
        }
        let on = keys.next();
        write_controller(out, controller, on);
        for (disk, unit) in disks.zip(controller.units()) {
            write_disk(out, disk, disk_keys.next(), on, unit);
        }
    }
    for (bus, kind) in [(CdBus::Sata, "VirtualAHCIController"), (CdBus::Ide, "VirtualIDEController")] {
        let cds: Vec<&Cd> = spec.cds.iter().filter(|cd| cd.bus == bus).collect();
        // An IDE controller has room for two; there are two of them at most.
        let room = if bus == CdBus::Ide { 2 } else { 30 };
        for (number, cds) in cds.chunks(room).enumerate() {
            let on = keys.next();
            add(out, kind, false, |device| {
                device.number("key", on).number("busNumber", number as i64);
            });
            for (unit, cd) in cds.iter().enumerate() {
                write_cd(out, &cd.file, keys.next(), on, unit as i32);
            }
        }
    }
    for nic in &spec.nics {
        write_nic(out, nic, keys.next());
    }
    if spec.usb {
        let key = keys.next();
        add(out, "VirtualUSBXHCIController", false, |device| {
            device.number("key", key).number("busNumber", 0);
        });
    }
    if spec.tpm {
        let key = keys.next();
        add(out, "VirtualTPM", false, |device| {
            device.number("key", key);
        });
    }
}

fn write_controller(out: &mut Element, controller: Controller, key: i32) {
    add(out, controller.kind(), false, |device| {
        device.number("key", key).number("busNumber", 0);
        if controller != Controller::Nvme {
            device.leaf("sharedBus", "noSharing");
        }
    });
}

fn write_disk(out: &mut Element, disk: &Disk, key: i32, controller: i32, unit: i32) {
    add(out, "VirtualDisk", true, |device| {
        device.number("key", key).extended("backing", "VirtualDiskFlatVer2BackingInfo", |backing| {
            // The server names the file, beside the machine's configuration.
            backing.leaf("fileName", "").leaf("diskMode", "persistent");
            backing.flag("thinProvisioned", disk.provisioning == Provisioning::Thin);
            backing.flag("eagerlyScrub", disk.provisioning == Provisioning::EagerZeroed);
        });
        let kib = disk.size.as_bytes() >> 10;
        device
            .number("controllerKey", controller)
            .number("unitNumber", unit)
            .leaf("capacityInKB", kib.to_string());
    });
}

pub(super) fn write_cd(out: &mut Element, file: &str, key: i32, controller: i32, unit: i32) {
    add(out, "VirtualCdrom", false, |device| {
        device.number("key", key);
        iso(device, file);
        connectable(device, true);
        device.number("controllerKey", controller).number("unitNumber", unit);
    });
}

/// A CD drive's backing with an image in it.
const ISO: &str = "VirtualCdromIsoBackingInfo";

/// The backing of a CD drive with an image in it.
pub(super) fn iso(device: &mut Element, file: &str) {
    device.extended("backing", ISO, |backing| {
        backing.leaf("fileName", file);
    });
}

/// The backing of an empty CD drive.
pub(super) fn empty_drive(device: &mut Element) {
    device.extended("backing", "VirtualCdromRemotePassthroughBackingInfo", |backing| {
        backing.leaf("deviceName", "").flag("exclusive", false);
    });
}

fn write_nic(out: &mut Element, nic: &Nic, key: i32) {
    add(out, nic.model.kind(), false, |device| {
        device.number("key", key);
        Network::write(&nic.network, device);
        connectable(device, true);
        match &nic.mac {
            Some(mac) => device.leaf("addressType", "manual").leaf("macAddress", mac),
            None => device.leaf("addressType", "generated"),
        };
    });
}
