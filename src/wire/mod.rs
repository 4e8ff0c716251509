//! What the sessions in other people's services have in common on the wire: how a server is known, the client for it, why a request failed,
//! files that come and go, and how far they are.
//!
//! ```text
//!   Trust ──► client ── refused ──► failed     with the thumbprint that was seen
//!                    ── answers ──► download   gone on with, compared, renamed when it is whole
//! ```
//!
//! Nothing here knows a service: each says its own calls, and what their answers mean. Errors are the service's own
//! ([`crate::cx::Failure`]), told by the kinds that all of them have ([`WireKind`]).
mod bar;
mod causes;
mod client;
mod door;
mod download;
mod kind;
mod serve;
mod trust;
mod witness;

pub(crate) use bar::Bar;
pub(crate) use causes::{chain, failed, text};
pub(crate) use client::{Versions, client};
pub(crate) use door::Door;
pub use download::Arrived;
pub(crate) use download::{Wanted, download};
pub use kind::WireKind;
pub(crate) use serve::{Served, portion};
pub use trust::{Thumbprint, Trust};
