//! What the sessions in other people's services have in common on the wire: files that come over HTTP, and how far they are.
//!
//! Nothing here knows a service: each says its own calls, and what their answers mean. Errors are the service's own
//! ([`crate::cx::Failure`]), told by the kinds that all of them have ([`WireKind`]).
mod bar;
mod causes;
mod download;
mod kind;

pub(crate) use bar::Bar;
pub(crate) use causes::chain;
pub use download::Arrived;
pub(crate) use download::{Wanted, download};
pub use kind::WireKind;
