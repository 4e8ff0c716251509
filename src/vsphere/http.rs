//! The HTTP client of one vCenter: TLS that knows it by authorities or by its thumbprint, proxies from the environment.
use super::{Server, Thumbprint, Trust, VsphereError, VsphereErrorKind};
use crate::wire::chain;
use rustls::{
    CertificateError, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use std::{
    error::Error,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

const CONNECT: Duration = Duration::from_secs(15);

/// A client with what it remembers of the certificate that it saw last.
#[derive(Debug, Clone)]
pub(super) struct Http {
    pub(super) client: reqwest::Client,
    seen: Option<Arc<Pinned>>,
}

impl Http {
    /// A client for this server. Requests have no limit of time; who sends one sets it.
    pub(super) fn new(server: &Server) -> Result<Self, VsphereError> {
        let failed = |error: Box<dyn Error + Send + Sync>| {
            VsphereError::new(VsphereErrorKind::Usage, format!("prepare the connection to {server}"))
                .because(error)
        };
        // Fails only when a provider is installed already, which is just as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("goldsmith/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT);
        let mut seen = None;
        match &server.trust {
            Trust::System => {}
            Trust::CaFile(path) => {
                let attempt = || format!("read the certificates in `{}`", path.display());
                let usage = |error: Box<dyn Error + Send + Sync>| {
                    VsphereError::new(VsphereErrorKind::Usage, attempt())
                        .because(error)
                        .hint("vCenter's own authorities are at https://VCENTER/certs/download.zip, as PEM")
                };
                let pem = std::fs::read(path).map_err(|error| usage(error.into()))?;
                let certificates =
                    reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| usage(error.into()))?;
                if certificates.is_empty() {
                    return Err(usage("there is none".into()));
                }
                builder = builder.tls_certs_only(certificates);
            }
            Trust::Thumbprint(thumbprint) => {
                let (config, pinned) = pinned(thumbprint.clone()).map_err(|error| failed(error.into()))?;
                builder = builder.tls_backend_preconfigured(config);
                seen = Some(pinned);
            }
            Trust::Anything => builder = builder.tls_danger_accept_invalid_certs(true),
        }
        let client = builder.build().map_err(|error| failed(error.into()))?;
        Ok(Self { client, seen })
    }

    /// What went wrong on the way to the server and back.
    pub(super) fn failed(&self, attempt: impl Into<String>, error: reqwest::Error) -> VsphereError {
        let attempt = attempt.into();
        let other = self.seen.as_ref().and_then(|pinned| pinned.refused());
        if let Some(other) = other {
            return VsphereError::new(VsphereErrorKind::Trust, attempt)
                .because(format!("its certificate has another thumbprint: {other}"))
                .hint("if the certificate was renewed, that is the new thumbprint; if not, this is another machine");
        }
        let chain = chain(&error);
        if chain.contains("certificate") && !chain.contains("connection closed") {
            return VsphereError::new(VsphereErrorKind::Trust, attempt).because(chain).hint(
                "name its authorities (`ca-file`), pin its certificate (`thumbprint`; \
                 openssl s_client -connect VCENTER:443 </dev/null | openssl x509 -noout -fingerprint -sha256), \
                 or have it not checked (`insecure = true`)",
            );
        }
        let kind = if error.is_timeout() { VsphereErrorKind::Timeout } else { VsphereErrorKind::Unavailable };
        VsphereError::new(kind, attempt).because(chain)
    }
}

fn pinned(thumbprint: Thumbprint) -> Result<(rustls::ClientConfig, Arc<Pinned>), rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(Pinned { thumbprint, provider: Arc::clone(&provider), other: Mutex::default() });
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&verifier) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    Ok((config, verifier))
}

/// Takes exactly one certificate, whoever signed it and whatever name it bears. That its owner is there is checked as ever.
struct Pinned {
    thumbprint: Thumbprint,
    provider: Arc<CryptoProvider>,
    /// The thumbprint of one that was refused.
    other: Mutex<Option<Thumbprint>>,
}

impl fmt::Debug for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pinned").field(&self.thumbprint).finish()
    }
}

impl Pinned {
    fn refused(&self) -> Option<Thumbprint> {
        self.other.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.thumbprint.is_of(end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        *self.other.lock().unwrap_or_else(PoisonError::into_inner) = Some(Thumbprint::sha256_of(end_entity));
        Err(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
