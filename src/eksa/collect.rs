//! The files that a node is made of, in folders that a server can hand out as they are: the layout of EKS Anywhere's `download artifacts`.
use super::{Artifact, EksaError, EksaErrorKind, Manifests, NodeInputs, Resolved, hook::deliver};
use crate::{
    cx::Cx,
    fetch::Fetched,
    value::{Arch, Digest, digest_of},
};
use serde::Serialize;
use std::path::{Path, PathBuf};
use url::Url;

/// The largest file of a digest that is read.
const SUM: usize = 64 << 10;

/// A file that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Collected {
    /// The file; its digest is beside it, with `.sha256` at the end of the name.
    pub path: PathBuf,
    /// Where it came from.
    pub url: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: String,
    /// It was there already, and was left alone.
    pub kept: bool,
}

/// One file to bring.
struct Item<'a> {
    url: Url,
    artifact: Option<&'a Artifact>,
    to: PathBuf,
}

impl Manifests {
    /// Brings what a node of this release is made of into `folder`: below `eks-a-artifacts` and `eks-d-artifacts`, each file at the path of its address, with
    /// `.sha256` beside it, which the role verifies with. What is there and right is left alone.
    pub async fn collect(
        &self,
        cx: &Cx,
        resolved: &Resolved,
        arch: Arch,
        folder: &Path,
    ) -> Result<Vec<Collected>, EksaError> {
        let inputs = resolved.node_inputs(arch)?;
        let items = items(&inputs, folder)?;
        let mut files = Vec::new();
        for item in items {
            files.push(Box::pin(self.bring(cx, &item)).await?);
        }
        Ok(files)
    }

    async fn bring(&self, cx: &Cx, item: &Item<'_>) -> Result<Collected, EksaError> {
        let attempt = || format!("download `{}`", item.to.display());
        if let Some(text) = item.artifact.and_then(|artifact| artifact.bad_digest.as_ref()) {
            return Err(EksaError::new(EksaErrorKind::Manifest, attempt())
                .because(format!("the manifest states `{text}` for its digest, which is none")));
        }
        let digest = match item.artifact.and_then(Artifact::digest) {
            Some(digest) => digest.clone(),
            None => self.digest_beside(cx, &item.url).await?,
        };
        // A wrong file is replaced; one that cannot be read is told when it is written.
        let here =
            if item.to.is_file() { self.fetcher.local(cx, &item.to, Some(&digest)).await.ok() } else { None };
        let kept = here.is_some();
        let fetched: Fetched = if let Some(here) = here {
            here
        } else {
            let origins = [item.url.clone()];
            let fetched = Box::pin(self.fetcher.get(cx, &origins, Some(&digest))).await;
            fetched.map_err(|error| EksaError::fetch(attempt(), error))?
        };
        if !kept {
            if let Some(parent) = item.to.parent() {
                let failed = |why: std::io::Error| {
                    EksaError::new(EksaErrorKind::Other, format!("make the folder `{}`", parent.display()))
                        .because(why)
                };
                tokio::fs::create_dir_all(parent).await.map_err(failed)?;
            }
            deliver(cx, &fetched.path, &item.to).await?;
        }
        let sha256 = self.sha256_of(cx, &item.to).await?;
        let name = item.to.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let beside = item.to.with_file_name(format!("{name}.sha256"));
        let failed = |why: std::io::Error| {
            EksaError::new(EksaErrorKind::Other, format!("write `{}`", beside.display())).because(why)
        };
        tokio::fs::write(&beside, format!("{sha256}  {name}\n")).await.map_err(failed)?;
        Ok(Collected { path: item.to.clone(), url: item.url.to_string(), bytes: fetched.bytes, sha256, kept })
    }

    /// The digest that lies beside a file which no manifest tells one of.
    pub(super) async fn digest_beside(&self, cx: &Cx, url: &Url) -> Result<Digest, EksaError> {
        let attempt = || format!("find the digest of `{url}`");
        let mut beside = url.clone();
        beside.set_path(&format!("{}.sha256", url.path()));
        let bytes = self.fetcher.small(cx, &beside, SUM).await;
        let bytes = bytes.map_err(|error| EksaError::fetch(attempt(), error))?;
        let name = url.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default();
        digest_of(&String::from_utf8_lossy(&bytes), name)
            .map_err(|error| EksaError::new(EksaErrorKind::Manifest, attempt()).because(error))
    }
}

fn items<'a>(inputs: &NodeInputs<'a>, folder: &Path) -> Result<Vec<Item<'a>>, EksaError> {
    let mut items = Vec::new();
    let mut add = |part: &str, uri: &str, artifact: Option<&'a Artifact>| {
        let url: Url = uri.parse().map_err(|error: url::ParseError| {
            EksaError::new(EksaErrorKind::Manifest, format!("download `{uri}`")).because(error)
        })?;
        // An address has no `..` left when it is read.
        let segments = url.path_segments().into_iter().flatten();
        let path: PathBuf = segments.filter(|segment| !matches!(*segment, "" | "." | "..")).collect();
        let to = folder.join(part).join(path);
        items.push(Item { url, artifact, to });
        Ok::<(), EksaError>(())
    };
    for artifact in [inputs.containerd, inputs.crictl, inputs.etcdadm] {
        add("eks-a-artifacts", &artifact.uri, Some(artifact))?;
    }
    let listed = [inputs.etcd, inputs.cni_plugins].into_iter().chain(inputs.images).chain(inputs.binaries);
    for artifact in listed {
        add("eks-d-artifacts", &artifact.uri, Some(artifact))?;
    }
    for uri in inputs.beside.iter().chain(&inputs.other_pause) {
        add("eks-d-artifacts", uri, None)?;
    }
    Ok(items)
}
