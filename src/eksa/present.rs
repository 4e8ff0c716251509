//! Whether what a node is made of is where the manifests say, and the digests that only lie beside files.
use super::{Artifact, EksaError, Manifests, Resolved};
use crate::{
    cx::Cx,
    fetch::PlainUrl,
    value::{Arch, DigestAlgorithm},
};
use futures_util::StreamExt as _;
use url::Url;

/// So many servers are asked at once.
const AT_ONCE: usize = 8;

impl Manifests {
    /// Fills in the digests of archives that the manifests state none of, from the files beside them.
    pub async fn find_digests(&self, cx: &Cx, resolved: &mut Resolved, arch: Arch) -> Result<(), EksaError> {
        let inputs = resolved.node_inputs(arch)?;
        let archives = [inputs.containerd, inputs.crictl, inputs.etcdadm, inputs.etcd, inputs.cni_plugins];
        let lack = |artifact: &&Artifact| artifact.digest().is_none() && artifact.bad_digest.is_none();
        let lacking: Vec<(String, Url)> = archives
            .into_iter()
            .filter(lack)
            .filter_map(|artifact| Some((artifact.id.clone(), artifact.url()?)))
            .collect();
        for (id, url) in lacking {
            let digest = self.digest_beside(cx, &url).await?;
            let all = resolved.kube.artifacts.iter_mut().chain(resolved.distro.artifacts.iter_mut());
            for artifact in all.filter(|artifact| artifact.id == id) {
                match digest.algorithm() {
                    DigestAlgorithm::Sha256 => artifact.sha256 = Some(digest.clone()),
                    DigestAlgorithm::Sha512 => artifact.sha512 = Some(digest.clone()),
                }
            }
        }
        Ok(())
    }

    /// Asks for all files that a node is made of, so that one that is missing is told before anything begins.
    pub async fn look_for(&self, cx: &Cx, resolved: &Resolved, arch: Arch) -> Result<(), EksaError> {
        let inputs = resolved.node_inputs(arch)?;
        let listed = [inputs.containerd, inputs.crictl, inputs.etcdadm, inputs.etcd, inputs.cni_plugins];
        let listed = listed.into_iter().chain(inputs.binaries).chain(inputs.images);
        let listed = listed.filter_map(|artifact| Some((artifact.id.clone(), artifact.url()?)));
        let beside = inputs.beside.iter().chain(&inputs.other_pause);
        let beside = beside.filter_map(|uri| Some((uri.rsplit('/').next()?.to_owned(), uri.parse().ok()?)));
        let all: Vec<(String, Url)> = listed.chain(beside).collect();
        let asks = all.into_iter().map(|(id, url)| async move {
            let found = self.fetcher.probe(&url, None).await;
            found.err().map(|error| (id, url, error))
        });
        let asking = futures_util::stream::iter(asks).buffered(AT_ONCE).filter_map(async |missing| missing);
        let missing: Vec<_> = cx.stop().unless_cancelled(asking.collect()).await?;
        let names: Vec<String> =
            missing.iter().map(|(id, url, _)| format!("`{id}` at `{}`", PlainUrl(url))).collect();
        let Some((_, _, error)) = missing.into_iter().next() else { return Ok(()) };
        let name = &resolved.distro.name;
        let error = EksaError::fetch(format!("find all files that a node of {name} is made of"), error);
        Err(EksaError::new(error.kind(), format!("find {}", names.join(", "))).because(error))
    }
}
