//! How a server is recognised, as definitions say it.
use crate::{plan::ServerTrust, wire::Trust};

/// `None`: nothing is said. The error says why it cannot be.
pub(super) fn trust(said: Option<&ServerTrust>) -> Result<Option<Trust>, String> {
    Ok(match said {
        None => None,
        Some(ServerTrust::CaFile(path)) => Some(Trust::CaFile(path.clone())),
        Some(ServerTrust::Thumbprint(text)) => Some(Trust::Thumbprint(text.parse()?)),
        Some(ServerTrust::Anything) => Some(Trust::Anything),
    })
}
