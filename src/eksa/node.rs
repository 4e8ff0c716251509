//! What an image of a node is made of, out of all that a release has.
use super::{Artifact, Distro, EksaError, EksaErrorKind, KubeBundle, Resolved};
use crate::value::Arch;

/// What an image of a node is made of, for one architecture.
#[derive(Debug, Clone)]
pub struct NodeInputs<'a> {
    /// The container runtime, with runc.
    pub containerd: &'a Artifact,
    /// The client of the container runtime.
    pub crictl: &'a Artifact,
    /// What joins members to an etcd outside of the cluster.
    pub etcdadm: &'a Artifact,
    /// etcd and etcdctl.
    pub etcd: &'a Artifact,
    /// The network plugins.
    pub cni_plugins: &'a Artifact,
    /// kubelet, kubeadm, kubectl.
    pub binaries: [&'a Artifact; 3],
    /// Archives of images: kube-apiserver, kube-controller-manager, kube-scheduler, kube-proxy.
    pub images: [&'a Artifact; 4],
    /// The image of pods' sandboxes.
    pub pause_image: &'a Artifact,
    /// Where the cluster's images are: `public.ecr.aws/eks-distro`.
    pub image_repository: String,
    /// `v1.34.9`
    pub kubernetes_version: String,
    /// Archives of images that lie beside those of `images` and that no manifest lists; each has a `.sha256`.
    pub beside: [String; 3],
    /// The archive with the pause image of channel 1-28, from which clusters are upgraded to 1-29 and 1-30: their nodes have both. It has a `.sha256`, too.
    pub other_pause: Option<String>,
}

impl Resolved {
    /// What an image of a node of this release is made of.
    pub fn node_inputs(&self, arch: Arch) -> Result<NodeInputs<'_>, EksaError> {
        NodeInputs::find(&self.kube, &self.distro, arch)
    }
}

impl<'a> NodeInputs<'a> {
    /// What an image of a node is made of, out of both manifests. What is missing is named, all of it.
    pub fn find(kube: &'a KubeBundle, distro: &'a Distro, arch: Arch) -> Result<Self, EksaError> {
        let mut missing = Vec::new();
        let inputs = Self::collect(kube, distro, arch, &mut missing);
        if inputs.is_none() && missing.is_empty() {
            missing.push("the addresses beside `kube-apiserver.tar`".to_owned());
        }
        match inputs.filter(|_| missing.is_empty()) {
            Some(inputs) => Ok(inputs),
            None => Err(EksaError::new(
                EksaErrorKind::NotFound,
                format!("find all that a node of {} for {arch} is made of", distro.name),
            )
            .because(format!("the manifests lack {}", missing.join(", ")))),
        }
    }

    fn collect(
        kube: &'a KubeBundle,
        distro: &'a Distro,
        arch: Arch,
        missing: &mut Vec<String>,
    ) -> Option<Self> {
        let go = arch.debian();
        let mut bundled = |id: &str| {
            let found = kube.artifacts.iter().find(|found| found.id == id && found.is_for(arch));
            if found.is_none() {
                missing.push(format!("`{id}`"));
            }
            found
        };
        let (containerd, crictl, etcdadm) =
            (bundled("eksD.containerd"), bundled("eksD.crictl"), bundled("eksD.etcdadm"));
        // Of several components: kube-proxy moved from `kubernetes` to one of its own.
        let mut asset = |name: &str, exact: bool| {
            let found = distro.artifacts.iter().find(|found| {
                let own = found.name.as_deref().unwrap_or_default();
                if exact { own == name } else { own.starts_with(name) }
            });
            if found.is_none() {
                missing.push(format!("`{name}{}`", if exact { "" } else { "…" }));
            }
            found
        };
        let etcd = asset(&format!("etcd-linux-{go}-"), false);
        let cni_plugins = asset(&format!("cni-plugins-linux-{go}-"), false);
        let mut binary = |name: &str| asset(&format!("bin/linux/{go}/{name}"), true);
        let binaries = [binary("kubelet"), binary("kubeadm"), binary("kubectl")];
        let images = [
            binary("kube-apiserver.tar"),
            binary("kube-controller-manager.tar"),
            binary("kube-scheduler.tar"),
            binary("kube-proxy.tar"),
        ];
        let (pause_image, api_image) = (asset("pause-image", true), asset("kube-apiserver-image", true));
        let repository = api_image.and_then(|image| {
            let found =
                image.uri.split_once("/kubernetes/kube-apiserver").map(|(before, _)| before.to_owned());
            if found.is_none() {
                missing.push("the repository of `kube-apiserver-image`".to_owned());
            }
            found
        });
        let [kubelet, kubeadm, kubectl] = binaries;
        let [api, controller, scheduler, proxy] = images;
        let version = kubelet.and_then(|kubelet| {
            if kubelet.version.is_none() {
                missing.push("the `gitTag` of component `kubernetes`".to_owned());
            }
            kubelet.version.clone()
        });
        let other_pause = older_pause(distro, &api?.uri);
        let beside = |name: &str| Some(format!("{}{name}.tar", api?.uri.strip_suffix("kube-apiserver.tar")?));
        Some(NodeInputs {
            containerd: containerd?,
            crictl: crictl?,
            etcdadm: etcdadm?,
            etcd: etcd?,
            cni_plugins: cni_plugins?,
            binaries: [kubelet?, kubeadm?, kubectl?],
            images: [api?, controller?, scheduler?, proxy?],
            pause_image: pause_image?,
            image_repository: repository?,
            kubernetes_version: version?,
            beside: [beside("pause")?, beside("coredns")?, beside("etcd")?],
            other_pause,
        })
    }
}

/// The last release of channel 1-28: its channel has ended, nothing newer will come.
const OLDER: (&str, &str) = ("/kubernetes-1-28/releases/66/artifacts/kubernetes/", "v1.28.15");

/// Where the pause image of channel 1-28 is, for the channels whose nodes have it, too: on the server that has `api_image`.
fn older_pause(distro: &Distro, api_image: &str) -> Option<String> {
    let channel = distro.channel.to_string();
    if !matches!(channel.as_str(), "1-29" | "1-30") {
        return None;
    }
    let (server, rest) = api_image.split_once(&format!("/kubernetes-{channel}/"))?;
    let (_, folder) = rest.split_once("/bin/")?;
    let folder = folder.rsplit_once('/')?.0;
    Some(format!("{server}{}{}/bin/{folder}/pause.tar", OLDER.0, OLDER.1))
}
