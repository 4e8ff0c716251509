//! Tests on real guests, through the real binary: QEMU, libvirt, a Debian mirror. Cargo feature `test-guest`.
//!
//! They run one at a time (`--test-threads=1`) and share one base image, which the first that needs it builds with the demo's
//! own definition. A missing program or mirror is a failure: this tier was asked for by name.
mod demo;
mod failing;
mod interrupted;
mod ordinary_user;
mod parallel;
mod refused;
mod support;
