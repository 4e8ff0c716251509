//! How a server is known to be the one that is meant.
use serde::{Deserialize, Serialize};
use std::{fmt, path::PathBuf, str::FromStr};

/// How a server's certificate is checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// By the authorities that this host trusts.
    #[default]
    System,
    /// By the authorities in this PEM file.
    CaFile(PathBuf),
    /// It has this fingerprint, whoever signed it, and whatever name it bears.
    Thumbprint(Thumbprint),
    /// Not at all.
    Anything,
}

/// The fingerprint of a certificate: SHA-1 or SHA-256 of its DER, as servers' consoles and `openssl x509 -fingerprint` show it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Thumbprint(Vec<u8>);

impl Thumbprint {
    /// Whether a certificate (DER) has it.
    pub(super) fn is_of(&self, certificate: &[u8]) -> bool {
        use sha2::Digest as _;
        if self.0.len() == 20 {
            sha1::Sha1::digest(certificate).as_slice() == self.0
        } else {
            sha2::Sha256::digest(certificate).as_slice() == self.0
        }
    }

    /// The SHA-256 of a certificate (DER).
    pub(super) fn sha256_of(certificate: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(certificate).to_vec())
    }
}

impl FromStr for Thumbprint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: String = text.chars().filter(|c| *c != ':' && !c.is_whitespace()).collect();
        match hex::decode(&digits) {
            Ok(bytes) if matches!(bytes.len(), 20 | 32) => Ok(Self(bytes)),
            _ => {
                Err("a thumbprint is 20 (SHA-1) or 32 (SHA-256) bytes in hexadecimal, with or without colons"
                    .to_owned())
            }
        }
    }
}

impl TryFrom<String> for Thumbprint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Thumbprint> for String {
    fn from(thumbprint: Thumbprint) -> Self {
        thumbprint.to_string()
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02X}", if at == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbprint_is_read_as_servers_and_openssl_show_it() {
        let colons = "AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD";
        let thumbprint: Thumbprint = colons.to_lowercase().parse().unwrap();
        assert_eq!(thumbprint.to_string(), colons);
        assert_eq!(colons.replace(':', "").parse(), Ok(thumbprint));
        for wrong in
            ["", "AA:BB", "not hexadecimal", "AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC"]
        {
            assert!(wrong.parse::<Thumbprint>().is_err(), "{wrong}");
        }
        assert!(Thumbprint::sha256_of(b"x").is_of(b"x"));
        assert!(!Thumbprint::sha256_of(b"x").is_of(b"y"));
    }

    #[test]
    fn journals_of_earlier_versions_are_read() {
        let print = "AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD";
        for (text, trust) in [
            ("\"system\"".to_owned(), Trust::System),
            ("{\"ca-file\":\"/lab.pem\"}".to_owned(), Trust::CaFile("/lab.pem".into())),
            (format!("{{\"thumbprint\":\"{print}\"}}"), Trust::Thumbprint(print.parse().unwrap())),
            ("\"anything\"".to_owned(), Trust::Anything),
        ] {
            assert_eq!(serde_json::from_str::<Trust>(&text).unwrap(), trust);
            assert_eq!(serde_json::to_string(&trust).unwrap(), text);
        }
    }
}
