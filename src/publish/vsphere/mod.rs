//! Machines of a vCenter: made of OVAs that are here, and the other way round.
//!
//! ```text
//!   Job ──── publish ──► Published      import · snapshot · tags · attributes · template · verified · kept
//!   Export ──── run ────► Exported       an OVA, or an OVF with its files
//! ```
mod describe;
mod export;
mod import;
mod supply;

pub use export::{Export, Exported};
pub use import::{Job, Published};
