//! A session in a Prism Central of Nutanix's: clusters, images, categories, tasks; what is ours there, and how it is removed.
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
mod download;
mod error;
mod fault;
mod file;
mod http;
mod image;
mod objects;
mod owned;
mod passing;
mod place;
mod prism;
mod remove;
mod said;
mod sign;
mod task;

pub use category::{Categories, Category};
pub use cluster::Cluster;
pub use config::Config;
pub use download::Expected;
pub use error::{PrismError, PrismErrorKind};
pub use fault::Fault;
pub use image::{Image, ImageSource, ImageState, ImageType, NewImage};
pub use objects::Staged;
pub use owned::{Mark, is_marked, is_ours};
pub use passing::digest_of;
pub use place::{Place, Server, Trust};
pub use prism::{Dialect, Prism};
pub use remove::{DRIVER, Kind, remove, remove_with, resource};
pub use said::Said;
