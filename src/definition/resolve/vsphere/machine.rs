//! `[machine.vsphere]`, and what of `[machine]` holds for it.
#![allow(
    clippy::option_option,
    reason = "as in `Field::maybe`: without the outer one, a mistake was reported"
)]
use super::{
    super::{
        check,
        machine::{Hardware, of_libvirt, port},
        server::name,
    },
    Start,
};
use crate::{
    definition::{
        problem::Span,
        raw::{Machine, MachineVsphere},
        reader::{At, Field, Reader},
        scalar::{List, Map, One, Text},
    },
    plan::{Firmware, InstallSystem, VsphereFirmware, VsphereMachinePlan},
    value::{Arch, HumanDuration, Size},
};
use std::collections::BTreeMap;

/// From ESXi 5.5's to what may come.
const HARDWARE_VERSIONS: std::ops::RangeInclusive<u32> = 10..=30;
/// The first with Secure Boot, and the first with a TPM.
const SECURE_BOOT: u32 = 13;
const TPM: u32 = 14;
const SETTLE: HumanDuration = HumanDuration::seconds(5);
/// vSphere counts disks in KiB, and memory in steps of 4 MiB.
const DISK_STEP: u64 = 1 << 10;
const MEMORY_STEP: u64 = 4 << 20;

/// What `[machine]` says that is of use to a vCenter.
#[derive(Debug, Clone)]
struct Asked {
    /// With their places, of what is said.
    cpus: Option<(u32, Option<Span>)>,
    memory: Option<(Size, Option<Span>)>,
    disk: Option<(Size, Option<Span>)>,
    firmware: Firmware,
}

impl Asked {
    /// Of a copy, what is not said stays as it is.
    fn of(said: Hardware, is_new: bool) -> Self {
        let Hardware { cpus, cpus_at, memory, memory_at, disk, disk_at, firmware, .. } = said;
        Self {
            cpus: (is_new || cpus_at.is_some()).then_some((cpus, cpus_at)),
            memory: (is_new || memory_at.is_some()).then_some((memory, memory_at)),
            disk: (is_new || disk_at.is_some()).then_some((disk, disk_at)),
            firmware,
        }
    }
}

/// Reports the keys of `[machine]` that are for others, and those that a copy cannot have.
pub(in super::super) fn only(machine: &Machine, start: Start, reader: &mut Reader<'_>) -> Option<()> {
    let mut right = of_libvirt(
        machine,
        "this machine is in a vCenter",
        "`server` in `[vsphere]` says which vCenter it is",
        reader,
    );
    let Start::Copy { linked } = start else { return right };
    if let Some(span) = machine.firmware.span() {
        reader
            .report(span, "only a new machine has a `firmware`, and this one is a copy")
            .help("leave it out: a copy boots as its source does");
        right = None;
    }
    if let (true, Some(span)) = (linked, machine.disk.span()) {
        reader
            .report(span, "the disk of a linked copy is as large as that of its source")
            .help("leave `disk` out, or `linked`");
        right = None;
    }
    right
}

/// Reports the keys of `[machine.vsphere]` that only a new machine can have.
fn only_new(raw: &MachineVsphere, reader: &mut Reader<'_>) -> Option<()> {
    let of_new = [
        ("controller", raw.controller.span()),
        ("nic", raw.nic.span()),
        ("cd-bus", raw.cd_bus.span()),
        ("secure-boot", raw.secure_boot.span()),
        ("tpm", raw.tpm.span()),
        ("guest-os", raw.guest_os.span()),
        ("more-disks", raw.more_disks.span()),
    ];
    let mut right = Some(());
    for (key, span) in of_new {
        if let Some(span) = span {
            let help = match key {
                "more-disks" => "leave it out: a copy has the disks of its source",
                _ => "leave it out: a copy has what its source has",
            };
            reader.report(span, format!("only a new machine has `{key}`, and this one is a copy")).help(help);
            right = None;
        }
    }
    right
}

