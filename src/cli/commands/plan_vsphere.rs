//! How `goldsmith plan` shows a build in a vCenter.
use crate::cli::words::{count, trust, within};
use crate::plan::{
    Plan, SourcePlan, VsphereCdBus, VsphereController, VsphereFirmware, VsphereImageKind, VsphereMachinePlan,
    VsphereNic, VsphereProvisioning, VsphereSourcePlan,
};

/// What the build starts from.
pub(super) fn source(source: &VsphereSourcePlan) -> Vec<String> {
    vec![match source {
        VsphereSourcePlan::Clone { of, linked, snapshot } => {
            let kind = if *linked { "a linked clone" } else { "a full clone" };
            let at = match snapshot {
                Some(name) => format!(" at its snapshot `{name}`"),
                None if *linked => " at its current snapshot".to_owned(),
                None => String::new(),
            };
            format!("{kind} of `{of}`{at}")
        }
        VsphereSourcePlan::Item { library, item } => format!("`{item}` of the content library `{library}`"),
        VsphereSourcePlan::Ova(path) => format!("`{}`, imported", path.display()),
    }]
}

/// The machine, and where it is.
pub(super) fn machine(plan: &Plan, machine: &VsphereMachinePlan) -> Vec<String> {
    let mut lines = place(plan);
    let is_new = matches!(plan.source, SourcePlan::Iso(_));
    let cores = machine.cores_per_socket.map(|cores| format!(" ({cores} in a socket)")).unwrap_or_default();
    let size = [
        machine.cpus.map(|cpus| format!("{}{cores}", count(cpus as usize, "CPU"))),
        machine
            .cpus
            .is_none()
            .then_some(machine.cores_per_socket)
            .flatten()
            .map(|cores| format!("{cores} cores in a socket")),
        machine.memory.map(|memory| format!("{memory} memory")),
        machine.disk.map(|disk| format!("{disk} disk")),
    ];
    let more = machine.more_disks.iter().map(|size| format!("{size} disk"));
    let size: Vec<String> = size.into_iter().flatten().chain(more).collect();
    let version = machine.hardware_version.map(|version| format!("vmx-{version}"));
    if is_new {
        lines.push([size, version.into_iter().collect()].concat().join(", "));
        lines.push(new(machine).join(", "));
    } else {
        let version = version.map(|version| format!("upgraded to {version}"));
        let said = [size, version.into_iter().collect()].concat();
        lines.push(match said.as_slice() {
            [] => "as large as its source".to_owned(),
            said => format!("{}, the rest as in its source", said.join(", ")),
        });
        if machine.provisioning != VsphereProvisioning::Thin {
            lines.push(format!("{} disks", provisioning(machine.provisioning)));
        }
    }
    let config: Vec<String> =
        machine.extra_config.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    lines.push(config.join(", "));
    let networks = within(&machine.ip_networks);
    lines.push(format!(
        "SSH to port {} of the address{networks} that has stayed for {}",
        machine.ssh_port, machine.ip_settle
    ));
    lines.retain(|line| !line.is_empty());
    lines
}

/// Which vCenter, and where in it.
fn place(plan: &Plan) -> Vec<String> {
    let vcenter = &plan.vcenter;
    let server = match (&vcenter.server, &vcenter.config) {
        (Some(server), _) => server.clone(),
        (None, Some(config)) => format!("the vCenter of {}", config.display()),
        (None, None) => "the vCenter of the environment".to_owned(),
    };
    let user = vcenter.user.as_ref().map(|user| format!(" as {user}")).unwrap_or_default();
    let trust = trust(vcenter.trust.as_ref());
    let place = [
        ("datacenter", &vcenter.datacenter),
        ("cluster", &vcenter.cluster),
        ("host", &vcenter.host),
        ("resource pool", &vcenter.resource_pool),
        ("folder", &vcenter.folder),
        ("datastore", &vcenter.datastore),
    ];
    let place = place.iter().filter_map(|(what, name)| Some(format!("{what} {}", name.as_ref()?)));
    let networks = vcenter.networks.iter().map(|name| format!("network {name}"));
    vec![format!("vSphere: {server}{user}{trust}"), place.chain(networks).collect::<Vec<_>>().join(", ")]
}

/// What only a new machine has.
fn new(machine: &VsphereMachinePlan) -> Vec<String> {
    let firmware = match machine.firmware {
        VsphereFirmware::Bios => "bios",
        VsphereFirmware::Efi => "efi",
        VsphereFirmware::EfiSecure => "efi with Secure Boot",
    };
    let controller = match machine.controller {
        VsphereController::Pvscsi => "pvscsi",
        VsphereController::Lsilogic => "lsilogic",
        VsphereController::Nvme => "nvme",
    };
    let nic = match machine.nic {
        VsphereNic::Vmxnet3 => "vmxnet3",
        VsphereNic::E1000e => "e1000e",
    };
    let cds = match machine.cd_bus {
        VsphereCdBus::Sata => "sata",
        VsphereCdBus::Ide => "ide",
    };
    let facts = [
        machine.guest_os.clone(),
        Some(firmware.to_owned()),
        machine.tpm.then(|| "TPM".to_owned()),
        Some(format!("{} disks on {controller}", provisioning(machine.provisioning))),
        Some(format!("CDs on {cds}")),
        Some(nic.to_owned()),
    ];
    facts.into_iter().flatten().collect()
}

fn provisioning(provisioning: VsphereProvisioning) -> &'static str {
    match provisioning {
        VsphereProvisioning::Thin => "thin",
        VsphereProvisioning::Thick => "thick",
        VsphereProvisioning::EagerZeroed => "zeroed",
    }
}

/// What becomes of it: its name, and more about it.
pub(super) fn image(plan: &Plan) -> Vec<(String, String)> {
    let Some(image) = &plan.vsphere else { return Vec::new() };
    let (what, place) = match &image.kind {
        VsphereImageKind::Nothing => return Vec::new(),
        VsphereImageKind::Machine => ("a machine", None),
        VsphereImageKind::Template => ("a template", None),
        VsphereImageKind::LibraryOvf(library) => ("an OVF package", Some(library)),
        VsphereImageKind::LibraryTemplate(library) => ("a template", Some(library)),
    };
    let place = place.map(|library| format!(" in the content library `{library}`")).unwrap_or_default();
    let snapshot = image.snapshot.as_ref().map(|name| format!(", snapshot `{name}`")).unwrap_or_default();
    let replace = if image.replace { ", in the place of an earlier one" } else { "" };
    let mut lines = vec![(image.name.clone(), format!("({what}{place}{snapshot}{replace})"))];
    let tags: Vec<String> = image.tags.iter().map(|(category, tag)| format!("{tag} of {category}")).collect();
    let attributes: Vec<String> =
        image.attributes.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    for (what, said) in [("tags", tags), ("attributes", attributes)] {
        if !said.is_empty() {
            lines.push((format!("{what} {}", said.join(", ")), String::new()));
        }
    }
    lines
}

/// How the result is proved.
pub(super) fn proof(plan: &Plan) -> Option<&'static str> {
    let image = plan.vsphere.as_ref()?;
    Some(match image.kind {
        VsphereImageKind::Nothing => {
            "a machine made of the one that was built boots and is checked from inside"
        }
        _ => "a machine made of the result boots and is checked from inside",
    })
}
