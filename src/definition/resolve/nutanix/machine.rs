//! `[machine.nutanix]`, and what of `[machine]` holds for it.
use super::super::{
    check,
    machine::{Hardware, of_libvirt, port},
    server::pairs,
};
use crate::{
    definition::{
        raw::{Machine, MachineNutanix},
        reader::{At, Field, Reader},
        scalar::List,
    },
    plan::{Firmware, NutanixBoot, NutanixMachinePlan},
    value::HumanDuration,
};

const SETTLE: HumanDuration = HumanDuration::seconds(5);
/// Memory is counted in steps of a MiB.
const MEMORY_STEP: u64 = 1 << 20;

/// `hardware`: what `[machine]` says, or its defaults.
pub(in super::super) fn machine(
    field: Field<MachineNutanix>,
    hardware: &Hardware,
    reader: &mut Reader<'_>,
) -> Option<NutanixMachinePlan> {
    let memory_at = hardware.memory_at.clone().unwrap_or_default();
    check::holds(&memory_at, hardware.memory.as_bytes().is_multiple_of(MEMORY_STEP), reader, || {
        format!("Nutanix counts memory in MiB, and {} is none of those", hardware.memory)
    })?;
    let efi = hardware.firmware_at.is_some() && hardware.firmware == Firmware::Efi;
    let mut plan = NutanixMachinePlan {
        cpus: hardware.cpus,
        cores_per_socket: 1,
        memory: hardware.memory,
        disk: hardware.disk_at.is_some().then_some(hardware.disk),
        boot: if efi { NutanixBoot::Uefi } else { NutanixBoot::Legacy },
        categories: Vec::new(),
        ip_settle: SETTLE,
        ip_networks: Vec::new(),
        ssh_port: 22,
    };
    let Some(At { value: raw, .. }) = field.maybe()? else { return Some(plan) };
    let cores_at = raw.cores_per_socket.span().cloned().unwrap_or_default();
    let secure_at = raw.secure_boot.span().cloned().unwrap_or_default();
    let cores = raw.cores_per_socket.or(1);
    let secure = raw.secure_boot.or(false);
    let categories = pairs(raw.categories, ("category", "value"), reader);
    let settle = raw.ip_settle.or(SETTLE);
    let networks = raw.ip_networks.or(List::new()).and_then(|list| {
        check::texts(list, reader, check::is_network, "is not a network", "write it as `192.0.2.0/24`")
    });
    let port = port(raw.ssh_port, reader);
    plan.cores_per_socket = cores?;
    let cpus = plan.cpus;
    check::holds(
        &cores_at,
        plan.cores_per_socket > 0 && cpus.is_multiple_of(plan.cores_per_socket),
        reader,
        || format!("{cpus} CPUs cannot be in sockets of {} each", plan.cores_per_socket),
    )?;
    if secure? {
        check::holds(&secure_at, efi, reader, || {
            "`secure-boot` needs `firmware = \"efi\"` in `[machine]`".to_owned()
        })?;
        plan.boot = NutanixBoot::SecureBoot;
    }
    Some(NutanixMachinePlan {
        categories: categories?,
        ip_settle: settle?,
        ip_networks: networks?,
        ssh_port: port?,
        ..plan
    })
}

/// Reports the keys of `[machine]` that are for others.
pub(in super::super) fn only(machine: &Machine, reader: &mut Reader<'_>) -> Option<()> {
    of_libvirt(
        machine,
        "this machine is in a Prism Central",
        "`endpoint` in `[nutanix]` says which it is",
        reader,
    )
}
