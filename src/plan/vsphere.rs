//! A build in a vCenter, and what it makes there.
use super::ServerTrust;
use crate::value::{HumanDuration, Size};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

/// Which vCenter, and where in it. What is not said comes from the file of EKS Anywhere's image-builder, then from the environment
/// (`VSPHERE_SERVER`, `VSPHERE_USER`, `VSPHERE_PASSWORD`, or govc's variables); of the inventory, what there is one of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct VcenterPlan {
    /// Name or address.
    pub server: Option<String>,
    /// Who logs in.
    pub user: Option<String>,
    /// Name of the secret that is their password.
    pub password: Option<String>,
    /// How the server is recognised; by the authorities of this host when nothing is said.
    pub trust: Option<ServerTrust>,
    /// EKS Anywhere's file (`vsphere.json`), absolute.
    pub config: Option<PathBuf>,
    /// The datacenter, by name or path.
    pub datacenter: Option<String>,
    /// A cluster, or a host that is in none.
    pub cluster: Option<String>,
    /// A host.
    pub host: Option<String>,
    /// The resource pool, by name or path.
    pub resource_pool: Option<String>,
    /// Below the datacenter's `vm`; made if it is missing.
    pub folder: Option<String>,
    /// A datastore, or a datastore cluster.
    pub datastore: Option<String>,
    /// Where the cables of network cards go, one card each.
    pub networks: Vec<String>,
}

impl VcenterPlan {
    /// Whether nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A machine in a vCenter to start from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum VsphereSourcePlan {
    /// A copy of a machine or a template.
    Clone {
        /// Which, by name or path.
        of: String,
        /// The copy has only the difference to a snapshot of it.
        linked: bool,
        /// That snapshot, by name; the current one when this does not say. A full copy is of the machine as it was there.
        snapshot: Option<String>,
    },
    /// An item of a content library: an OVF package or a template.
    Item {
        /// The library's name.
        library: String,
        /// The item's name.
        item: String,
    },
    /// An OVA on this host, absolute.
    Ova(PathBuf),
}

/// The machine that is built in. Of a copy, what is not said stays as it is in the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct VsphereMachinePlan {
    /// Virtual CPUs.
    pub cpus: Option<u32>,
    /// Of these in one socket.
    pub cores_per_socket: Option<u32>,
    /// Memory.
    pub memory: Option<Size>,
    /// Size of the first disk; that of a copy grows to it.
    pub disk: Option<Size>,
    /// Sizes of further disks.
    pub more_disks: Vec<Size>,
    /// What a new machine's disks are connected to.
    pub controller: VsphereController,
    /// How the space of disks is taken.
    pub provisioning: VsphereProvisioning,
    /// The network cards of a new machine.
    pub nic: VsphereNic,
    /// What a new machine's CD drives are connected to.
    pub cd_bus: VsphereCdBus,
    /// What starts a new machine.
    pub firmware: VsphereFirmware,
    /// Whether a new machine has a TPM; the vCenter needs a key provider for that.
    pub tpm: bool,
    /// vSphere's name for the guest, such as `ubuntu64Guest`; a new machine needs one.
    pub guest_os: Option<String>,
    /// The virtual hardware: 19 is `vmx-19`. A new machine has the newest that its host knows when this does not say; a copy is upgraded.
    pub hardware_version: Option<u32>,
    /// What people read about the machine.
    pub annotation: Option<String>,
    /// More of its configuration.
    pub extra_config: BTreeMap<String, String>,
    /// For how long an address must stay the same before it is believed.
    pub ip_settle: HumanDuration,
    /// Networks that the address must be in, as `192.0.2.0/24`; any but link-local ones when empty.
    pub ip_networks: Vec<String>,
    /// The guest's SSH port.
    pub ssh_port: u16,
}

impl Default for VsphereMachinePlan {
    fn default() -> Self {
        Self {
            cpus: None,
            cores_per_socket: None,
            memory: None,
            disk: None,
            more_disks: Vec::new(),
            controller: VsphereController::default(),
            provisioning: VsphereProvisioning::default(),
            nic: VsphereNic::default(),
            cd_bus: VsphereCdBus::default(),
            firmware: VsphereFirmware::default(),
            tpm: false,
            guest_os: None,
            hardware_version: None,
            annotation: None,
            extra_config: BTreeMap::new(),
            ip_settle: HumanDuration::seconds(5),
            ip_networks: Vec::new(),
            ssh_port: 22,
        }
    }
}

/// What disks are connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VsphereController {
    /// VMware's paravirtual SCSI.
    #[default]
    Pvscsi,
    /// LSI Logic parallel SCSI.
    Lsilogic,
    /// NVMe.
    Nvme,
}

/// How the space of disks is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VsphereProvisioning {
    /// As it is written to.
    #[default]
    Thin,
    /// At once.
    Thick,
    /// At once, and zeroed.
    EagerZeroed,
}

/// Which network card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VsphereNic {
    /// VMware's paravirtual card.
    #[default]
    Vmxnet3,
    /// Intel 82574.
    E1000e,
}

/// What CD drives are connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VsphereCdBus {
    /// AHCI.
    #[default]
    Sata,
    /// IDE.
    Ide,
}

/// What starts a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VsphereFirmware {
    /// BIOS.
    Bios,
    /// EFI.
    #[default]
    Efi,
    /// EFI that starts signed boot loaders only.
    EfiSecure,
}

/// What becomes of the machine that was built in, or of a copy of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct VsphereImagePlan {
    /// What it is called.
    pub name: String,
    /// What it is.
    pub kind: VsphereImageKind,
    /// A snapshot of this name, for linked clones; not of items of libraries.
    pub snapshot: Option<String>,
    /// Categories and tags, made if there are none.
    pub tags: Vec<(String, String)>,
    /// Custom attributes and their values.
    pub attributes: BTreeMap<String, String>,
    /// What people read about it.
    pub description: Option<String>,
    /// Whether it takes the place of what an earlier build made. Of an item that is an OVF package, a new version of it is made.
    pub replace: bool,
}

/// What a result in a vCenter is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum VsphereImageKind {
    /// Nothing is left there: the results are files.
    Nothing,
    /// A machine that is off.
    Machine,
    /// A template.
    Template,
    /// An OVF package in the content library of this name.
    LibraryOvf(String),
    /// A template in the content library of this name.
    LibraryTemplate(String),
}
