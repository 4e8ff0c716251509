//! From the release manifest to the manifest of EKS-D: what is fetched, and which rules choose.
use super::{
    Artifact, Bundle, Channel, Distro, EksaError, EksaErrorKind, KubeBundle, ManifestFault, Release,
    Releases, Signature, Wanted,
};
use crate::{
    cx::Cx,
    fetch::{Fetcher, PlainUrl, probe},
};
use futures_util::StreamExt as _;
use jiff::civil::Date;
use std::path::Path;
use url::Url;

/// The largest manifest that is read; real ones have less than a megabyte.
const LIMIT: usize = 32 << 20;

/// So many servers are asked for lengths at once.
const PROBES: usize = 8;

/// Manifests by the addresses that are wanted.
#[derive(Debug)]
pub struct Manifests {
    pub(super) fetcher: Fetcher,
    wanted: Wanted,
}

/// A release's bundle.
#[derive(Debug)]
pub struct Chosen {
    /// None when the bundle's address was said.
    pub release: Option<Release>,
    /// What is in it.
    pub bundle: Bundle,
    /// Where it came from.
    pub url: Url,
}

/// All that is known about a channel of a release.
#[derive(Debug)]
pub struct Resolved {
    /// The release and its bundle.
    pub chosen: Chosen,
    /// The channel's part of the bundle.
    pub kube: KubeBundle,
    /// The release of EKS-D.
    pub distro: Distro,
    /// Where its manifest came from.
    pub distro_url: Url,
    /// Whether Amazon signed its name, channel and number.
    pub distro_signature: Signature,
}

impl Manifests {
    /// What is downloaded is kept in `cache`.
    pub fn new(cache: &Path, wanted: Wanted) -> Self {
        Self { fetcher: Fetcher::new(cache), wanted }
    }

    /// All releases.
    pub async fn releases(&self, cx: &Cx) -> Result<Releases, EksaError> {
        self.read(cx, "the release manifest", &self.wanted.manifest, Releases::read).await
    }

    /// The bundle of the release that is meant.
    pub async fn bundle(&self, cx: &Cx) -> Result<Chosen, EksaError> {
        let (release, url) = if let Some(url) = &self.wanted.bundle {
            (None, url.clone())
        } else {
            let releases = self.releases(cx).await?;
            let release = releases.choose(&self.wanted.which)?.clone();
            let url = bundle_url(&release)?;
            (Some(release), url)
        };
        let bundle = self.read(cx, "the bundle manifest", &url, Bundle::read).await?;
        self.judge(cx, "the bundle manifest", &url, bundle.signature)?;
        let unsuited = release.as_ref().and_then(|release| bundle.unsuited_for(&release.version));
        if let Some(why) = unsuited.filter(|_| !self.wanted.dev) {
            cx.events().warn(why, None);
        }
        Ok(Chosen { release, bundle, url })
    }

    /// A channel of that release with its EKS-D. `today` decides whether its support is over.
    pub async fn resolve(&self, cx: &Cx, channel: Channel, today: Date) -> Result<Resolved, EksaError> {
        let chosen = self.bundle(cx).await?;
        let kube = chosen.bundle.channel(channel)?.clone();
        if let (Some(ends), Some(..0)) = (kube.support_ends, kube.support_days(today)) {
            cx.events().warn(
                format!("standard support of channel {channel} ended on {ends}"),
                Some("EKS Anywhere wants a licence for clusters of it".to_owned()),
            );
        }
        let distro_url = match &self.wanted.eksd {
            Some(url) => url.clone(),
            None => distro_url(&kube)?,
        };
        let distro = self.read(cx, "the manifest of EKS-D", &distro_url, Distro::read).await?;
        self.compare(cx, &kube, &distro, &distro_url)?;
        let signature = chosen.bundle.distro_signatures.get(&channel.to_string());
        let distro_signature = match signature {
            None => Signature::Missing,
            Some(signature) if distro.is_signed(signature) => Signature::Valid,
            Some(_) => Signature::Invalid,
        };
        self.judge(cx, "the manifest of EKS-D", &distro_url, distro_signature)?;
        Ok(Resolved { chosen, kube, distro, distro_url, distro_signature })
    }

