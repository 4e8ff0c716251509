//! Releases of EKS Anywhere, from a mirror of ours whose tree is shaped like the public one, and what the commands make of them.
pub(crate) mod bench;
#[cfg(feature = "tuf")]
mod bottlerocket;
mod carried;
mod collected;
mod hook;
mod hostile;
mod list;
pub(crate) mod mirror;
mod node;
mod proxy;
mod show;
mod tls;
mod trouble;
