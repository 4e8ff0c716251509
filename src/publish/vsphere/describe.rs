//! What an image says of a machine that a vCenter tells of.
use crate::{
    disk::ova::{Controller, Firmware, GuestOs, OvaSpec},
    vsphere::{Moref, Node, Properties, VCenter, VsphereError, machine::Device, plain_name, without_marks},
};

/// All that is asked of a machine.
pub(super) const PROPERTIES: [&str; 12] = [
    "name",
    "config.guestId",
    "config.guestFullName",
    "config.version",
    "config.annotation",
    "config.firmware",
    "config.bootOptions.efiSecureBootEnabled",
    "config.hardware.numCPU",
    "config.hardware.memoryMB",
    "network",
    "runtime.powerState",
    "snapshot",
];

/// The description of a machine without its disks, of which the first tells the controller.
pub(super) async fn spec(
    vcenter: &VCenter,
    machine: &Properties,
    devices: &[Device],
) -> Result<OvaSpec, VsphereError> {
    let text = |path: &str| machine.text(path).filter(|text| !text.is_empty());
    let mut spec = OvaSpec::new(plain_name(text("name").unwrap_or("machine")));
    if let Some(guest) = text("config.guestId") {
        spec.guest = GuestOs::from_vmware(guest, text("config.guestFullName").unwrap_or(guest));
    }
    let number = |path: &str| text(path).and_then(|text| text.parse::<u64>().ok());
    if let Some(cpus) = number("config.hardware.numCPU") {
        spec.cpus = cpus as u32;
    }
    if let Some(mib) = number("config.hardware.memoryMB") {
        spec.memory_bytes = mib << 20;
    }
    let version = text("config.version").and_then(|text| text.strip_prefix("vmx-")?.parse().ok());
    spec.hardware_version = version.unwrap_or(spec.hardware_version);
    if text("config.firmware") == Some("efi") {
        spec.firmware = Firmware::Efi;
        spec.secure_boot = machine.get("config.bootOptions.efiSecureBootEnabled").is_some_and(Node::is_true);
    }
    spec.annotation =
        text("config.annotation").map(without_marks).filter(|annotation| !annotation.trim().is_empty());
    spec.controller = controller(devices);
    spec.networks = networks(vcenter, machine, devices).await?;
    Ok(spec)
}

/// What the first disk hangs on.
fn controller(devices: &[Device]) -> Controller {
    let key =
        devices.iter().find(|device| device.is_disk()).and_then(|disk| disk.node().text_at("controllerKey"));
    let controller = devices.iter().find(|device| device.node().text_at("key") == key);
    match controller.map(Device::kind) {
        Some("VirtualLsiLogicController" | "VirtualBusLogicController") => Controller::LsiLogic,
        Some("VirtualLsiLogicSASController") => Controller::LsiLogicSas,
        Some("VirtualAHCIController") => Controller::Sata,
        Some("VirtualNVMEController") => Controller::Nvme,
        _ => Controller::ParaVirtual,
    }
}

/// A name for the network of each card. Two cards in one network get two names: who imports the image may want to tell them apart.
async fn networks(
    vcenter: &VCenter,
    machine: &Properties,
    devices: &[Device],
) -> Result<Vec<String>, VsphereError> {
    let groups: Vec<Moref> = machine
        .morefs("network")
        .into_iter()
        .filter(|moref| moref.kind == "DistributedVirtualPortgroup")
        .collect();
    let groups = vcenter.properties_of_all(&groups, &["key", "name"]).await?;
    let group = |key: &str| {
        let found = groups.iter().find(|(_, group)| group.text("key") == Some(key))?;
        found.1.text("name").map(plain_name)
    };
    let mut names: Vec<String> = Vec::new();
    for card in devices.iter().filter(|device| device.is_nic()) {
        let text = |path: &str| card.node().text_at(path).filter(|text| !text.is_empty());
        let name = text("backing/deviceName")
            .map(ToOwned::to_owned)
            .or_else(|| group(text("backing/port/portgroupKey")?))
            .or_else(|| text("backing/opaqueNetworkId").map(ToOwned::to_owned))
            .unwrap_or_else(|| "network".to_owned());
        let same =
            names.iter().filter(|known| **known == name || known.starts_with(&format!("{name} #"))).count();
        names.push(if same == 0 { name } else { format!("{name} #{}", same + 1) });
    }
    Ok(names)
}
