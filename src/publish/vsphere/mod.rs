//! Machines of a vCenter: made of OVAs that are here, and the other way round; and the same by way of content libraries.
//!
//! ```text
//!   Job ──── publish ──► Published      import · snapshot · tags · attributes · template · verified · kept
//!   Export ──── run ────► Exported       an OVA, or an OVF with its files
//!
//!   Shelve ── publish ──► Shelved        the files of an OVA in a library
//!   Capture ─── run ────► InLibrary      a machine in a library
//!   Deploy ──── run ────► Deployed       a machine out of it, with what a Published has
//!   Download ── run ────► Fetched        the files of an item, or an OVA of them
//! ```
mod capture;
mod deploy;
mod describe;
mod download;
mod export;
mod import;
mod items;
mod library;
mod supply;

pub use capture::{Capture, CaptureAs, InLibrary};
pub use deploy::{Deploy, Deployed};
pub use download::{Download, Fetched};
pub use export::{Export, Exported};
pub use import::{Job, Published};
pub use items::{ItemName, Stored};
pub use library::{Shelve, Shelved};
