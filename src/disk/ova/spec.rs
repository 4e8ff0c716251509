//! What an OVA says about its machine.
use std::path::PathBuf;

use super::super::{DiskError, SECTOR};
use super::guest::GuestOs;
use super::tar;
use super::xml::can_say;

/// Disks on one SCSI controller; the controller itself takes the address 7.
const MAX_DISKS: usize = 15;
const MIB: u64 = 1 << 20;

/// A machine as its OVA describes it. The disk that is converted is its first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OvaSpec {
    /// What to call the machine. The files in the archive are called after it, with `-` for what file names should not
    /// have.
    pub name: String,
    /// What runs in it.
    pub guest: GuestOs,
    /// Virtual processors.
    pub cpus: u32,
    /// Memory in bytes, whole MiB.
    pub memory_bytes: u64,
    /// The virtual hardware that it needs: 15 is `vmx-15`, which vSphere 6.7 U2 and everything newer has.
    pub hardware_version: u32,
    /// How it boots.
    pub firmware: Firmware,
    /// Whether the firmware boots signed code only. Needs [`Firmware::Efi`].
    pub secure_boot: bool,
    /// What the disks hang on.
    pub controller: Controller,
    /// One network adapter (vmxnet3) for each; who imports the OVA maps these names to networks that exist.
    pub networks: Vec<String>,
    /// Who made what; without one there is no product section, unless there are properties.
    pub product: Option<Product>,
    /// For people.
    pub annotation: Option<String>,
    /// A licence that who imports the OVA must accept.
    pub eula: Option<String>,
    /// What the guest can read from `guestinfo.ovfEnv` or `guestinfo` if user-configurable, and tools from the OVF.
    pub properties: Vec<Property>,
    /// Settings of the VMX file, as key and value.
    pub extra_config: Vec<(String, String)>,
    /// Disks after the first.
    pub disks: Vec<ExtraDisk>,
}

impl OvaSpec {
    /// A machine with the values that image-builder's OVAs have: two processors, 2 GiB, hardware 15, BIOS, pvscsi, one
    /// network.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            guest: GuestOs::other_linux(),
            cpus: 2,
            memory_bytes: 2048 * MIB,
            hardware_version: 15,
            firmware: Firmware::Bios,
            secure_boot: false,
            controller: Controller::ParaVirtual,
            networks: vec!["VM Network".to_owned()],
            product: None,
            annotation: None,
            eula: None,
            properties: Vec::new(),
            extra_config: Vec::new(),
            disks: Vec::new(),
        }
    }

    /// Refuses what no OVF can say, or no hypervisor can run.
    pub fn check(&self) -> Result<(), DiskError> {
        let wrong = |what: String| Err(DiskError::unsupported(format!("the OVA's description: {what}")));
        if self.name.is_empty() {
            return wrong("the machine has no name".to_owned());
        }
        if self.cpus == 0 || self.memory_bytes == 0 || !self.memory_bytes.is_multiple_of(MIB) {
            return wrong(format!(
                "{} processors and {} bytes of memory make no machine (memory counts in MiB)",
                self.cpus, self.memory_bytes
            ));
        }
        if !(7..=99).contains(&self.hardware_version) {
            return wrong(format!("there is no virtual hardware vmx-{}", self.hardware_version));
        }
        if self.firmware == Firmware::Efi && self.hardware_version < 8 {
            return wrong("EFI needs vmx-8".to_owned());
        }
        if self.secure_boot && (self.firmware != Firmware::Efi || self.hardware_version < 13) {
            return wrong("secure boot needs EFI and vmx-13".to_owned());
        }
        if self.controller == Controller::Nvme && self.hardware_version < 13 {
            return wrong("NVMe needs vmx-13".to_owned());
        }
        if self.disks.len() >= MAX_DISKS {
            return wrong(format!("more than {MAX_DISKS} disks do not fit on a controller"));
        }
        for disk in &self.disks {
            if let ExtraDisk::Empty { bytes } = disk
                && (*bytes == 0 || !bytes.is_multiple_of(SECTOR))
            {
                return wrong(format!("a disk cannot have {bytes} bytes"));
            }
        }
        let mut keys = std::collections::HashSet::new();
        for property in &self.properties {
            let key = &property.key;
            // `.` separates a key from its class in the guest's environment; `:` is OVF's own.
            if key.is_empty() || key.contains(['.', ':']) || !keys.insert(key) {
                return wrong(format!(
                    "the property key `{key}` is empty, used twice, or has `.` or `:` in it"
                ));
            }
        }
        match self.texts().into_iter().find(|text| !can_say(text)) {
            Some(odd) => wrong(format!("{odd:?} has characters that XML cannot say")),
            None => Ok(()),
        }
    }

    /// Every text that goes into the OVF.
    fn texts(&self) -> Vec<&str> {
        let mut texts: Vec<&str> = vec![&self.name, &self.guest.vmware, &self.guest.description];
        texts.extend(self.guest.version.as_deref());
        texts.extend(self.networks.iter().map(String::as_str));
        texts.extend(self.annotation.as_deref());
        texts.extend(self.eula.as_deref());
        for (key, value) in &self.extra_config {
            texts.extend([key.as_str(), value]);
        }
        for Property { key, value, label, description, .. } in &self.properties {
            texts.extend([key.as_str(), value]);
            texts.extend([label, description].into_iter().flatten().map(String::as_str));
        }
        if let Some(product) = &self.product {
            let Product { name, vendor, version, full_version, product_url, vendor_url, category } = product;
            let optional = [vendor, version, full_version, product_url, vendor_url, category];
            texts.push(name);
            texts.extend(optional.into_iter().flatten().map(String::as_str));
        }
        texts
    }

    /// What the files in the archive are called, without their ends.
    pub(super) fn stem(&self) -> String {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let stem: String = self.name.chars().map(|c| if allowed(c) { c } else { '-' }).collect();
        // A leading full stop would hide the files where they are unpacked.
        let stem = stem.trim_start_matches('.');
        let stem = &stem[..stem.len().min(tar::MAX_NAME - 20)];
        if stem.is_empty() { "machine".to_owned() } else { stem.to_owned() }
    }
}

