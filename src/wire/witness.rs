//! Who looks at a server's certificate, and remembers the one that was refused in the error.
use super::Thumbprint;
use rustls::{
    CertificateError, DigitallySignedStruct, OtherError, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use std::{error::Error, fmt, io, sync::Arc};

/// A certificate that is not the server's that is meant, as far as anybody knows.
#[derive(Debug)]
pub(super) struct Refused {
    /// What it is known by: SHA-256.
    pub(super) seen: Thumbprint,
    /// Why, where authorities were asked; with a thumbprint, it is another one.
    pub(super) why: Option<rustls::Error>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Some(why) => write!(f, "{why}; the certificate has the thumbprint {}", self.seen),
            None => write!(f, "its certificate has another thumbprint: {}", self.seen),
        }
    }
}

impl Error for Refused {}

impl Refused {
    /// That of a request that failed, if it failed for that.
    pub(super) fn of(error: &reqwest::Error) -> Option<&Self> {
        let mut next: Option<&(dyn Error + 'static)> = error.source();
        while let Some(error) = next {
            if let Some(refused) = inside(error) {
                return Some(refused);
            }
            next = error.source();
        }
        None
    }
}

/// An error of I/O hides what it wraps from `source`.
fn inside<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Refused> {
    if let Some(wrapped) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        return inside(wrapped);
    }
    match error.downcast_ref() {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(other)))) => {
            other.downcast_ref()
        }
        _ => None,
    }
}

/// Looks at certificates.
#[derive(Debug)]
pub(super) enum Witness {
    /// Asks authorities.
    Authorities(Arc<dyn ServerCertVerifier>),
    /// Takes exactly one certificate, whoever signed it and whatever name it bears. That its owner is there is checked as ever.
    Pinned(Thumbprint, Arc<CryptoProvider>),
}

impl Witness {
    pub(super) fn authorities(verifier: Arc<dyn ServerCertVerifier>) -> Self {
        Self::Authorities(verifier)
    }

    pub(super) fn pinned(thumbprint: Thumbprint, provider: Arc<CryptoProvider>) -> Self {
        Self::Pinned(thumbprint, provider)
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let why = match self {
            Self::Authorities(verifier) => {
                match verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
                {
                    Err(why @ rustls::Error::InvalidCertificate(_)) => Some(why),
                    answer => return answer,
                }
            }
            Self::Pinned(thumbprint, _) if thumbprint.is_of(end_entity) => {
                return Ok(ServerCertVerified::assertion());
            }
            Self::Pinned(..) => None,
        };
        let refused = Refused { seen: Thumbprint::sha256_of(end_entity), why };
        Err(CertificateError::Other(OtherError(Arc::new(refused))).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match self {
            Self::Authorities(verifier) => verifier.verify_tls12_signature(message, certificate, signed),
            Self::Pinned(_, provider) => verify_tls12_signature(
                message,
                certificate,
                signed,
                &provider.signature_verification_algorithms,
            ),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match self {
            Self::Authorities(verifier) => verifier.verify_tls13_signature(message, certificate, signed),
            Self::Pinned(_, provider) => verify_tls13_signature(
                message,
                certificate,
                signed,
                &provider.signature_verification_algorithms,
            ),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        match self {
            Self::Authorities(verifier) => verifier.supported_verify_schemes(),
            Self::Pinned(_, provider) => provider.signature_verification_algorithms.supported_schemes(),
        }
    }
}