pub(in super::super) fn machine(
    field: Field<MachineVsphere>,
    hardware: Hardware,
    start: Start,
    reader: &mut Reader<'_>,
) -> Option<VsphereMachinePlan> {
    let is_new = start == Start::New;
    let hardware = Asked::of(hardware, is_new);
    let fits = hardware_fits(&hardware, reader);
    let mut plan = VsphereMachinePlan {
        cpus: hardware.cpus.as_ref().map(|(cpus, _)| *cpus),
        memory: hardware.memory.as_ref().map(|(memory, _)| *memory),
        disk: hardware.disk.as_ref().map(|(disk, _)| *disk),
        firmware: firmware(hardware.firmware, false),
        ip_settle: SETTLE,
        ..VsphereMachinePlan::default()
    };
    let Some(At { value: raw, .. }) = field.maybe()? else { return fits.map(|()| plan) };
    if !is_new && start != Start::Unknown {
        only_new(&raw, reader)?;
    }
    let cores = cores(raw.cores_per_socket, plan.cpus, reader);
    let more_disks = raw.more_disks.or(List::new()).and_then(|list| disks(list, reader));
    let version_at = raw.hardware_version.span().cloned().unwrap_or_default();
    let version = raw.hardware_version.maybe().and_then(|at| {
        let version = at.map(|at| at.value);
        let right = version.is_none_or(|version| HARDWARE_VERSIONS.contains(&version));
        check::holds(&version_at, right, reader, || {
            let (first, last) = (HARDWARE_VERSIONS.start(), HARDWARE_VERSIONS.end());
            format!(
                "{} is not a hardware version: it goes from {first} to {last}",
                version.unwrap_or_default()
            )
        })
        .map(|()| version)
    });
    let secure_boot =
        needs_efi(raw.secure_boot, "Secure Boot", SECURE_BOOT, hardware.firmware, version, reader);
    let tpm = needs_efi(raw.tpm, "a TPM", TPM, hardware.firmware, version, reader);
    let guest_os = match raw.guest_os.maybe() {
        Some(Some(at)) => {
            let help = "vSphere's names for guests read like `ubuntu64Guest` or `rhel9_64Guest`";
            check::text(
                at,
                reader,
                |text| check::is_word(text, "_"),
                "is not vSphere's name for a guest",
                help,
            )
            .map(Some)
        }
        other => other.map(|_| None),
    };
    let annotation = match raw.annotation.maybe() {
        Some(Some(at)) => plain(at, reader).map(Some),
        other => other.map(|_| None),
    };
    let extra_config = raw.extra_config.or(Map::new()).and_then(|map| extra_config(map, reader));
    let ip_networks = raw.ip_networks.or(List::new()).and_then(|list| {
        let help = "a network reads like `192.0.2.0/24` or `2001:db8::/64`";
        check::texts(list, reader, check::is_network, "is not a network", help)
    });
    let ssh_port = port(raw.ssh_port, reader);
    let (controller, nic, cd_bus) = (raw.controller.maybe(), raw.nic.maybe(), raw.cd_bus.maybe());
    let (provisioning, ip_settle) = (raw.provisioning.maybe(), raw.ip_settle.or(SETTLE));
    plan.cores_per_socket = cores?;
    plan.more_disks = more_disks?;
    plan.controller = chosen(controller?);
    plan.provisioning = chosen(provisioning?);
    plan.nic = chosen(nic?);
    plan.cd_bus = chosen(cd_bus?);
    plan.firmware = firmware(hardware.firmware, secure_boot?);
    plan.tpm = tpm?;
    plan.guest_os = guest_os?;
    plan.hardware_version = version?;
    plan.annotation = annotation?;
    plan.extra_config = extra_config?;
    plan.ip_settle = ip_settle?;
    plan.ip_networks = ip_networks?;
    plan.ssh_port = ssh_port?;
    fits.map(|()| plan)
}

/// The name of the guest of a new machine: what is said, or what `installed` says of the system that is installed.
pub(in super::super) fn guest_os(
    plan: &mut VsphereMachinePlan,
    installed: Option<(InstallSystem, u32, Arch)>,
    header: &Span,
    reader: &mut Reader<'_>,
) -> Option<()> {
    if plan.guest_os.is_some() {
        return Some(());
    }
    plan.guest_os = installed.and_then(|(system, major, arch)| known_as(system, major, arch));
    check_guest_os(plan.guest_os.is_some(), header, reader)
}

fn check_guest_os(known: bool, header: &Span, reader: &mut Reader<'_>) -> Option<()> {
    if !known {
        reader
            .report(header, "a new machine needs vSphere's name for its guest")
            .help("add `guest-os = \"ubuntu64Guest\"` or the like to `[machine.vsphere]`; `other5xLinux64Guest` is any Linux");
    }
    known.then_some(())
}

/// vSphere's `GuestOsIdentifier` for a system, as what writes OVAs has it (`disk::ova::GuestOs`). A release that is newer than the last of
/// them gets the name of the last. The names of ARM's guests are others.
fn known_as(system: InstallSystem, major: u32, arch: Arch) -> Option<String> {
    if arch != Arch::X86_64 {
        return None;
    }
    Some(match system {
        InstallSystem::Ubuntu => "ubuntu64Guest".to_owned(),
        InstallSystem::Debian => format!("debian{}_64Guest", major.clamp(8, 13)),
        InstallSystem::Rhel => format!("rhel{}_64Guest", major.clamp(6, 10)),
        InstallSystem::Centos => format!("centos{}_64Guest", major.clamp(6, 9)),
        InstallSystem::Rocky => "rockylinux_64Guest".to_owned(),
        InstallSystem::Almalinux => "almalinux_64Guest".to_owned(),
        InstallSystem::Photon => "vmwarePhoton64Guest".to_owned(),
    })
}

fn firmware(firmware: Firmware, secure_boot: bool) -> VsphereFirmware {
    match (firmware, secure_boot) {
        (Firmware::Bios, _) => VsphereFirmware::Bios,
        (Firmware::Efi, false) => VsphereFirmware::Efi,
        (Firmware::Efi, true) => VsphereFirmware::EfiSecure,
    }
}

