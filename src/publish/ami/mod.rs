//! AMIs: made of snapshots, and of disks by way of one; and their life afterwards.
//!
//! Start reading at [`FromDisk`], which is all of `goldsmith publish ami`, and at [`copy()`].
mod channel;
mod copy;
mod export;
mod find;
mod from_disk;
mod leftovers;
mod life;
mod parent;
mod public_access;
mod regions;
mod register;
mod retain;
mod share;
mod spec;
mod usage;
mod wait;

pub use channel::{Channel, Pattern, Places, Slot, Verdict, promote, set, validate};
pub use copy::{Copied, CopyPlan, CopyReport, CopyState, copy};
pub use export::{ExportPlan, Exported, download, export};
pub use find::{Image, Query, named, one, own};
pub use from_disk::{DiskSource, FromDisk, Published, Stopped};
pub use leftovers::{Leftover, leftovers};
pub use life::Protection;
pub use parent::{Base, base};
pub use public_access::{Blocks, blocks};
pub use regions::{Regions, Which, regions};
pub use register::{Ami, check, preflight, register};
pub use retain::{Fate, Judged, Retired, Rules, judge, retire};
pub use share::{Audience, audience};
pub use usage::{Usage, usage};
pub use wait::{Board, Patience, Settled, settled};