/// How a machine boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Firmware {
    /// PC BIOS.
    #[default]
    Bios,
    /// UEFI.
    Efi,
}

/// What the disks hang on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Controller {
    /// VMware's paravirtual SCSI (pvscsi).
    #[default]
    ParaVirtual,
    /// LSI Logic SAS.
    LsiLogicSas,
    /// LSI Logic Parallel.
    LsiLogic,
    /// AHCI.
    Sata,
    /// NVMe.
    Nvme,
}

/// The product section.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Product {
    /// Of the product, such as `ubuntu-2404 and Kubernetes v1.31.4`.
    pub name: String,
    /// Who made it.
    pub vendor: Option<String>,
    /// Short version.
    pub version: Option<String>,
    /// Version in full.
    pub full_version: Option<String>,
    /// Where there is more about the product.
    pub product_url: Option<String>,
    /// Where there is more about its maker.
    pub vendor_url: Option<String>,
    /// The heading that the properties are shown under.
    pub category: Option<String>,
}

/// A property of the product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// Without `.` and `:`.
    pub key: String,
    /// Its value, or its default if it is user-configurable.
    pub value: String,
    /// What it holds.
    pub kind: PropertyKind,
    /// Whether who imports the OVA is asked for it. If any is, the guest gets all of them through guestinfo.
    pub user_configurable: bool,
    /// Short, for people.
    pub label: Option<String>,
    /// Longer, for people.
    pub description: Option<String>,
}

impl Property {
    /// A fact about the image, as image-builder's OVAs have them.
    pub fn fact(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            value: value.into(),
            kind: PropertyKind::String,
            user_configurable: false,
            label: None,
            description: None,
        }
    }
}

/// OVF's types of properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PropertyKind {
    /// Text.
    #[default]
    String,
    /// Text that is not shown.
    Password,
    /// `true` or `false`.
    Boolean,
    /// A whole number of 64 bits.
    Integer,
}

/// A disk after the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExtraDisk {
    /// Nothing on it: the hypervisor makes it, and the archive holds no file for it.
    Empty {
        /// Its size, whole sectors.
        bytes: u64,
    },
    /// A streamOptimized VMDK, as `convert` makes it, to be copied into the archive.
    Vmdk(PathBuf),
}
