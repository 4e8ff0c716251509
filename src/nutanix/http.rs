//! The HTTP client of one Prism Central: TLS that knows it by authorities, proxies from the environment.
use super::{PrismError, PrismErrorKind, Server, Trust};
use crate::wire::chain;
use std::{error::Error, time::Duration};

const CONNECT: Duration = Duration::from_secs(15);
/// The largest answer that is no disk, in bytes.
const LARGEST: usize = 64 << 20;

/// A client for this server. Requests have no limit of time; who sends one sets it.
pub(super) fn client(server: &Server) -> Result<reqwest::Client, PrismError> {
    // Fails only when a provider is installed already, which is just as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("goldsmith/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT);
    match &server.trust {
        Trust::System => {}
        Trust::CaFile(path) => {
            let usage = |error: Box<dyn Error + Send + Sync>| {
                let attempt = format!("read the certificates in `{}`", path.display());
                PrismError::new(PrismErrorKind::Usage, attempt).because(error)
            };
            let pem = std::fs::read(path).map_err(|error| usage(error.into()))?;
            let certificates =
                reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| usage(error.into()))?;
            if certificates.is_empty() {
                return Err(usage("there is none".into()));
            }
            builder = builder.tls_certs_only(certificates);
        }
        Trust::Anything => builder = builder.tls_danger_accept_invalid_certs(true),
    }
    builder.build().map_err(|error| {
        PrismError::new(PrismErrorKind::Usage, format!("prepare the connection to {server}")).because(error)
    })
}

/// What went wrong on the way to the server and back.
pub(super) fn failed(attempt: impl Into<String>, error: &reqwest::Error) -> PrismError {
    let chain = chain(error);
    if chain.contains("certificate") && !chain.contains("connection closed") {
        return PrismError::new(PrismErrorKind::Trust, attempt).because(chain).hint(
            "name its authorities (`--ca-file`), or have it not checked (`--insecure`, `nutanix_insecure`): \
             Prism Central's own certificate is signed by nobody",
        );
    }
    let kind = if error.is_timeout() { PrismErrorKind::Timeout } else { PrismErrorKind::Unavailable };
    PrismError::new(kind, attempt).because(chain)
}

/// A text that is no disk.
pub(super) async fn text(mut response: reqwest::Response) -> Result<String, Box<dyn Error + Send + Sync>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > LARGEST {
            return Err("the answer is too large".into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8(body)?)
}
