//! The HTTP client of one server: TLS that knows it by authorities or by its thumbprint, proxies from the environment.
use super::{Trust, WireKind, witness::Witness};
use crate::cx::Failure;
use rustls::{
    RootCertStore,
    client::WebPkiServerVerifier,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use std::{error::Error, path::Path, sync::Arc, time::Duration};

const CONNECT: Duration = Duration::from_secs(15);

/// Which versions of HTTP a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Versions {
    /// What the server prefers.
    Any,
    /// 1.1 only: bodies of gigabytes go through one connection anyway, and proxies limit those of HTTP/2.
    Http1,
}

/// A client for a server that people call `server`. Requests have no limit of time; who sends one sets it. Redirections are not followed: an
/// answer is the server's own.
pub(crate) fn client<K: WireKind>(
    server: &dyn std::fmt::Display,
    trust: &Trust,
    versions: Versions,
) -> Result<reqwest::Client, Failure<K>> {
    let failed = |error: Box<dyn Error + Send + Sync>| {
        Failure::new(K::USAGE, format!("prepare the connection to {server}")).because(error)
    };
    let builder = reqwest::Client::builder()
        .user_agent(concat!("goldsmith/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT);
    let builder = match versions {
        Versions::Any => builder,
        Versions::Http1 => builder.http1_only(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let witness = match trust {
        Trust::System => rustls_platform_verifier::Verifier::new(Arc::clone(&provider))
            .map(|verifier| Witness::authorities(Arc::new(verifier)))
            .map_err(|error| failed(error.into()))?,
        Trust::CaFile(path) => authorities(path, &provider).map_err(|error| {
            Failure::new(K::USAGE, format!("read the certificates in `{}`", path.display())).because(error)
        })?,
        Trust::Thumbprint(thumbprint) => Witness::pinned(thumbprint.clone(), Arc::clone(&provider)),
        Trust::Anything => {
            // Fails only when a provider is installed already, which is just as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let builder = builder.tls_danger_accept_invalid_certs(true);
            return builder.build().map_err(|error| failed(error.into()));
        }
    };
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.into()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(witness))
        .with_no_client_auth();
    if versions == Versions::Any {
        config.alpn_protocols.push(b"h2".to_vec());
    }
    config.alpn_protocols.push(b"http/1.1".to_vec());
    builder.tls_backend_preconfigured(config).build().map_err(|error| failed(error.into()))
}

/// The authorities of a PEM file, and no others.
fn authorities(path: &Path, provider: &Arc<CryptoProvider>) -> Result<Witness, Box<dyn Error + Send + Sync>> {
    let pem = std::fs::read(path)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate.map_err(|error| error.to_string())?)?;
    }
    if roots.is_empty() {
        return Err("there is none".into());
    }
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build()?;
    Ok(Witness::authorities(verifier))
}
