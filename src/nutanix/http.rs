//! The HTTP client of one Prism Central.
use super::{PrismError, Server};
use crate::wire::{self, Versions};
use std::error::Error;

/// The largest answer that is no disk, in bytes.
const LARGEST: usize = 64 << 20;

/// A client for this server. Requests have no limit of time; who sends one sets it.
pub(super) fn client(server: &Server) -> Result<reqwest::Client, PrismError> {
    wire::client(server, &server.trust, Versions::Any)
}

/// What went wrong on the way to the server and back.
pub(super) fn failed(attempt: impl Into<String>, error: &reqwest::Error) -> PrismError {
    wire::failed(attempt, error, |seen| {
        let pin = match seen {
            Some(seen) => format!("`--thumbprint {seen}`, if that is what it shows at its own console"),
            None => "`--thumbprint HEX`".to_owned(),
        };
        format!(
            "name its authorities (`--ca-file`), pin its certificate ({pin}), or have it not checked (`--insecure`, `nutanix_insecure`): \
             Prism Central's own certificate is signed by nobody"
        )
    })
}

/// A text that is no disk.
pub(super) async fn text(response: reqwest::Response) -> Result<String, Box<dyn Error + Send + Sync>> {
    wire::text(response, LARGEST).await
}
