//! The description: OVF 1.1 (DMTF DSP0243) with VMware's additions, as vSphere, Workstation and VirtualBox import it.
use super::spec::{Controller, Firmware, OvaSpec, Product, PropertyKind};
use super::xml::Xml;

const ENVELOPE: [(&str, &str); 6] = [
    ("xmlns", "http://schemas.dmtf.org/ovf/envelope/1"),
    ("xmlns:ovf", "http://schemas.dmtf.org/ovf/envelope/1"),
    ("xmlns:rasd", "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"),
    ("xmlns:vssd", "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"),
    ("xmlns:vmw", "http://www.vmware.com/schema/ovf"),
    ("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance"),
];
const STREAM_OPTIMIZED: &str = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized";

/// Settings of VMware's that image-builder's OVAs have and that do not depend on anything.
const CONFIG: [(&str, &str); 18] = [
    ("cpuHotAddEnabled", "false"),
    ("cpuHotRemoveEnabled", "false"),
    ("memoryHotAddEnabled", "false"),
    ("flags.vbsEnabled", "false"),
    ("flags.vvtdEnabled", "false"),
    ("nestedHVEnabled", "false"),
    ("virtualICH7MPresent", "false"),
    ("virtualSMCPresent", "false"),
    ("powerOpInfo.powerOffType", "soft"),
    ("powerOpInfo.resetType", "soft"),
    ("powerOpInfo.suspendType", "hard"),
    ("powerOpInfo.standbyAction", "checkpoint"),
    ("tools.syncTimeWithHost", "false"),
    ("tools.toolsUpgradePolicy", "manual"),
    ("tools.afterPowerOn", "true"),
    ("tools.afterResume", "true"),
    ("tools.beforeGuestShutdown", "true"),
    ("tools.beforeGuestStandby", "true"),
];

/// What is known of a disk when it has been written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DiskFigures {
    /// Bytes of the virtual disk.
    pub(super) capacity: u64,
    /// The file in the archive, unless the disk is empty.
    pub(super) file: Option<FileFigures>,
}

/// What is known of a disk's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileFigures {
    pub(super) name: String,
    /// Its length.
    pub(super) bytes: u64,
    /// Bytes of the disk that are allocated in it.
    pub(super) populated: u64,
}

/// The resource types of CIM that occur here.
mod resource {
    pub(super) const OTHER: u32 = 1;
    pub(super) const CPU: u32 = 3;
    pub(super) const MEMORY: u32 = 4;
    pub(super) const IDE: u32 = 5;
    pub(super) const SCSI: u32 = 6;
    pub(super) const ETHERNET: u32 = 10;
    pub(super) const CD: u32 = 15;
    pub(super) const DISK: u32 = 17;
    pub(super) const OTHER_STORAGE: u32 = 20;
    pub(super) const GRAPHICS: u32 = 24;
}

/// The text of the description. Two calls that differ in numbers only give texts that differ in their digits only.
pub(super) fn descriptor(spec: &OvaSpec, disks: &[DiskFigures]) -> String {
    let mut xml = Xml::new();
    xml.open("Envelope", &ENVELOPE);
    xml.open("References", &[]);
    for (index, disk) in disks.iter().enumerate() {
        if let Some(file) = &disk.file {
            xml.empty(
                "File",
                &[
                    ("ovf:href", &file.name),
                    ("ovf:id", &format!("file{}", index + 1)),
                    ("ovf:size", &file.bytes.to_string()),
                ],
            );
        }
    }
    xml.close();
    disk_section(&mut xml, disks);
    xml.open("NetworkSection", &[]);
    xml.text("Info", "The networks");
    for network in &spec.networks {
        xml.open("Network", &[("ovf:name", network)]);
        xml.text("Description", format!("The network {network}"));
        xml.close();
    }
    xml.close();
    xml.open("VirtualSystem", &[("ovf:id", &spec.stem())]);
    xml.text("Info", "A virtual machine");
    xml.text("Name", &spec.name);
    if let Some(annotation) = &spec.annotation {
        xml.open("AnnotationSection", &[("ovf:required", "false")]);
        xml.text("Info", "A note");
        xml.text("Annotation", annotation);
        xml.close();
    }
    let id = spec.guest.cim_id.to_string();
    let mut system = vec![("ovf:id", id.as_str())];
    system.extend(spec.guest.version.as_deref().map(|version| ("ovf:version", version)));
    system.push(("vmw:osType", &spec.guest.vmware));
    xml.open("OperatingSystemSection", &system);
    xml.text("Info", "The operating system");
    xml.text("Description", &spec.guest.description);
    xml.close();
    let first_disk = hardware(&mut xml, spec, disks);
    let id = first_disk.to_string();
    xml.open(
        "vmw:BootOrderSection",
        &[("ovf:required", "false"), ("vmw:instanceId", &id), ("vmw:type", "disk")],
    );
    xml.text("Info", "What to boot from");
    xml.close();
    if let Some(eula) = &spec.eula {
        xml.open("EulaSection", &[]);
        xml.text("Info", "The licence");
        xml.text("License", eula);
        xml.close();
    }
    product(&mut xml, spec);
    xml.finish()
}

