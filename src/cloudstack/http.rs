//! The HTTP clients of one cloud: one for its API, one for its storage VMs.
use super::{CloudStackError, CloudStackErrorKind, Endpoint, Trust};
use crate::wire::chain;
use std::{error::Error, time::Duration};

const CONNECT: Duration = Duration::from_secs(15);

/// Clients. Requests have no limit of time; who sends one sets it.
#[derive(Debug, Clone)]
pub(super) struct Http {
    pub(super) api: reqwest::Client,
    /// Bodies of gigabytes go through one connection anyway, and proxies before storage VMs limit those of HTTP/2.
    pub(super) storage: reqwest::Client,
}

impl Http {
    pub(super) fn new(endpoint: &Endpoint) -> Result<Self, CloudStackError> {
        // Fails only when a provider is installed already, which is just as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let build = |builder: reqwest::ClientBuilder| {
            builder.build().map_err(|error| {
                let attempt = format!("prepare the connection to {endpoint}");
                CloudStackError::new(CloudStackErrorKind::Usage, attempt).because(error)
            })
        };
        Ok(Self { api: build(base(endpoint)?)?, storage: build(base(endpoint)?.http1_only())? })
    }
}

fn base(endpoint: &Endpoint) -> Result<reqwest::ClientBuilder, CloudStackError> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("goldsmith/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT);
    match &endpoint.trust {
        Trust::System => Ok(builder),
        Trust::Anything => Ok(builder.tls_danger_accept_invalid_certs(true)),
        Trust::CaFile(path) => {
            let usage = |error: Box<dyn Error + Send + Sync>| {
                let attempt = format!("read the certificates in `{}`", path.display());
                CloudStackError::new(CloudStackErrorKind::Usage, attempt).because(error)
            };
            let pem = std::fs::read(path).map_err(|error| usage(error.into()))?;
            let certificates =
                reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| usage(error.into()))?;
            if certificates.is_empty() {
                return Err(usage("there is none".into()));
            }
            Ok(builder.tls_certs_only(certificates))
        }
    }
}

/// What went wrong on the way to a server and back.
pub(super) fn failed(attempt: &str, error: &reqwest::Error) -> CloudStackError {
    let chain = chain(error);
    if chain.contains("certificate") && !chain.contains("connection closed") {
        return CloudStackError::new(CloudStackErrorKind::Trust, attempt)
            .because(chain)
            .hint("name its authorities (`--ca-file`), or have it not checked (`--insecure`)");
    }
    let kind =
        if error.is_timeout() { CloudStackErrorKind::Timeout } else { CloudStackErrorKind::Unavailable };
    CloudStackError::new(kind, attempt).because(chain)
}

/// A body as a text, of `most` bytes.
pub(super) async fn limited(
    mut response: reqwest::Response,
    most: usize,
) -> Result<String, Box<dyn Error + Send + Sync>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > most {
            return Err("the answer is too large".into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}
