//! The manifest of a release of EKS Distro: Kubernetes, etcd, CNI plugins and images, by component.
use super::{
    Artifact, Channel, EksaError, EksaErrorKind, ManifestFault,
    part::{Part, document},
    signature,
};
use crate::yaml::Node;

/// The manifest of a release of EKS Distro.
#[derive(Debug)]
pub struct Distro {
    /// `kubernetes-1-34-eks-21`
    pub name: String,
    /// Its channel.
    pub channel: Channel,
    /// Counts up with each release of the channel.
    pub number: Option<u64>,
    /// When it came out, as the manifest has it.
    pub date: Option<String>,
    /// All assets, in the manifest's order. `version` is the tag of their component.
    pub artifacts: Vec<Artifact>,
    node: Node,
}

impl Distro {
    /// Reads the manifest. Assets without an address are passed over, unknown keys as well.
    pub fn read(bytes: &[u8]) -> Result<Self, ManifestFault> {
        let node = document(bytes, "distro.eks.amazonaws.com", "Release")?;
        let root = Part::root(&node);
        let (spec, status) = (root.get("spec"), root.get("status"));
        let stated = spec.get("channel");
        let channel =
            stated.need()?.parse::<Channel>().map_err(|error| stated.fault(&format!("is wrong: {error}")))?;
        let components = status.get("components");
        if !components.is_list() {
            return Err(components.fault("is missing, or no list"));
        }
        let mut artifacts = Vec::new();
        for component in components.items() {
            let (name, tag) = (component.get("name").need()?, component.get("gitTag").owned());
            for asset in component.get("assets").items() {
                artifacts.extend(read_asset(name, &asset, tag.as_ref()));
            }
        }
        let name = root.at(&["metadata", "name"]).need()?.to_owned();
        let (number, date) = (spec.get("number").number(), status.get("date").owned());
        Ok(Self { name, channel, number, date, artifacts, node })
    }

    /// One asset of a component, or an error that names both.
    pub fn asset(&self, component: &str, asset: &str) -> Result<&Artifact, EksaError> {
        let id = format!("{component}/{asset}");
        self.artifacts.iter().find(|artifact| artifact.id == id).ok_or_else(|| self.missing(&id))
    }

    /// The first file of a component whose name begins so: names of archives end with versions.
    pub fn archive(&self, component: &str, begin: &str) -> Result<&Artifact, EksaError> {
        let id = format!("{component}/{begin}");
        let found = self.artifacts.iter().find(|artifact| artifact.id.starts_with(&id));
        found.ok_or_else(|| self.missing(&format!("{id}…")))
    }

    fn missing(&self, id: &str) -> EksaError {
        EksaError::new(EksaErrorKind::NotFound, format!("find `{id}` in {}", self.name))
            .because("the manifest of EKS-D has no such asset")
    }

    /// Whether a signature, which the bundle has, fits the manifest. It covers name, channel and number, not the digests of assets: EKS
    /// Anywhere leaves `status` out of what it signs.
    pub(super) fn is_signed(&self, signature: &str) -> bool {
        signature::fits_distro(&self.node, signature)
    }
}

fn read_asset(component: &str, asset: &Part<'_>, tag: Option<&String>) -> Option<Artifact> {
    let id = format!("{component}/{}", asset.get("name").text()?);
    let archive = Artifact::read(id.clone(), &asset.get("archive"));
    let mut artifact = archive.or_else(|| Artifact::read(id, &asset.get("image")))?;
    artifact.name = asset.get("name").owned();
    artifact.os = asset.get("os").owned();
    artifact.arch = asset.get("arch").texts();
    artifact.version = tag.cloned();
    // The name stands beside the archive, so the address alone would look like that of a manifest.
    if artifact.kind == super::ArtifactKind::Manifest {
        artifact.kind = super::ArtifactKind::File;
    }
    Some(artifact)
}
