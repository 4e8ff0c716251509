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
mod cloudstack;
mod demo;
#[cfg(feature = "aws")]
mod ec2;
mod failing;
mod faults;
#[cfg(feature = "aws")]
mod formats;
mod installers;
mod instance;
mod interrupted;
mod kubernetes;
#[cfg(feature = "aws")]
#[path = "../it/aws/moto.rs"]
#[allow(dead_code, reason = "shared with the tests that boot nothing")]
mod moto;
mod nutanix;
mod offline;
mod ordinary_user;
mod own_login;
mod parallel;
#[path = "../../src/driver/libvirt/tests_real/peer.rs"]
mod peer;
#[cfg(feature = "aws")]
#[path = "../it/aws/proxy.rs"]
#[allow(dead_code, reason = "shared with the tests that boot nothing")]
mod proxy;
mod refused;
mod remote;
#[cfg(feature = "aws")]
mod snapshot;
mod software;
mod support;
mod told;
mod units;
#[path = "../it/vsphere/vcsim.rs"]
mod vcsim;
mod vsphere;
