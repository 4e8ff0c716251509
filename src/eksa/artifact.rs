//! What a release consists of: files, container images and manifests, each with what is known to check it by.
use super::part::Part;
use crate::value::{Arch, Digest, DigestAlgorithm};
use serde::Serialize;
use url::Url;

/// What an artifact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArtifactKind {
    /// A file.
    File,
    /// A container image.
    Image,
    /// A YAML file for a cluster; nothing states its digest.
    Manifest,
}

/// One thing of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Artifact {
    /// Where its manifest has it: `eksD.containerd`, or component and asset of EKS-D: `kubernetes/bin/linux/amd64/kubelet`.
    pub id: String,
    /// What it is.
    pub kind: ArtifactKind,
    /// Its name in the manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `linux`, mostly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    /// In Go's words: `amd64`, `arm64`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub arch: Vec<String>,
    /// An address, or an image's reference.
    pub uri: String,
    /// The tag that the component was built from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The file's SHA-256.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "hex_only")]
    pub sha256: Option<Digest>,
    /// The file's SHA-512.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "hex_only")]
    pub sha512: Option<Digest>,
    /// The digest of an image's manifest: `sha256:…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_digest: Option<Digest>,
    /// A digest that is none, as it stands there: such a file is not downloaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bad_digest: Option<String>,
    /// Its length, when somebody asked the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

#[expect(clippy::ref_option, reason = "serde's shape")]
fn hex_only<S: serde::Serializer>(digest: &Option<Digest>, serializer: S) -> Result<S::Ok, S::Error> {
    match digest {
        Some(digest) => serializer.serialize_str(digest.hex()),
        None => serializer.serialize_none(),
    }
}

impl Artifact {
    /// What a map with a `uri` describes; none when there is no address, or a placeholder for one.
    pub(super) fn read(id: String, part: &Part<'_>) -> Option<Self> {
        let uri = part.get("uri").text().filter(|uri| !uri.starts_with('<'))?;
        let mut bad_digest = None;
        let mut digest = |key: &str, algorithm: DigestAlgorithm| {
            let text = part.get(key).text()?;
            match text.parse::<Digest>() {
                Ok(digest) if digest.algorithm() == algorithm => Some(digest),
                _ => {
                    bad_digest = Some(text.to_owned());
                    None
                }
            }
        };
        let sha256 = digest("sha256", DigestAlgorithm::Sha256);
        let sha512 = digest("sha512", DigestAlgorithm::Sha512);
        let image_digest = digest("imageDigest", DigestAlgorithm::Sha256);
        let kind = match (uri.contains("://"), part.get("name").text()) {
            (false, _) => ArtifactKind::Image,
            (true, Some(_)) => ArtifactKind::File,
            (true, None) => ArtifactKind::Manifest,
        };
        Some(Self {
            id,
            kind,
            name: part.get("name").owned(),
            os: part.get("os").owned(),
            arch: part.get("arch").texts(),
            uri: uri.to_owned(),
            version: None,
            sha256,
            sha512,
            image_digest,
            bad_digest,
            bytes: None,
        })
    }

    /// A manifest of which nothing but the address is known.
    pub(super) fn manifest(id: &str, uri: &str) -> Self {
        Self {
            id: id.to_owned(),
            kind: ArtifactKind::Manifest,
            name: None,
            os: None,
            arch: Vec::new(),
            uri: uri.to_owned(),
            version: None,
            sha256: None,
            sha512: None,
            image_digest: None,
            bad_digest: None,
            bytes: None,
        }
    }

    /// What a download of it is compared with: SHA-256, which everybody states, before SHA-512.
    pub fn digest(&self) -> Option<&Digest> {
        self.sha256.as_ref().or(self.sha512.as_ref())
    }

    /// Whether it is for this architecture; what says none is for all.
    pub fn is_for(&self, arch: Arch) -> bool {
        self.arch.is_empty() || self.arch.iter().any(|name| name == arch.debian())
    }

    /// Its address, if it is a file or a manifest at one.
    pub fn url(&self) -> Option<Url> {
        match self.kind {
            ArtifactKind::Image => None,
            _ => self.uri.parse().ok(),
        }
    }
}
