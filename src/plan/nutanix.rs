//! A build in a cluster of Nutanix's, and what it makes there.
use super::ServerTrust;
use crate::value::{Digest, HumanDuration, Size};
use serde::Serialize;
use std::path::PathBuf;
use url::Url;

/// Which Prism Central, and where in it. What is not said comes from the file of EKS Anywhere's image-builder, then from the environment
/// (`NUTANIX_ENDPOINT`, `NUTANIX_PORT`, `NUTANIX_USER`, `NUTANIX_PASSWORD`, `NUTANIX_INSECURE`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PrismPlan {
    /// Name or address.
    pub endpoint: Option<String>,
    /// Its port.
    pub port: Option<u16>,
    /// Who asks.
    pub user: Option<String>,
    /// Name of the secret that is their password.
    pub password: Option<String>,
    /// How the server is recognised; by the authorities of this host when nothing is said.
    pub trust: Option<ServerTrust>,
    /// EKS Anywhere's file (`nutanix.json`), absolute.
    pub config: Option<PathBuf>,
    /// The dialect of its interface: `v3` or `v4`; the server is asked when nothing is said.
    pub api: Option<String>,
    /// The cluster, by name or UUID.
    pub cluster: Option<String>,
    /// Subnets, by name or UUID, one network card each.
    pub subnets: Vec<String>,
    /// The project that machines belong to, by name or UUID.
    pub project: Option<String>,
}

impl PrismPlan {
    /// Whether nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// An image of a Prism Central to start from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NutanixSourcePlan {
    /// One that is there, by name or UUID.
    Image(String),
    /// What the server fetches. An image of the same digest that is there already is used instead.
    Url {
        /// Where it is.
        url: Url,
        /// SHA-256 of its bytes.
        digest: Option<Digest>,
    },
    /// What the file of EKS Anywhere's image-builder names.
    Config,
}

/// The machine that is built in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct NutanixMachinePlan {
    /// Virtual CPUs: sockets times cores.
    pub cpus: u32,
    /// Of these in one socket.
    pub cores_per_socket: u32,
    /// Memory.
    pub memory: Size,
    /// Size of its disk; the image's own, or that of EKS Anywhere's file, when nothing is said. It grows to that.
    pub disk: Option<Size>,
    /// What starts it.
    pub boot: NutanixBoot,
    /// Categories of the machine while it exists.
    pub categories: Vec<(String, String)>,
    /// For how long an address must stay the same before it is believed.
    pub ip_settle: HumanDuration,
    /// Networks that the address must be in, as `192.0.2.0/24`; any but link-local ones when empty.
    pub ip_networks: Vec<String>,
    /// The guest's SSH port.
    pub ssh_port: u16,
}

/// What starts a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NutanixBoot {
    /// BIOS, as of images of EKS Anywhere.
    #[default]
    Legacy,
    /// UEFI.
    Uefi,
    /// UEFI that starts signed boot loaders only.
    SecureBoot,
}

/// What is made of the machine that was built in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct NutanixImagePlan {
    /// What it is called; the name that EKS Anywhere's file gives it when nothing is said.
    pub name: Option<String>,
    /// What it is.
    pub kind: NutanixImageKind,
    /// What it bears; made if there are none.
    pub categories: Vec<(String, String)>,
    /// What people read about it.
    pub description: Option<String>,
    /// Whether it takes the place of what an earlier build made.
    pub replace: bool,
}

/// What a result is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NutanixImageKind {
    /// Nothing is left there: the results are files.
    Nothing,
    /// An image of its disk.
    Image,
    /// A template; of version 4 of the interface.
    Template,
    /// An OVA; of version 4 of the interface.
    Ova,
}
