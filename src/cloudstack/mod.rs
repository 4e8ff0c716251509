//! A CloudStack management server: signed calls of its API, asynchronous jobs, names, templates and the way of files to its storage, and how
//! what is ours there is removed.
//!
//! ```text
//!   CloudStack ── call ──► POST …/client/api        signed, answered in JSON
//!              ── job  ──► call, then queryAsyncJobResult until it is over
//!              ── post_file ──► the storage VM      a file as a form, with what getUploadParamsForTemplate gave
//! ```
//!
//! Nothing here knows what an image is: [`crate::publish`] does. Calls and parameters are those of
//! [the API's reference](https://cloudstack.apache.org/api/); what it does not say is from the sources of the server.
mod answer;
mod download;
mod error;
mod http;
mod ini;
mod job;
mod names;
mod params;
mod place;
mod ready;
mod remove;
mod said;
mod session;
mod sign;
mod survey;
mod template;
mod transfer;
mod upload;

pub use answer::Fault;
pub use error::{CloudStackError, CloudStackErrorKind};
pub use names::{Named, choose};
pub use params::Params;
pub use place::{Endpoint, Place};
pub use remove::{BUILD, DRIVER, Mark, TEMPLATE, mark_of, remove, remove_with, resource, unsent};
pub use said::Said;
pub use session::CloudStack;
pub use survey::StorageVm;
pub use template::{Scope, Template, TemplateTag};
pub use transfer::digest_of;
pub use upload::{Posted, Source, Ticket};

pub use crate::wire::{Thumbprint, Trust};
