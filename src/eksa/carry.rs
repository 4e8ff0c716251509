//! Manifests in one tar, for places without a network: the names and the layout of EKS Anywhere's `download manifests`.
use super::{
    EksaError, EksaErrorKind, KubeBundle, Manifests, Release, Which, manifests::bundle_url, tarball,
};
use crate::{
    cx::{Cx, Event, Unit},
    value::{Digest, DigestAlgorithm},
};
use futures_util::StreamExt as _;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};

/// The release manifest's name in the tar.
pub(super) const RELEASES: &str = "eks-a-manifest.yaml";

/// So many manifests are fetched at once.
const AT_ONCE: usize = 8;

/// The name of a bundle in the tar.
pub(super) fn bundle_name(release: &Release) -> String {
    format!("eks-a-bundles-{}.yaml", release.version)
}

/// The name of an EKS-D in the tar: one for each channel.
pub(super) fn distro_name(kube: &KubeBundle) -> String {
    format!("eks-d-{}.yaml", kube.channel)
}

/// A tar of manifests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Carried {
    /// The file.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: String,
    /// What is in it.
    pub manifests: Vec<String>,
    /// Releases whose bundle is not there any more.
    pub missing: Vec<String>,
}

impl Manifests {
    /// Writes the release manifest, bundles, and the manifests of EKS-D into a tar at `to`: of all releases, or of the one that is meant by its version. A
    /// channel has one EKS-D in it, that of the release that is meant.
    pub async fn carry(&self, cx: &Cx, to: &Path) -> Result<Carried, EksaError> {
        let chosen = self.bundle(cx).await?;
        let Some(meant) = &chosen.release else {
            return Err(EksaError::new(EksaErrorKind::Usage, "collect manifests")
                .because("`EKSA_BUNDLE_MANIFEST_URL` names a bundle, and so no release"));
        };
        let (bytes, releases) = self.releases_with_bytes(cx).await?;
        let mut files = tarball::Files::from([(RELEASES.to_owned(), bytes)]);
        let all = matches!(self.wanted().which, Which::Latest);
        let wanted = releases.releases.iter().filter(|release| all || release.version == meant.version);
        let wanted: Vec<&Release> = wanted.collect();
        let total = Some((wanted.len() + chosen.bundle.kubes.len()) as u64);
        let fetches = wanted.iter().map(|release| async move {
            let url = bundle_url(release)?;
            Ok::<_, EksaError>((*release, self.bytes(cx, "the bundle manifest", &url).await?))
        });
        let mut fetches = futures_util::stream::iter(fetches).buffered(AT_ONCE);
        let (mut missing, mut done) = (Vec::new(), 0);
        let mut progress = || {
            done += 1;
            cx.emit(Event::Progress { what: "manifests".to_owned(), done, total, unit: Unit::Items });
        };
        for release in &wanted {
            // In order, so that an answer is that of its release.
            match fetches.next().await {
                Some(Ok((release, bytes))) => {
                    files.insert(bundle_name(release), bytes);
                }
                Some(Err(error)) if is_old(&error) && release.version != meant.version => {
                    let what = format!("the bundle of {} is left out: {error}", release.version);
                    cx.events().warn(what, None);
                    missing.push(release.version.clone());
                }
                Some(Err(error)) => return Err(error),
                None => break,
            }
            progress();
        }
        for kube in &chosen.bundle.kubes {
            let url = self.distro_url(kube)?;
            files.insert(distro_name(kube), self.bytes(cx, "the manifest of EKS-D", &url).await?);
            progress();
        }
        let tar = tarball::write(&files);
        self.put(cx, &tar, to).await?;
        let digest = Digest::from_bytes(DigestAlgorithm::Sha256, &Sha256::digest(&tar));
        Ok(Carried {
            path: to.to_owned(),
            bytes: tar.len() as u64,
            sha256: digest.map(|digest| digest.hex().to_owned()).unwrap_or_default(),
            manifests: files.into_keys().collect(),
            missing,
        })
    }

    /// The file has its name when it is whole.
    async fn put(&self, cx: &Cx, bytes: &[u8], to: &Path) -> Result<(), EksaError> {
        let part = to.with_file_name(format!(".goldsmith-{}-manifests", cx.id()));
        let failed = |why: std::io::Error| {
            EksaError::new(EksaErrorKind::Other, format!("write `{}`", to.display())).because(why)
        };
        let undo = cx.plan_path(&part)?;
        tokio::fs::write(&part, bytes).await.map_err(failed)?;
        tokio::fs::rename(&part, to).await.map_err(failed)?;
        cx.undo().keep(undo)?;
        Ok(())
    }
}

/// Whether a bundle is gone, or was never named: old releases are not worth a failure.
fn is_old(error: &EksaError) -> bool {
    matches!(error.kind(), EksaErrorKind::NotFound | EksaErrorKind::Manifest)
}
