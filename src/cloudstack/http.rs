//! The HTTP clients of one cloud: one for its API, one for its storage VMs.
use super::{CloudStackError, Endpoint};
use crate::wire::{self, Versions};

/// Clients. Requests have no limit of time; who sends one sets it.
#[derive(Debug, Clone)]
pub(super) struct Http {
    pub(super) api: reqwest::Client,
    /// For bodies of gigabytes.
    pub(super) storage: reqwest::Client,
}

impl Http {
    pub(super) fn new(endpoint: &Endpoint) -> Result<Self, CloudStackError> {
        let api = wire::client(endpoint, &endpoint.trust, Versions::Any)?;
        Ok(Self { api, storage: wire::client(endpoint, &endpoint.storage_trust(), Versions::Http1)? })
    }
}

/// What went wrong on the way to a server and back.
pub(super) fn failed(attempt: &str, error: &reqwest::Error) -> CloudStackError {
    wire::failed(attempt, error, |seen| {
        let pin = match seen {
            Some(seen) => format!("`--thumbprint {seen}`, if its administrator confirms that"),
            None => "`--thumbprint HEX`".to_owned(),
        };
        format!(
            "name its authorities (`--ca-file`), pin its certificate ({pin}), or have it not checked (`--insecure`)"
        )
    })
}
