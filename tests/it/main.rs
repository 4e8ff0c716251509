//! Tests that boot nothing: the invariants of the house and the behaviour of the binary.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod answers;
#[cfg(feature = "aws")]
mod aws;
mod capi;
mod cli;
mod cloudstack;
mod context;
mod convert;
mod definition;
mod eksa;
mod from_outside;
mod installers;
mod iso;
mod matrix;
mod nutanix;
mod reference;
mod roles;
mod tidy;
mod tls_door;
mod vsphere;
