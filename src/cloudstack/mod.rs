//! A CloudStack management server: signed calls of its API, asynchronous jobs, names, machines, addresses, templates and the way of files to
//! and from its storage, and how what is ours there is removed.
//!
//! ```text
//!   CloudStack ── call ──► POST …/client/api        signed, answered in JSON
//!              ── job  ──► call, then queryAsyncJobResult until it is over
//!              ── post_file ──► the storage VM      a file as a form, with what getUploadParamsForTemplate gave
//! ```
//!
//! Nothing here knows what an image is, or a build: [`crate::publish`] and [`crate::driver::cloudstack`] do. Calls and parameters are those of
//! [the API's reference](https://cloudstack.apache.org/api/); what it does not say is from the sources of the server.
mod address;
mod answer;
mod download;
mod error;
mod http;
mod ini;
mod job;
mod machine;
mod names;
mod offer;
mod params;
mod place;
mod ready;
mod remove;
mod result;
mod said;
mod session;
mod sign;
mod source;
mod survey;
mod template;
mod transfer;
mod undo;
mod upload;
mod volume;

pub use address::{Forward, Opened, PublicAddress, Rule};
pub use answer::Fault;
pub use error::{CloudStackError, CloudStackErrorKind};
pub use machine::{DeploySpec, NewDisk, Vm, VmNic, VmState};
pub use names::{Named, choose};
pub use offer::{DiskOffering, Network, ServiceOffering, ZoneKind};
pub use params::Params;
pub use place::{Endpoint, Place};
pub use remove::{
    BUILD, DRIVER, MACHINE, Made, Mark, TEMPLATE, machine_resource, mark_of, mark_of_machine, remove,
    remove_with, resource, unsent,
};
pub use result::{Finish, TAG, is_ours};
pub use said::Said;
pub use session::CloudStack;
pub use source::SourceKind;
pub use survey::StorageVm;
pub use template::{Scope, Template, TemplateTag};
pub use transfer::digest_of;
pub use upload::{Posted, Source, Ticket};
pub use volume::TemplateSpec;

pub use crate::wire::{Thumbprint, Trust};
