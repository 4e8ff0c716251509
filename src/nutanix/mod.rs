//! A session in a Prism Central of Nutanix's: clusters, subnets, images, machines, categories, tasks; what is ours there, and how it is removed.
//!
//! ```text
//!   Prism ── v4 ──► /api/{vmm,prism,clustermgmt}/v4.0     where the server has it; bytes go by S3 to /api/prism/v4.0/objects/
//!         ── v3 ──► /api/nutanix/v3                       everywhere else
//! ```
//!
//! Nothing here knows what a build is: the driver and [`crate::publish`] do. Shapes are from
//! [Nutanix's reference of v3](https://www.nutanix.dev/api_references/prism-central-v3/) and of
//! [v4](https://developers.nutanix.com/), of which the first version is spoken, since newer servers understand it, too.
mod call;
mod category;
mod cluster;
mod config;
mod content;
mod download;
mod error;
mod fault;
mod file;
mod http;
mod image;
mod named;
mod objects;
mod owned;
mod passing;
mod place;
mod prism;
mod project;
mod remove;
mod said;
mod sign;
mod subnet;
mod survey;
mod task;
mod vm;

pub use category::{Categories, Category};
pub use cluster::Cluster;
pub use config::Config;
pub use content::{Content, ContentKind};
pub use download::Expected;
pub use error::{PrismError, PrismErrorKind};
pub use fault::Fault;
pub use image::{Image, ImageSource, ImageState, ImageType, NewImage};
pub use named::{Named, choose};
pub use objects::Staged;
pub use owned::{Mark, is_marked, is_ours};
pub use passing::digest_of;
pub use place::{Place, Server};
pub use prism::{Dialect, Prism};
pub use project::Project;
pub use remove::{DRIVER, Kind, is_category, remove, remove_with, resource};
pub use said::Said;
pub use survey::Who;

pub use crate::wire::{Thumbprint, Trust};
pub use subnet::Subnet;
pub use vm::{BootType, LONGEST_NAME, LONGEST_USER_DATA, NewVm, Power, Vm, VmDisk};
