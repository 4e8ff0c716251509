//! The HTTP client of one vCenter, or of a host of its.
use super::{Server, Trust, VsphereError};
use crate::wire::{self, Versions};

/// A client for one server.
#[derive(Debug, Clone)]
pub(super) struct Http {
    pub(super) client: reqwest::Client,
}

impl Http {
    /// A client for this server. Requests have no limit of time; who sends one sets it.
    pub(super) fn new(server: &Server) -> Result<Self, VsphereError> {
        let client = wire::client(server, &server.trust, Versions::Any);
        let client = client.map_err(|error: VsphereError| match server.trust {
            Trust::CaFile(_) => {
                error.or_hint("vCenter's own authorities are at https://VCENTER/certs/download.zip, as PEM")
            }
            _ => error,
        })?;
        Ok(Self { client })
    }

    /// What went wrong on the way to the server and back.
    #[allow(
        clippy::unused_self,
        reason = "who has a client asks it, as one asks for anything else on the way"
    )]
    pub(super) fn failed(&self, attempt: impl Into<String>, error: reqwest::Error) -> VsphereError {
        wire::failed(attempt, &error, |seen| {
            let pin = match seen {
                Some(seen) => format!("`thumbprint`: {seen}, if that is what vCenter shows at its own console"),
                None => {
                    "`thumbprint`; openssl s_client -connect VCENTER:443 </dev/null | openssl x509 -noout -fingerprint -sha256"
                        .to_owned()
                }
            };
            format!(
                "name its authorities (`ca-file`), pin its certificate ({pin}), or have it not checked (`insecure = true`)"
            )
        })
    }
}
