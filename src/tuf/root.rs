//! The root that everything else is trusted by.
use super::{TufError, TufErrorKind};
use crate::value::{Digest, DigestAlgorithm};
use sha2::{Digest as _, Sha512};

/// A root that somebody vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedRoot {
    pub(super) bytes: Vec<u8>,
    /// Its SHA-512, by which people know it.
    pub sha512: Digest,
}

impl TrustedRoot {
    /// A root that the user vouches for, such as a file of theirs.
    pub fn vouched(bytes: Vec<u8>) -> Option<Self> {
        let sha512 = Digest::from_bytes(DigestAlgorithm::Sha512, &Sha512::digest(&bytes))?;
        Some(Self { bytes, sha512 })
    }

    /// A root from anywhere that must have this digest.
    pub fn pinned(bytes: Vec<u8>, pin: &Digest) -> Result<Self, TufError> {
        let found = match pin.algorithm() {
            DigestAlgorithm::Sha256 => {
                Digest::from_bytes(DigestAlgorithm::Sha256, &sha2::Sha256::digest(&bytes))
            }
            DigestAlgorithm::Sha512 => Digest::from_bytes(DigestAlgorithm::Sha512, &Sha512::digest(&bytes)),
        };
        let attempt = || TufError::new(TufErrorKind::Untrusted, "trust the root of the repository");
        match (found, Self::vouched(bytes)) {
            (Some(found), Some(root)) if found == *pin => Ok(root),
            (Some(found), _) => Err(attempt().because(format!("expected {pin}, found {found}"))),
            (None, _) => Err(attempt().because("it has no digest")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_must_have_the_digest_that_is_pinned() {
        let root = TrustedRoot::vouched(b"root".to_vec()).unwrap();
        assert_eq!(TrustedRoot::pinned(b"root".to_vec(), &root.sha512).unwrap(), root);
        let sha256 = hex::encode(sha2::Sha256::digest(b"root")).parse().unwrap();
        assert_eq!(TrustedRoot::pinned(b"root".to_vec(), &sha256).unwrap(), root, "either digest will do");
        let error = TrustedRoot::pinned(b"toor".to_vec(), &root.sha512).unwrap_err();
        assert_eq!(error.kind(), TufErrorKind::Untrusted);
        let why = std::error::Error::source(&error).unwrap().to_string();
        assert!(why.starts_with(&format!("expected {}, found sha512:", root.sha512)), "{why}");
    }
}
