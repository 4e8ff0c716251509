//! What this host lacks for building, and the command that mends it.
//!
//! [`Facts::gather`] looks at the host and judges nothing; [`examine`] judges and looks at nothing, so that every verdict
//! can be tested. Nothing here prints.
#[cfg(feature = "aws")]
mod aws;
pub mod cloudstack;
mod examine;
mod facts;
pub mod nutanix;
mod packages;
#[cfg(test)]
mod tests;
pub mod vsphere;

#[cfg(feature = "aws")]
pub use aws::needs;
pub use examine::{examine, install_all};
pub use facts::{Facts, Kvm, Subject};
pub use packages::{Distro, Family, Tool};

use serde::Serialize;

/// A verdict about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// What was looked at; stable, for scripts.
    pub check: &'static str,
    /// The verdict.
    pub status: Status,
    /// What was found, for people.
    pub detail: String,
    /// Commands or sentences that mend it, in order; empty when there is nothing to mend.
    pub mend: Vec<String>,
}

/// How good or bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// As it should be.
    Ok,
    /// Builds work, but not as well as they could, or not all of them.
    Warning,
    /// Builds will fail.
    Failure,
}

impl Finding {
    fn new(check: &'static str, status: Status, detail: impl Into<String>) -> Self {
        Self { check, status, detail: detail.into(), mend: Vec::new() }
    }

    fn mend(mut self, command: impl Into<String>) -> Self {
        self.mend.push(command.into());
        self
    }

    fn mend_all(mut self, commands: impl IntoIterator<Item = String>) -> Self {
        self.mend.extend(commands);
        self
    }
}

/// The worst of all verdicts.
pub fn worst(findings: &[Finding]) -> Status {
    findings.iter().map(|finding| finding.status).max().unwrap_or(Status::Ok)
}
