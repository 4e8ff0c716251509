//! The bundle manifest of a release: for each Kubernetes channel, all that EKS Anywhere is made of.
use super::{
    Artifact, Channel, EksaError, EksaErrorKind, ManifestFault, Signature,
    part::{Part, document},
    releases::triple,
    signature,
};
use crate::value::Arch;
use jiff::civil::Date;
use serde::Serialize;
use std::collections::BTreeMap;

/// A bundle manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// Counts up with each bundle.
    pub number: Option<u64>,
    /// The oldest release of EKS Anywhere that it is for.
    pub cli_min: Option<String>,
    /// The newest.
    pub cli_max: Option<String>,
    /// One for each channel, in the manifest's order.
    pub kubes: Vec<KubeBundle>,
    /// Whether Amazon signed it. That covers what [`Signature`] says.
    pub signature: Signature,
    /// Signatures of the EKS-D manifests, in base64, by channel.
    pub(super) distro_signatures: BTreeMap<String, String>,
}

/// What a bundle has for one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubeBundle {
    /// Which.
    pub channel: Channel,
    /// The last day of standard support; afterwards, EKS Anywhere wants a licence.
    pub support_ends: Option<Date>,
    /// The release of EKS-D in it.
    pub eksd: EksdRef,
    /// All that it names, in the manifest's order.
    pub artifacts: Vec<Artifact>,
}

/// Which release of EKS-D a bundle means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct EksdRef {
    /// `kubernetes-1-34-eks-21`; the tag `eksdRelease` of a template in a vCenter has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `v1.34.9`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kube_version: Option<String>,
    /// Address of its manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest_url: Option<String>,
    /// The commit of the build tooling that makes its images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_commit: Option<String>,
}

impl Bundle {
    /// Reads a bundle manifest and checks its signature. Unknown parts are taken as they are: whatever has an address is an artifact.
    pub fn read(bytes: &[u8]) -> Result<Self, ManifestFault> {
        let node = document(bytes, "anywhere.eks.amazonaws.com", "Bundles")?;
        let root = Part::root(&node);
        let spec = root.get("spec");
        let list = spec.get("versionsBundles");
        if !list.is_list() {
            return Err(list.fault("is missing, or no list"));
        }
        let kubes = list.items().iter().map(KubeBundle::read).collect::<Result<Vec<_>, _>>()?;
        let annotations = root.at(&["metadata", "annotations"]);
        let distro_signatures = annotations
            .pairs()
            .into_iter()
            .filter_map(|(key, value)| {
                Some((key.strip_prefix(signature::DISTRO_PREFIX)?.to_owned(), value.owned()?))
            })
            .collect();
        Ok(Self {
            number: spec.get("number").number(),
            cli_min: spec.get("cliMinVersion").owned(),
            cli_max: spec.get("cliMaxVersion").owned(),
            kubes,
            signature: signature::of_bundle(&node, &annotations),
            distro_signatures,
        })
    }

    /// What it has for a channel.
    pub fn channel(&self, channel: Channel) -> Result<&KubeBundle, EksaError> {
        self.kubes.iter().find(|kube| kube.channel == channel).ok_or_else(|| {
            let there: Vec<String> = self.kubes.iter().map(|kube| format!("`{}`", kube.channel)).collect();
            EksaError::new(EksaErrorKind::Channel, format!("find release channel `{channel}`"))
                .because(format!("{} does not have it", self.called()))
                .hint(if there.is_empty() {
                    "it has no channels at all".to_owned()
                } else {
                    format!("it has {}", there.join(", "))
                })
        })
    }

    /// What to call it.
    pub(super) fn called(&self) -> String {
        self.number.map_or_else(|| "the bundle".to_owned(), |number| format!("bundle {number}"))
    }

    /// Why this release of EKS Anywhere should not use it, if it should not. What cannot be compared is not.
    pub fn unsuited_for(&self, version: &str) -> Option<String> {
        let (asked, limit) = (triple(version)?, |text: &Option<String>| text.as_deref().and_then(triple));
        let below = limit(&self.cli_min).is_some_and(|min| asked < min);
        let above = limit(&self.cli_max).is_some_and(|max| asked > max);
        let or = |text: &Option<String>, none: &str| text.clone().unwrap_or_else(|| none.to_owned());
        (below || above).then(|| {
            let (min, max) = (or(&self.cli_min, "any"), or(&self.cli_max, "any"));
            format!("{} is for EKS Anywhere {min} to {max}, and this is {version}", self.called())
        })
    }
}

impl KubeBundle {
    fn read(part: &Part<'_>) -> Result<Self, ManifestFault> {
        let eksd = part.get("eksD");
        let stated = eksd.get("channel");
        let named = if stated.text().is_some() { stated } else { part.get("kubeVersion") };
        let channel =
            named.need()?.parse::<Channel>().map_err(|error| named.fault(&format!("is wrong: {error}")))?;
        let ends = part.get("endOfStandardSupport");
        let support_ends = match ends.text().map(str::parse::<Date>) {
            None => None,
            Some(Ok(date)) => Some(date),
            Some(Err(_)) => return Err(ends.fault("is no date such as 2026-12-31")),
        };
        let mut artifacts = Vec::new();
        collect(part, "", &mut artifacts);
        if let Some(uri) = eksd.get("components").text() {
            artifacts.push(Artifact::manifest("eksD.components", uri));
        }
        let eksd = EksdRef {
            name: eksd.get("name").owned(),
            kube_version: eksd.get("kubeVersion").owned(),
            manifest_url: eksd.get("manifestUrl").owned(),
            git_commit: eksd.get("gitCommit").owned(),
        };
        Ok(Self { channel, support_ends, eksd, artifacts })
    }

    /// One of its artifacts, or an error that names it.
    pub fn artifact(&self, id: &str) -> Result<&Artifact, EksaError> {
        self.artifacts.iter().find(|artifact| artifact.id == id).ok_or_else(|| {
            EksaError::new(EksaErrorKind::NotFound, format!("find `{id}` of channel {}", self.channel))
                .because("the bundle manifest has no address for it")
                .hint(format!("`goldsmith release show {}` lists what there is", self.channel))
        })
    }

    /// Kernel and initial RAM disk of HookOS, which starts machines without a system. Amazon publishes no digests of them.
    pub fn hook(&self, arch: Arch) -> Result<[&Artifact; 2], EksaError> {
        let arch = match arch {
            Arch::X86_64 => "amd",
            Arch::Aarch64 => "arm",
        };
        let one = |what: &str| self.artifact(&format!("tinkerbell.tinkerbellStack.hook.{what}.{arch}"));
        Ok([one("vmlinuz")?, one("initramfs")?])
    }

    /// How long standard support still lasts on `today`; negative when it is over.
    pub fn support_days(&self, today: Date) -> Option<i32> {
        let ends = self.support_ends?;
        today.until((jiff::Unit::Day, ends)).ok().map(|span| span.get_days())
    }
}

/// All maps below `part` that have an address.
fn collect(part: &Part<'_>, id: &str, found: &mut Vec<Artifact>) {
    if !id.is_empty() {
        found.extend(Artifact::read(id.to_owned(), part));
    }
    for (key, value) in part.pairs() {
        let id = if id.is_empty() { key.to_owned() } else { format!("{id}.{key}") };
        collect(&value, &id, found);
    }
}
