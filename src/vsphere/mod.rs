//! A session in a vCenter: SOAP (vim25) for what only it can do, REST for tags and content libraries; what is ours there, and how it is
//! removed.
//!
//! ```text
//!   VCenter ── call ──► Soap ──► /sdk           the session's cookie, again when it expired
//!           ── rest ──► /api, or /rest where that is not
//! ```
//!
//! Nothing here knows what an image is: the driver and [`crate::publish`] do. Shapes are from
//! [the schema of the interface](https://developer.broadcom.com/xapis/vsphere-web-services-api/latest/), whose order of elements counts.
mod config;
pub mod datastore;
mod disks;
mod error;
mod fault;
mod folder;
mod http;
mod inventory;
mod lease;
pub mod machine;
mod moref;
pub mod nfc;
mod ovf;
mod owned;
mod place;
mod privilege;
mod property;
mod remove;
mod rest;
pub mod result;
mod said;
mod session;
mod soap;
mod target;
mod task;
mod xml;

pub use config::Config;
pub use disks::DiskThere;
pub use error::{VsphereError, VsphereErrorKind};
pub use fault::Fault;
pub use inventory::{Datacenter, Named, escape_name, plain_name};
pub use lease::{Keeper, Lease, LeaseDevice, LeaseInfo, LeaseProgress, ManifestEntry};
pub use machine::MOREF;
pub use moref::Moref;
pub use ovf::{ImportSpec, Imported, OvfImport};
pub use owned::{Mark, bears_mark, is_marked, without_marks};
pub use place::{Place, Server};
pub use privilege::{For, On, PRIVILEGES, Privilege};
pub use property::Properties;
pub use remove::{BUILD, DRIVER, Kind, remove, remove_with, resource};
pub use rest::{
    Bytes, Captured, DeploySpec, Downloaded, Existing, Expected, Item, ItemFile, ItemKind, ItemSpec, Library,
    NewItem, Package, Tag, Upload,
};
pub use said::Said;
pub use session::{About, VCenter};
pub use target::{NetworkChoice, Spot, Target};
pub use xml::{Element, Node};

pub use crate::wire::{Thumbprint, Trust};
