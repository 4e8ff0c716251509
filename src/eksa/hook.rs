//! HookOS, from which bare metal starts to be installed: kernel and initial RAM disk, brought into a folder.
use super::{EksaError, EksaErrorKind, KubeBundle, Manifests};
use crate::{cx::Cx, value::Arch};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// A file of HookOS that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct HookFile {
    /// The file. Its name is the one under which Tinkerbell asks for it.
    pub path: PathBuf,
    /// Where it came from.
    pub url: String,
    /// For which machines.
    pub arch: Arch,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: String,
    /// Whether the bundle states its digest, which is the same. Amazon's bundles state none, and there is none beside the file.
    pub digest_compared: bool,
}

impl Manifests {
    /// Brings HookOS of a channel into `folder`, for each architecture. A file has its name when it is whole.
    pub async fn download_hook(
        &self,
        cx: &Cx,
        kube: &KubeBundle,
        arches: &[Arch],
        folder: &Path,
    ) -> Result<Vec<HookFile>, EksaError> {
        // What is missing is told before anything is downloaded.
        let mut wanted = Vec::new();
        for arch in arches {
            for (name, artifact) in ["vmlinuz", "initramfs"].into_iter().zip(kube.hook(*arch)?) {
                wanted.push((*arch, format!("{name}-{arch}"), artifact));
            }
        }
        let mut files = Vec::new();
        for (arch, name, artifact) in wanted {
            let attempt = || format!("download `{name}`");
            if let Some(text) = &artifact.bad_digest {
                return Err(EksaError::new(EksaErrorKind::Manifest, attempt())
                    .because(format!("the bundle states `{text}` for its digest, which is none")));
            }
            let url = artifact.url().ok_or_else(|| {
                EksaError::new(EksaErrorKind::Manifest, attempt())
                    .because(format!("`{}` is no address", artifact.uri))
            })?;
            let origins = [url];
            let fetched = Box::pin(self.fetcher.get(cx, &origins, artifact.digest())).await;
            let fetched = fetched.map_err(|error| EksaError::fetch(attempt(), error))?;
            let path = folder.join(&name);
            let sha256 = if artifact.sha256.is_none() && artifact.sha512.is_some() {
                self.sha256_of(cx, &fetched.path).await?
            } else {
                fetched.digest.hex().to_owned()
            };
            deliver(cx, &fetched.path, &path).await?;
            files.push(HookFile {
                path,
                url: artifact.uri.clone(),
                arch,
                bytes: fetched.bytes,
                sha256,
                digest_compared: artifact.digest().is_some(),
            });
        }
        Ok(files)
    }

    pub(super) async fn sha256_of(&self, cx: &Cx, path: &Path) -> Result<String, EksaError> {
        let found = self.fetcher.local(cx, path, None).await;
        Ok(found.map_err(|error| EksaError::fetch("hash a download", error))?.digest.hex().to_owned())
    }
}

/// Copies a file of the cache to where the user wants it.
pub(super) async fn deliver(cx: &Cx, from: &Path, to: &Path) -> Result<(), EksaError> {
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    let part = to.with_file_name(format!(".goldsmith-{}-{name}", cx.id()));
    let failed = |why: std::io::Error| {
        EksaError::new(EksaErrorKind::Other, format!("write `{}`", to.display())).because(why)
    };
    let undo = cx.plan_path(&part)?;
    tokio::fs::copy(from, &part).await.map_err(failed)?;
    tokio::fs::rename(&part, to).await.map_err(failed)?;
    cx.undo().keep(undo)?;
    Ok(())
}
