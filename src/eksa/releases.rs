//! The release manifest: which releases there are, and where their bundles lie.
use super::{
    Artifact, EksaError, EksaErrorKind, ManifestFault,
    part::{Part, document},
};
use serde::Serialize;

/// All releases of EKS Anywhere that a release manifest names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Releases {
    /// The version that is meant when nobody says one.
    pub latest: String,
    /// In the manifest's order.
    pub releases: Vec<Release>,
}

/// One release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Release {
    /// `v0.26.0`
    pub version: String,
    /// Counts up with each release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// When it came out, as the manifest has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// Address of its bundle manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle_manifest_url: Option<String>,
    /// The command line tools of EKS Anywhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Artifact>,
}

/// Which release is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Which {
    /// The latest.
    #[default]
    Latest,
    /// The one of this version.
    Version(String),
}

impl Releases {
    /// Reads a release manifest. Releases without a version are passed over, unknown keys as well.
    pub fn read(bytes: &[u8]) -> Result<Self, ManifestFault> {
        let node = document(bytes, "anywhere.eks.amazonaws.com", "Release")?;
        let spec = Part::root(&node).get("spec");
        let list = spec.get("releases");
        if !list.is_list() {
            return Err(list.fault("is missing, or no list"));
        }
        let releases: Vec<Release> = list.items().iter().filter_map(Release::read).collect();
        Ok(Self { latest: spec.get("latestVersion").need()?.to_owned(), releases })
    }

    /// The release that is meant: of exactly this version, else the first of which it is the part before `+`, so that `v0.0.0-dev` finds
    /// `v0.0.0-dev+build.7`. The `v` may be left out.
    pub fn choose(&self, which: &Which) -> Result<&Release, EksaError> {
        let wanted = match which {
            Which::Latest => self.latest.as_str(),
            Which::Version(version) => version.as_str(),
        };
        let plain = |version: &str| version.strip_prefix('v').unwrap_or(version).to_owned();
        let exact = self.releases.iter().find(|release| plain(&release.version) == plain(wanted));
        let build = || {
            self.releases.iter().find(|release| {
                release.version.split_once('+').is_some_and(|(base, _)| plain(base) == plain(wanted))
            })
        };
        exact.or_else(build).ok_or_else(|| {
            let why = match which {
                Which::Latest => "the release manifest calls it the latest and does not have it",
                Which::Version(_) => "the release manifest does not have it",
            };
            EksaError::new(EksaErrorKind::NotFound, format!("find release `{wanted}` of EKS Anywhere"))
                .because(why)
                .hint(format!("there are {}", self.versions()))
        })
    }

    /// The versions for people, newest first; of many, the newest.
    fn versions(&self) -> String {
        const MANY: usize = 12;
        let mut newest: Vec<&Release> = self.releases.iter().collect();
        newest.sort_by_key(|release| std::cmp::Reverse((release.number, triple(&release.version))));
        let mut names: Vec<String> =
            newest.iter().take(MANY).map(|release| format!("`{}`", release.version)).collect();
        if newest.len() > MANY {
            names.push(format!("{} older ones (`goldsmith release list`)", newest.len() - MANY));
        }
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }
}

impl Release {
    fn read(part: &Part<'_>) -> Option<Self> {
        let mut tools = Vec::new();
        for (os, arch) in [("linux", "amd64"), ("linux", "arm64"), ("darwin", "amd64"), ("darwin", "arm64")] {
            let newer = part.at(&["eksACLI", os, arch]);
            // Older manifests have one file for each system, for amd64.
            let older = part.at(&["eksABinary", os]);
            let found = Artifact::read(format!("eksACLI.{os}.{arch}"), &newer);
            let old =
                || (arch == "amd64").then(|| Artifact::read(format!("eksABinary.{os}"), &older)).flatten();
            tools.extend(found.or_else(old));
        }
        Some(Self {
            version: part.get("version").owned()?,
            number: part.get("number").number(),
            date: part.get("date").owned(),
            bundle_manifest_url: part.get("bundleManifestUrl").owned(),
            tools,
        })
    }
}

/// `v1.2.3-rc.1+build.5` as three numbers, for comparisons.
pub(super) fn triple(version: &str) -> Option<(u64, u64, u64)> {
    let plain = version.strip_prefix('v').unwrap_or(version);
    let core = plain.split(['-', '+']).next()?;
    let mut parts = core.split('.').map(|part| part.parse().ok());
    let three = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(three)
}
