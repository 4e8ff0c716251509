//! A build in a cloud of CloudStack, and what it makes there.
use super::ServerTrust;
use crate::value::{HumanDuration, Size};
use serde::Serialize;
use std::{collections::BTreeMap, path::PathBuf};

/// Which cloud, as whom, and where in it. What is not said comes from the environment (`CLOUDSTACK_ENDPOINT`, `CLOUDSTACK_KEY`,
/// `CLOUDSTACK_SECRET`) and from the files of `cs`; of zones, it is the only one there is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CloudPlan {
    /// The address of its interface.
    pub endpoint: Option<String>,
    /// Name of the secret that is the API key.
    pub key: Option<String>,
    /// Name of the secret that is the secret key.
    pub secret: Option<String>,
    /// A file as `cs` has it, absolute.
    pub config: Option<PathBuf>,
    /// A section of that file.
    pub region: Option<String>,
    /// How the server is recognised; by the authorities of this host when nothing is said.
    pub trust: Option<ServerTrust>,
    /// The zone, by name or identifier.
    pub zone: Option<String>,
    /// The project that everything belongs to, by name or identifier.
    pub project: Option<String>,
}

impl CloudPlan {
    /// Whether nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What a machine in a cloud of CloudStack starts from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CloudStackSourcePlan {
    /// A template, by name or identifier.
    Template(String),
    /// A medium that the cloud has, by name or identifier: it starts a system that lets the build in, which is on the disk afterwards.
    Iso(String),
}

/// The machine that is built in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CloudStackMachinePlan {
    /// The service offering, by name or identifier.
    pub offering: String,
    /// Of an offering without fixed numbers: virtual CPUs.
    pub cpus: Option<u32>,
    /// Of an offering without fixed numbers: memory.
    pub memory: Option<Size>,
    /// Size of its root disk, which grows to it; the template's own when nothing is said.
    pub disk: Option<Size>,
    /// The disk offering of the root disk of a machine that starts from a medium, by name or identifier.
    pub disk_offering: Option<String>,
    /// Networks, by name or identifier; the account's only one when empty.
    pub networks: Vec<String>,
    /// Security groups, by name or identifier, where the zone has such.
    pub security_groups: Vec<String>,
    /// The hypervisor, for a medium: `KVM`.
    pub hypervisor: Option<String>,
    /// What starts it; as the cloud does it when nothing is said.
    pub boot: Option<CloudStackBoot>,
    /// More about it, as CloudStack's `details`.
    pub details: BTreeMap<String, String>,
    /// How it is reached.
    pub ssh_by: CloudStackWay,
    /// Networks that its own address must be in, as `192.0.2.0/24`; any when empty.
    pub ip_networks: Vec<String>,
    /// From which addresses a port forward may be used, as `192.0.2.0/24`.
    pub allowed_from: Vec<String>,
    /// The guest's SSH port.
    pub ssh_port: u16,
    /// How long the cloud may take to start it, and then to tell its address.
    pub start_timeout: HumanDuration,
}

/// How a machine is reached.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CloudStackWay {
    /// At its own address.
    #[default]
    Address,
    /// By a port of a public address that leads to it.
    PortForward {
        /// A public address of the account, by identifier or as it is written; one is acquired, and released afterwards, when nothing is said.
        address: Option<String>,
        /// The port there; one that nobody uses when nothing is said.
        port: Option<u16>,
    },
}

/// What starts a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CloudStackBoot {
    /// BIOS.
    Bios,
    /// UEFI.
    Uefi,
    /// UEFI that starts signed boot loaders only.
    UefiSecure,
}

/// The template that is made of the machine's root disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CloudStackImagePlan {
    /// What it is called.
    pub name: String,
    /// Whether it stays; otherwise the results are files.
    pub stays: bool,
    /// What people read about it.
    pub description: Option<String>,
    /// What CloudStack calls its system; that of the source when nothing is said.
    pub os_type: Option<String>,
    /// Whether all accounts may use it.
    pub public: bool,
    /// Whether the cloud puts it first; takes rights.
    pub featured: bool,
    /// Whether it can be downloaded.
    pub extractable: bool,
    /// Whether passwords of its machines can be reset.
    pub password_enabled: bool,
    /// Zones that it is copied to besides that of the build.
    pub zones: Vec<String>,
    /// What it bears.
    pub tags: BTreeMap<String, String>,
    /// Accounts that may use it besides its own.
    pub accounts: Vec<String>,
    /// Whether it takes the place of what an earlier build made.
    pub replace: bool,
}
