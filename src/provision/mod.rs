//! What is done in the guest: steps, the checks that follow from them, and the seal.
//!
//! ```text
//!   certain, fetch             what the steps need of this host, got before there is a guest
//!   resolve                    which steps apply to this guest, with every template replaced
//!   run ──> steps::{shell, file, package, …}   one file per kind; each makes a script; neighbours about units share one (together)
//!   checks ──> run_checks      what must hold inside the booted result, asked in one round trip
//!   seal                       removes what the build left: access, identity, logs, caches; then trims
//!   hygiene                    looks into the finished image before anything booted it
//! ```
//!
//! It knows the guest only through [`crate::guest`], the network through [`crate::fetch`], and nothing of hypervisors. Secrets are put in at the moment of use.
mod ahead;
mod checks;
mod explain;
mod hygiene;
mod repository_files;
mod resolve;
mod run_checks;
mod runner;
mod seal;
mod secrets;
mod send;
mod steps;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_transfer;
mod together;

pub use ahead::{InputError, fetch};
pub use checks::{CheckSpec, checks, general_checks};
pub use hygiene::{Entry, EntryKind, ImageView, hygiene};
pub use repository_files::RepositoryFiles;
pub use resolve::{ResolveError, certain, resolve};
pub use run_checks::{CheckError, run_checks};
pub use runner::{ProvisionError, StepError, Supplies, preflight, run, run_step};
pub use seal::{SealError, SealReport, seal};
pub use secrets::{SecretError, Secrets};
