//! What a build fetches: the list that a bundle is filled by, and that a lock pins.
use crate::value::Digest;
use serde::{Deserialize, Serialize};
use url::Url;

/// One thing that a build fetches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Input {
    /// Where it is; under this address an offline build asks for it.
    pub url: Url,
    /// What it must be, where that is known before it is fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Its size, where that is known before it is fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// What it is.
    pub kind: InputKind,
    /// What needs it, for people: `step 3 (image.toml:40): package tcpdump`.
    pub needed_by: String,
}

/// What an input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputKind {
    /// An installer's medium, or a disk image.
    Base,
    /// An archive, a program, a digest beside one.
    File,
    /// Lists of a package repository, and what signs them.
    PackageIndex,
    /// A package.
    Package,
    /// Manifest or blob of a container image, under its address in the registry's API.
    ContainerImage,
    /// A manifest of EKS Anywhere or EKS Distro.
    Manifest,
    /// A public key.
    Key,
}
