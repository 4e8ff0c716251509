//! Tests on real guests, through the real binary: QEMU, libvirt, a Debian mirror. Cargo feature `test-guest`.
//!
//! They run two at a time (`--test-threads=2`; some take the machine for themselves, see `support`) and share one base image, which the first that needs it builds with the demo's
//! own definition. A missing program or mirror is a failure: this tier was asked for by name.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, and real guests take real time"
)]
mod demo;
#[cfg(feature = "aws")]
mod ec2;
mod failing;
mod faults;
mod formats;
mod installers;
mod interrupted;
mod kubernetes;
mod ordinary_user;
mod own_login;
mod parallel;
#[path = "../../src/driver/libvirt/tests_real/peer.rs"]
mod peer;
mod refused;
mod remote;
mod software;
mod support;
mod told;
mod units;
