//! Machines of a vCenter: made of OVAs that are here, and the other way round.
//!
//! ```text
//!   Target ── resolve ──► Spot          where in the inventory, checked before anything is made
//!   Job ──── publish ──► Published      import · snapshot · tags · attributes · template · verified · kept
//!   Export ─── run ────► Exported       one file, or a folder of them
//! ```
mod finish;
mod import;
mod ours;
mod replace;
mod supply;
mod target;

pub use finish::Finish;
pub use import::{Job, Published};
pub use target::{NetworkChoice, Spot, Target};
