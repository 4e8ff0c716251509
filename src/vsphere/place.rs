//! Which vCenter, as whom, and how it is known to be the one that is meant.
use super::{VsphereError, VsphereErrorKind};
use crate::value::Secret;
use serde::{Deserialize, Serialize};
use std::{fmt, path::PathBuf, str::FromStr};

/// A vCenter and who goes there. Its password never leaves this value.
#[derive(Debug, Clone)]
pub struct Place {
    /// Where it is, and how it is recognised.
    pub server: Server,
    /// Such as `builder@vsphere.local`.
    pub user: String,
    /// Of that user.
    pub password: Secret,
}

/// Where a vCenter is, and how it is recognised: what undo data may say of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Server {
    /// Name or address, with a port where it is not 443: `vcenter.example.com`.
    pub host: String,
    /// How it is recognised.
    #[serde(default)]
    pub trust: Trust,
}

/// How a server's certificate is checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// By the authorities that this host trusts.
    #[default]
    System,
    /// By the authorities in this PEM file.
    CaFile(PathBuf),
    /// It has this fingerprint, whoever signed it.
    Thumbprint(Thumbprint),
    /// Not at all.
    Anything,
}

/// The fingerprint of a certificate: SHA-1 as vCenter shows it, or SHA-256.
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

impl Server {
    /// `https://host/`, also of an address that a user copied from a browser.
    pub(super) fn url(&self) -> Result<url::Url, VsphereError> {
        let attempt = || format!("understand the vCenter's address `{}`", self.host);
        let usage = |why: String| {
            VsphereError::new(VsphereErrorKind::Usage, attempt())
                .because(why)
                .hint("it is a name or an address, such as `vcenter.example.com`")
        };
        let bare = self.host.trim();
        let text = if bare.contains("://") { bare.to_owned() } else { format!("https://{bare}") };
        let mut url = url::Url::parse(&text).map_err(|error| usage(error.to_string()))?;
        if url.scheme() != "https" || url.host_str().is_none_or(str::is_empty) {
            return Err(usage("it is reached by https only".to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(usage("user and password are said apart from it".to_owned()));
        }
        url.set_path("/");
        url.set_query(None);
        url.set_fragment(None);
        Ok(url)
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbprint_is_read_as_vcenter_and_openssl_show_it() {
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
    fn an_address_is_taken_as_people_write_it() {
        let url = |host: &str| Server { host: host.to_owned(), trust: Trust::System }.url();
        for (host, expected) in [
            ("vc.example.com", "https://vc.example.com/"),
            ("https://vc.example.com/ui/#x", "https://vc.example.com/"),
            ("vc.example.com:8989", "https://vc.example.com:8989/"),
            ("[2001:db8::7]:444", "https://[2001:db8::7]:444/"),
        ] {
            assert_eq!(url(host).unwrap().as_str(), expected);
        }
        for wrong in ["", "http://vc", "https://a:b@vc", "a b"] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }
}
