//! How `goldsmith plan` shows a build in a cloud of CloudStack.
use crate::cli::words::{count, trust, within};
use crate::plan::{CloudStackBoot, CloudStackMachinePlan, CloudStackSourcePlan, CloudStackWay, Plan};

/// What the build starts from.
pub(super) fn source(source: &CloudStackSourcePlan) -> Vec<String> {
    vec![match source {
        CloudStackSourcePlan::Template(name) => format!("the template `{name}` of the cloud"),
        CloudStackSourcePlan::Iso(name) => format!("the medium `{name}` of the cloud"),
    }]
}

/// The machine, and where it is.
pub(super) fn machine(plan: &Plan, machine: &CloudStackMachinePlan) -> Vec<String> {
    let cloud = &plan.cloud;
    let server = match (&cloud.endpoint, &cloud.config) {
        (Some(server), _) => server.clone(),
        (None, Some(config)) => format!("the cloud of {}", config.display()),
        (None, None) => "the cloud of the environment".to_owned(),
    };
    let place = [("zone", &cloud.zone), ("project", &cloud.project)];
    let place = place.iter().filter_map(|(what, name)| Some(format!("{what} {}", name.as_ref()?)));
    let networks = machine.networks.iter().map(|name| format!("network {name}"));
    let groups = machine.security_groups.iter().map(|name| format!("security group {name}"));
    let boot = machine.boot.map(|boot| match boot {
        CloudStackBoot::Bios => "bios".to_owned(),
        CloudStackBoot::Uefi => "efi".to_owned(),
        CloudStackBoot::UefiSecure => "efi with Secure Boot".to_owned(),
    });
    let size = [
        Some(format!("offering {}", machine.offering)),
        machine.cpus.map(|cpus| count(cpus as usize, "CPU")),
        machine.memory.map(|memory| format!("{memory} memory")),
        machine.disk.map(|disk| format!("{disk} disk")),
        machine.disk_offering.as_ref().map(|name| format!("disk offering {name}")),
        machine.hypervisor.clone(),
        boot,
    ];
    let details = machine.details.iter().map(|(key, value)| format!("{key} = {value}"));
    let way = match &machine.ssh_by {
        CloudStackWay::Address => {
            format!("SSH to port {} of its address{}", machine.ssh_port, within(&machine.ip_networks))
        }
        CloudStackWay::PortForward { address, port } => {
            let address = address.as_deref().unwrap_or("a public address that is acquired for it");
            let port = port.map_or_else(|| "a port".to_owned(), |port| format!("port {port}"));
            format!(
                "SSH to {port} of {address}, which leads to its port {}, from {}",
                machine.ssh_port,
                machine.allowed_from.join(" and ")
            )
        }
    };
    let mut lines = vec![
        format!("CloudStack: {server}{}", trust(cloud.trust.as_ref())),
        place.chain(networks).chain(groups).collect::<Vec<_>>().join(", "),
        size.into_iter().flatten().collect::<Vec<_>>().join(", "),
        details.collect::<Vec<_>>().join(", "),
        way,
    ];
    lines.retain(|line| !line.is_empty());
    lines
}

/// What is made of it: its name, and more about it.
pub(super) fn image(plan: &Plan) -> Vec<(String, String)> {
    let Some(image) = plan.cloudstack.as_ref().filter(|image| image.stays) else { return Vec::new() };
    let replace = if image.replace { ", in the place of an earlier one" } else { "" };
    let mut lines = vec![(image.name.clone(), format!("(a template in the cloud{replace})"))];
    if !image.zones.is_empty() {
        lines.push((format!("also in {}", image.zones.join(", ")), String::new()));
    }
    lines
}

/// How the result is proved.
pub(super) fn proof(plan: &Plan) -> Option<&'static str> {
    plan.cloudstack.as_ref().map(|_| "a machine made of the template boots and is checked from inside")
}
