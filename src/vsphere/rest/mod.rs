//! The other interface, for what SOAP cannot: tags and content libraries
//! ([reference](https://developer.broadcom.com/xapis/vsphere-automation-api/latest/)).
//!
//! ```text
//!   tags, library, upload, download, capture, deploy ──► calls (a table), op (a call in both dialects)
//!                                                    ──► session (who is logged in, in which dialect)
//! ```
//!
//! Addresses, names of fields and values of enumerations are those of VMware's own bindings (`vmware-vcenter` 8.0.3.0).
mod answer;
mod calls;
mod capture;
mod deploy;
mod download;
mod endpoint;
mod library;
mod op;
mod remove;
mod session;
mod tags;
mod transfer;
mod upload;

pub use capture::Captured;
pub use deploy::{DeploySpec, Package};
pub use download::Downloaded;
pub use library::{Existing, Item, ItemFile, ItemKind, ItemSpec, Library, NewItem};
pub(in crate::vsphere) use remove::{remove_category, remove_item, remove_tag};
pub(in crate::vsphere) use session::State;
pub use tags::Tag;
pub use transfer::{Bytes, Expected, Upload};