fn disk_section(xml: &mut Xml, disks: &[DiskFigures]) {
    const MIB: u64 = 1 << 20;
    xml.open("DiskSection", &[]);
    xml.text("Info", "The virtual disks");
    for (index, disk) in disks.iter().enumerate() {
        let number = index + 1;
        let (capacity, unit) = if disk.capacity.is_multiple_of(MIB) {
            (disk.capacity / MIB, "byte * 2^20")
        } else {
            (disk.capacity, "byte")
        };
        let (capacity, id, file) = (capacity.to_string(), format!("vmdisk{number}"), format!("file{number}"));
        let mut attributes = vec![
            ("ovf:capacity", capacity.as_str()),
            ("ovf:capacityAllocationUnits", unit),
            ("ovf:diskId", &id),
        ];
        let populated;
        if let Some(figures) = &disk.file {
            populated = figures.populated.to_string();
            attributes.push(("ovf:fileRef", &file));
            attributes.push(("ovf:format", STREAM_OPTIMIZED));
            attributes.push(("ovf:populatedSize", &populated));
        } else {
            attributes.push(("ovf:format", STREAM_OPTIMIZED));
        }
        xml.empty("Disk", &attributes);
    }
    xml.close();
}

/// One piece of virtual hardware. The schema wants its elements in the order of the alphabet.
#[derive(Default)]
struct Item<'a> {
    optional: bool,
    address: Option<usize>,
    address_on_parent: Option<usize>,
    units: Option<&'a str>,
    automatic: Option<bool>,
    connection: Option<&'a str>,
    name: String,
    host_resource: Option<String>,
    parent: Option<usize>,
    sub_type: Option<&'a str>,
    kind: u32,
    quantity: Option<u64>,
    config: &'a [(&'a str, &'a str)],
}

/// Numbers the items of a machine.
struct Items<'x> {
    xml: &'x mut Xml,
    count: usize,
}

impl Items<'_> {
    /// Writes an item; returns its number.
    fn add(&mut self, item: Item<'_>) -> usize {
        self.count += 1;
        let xml = &mut *self.xml;
        xml.open("Item", if item.optional { &[("ovf:required", "false")] } else { &[] });
        let number = |number: usize| number.to_string();
        let elements = [
            ("rasd:Address", item.address.map(number)),
            ("rasd:AddressOnParent", item.address_on_parent.map(number)),
            ("rasd:AllocationUnits", item.units.map(str::to_owned)),
            ("rasd:AutomaticAllocation", item.automatic.map(|on| on.to_string())),
            ("rasd:Connection", item.connection.map(str::to_owned)),
            ("rasd:ElementName", Some(item.name)),
            ("rasd:HostResource", item.host_resource),
            ("rasd:InstanceID", Some(self.count.to_string())),
            ("rasd:Parent", item.parent.map(number)),
            ("rasd:ResourceSubType", item.sub_type.map(str::to_owned)),
            ("rasd:ResourceType", Some(item.kind.to_string())),
            ("rasd:VirtualQuantity", item.quantity.map(|quantity| quantity.to_string())),
        ];
        for (element, text) in elements {
            if let Some(text) = text {
                xml.text(element, text);
            }
        }
        for (key, value) in item.config {
            config(xml, key, value);
        }
        xml.close();
        self.count
    }
}

fn config(xml: &mut Xml, key: &str, value: &str) {
    xml.empty("vmw:Config", &[("ovf:required", "false"), ("vmw:key", key), ("vmw:value", value)]);
}

