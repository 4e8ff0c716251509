//! Machines of a vCenter: made of OVAs that are here, and the other way round.
//!
//! ```text
//!   Target ── resolve ──► Spot          where in the inventory, checked before anything is made
//!   Job ──── publish ──► Published      import · snapshot · tags · attributes · template · verified · kept
//!   Export ──── run ────► Exported       an OVA, or an OVF with its files
//! ```
mod describe;
mod export;
mod finish;
mod import;
mod ours;
mod replace;
mod supply;
mod target;

pub use export::{Export, Exported};
pub use finish::Finish;
pub use import::{Job, Published};
pub use target::{NetworkChoice, Spot, Target};