    /// Asks for the lengths of files. What no server tells stays unknown.
    pub async fn measure(&self, cx: &Cx, artifacts: &mut [Artifact]) -> Result<(), EksaError> {
        let asked = artifacts.iter_mut().filter_map(|artifact| Some((artifact.url()?, artifact)));
        let asks = asked.map(|(url, artifact)| async move {
            match probe(&url).await {
                Ok(found) => artifact.bytes = found.bytes,
                Err(error) => cx.events().warn(error.to_string(), None),
            }
        });
        let all = futures_util::stream::iter(asks).buffer_unordered(PROBES).for_each(|()| async {});
        Ok(cx.stop().unless_cancelled(all).await?)
    }

    async fn read<T>(
        &self,
        cx: &Cx,
        what: &str,
        url: &Url,
        read: impl Fn(&[u8]) -> Result<T, ManifestFault>,
    ) -> Result<T, EksaError> {
        let attempt = || format!("read {what} at `{}`", PlainUrl(url));
        let kept = self.fetcher.kept(cx, url, LIMIT, self.wanted.offline).await;
        let kept = kept.map_err(|error| EksaError::fetch(format!("get {what}"), error))?;
        read(&kept.bytes).map_err(|fault| EksaError::new(EksaErrorKind::Manifest, attempt()).because(fault))
    }

    /// What a signature means for the user.
    fn judge(&self, cx: &Cx, what: &str, url: &Url, signature: Signature) -> Result<(), EksaError> {
        let why = match signature {
            Signature::Valid => return Ok(()),
            Signature::Invalid => "its signature is of something else: it was changed after Amazon signed it",
            Signature::Missing => "it has no signature",
        };
        if self.wanted.signed_only {
            return Err(EksaError::new(
                EksaErrorKind::Signature,
                format!("trust {what} at `{}`", PlainUrl(url)),
            )
            .because(why));
        }
        // Development builds are signed by somebody else.
        if signature == Signature::Invalid && !self.wanted.dev {
            let hint = "mirrors change addresses in it; otherwise compare it with Amazon's";
            cx.events().warn(format!("{what} at `{}`: {why}", PlainUrl(url)), Some(hint.to_owned()));
        }
        Ok(())
    }

    /// Whether this is the EKS-D that the bundle means.
    fn compare(&self, cx: &Cx, kube: &KubeBundle, distro: &Distro, url: &Url) -> Result<(), EksaError> {
        let wrong = |why: String| {
            let attempt = format!("use the manifest of EKS-D at `{}`", PlainUrl(url));
            EksaError::new(EksaErrorKind::Manifest, attempt).because(why)
        };
        if distro.channel != kube.channel {
            return Err(wrong(format!("it is of channel {}, not of {}", distro.channel, kube.channel)));
        }
        let Some(name) = kube.eksd.name.as_ref().filter(|name| **name != distro.name) else { return Ok(()) };
        let why = format!("it is {}, and the bundle means {name}", distro.name);
        if self.wanted.eksd.is_none() {
            return Err(wrong(why));
        }
        cx.events().warn(format!("the manifest of EKS-D that is said: {why}"), None);
        Ok(())
    }
}

fn bundle_url(release: &Release) -> Result<Url, EksaError> {
    let wrong = |why: String| {
        EksaError::new(EksaErrorKind::Manifest, format!("find the bundle of release {}", release.version))
            .because(why)
    };
    let Some(text) = &release.bundle_manifest_url else {
        return Err(wrong("the release manifest has no `bundleManifestUrl` for it".to_owned()));
    };
    text.parse().map_err(|error| wrong(format!("its `bundleManifestUrl` `{text}` is no address: {error}")))
}

/// Where the manifest of EKS-D is: as the bundle says, else where Amazon puts those.
fn distro_url(kube: &KubeBundle) -> Result<Url, EksaError> {
    let wrong = |why: String| {
        EksaError::new(EksaErrorKind::Manifest, format!("find the EKS-D of channel {}", kube.channel))
            .because(why)
    };
    let text = match (&kube.eksd.manifest_url, &kube.eksd.name) {
        (Some(url), _) => url.clone(),
        (None, Some(name)) => {
            format!("https://distro.eks.amazonaws.com/kubernetes-{}/{name}.yaml", kube.channel)
        }
        (None, None) => {
            return Err(wrong("the bundle has neither `eksD.manifestUrl` nor `eksD.name`".to_owned()));
        }
    };
    text.parse().map_err(|error| wrong(format!("`{text}` is no address: {error}")))
}