/// Writes the hardware; returns the number of the first disk's item.
fn hardware(xml: &mut Xml, spec: &OvaSpec, disks: &[DiskFigures]) -> usize {
    // Only with a transport does a hypervisor hand the properties to the guest.
    let asks = spec.properties.iter().any(|property| property.user_configurable);
    xml.open("VirtualHardwareSection", if asks { &[("ovf:transport", "com.vmware.guestInfo")] } else { &[] });
    xml.text("Info", "The virtual hardware");
    xml.open("System", &[]);
    xml.text("vssd:ElementName", "Virtual Hardware Family");
    xml.text("vssd:InstanceID", "0");
    xml.text("vssd:VirtualSystemIdentifier", &spec.name);
    xml.text("vssd:VirtualSystemType", format!("vmx-{}", spec.hardware_version));
    xml.close();
    let mut items = Items { xml, count: 0 };
    items.add(Item {
        units: Some("hertz * 10^6"),
        name: format!("{} virtual CPUs", spec.cpus),
        kind: resource::CPU,
        quantity: Some(spec.cpus.into()),
        ..Item::default()
    });
    let mib = spec.memory_bytes >> 20;
    items.add(Item {
        units: Some("byte * 2^20"),
        name: format!("{mib} MiB of memory"),
        kind: resource::MEMORY,
        quantity: Some(mib),
        ..Item::default()
    });
    let (name, sub_type, kind) = match spec.controller {
        Controller::ParaVirtual => ("SCSI controller 0", "VirtualSCSI", resource::SCSI),
        Controller::LsiLogicSas => ("SCSI controller 0", "lsilogicsas", resource::SCSI),
        Controller::LsiLogic => ("SCSI controller 0", "lsilogic", resource::SCSI),
        Controller::Sata => ("SATA controller 0", "vmware.sata.ahci", resource::OTHER_STORAGE),
        Controller::Nvme => ("NVMe controller 0", "vmware.nvme.controller", resource::OTHER_STORAGE),
    };
    let controller = items.add(Item {
        address: Some(0),
        name: name.to_owned(),
        sub_type: Some(sub_type),
        kind,
        ..Item::default()
    });
    let ide = [1, 0].map(|address| {
        items.add(Item {
            address: Some(address),
            name: format!("IDE {address}"),
            kind: resource::IDE,
            ..Item::default()
        })
    });
    items.add(Item {
        optional: true,
        automatic: Some(false),
        name: "Video card".to_owned(),
        kind: resource::GRAPHICS,
        config: &[("useAutoDetect", "false"), ("videoRamSizeInKB", "4096")],
        ..Item::default()
    });
    items.add(Item {
        optional: true,
        automatic: Some(false),
        name: "VMCI device".to_owned(),
        sub_type: Some("vmware.vmci"),
        kind: resource::OTHER,
        ..Item::default()
    });
    let mut first_disk = 0;
    for index in 0..disks.len() {
        // The controller itself has the address 7.
        let address = if kind == resource::SCSI && index >= 7 { index + 1 } else { index };
        let number = items.add(Item {
            address_on_parent: Some(address),
            name: format!("Hard disk {}", index + 1),
            host_resource: Some(format!("ovf:/disk/vmdisk{}", index + 1)),
            parent: Some(controller),
            kind: resource::DISK,
            config: &[("backing.writeThrough", "false")],
            ..Item::default()
        });
        if index == 0 {
            first_disk = number;
        }
    }
    items.add(Item {
        optional: true,
        address_on_parent: Some(0),
        automatic: Some(false),
        name: "CD/DVD drive 1".to_owned(),
        parent: Some(ide[1]),
        sub_type: Some("vmware.cdrom.remotepassthrough"),
        kind: resource::CD,
        config: &[("connectable.allowGuestControl", "true")],
        ..Item::default()
    });
    for (index, network) in spec.networks.iter().enumerate() {
        items.add(Item {
            address_on_parent: Some(7 + index),
            automatic: Some(true),
            connection: Some(network),
            name: format!("Network adapter {}", index + 1),
            sub_type: Some("VmxNet3"),
            kind: resource::ETHERNET,
            config: &[("connectable.allowGuestControl", "true"), ("wakeOnLanEnabled", "false")],
            ..Item::default()
        });
    }
    let firmware = match spec.firmware {
        Firmware::Bios => "bios",
        Firmware::Efi => "efi",
    };
    config(xml, "firmware", firmware);
    config(xml, "bootOptions.efiSecureBootEnabled", if spec.secure_boot { "true" } else { "false" });
    for (key, value) in CONFIG {
        config(xml, key, value);
    }
    for (key, value) in &spec.extra_config {
        xml.empty("vmw:ExtraConfig", &[("ovf:required", "false"), ("vmw:key", key), ("vmw:value", value)]);
    }
    xml.close();
    first_disk
}

fn product(xml: &mut Xml, spec: &OvaSpec) {
    if spec.product.is_none() && spec.properties.is_empty() {
        return;
    }
    let unnamed = Product { name: spec.name.clone(), ..Product::default() };
    let product = spec.product.as_ref().unwrap_or(&unnamed);
    xml.open("ProductSection", &[("ovf:required", "false")]);
    xml.text("Info", "The product");
    xml.text("Product", &product.name);
    for (element, text) in [
        ("Vendor", &product.vendor),
        ("Version", &product.version),
        ("FullVersion", &product.full_version),
        ("ProductUrl", &product.product_url),
        ("VendorUrl", &product.vendor_url),
        ("Category", &product.category),
    ] {
        if let Some(text) = text {
            xml.text(element, text);
        }
    }
    for property in &spec.properties {
        let (kind, password) = match property.kind {
            PropertyKind::String => ("string", false),
            PropertyKind::Password => ("string", true),
            PropertyKind::Boolean => ("boolean", false),
            PropertyKind::Integer => ("sint64", false),
        };
        let mut attributes = vec![("ovf:key", property.key.as_str()), ("ovf:type", kind)];
        if password {
            attributes.push(("ovf:password", "true"));
        }
        attributes.push(("ovf:userConfigurable", if property.user_configurable { "true" } else { "false" }));
        attributes.push(("ovf:value", &property.value));
        xml.open("Property", &attributes);
        for (element, text) in [("Label", &property.label), ("Description", &property.description)] {
            if let Some(text) = text {
                xml.text(element, text);
            }
        }
        xml.close();
    }
    xml.close();
}