fn chosen<T: Default>(at: Option<At<One<T>>>) -> T {
    at.map(|At { value: One(value), .. }| value).unwrap_or_default()
}

fn hardware_fits(hardware: &Asked, reader: &mut Reader<'_>) -> Option<()> {
    let memory = match &hardware.memory {
        Some((memory, Some(span))) => {
            check::holds(span, memory.as_bytes().is_multiple_of(MEMORY_STEP), reader, || {
                format!("{memory} of memory is no multiple of 4 MiB, in which vSphere counts it")
            })
        }
        _ => Some(()),
    };
    let disk = match &hardware.disk {
        Some((disk, Some(span))) => fits_in_kib(*disk, span, reader),
        _ => Some(()),
    };
    memory.and(disk)
}

fn fits_in_kib(disk: Size, span: &Span, reader: &mut Reader<'_>) -> Option<()> {
    let bytes = disk.as_bytes();
    check::holds(span, bytes > 0 && bytes.is_multiple_of(DISK_STEP), reader, || {
        format!("a disk of {bytes} bytes is no number of KiB, in which vSphere counts disks")
    })
}

fn disks(list: List<Size>, reader: &mut Reader<'_>) -> Option<Vec<Size>> {
    let sizes: Vec<Option<Size>> = list
        .into_iter()
        .map(|At { value, span }| fits_in_kib(value, &span, reader).map(|()| value))
        .collect();
    sizes.into_iter().collect()
}

fn cores(field: Field<u32>, cpus: Option<u32>, reader: &mut Reader<'_>) -> Option<Option<u32>> {
    let Some(At { value: cores, span }) = field.maybe()? else { return Some(None) };
    let divides = cores > 0 && cpus.is_none_or(|cpus| cpus.is_multiple_of(cores));
    check::holds(&span, divides, reader, || match cpus {
        Some(cpus) if cores > 0 => format!("{cpus} CPUs cannot be divided into sockets of {cores}"),
        _ => "a socket has at least one core".to_owned(),
    })?;
    Some(Some(cores))
}

/// `what`, unless the machine cannot have it.
fn needs_efi(
    field: Field<bool>,
    what: &str,
    first: u32,
    firmware: Firmware,
    version: Option<Option<u32>>,
    reader: &mut Reader<'_>,
) -> Option<bool> {
    let place = field.span().cloned().unwrap_or_default();
    let wanted = field.or(false)?;
    let new_enough = version.flatten().is_none_or(|version| version >= first);
    check::holds(&place, !wanted || (firmware == Firmware::Efi && new_enough), reader, || {
        format!("{what} needs `firmware = \"efi\"` in `[machine]` and hardware version {first} or later")
    })?;
    Some(wanted)
}

/// A text of one or more lines.
pub(super) fn plain(at: At<Text>, reader: &mut Reader<'_>) -> Option<String> {
    let right = |text: &str| text.lines().all(|line| !line.chars().any(|c| c.is_control() && c != '\t'));
    check::text(at, reader, right, "is not plain text", "write a text without control characters")
}

fn extra_config(map: Map<Text>, reader: &mut Reader<'_>) -> Option<BTreeMap<String, String>> {
    let entries: Vec<Option<(String, String)>> = map
        .into_iter()
        .map(|(key, entry)| {
            let named = !key.is_empty() && check::is_line(&key) && !key.contains(char::is_whitespace);
            check::holds(&entry.key, named, reader, || {
                format!("`{}` is no name of a setting", key.escape_debug())
            })?;
            if is_of_the_seed(&key) {
                reader
                    .report(&entry.key, format!("`{key}` is where the build's keys are"))
                    .help("leave it out; `seed` in `[guest]` says how they come in");
                return None;
            }
            let value = name(Field::Good(entry.value), "is not a value of a setting", reader)??;
            Some((key, value))
        })
        .collect();
    entries.into_iter().collect()
}

/// What cloud-init and Ignition read.
fn is_of_the_seed(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["guestinfo.userdata", "guestinfo.metadata", "guestinfo.ignition.config"]
        .iter()
        .any(|own| key.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case(InstallSystem::Ubuntu, 24 => "ubuntu64Guest")]
    #[test_case(InstallSystem::Rhel, 9 => "rhel9_64Guest")]
    #[test_case(InstallSystem::Centos, 10 => "centos9_64Guest"; "newer than vSphere knows")]
    #[test_case(InstallSystem::Rocky, 9 => "rockylinux_64Guest")]
    fn systems_get_the_name_that_vsphere_has(system: InstallSystem, major: u32) -> String {
        assert_eq!(known_as(system, major, Arch::Aarch64), None);
        known_as(system, major, Arch::X86_64).unwrap()
    }

    #[test]
    fn what_carries_the_seed_is_nobody_elses() {
        for key in ["guestinfo.userdata", "guestinfo.userdata.encoding", "guestinfo.ignition.config.data"] {
            assert!(is_of_the_seed(key), "{key}");
        }
        for key in ["guestinfo.vendordata", "disk.EnableUUID", "guestinfo.userdatax"] {
            assert!(!is_of_the_seed(key), "{key}");
        }
    }
}
