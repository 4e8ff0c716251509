//! How `goldsmith plan` shows a build in a vCenter.
use super::plan::count;
use crate::plan::{Plan, VsphereFirmware, VsphereImageKind, VsphereMachinePlan, VsphereSourcePlan};

/// What the build starts from.
pub(super) fn source(source: &VsphereSourcePlan) -> Vec<String> {
    vec![match source {
        VsphereSourcePlan::Clone { of, linked, snapshot } => {
            let kind = if *linked { "a linked clone" } else { "a full clone" };
            let at = snapshot.as_ref().map(|name| format!(" at its snapshot `{name}`")).unwrap_or_default();
            format!("{kind} of `{of}`{at}")
        }
        VsphereSourcePlan::Item { library, item } => format!("`{item}` of the content library `{library}`"),
        VsphereSourcePlan::Ova(path) => format!("`{}`, imported", path.display()),
    }]
}

/// The machine, and where it is.
pub(super) fn machine(plan: &Plan, machine: &VsphereMachinePlan) -> Vec<String> {
    let vcenter = &plan.vcenter;
    let server = vcenter.server.as_deref().unwrap_or("the vCenter of the environment");
    let mut lines = vec![format!("vSphere: {server}")];
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
    lines.push(place.chain(networks).collect::<Vec<_>>().join(", "));
    let firmware = match machine.firmware {
        VsphereFirmware::Bios => "bios",
        VsphereFirmware::Efi => "efi",
        VsphereFirmware::EfiSecure => "efi with Secure Boot",
    };
    let is_new = matches!(plan.source, crate::plan::SourcePlan::Iso(_));
    let facts = [
        machine.cpus.map(|cpus| count(cpus as usize, "CPU")),
        machine.memory.map(|memory| format!("{memory} memory")),
        machine.disk.map(|disk| format!("{disk} disk")),
        machine.hardware_version.map(|version| format!("vmx-{version}")),
        is_new.then(|| firmware.to_owned()),
        machine.tpm.then(|| "TPM".to_owned()),
    ];
    lines.push(facts.into_iter().flatten().collect::<Vec<_>>().join(", "));
    lines.retain(|line| !line.is_empty());
    lines
}

/// What becomes of it.
pub(super) fn image(plan: &Plan) -> Option<String> {
    let image = plan.vsphere.as_ref()?;
    let (what, place) = match &image.kind {
        VsphereImageKind::Nothing => return None,
        VsphereImageKind::Machine => ("a machine", None),
        VsphereImageKind::Template => ("a template", None),
        VsphereImageKind::LibraryOvf(library) => ("an OVF package", Some(library)),
        VsphereImageKind::LibraryTemplate(library) => ("a template", Some(library)),
    };
    let place = place.map(|library| format!(" in the content library `{library}`")).unwrap_or_default();
    let snapshot = image.snapshot.as_ref().map(|name| format!(", snapshot `{name}`")).unwrap_or_default();
    Some(format!("{} ({what}{place}{snapshot})", image.name))
}
