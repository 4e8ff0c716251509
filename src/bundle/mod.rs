//! Bundles: every input of a build in one file, for places without a network.
//!
//! ```text
//!   inputs ─(gather)─▸ cache ─(create)─▸ site.bundle ─(Bundles)─▸ Stock: an offline build
//!                                            │                 ├─▸ serve: a mirror for others
//!                        older bundles ──────┘                 ├─▸ push: a server of artifacts
//!                        (what they have is left out)          └─▸ extract, merge, verify
//! ```
//!
//! The format is described in docs/bundles.md. Everything that touches it is synchronous (`cut`, `index`, `layout`, `write`, `opened`, `bundles`);
//! nothing that a bundle says of itself is believed before it was compared. Start reading at [`Bundles`].
mod bundles;
mod cut;
mod error;
mod extract;
mod gather;
mod index;
mod layout;
mod lock;
mod make;
mod opened;
mod place;
mod push;
mod serve;
#[cfg(test)]
mod tests;
mod verify;
mod write;

pub use crate::wire::Trust;
pub use bundles::{About, Bundles, Pieces};
pub use error::{BundleError, BundleErrorKind};
pub use extract::tree;
pub use gather::{Gathered, gather, of};
pub use index::Card;
pub use layout::Fault;
pub use lock::{Drift, LOCK, Lock};
pub use make::{create, extract_all, merge, verified};
pub use place::path_of;
pub use push::{Base, Pushed, Target, push};
pub use serve::Mirror;
pub use verify::{Damage, Verdict, verify};
pub use write::{Manner, Source, Written, write};
