//! `[machine.cloudstack]`, and what of `[machine]` holds for it.
use super::super::{
    check,
    machine::{Hardware, of_libvirt, port, port_of, timeout},
    server::{is_name, lines, name, names},
};
use crate::{
    definition::{
        problem::Span,
        raw::{CloudStackSshBy, Machine, MachineCloudstack},
        reader::{At, Field, Reader},
        scalar::{List, One},
    },
    plan::{CloudStackMachinePlan, CloudStackWay},
    value::HumanDuration,
};

const START: HumanDuration = HumanDuration::seconds(20 * 60);

/// `hardware`: what `[machine]` says, or its defaults. `header`: where the machine is spoken of.
pub(in super::super) fn machine(
    field: Field<MachineCloudstack>,
    hardware: &Hardware,
    header: &Span,
    reader: &mut Reader<'_>,
) -> Option<CloudStackMachinePlan> {
    let Some(At { value: raw, .. }) = field.maybe()? else {
        reader
            .report(header, "a machine in a cloud needs a service offering")
            .help("add `[machine.cloudstack]` with `offering = \"…\"`");
        return None;
    };
    let offering = raw.offering.required().and_then(|at| {
        check::text(at, reader, is_name, "is not the name of an offering", "write its name or its identifier")
    });
    let disk_offering = name(raw.disk_offering, "is not the name of an offering", reader);
    let networks = names(raw.networks, "networks", "is not the name of a network", reader);
    let groups = names(raw.security_groups, "security-groups", "is not the name of a security group", reader);
    let hypervisor = name(raw.hypervisor, "is not the name of a hypervisor", reader);
    let boot = raw.boot.maybe().map(|at| at.map(|At { value: One(boot), .. }| boot));
    let details = lines(raw.details, reader);
    let of_forwards = [
        ("public-address", raw.public_address.span().cloned()),
        ("public-port", raw.public_port.span().cloned()),
        ("allowed-from", raw.allowed_from.span().cloned()),
    ];
    let by_at = raw.ssh_by.span().cloned();
    let by = raw.ssh_by.or(One(CloudStackSshBy::Address)).map(|One(by)| by);
    let address = name(raw.public_address, "is not an address", reader);
    let public_port = port_of(raw.public_port, reader);
    let network = |list, reader: &mut Reader<'_>| {
        check::texts(list, reader, check::is_network, "is not a network", "write it as `192.0.2.0/24`")
    };
    let ip_networks = raw.ip_networks.or(List::new()).and_then(|list| network(list, reader));
    let allowed = raw.allowed_from.or(List::new()).and_then(|list| network(list, reader));
    let ssh_port = port(raw.ssh_port, reader);
    let start = timeout(raw.start_timeout, START, reader);
    let (by, allowed) = (by?, allowed?);
    let ssh_by = match by {
        CloudStackSshBy::PortForward => {
            check::holds(by_at.as_ref().unwrap_or(header), !allowed.is_empty(), reader, || {
                "a port forward lets others in, too: `allowed-from` must say from where it may be used"
                    .to_owned()
            })?;
            CloudStackWay::PortForward { address: address?, port: public_port? }
        }
        CloudStackSshBy::Address => {
            for (key, span) in &of_forwards {
                if let Some(span) = span {
                    reader
                        .report(span, format!("`{key}` is for a port forward"))
                        .help("write `ssh-by = \"port-forward\"`, or leave it out");
                    return None;
                }
            }
            CloudStackWay::Address
        }
    };
    Some(CloudStackMachinePlan {
        offering: offering?,
        cpus: hardware.cpus_at.is_some().then_some(hardware.cpus),
        memory: hardware.memory_at.is_some().then_some(hardware.memory),
        disk: hardware.disk_at.is_some().then_some(hardware.disk),
        disk_offering: disk_offering?,
        networks: networks?,
        security_groups: groups?,
        hypervisor: hypervisor?,
        boot: boot?,
        details: details?,
        ssh_by,
        ip_networks: ip_networks?,
        allowed_from: allowed,
        ssh_port: ssh_port?,
        start_timeout: start?,
    })
}

/// Reports the keys of `[machine]` that are for others.
pub(in super::super) fn only(machine: &Machine, reader: &mut Reader<'_>) -> Option<()> {
    if let Some(span) = machine.firmware.span() {
        reader
            .report(span, "a machine in a cloud has no `firmware` here")
            .help("`boot` in `[machine.cloudstack]` says what starts it");
        return None;
    }
    of_libvirt(machine, "this machine is in a cloud", "`endpoint` in `[cloudstack]` says which it is", reader)
}
