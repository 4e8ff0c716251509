//! How a server is recognised.
use serde::Serialize;
use std::path::PathBuf;

/// How a server's certificate is checked, when not by the authorities that this host trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServerTrust {
    /// By the authorities in this PEM file, absolute.
    CaFile(PathBuf),
    /// It has this fingerprint: SHA-1 or SHA-256 in hexadecimal, with or without colons.
    Thumbprint(String),
    /// Not at all.
    Anything,
}
