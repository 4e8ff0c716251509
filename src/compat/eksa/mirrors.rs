//! `private_artifacts_eksd_fqdn` and `private_artifacts_eksa_fqdn`: the site's copies of Amazon's servers.
use super::Asked;
use crate::{compat::CompatError, eksa::Resolved, value::Arch};
use url::Url;

const EKSD: &str = "distro.eks.amazonaws.com";
const EKSA: &str = "anywhere-assets.eks.amazonaws.com";

/// Where the site has what Amazon's two servers have. Paths are the same below both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirrors {
    eksd: Url,
    eksa: Url,
}

impl Mirrors {
    /// Those of an air-gapped build.
    pub fn of(asked: &Asked) -> Result<Option<Self>, CompatError> {
        if !asked.air_gapped {
            return Ok(None);
        }
        let one = |key: &str| {
            let text = asked.said(key);
            let wrong = || {
                CompatError::new(format!("`{key}` is `{text}`, which is no address of a server"))
                    .hint("write it with its scheme, and with a path if there is one: `https://artifacts.internal:8443/eks-d`")
            };
            let url = Url::parse(text).map_err(|error| wrong().because(error))?;
            let good = matches!(url.scheme(), "http" | "https") && url.has_host();
            if good { Ok(url) } else { Err(wrong()) }
        };
        Ok(Some(Self {
            eksd: one("private_artifacts_eksd_fqdn")?,
            eksa: one("private_artifacts_eksa_fqdn")?,
        }))
    }

    /// The site's address for one of Amazon's. What is no address, or somewhere else, stays.
    pub fn address(&self, text: &str) -> String {
        let Ok(url) = Url::parse(text) else { return text.to_owned() };
        let base = match url.host_str() {
            Some(EKSD) => &self.eksd,
            Some(EKSA) => &self.eksa,
            _ => return text.to_owned(),
        };
        let mut moved = base.clone();
        moved.set_path(&format!("{}{}", base.path().trim_end_matches('/'), url.path()));
        moved.set_query(url.query());
        moved.into()
    }

    /// Changes all addresses of a release, and says which ones that a node needs are still elsewhere.
    pub fn rewrite(&self, resolved: &mut Resolved, arch: Arch) -> Result<(), CompatError> {
        let kube = resolved.kube.artifacts.iter_mut();
        for artifact in kube.chain(resolved.distro.artifacts.iter_mut()) {
            artifact.uri = self.address(&artifact.uri);
        }
        let Ok(inputs) = resolved.node_inputs(arch) else { return Ok(()) };
        let needed = [inputs.containerd, inputs.crictl, inputs.etcdadm, inputs.etcd, inputs.cni_plugins];
        let needed = needed.into_iter().chain(inputs.binaries).chain(inputs.images);
        let outside: Vec<String> = needed
            .filter(|artifact| !self.is_here(&artifact.uri))
            .map(|artifact| format!("`{}` at `{}`", artifact.id, artifact.uri))
            .collect();
        if outside.is_empty() {
            return Ok(());
        }
        Err(CompatError::new(format!(
            "The manifests have {} that is on neither of the site's servers: {}",
            if outside.len() == 1 { "a file" } else { "files" },
            outside.join(", ")
        ))
        .hint(format!("only addresses of {EKSD} and {EKSA} are changed to `private_artifacts_eksd_fqdn` and `private_artifacts_eksa_fqdn`")))
    }

    fn is_here(&self, text: &str) -> bool {
        Url::parse(text).is_ok_and(|url| {
            [&self.eksd, &self.eksa].into_iter().any(|base| {
                let prefix = base.path().trim_end_matches('/');
                url.origin() == base.origin()
                    && url.path().strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    fn mirrors() -> Mirrors {
        Mirrors {
            eksd: "https://artifacts.internal:8443/repo/eks-d/".parse().unwrap(),
            eksa: "http://10.0.0.7".parse().unwrap(),
        }
    }

    #[test_case("https://distro.eks.amazonaws.com/kubernetes-1-34/a.tar", "https://artifacts.internal:8443/repo/eks-d/kubernetes-1-34/a.tar"; "EKS-D, below a path")]
    #[test_case("https://anywhere-assets.eks.amazonaws.com/artifacts/x?y=1", "http://10.0.0.7/artifacts/x?y=1"; "EKS-A")]
    #[test_case("https://distro.eks.amazonaws.com.evil.example/x", "https://distro.eks.amazonaws.com.evil.example/x"; "a host that begins so")]
    #[test_case("https://mirror.example/?of=https://distro.eks.amazonaws.com/x", "https://mirror.example/?of=https://distro.eks.amazonaws.com/x"; "an address inside of another")]
    #[test_case("public.ecr.aws/eks-distro/kubernetes/pause:3.10", "public.ecr.aws/eks-distro/kubernetes/pause:3.10"; "an image")]
    fn only_addresses_of_the_two_servers_change(from: &str, to: &str) {
        assert_eq!(mirrors().address(from), to);
    }

    #[test_case("https://artifacts.internal:8443/repo/eks-d/a", true; "below the path")]
    #[test_case("https://artifacts.internal:8443/repo/eks-d-other/a", false; "beside the path")]
    #[test_case("https://artifacts.internal/repo/eks-d/a", false; "another port")]
    #[test_case("http://10.0.0.7/a", true; "the other server")]
    fn what_is_on_the_sites_servers_is_known(url: &str, expected: bool) {
        assert_eq!(mirrors().is_here(url), expected);
    }
}
