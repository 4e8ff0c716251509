//! From the release manifest to the manifest of EKS-D: what is fetched, and which rules choose.
use super::{
    Artifact, Bundle, Channel, Distro, EksaError, EksaErrorKind, KubeBundle, ManifestFault, Release,
    Releases, Signature, Wanted, carry,
    tarball::{self, Files},
};
use crate::{
    cx::Cx,
    fetch::{Fetcher, Gate, PlainUrl},
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
    tarball: Option<Files>,
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
    /// What is downloaded is kept in `cache`. A tar is read at once.
    pub fn open(cache: &Path, wanted: Wanted) -> Result<Self, EksaError> {
        let tarball = wanted.tarball.as_deref().map(open).transpose()?;
        // Copies of manifests and files in the cache are taken, and no server is asked for anything.
        let gate = if wanted.offline { Gate::closed(Vec::new(), Vec::new()) } else { Gate::open() };
        Ok(Self { fetcher: Fetcher::new(cache).behind(gate), wanted, tarball })
    }

    /// The same behind a gate. Without servers anyway, it stays as it is.
    #[must_use]
    pub fn behind(mut self, gate: Gate) -> Self {
        if !self.wanted.offline {
            self.fetcher = self.fetcher.behind(gate);
        }
        self
    }

    pub(super) fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// All releases.
    pub async fn releases(&self, cx: &Cx) -> Result<Releases, EksaError> {
        Ok(self.releases_with_bytes(cx).await?.1)
    }

    /// The release manifest as it came, too.
    pub(super) async fn releases_with_bytes(&self, cx: &Cx) -> Result<(Vec<u8>, Releases), EksaError> {
        let what = "the release manifest";
        let (url, bytes) = self.get(cx, what, &self.wanted.manifest, Some(carry::RELEASES)).await?;
        let releases = read(what, &url, &bytes, Releases::read)?;
        Ok((bytes, releases))
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
        let what = "the bundle manifest";
        let name = release.as_ref().map(carry::bundle_name);
        let (url, bytes) = self.get(cx, what, &url, name.as_deref()).await?;
        let bundle = read(what, &url, &bytes, Bundle::read)?;
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
        let what = "the manifest of EKS-D";
        let name = self.wanted.eksd.is_none().then(|| carry::distro_name(&kube));
        let (distro_url, bytes) = self.get(cx, what, &self.distro_url(&kube)?, name.as_deref()).await?;
        let distro = read(what, &distro_url, &bytes, Distro::read)?;
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
            match self.fetcher.probe(&url, None).await {
                Ok(found) => artifact.bytes = found.bytes,
                Err(error) => cx.events().warn(error.to_string(), None),
            }
        });
        let all = futures_util::stream::iter(asks).buffer_unordered(PROBES).for_each(|()| async {});
        Ok(cx.stop().unless_cancelled(all).await?)
    }

    /// Where the manifest of EKS-D is: as the user says, as the bundle says, else where Amazon puts those.
    pub(super) fn distro_url(&self, kube: &KubeBundle) -> Result<Url, EksaError> {
        self.wanted.eksd.clone().map_or_else(|| distro_url(kube), Ok)
    }

    /// A manifest from its address.
    pub(super) async fn bytes(&self, cx: &Cx, what: &str, url: &Url) -> Result<Vec<u8>, EksaError> {
        let kept = self.fetcher.kept(cx, url, LIMIT, self.wanted.offline).await;
        Ok(kept.map_err(|error| EksaError::fetch(format!("get {what}"), error))?.bytes)
    }

    /// A manifest from the tar, where it is called `name`, or from its address; and where it came from.
    async fn get(
        &self,
        cx: &Cx,
        what: &str,
        url: &Url,
        name: Option<&str>,
    ) -> Result<(Url, Vec<u8>), EksaError> {
        let (Some(files), Some(path), Some(name)) = (&self.tarball, &self.wanted.tarball, name) else {
            return Ok((url.clone(), self.bytes(cx, what, url).await?));
        };
        let Some(bytes) = files.get(name) else {
            let there: Vec<&str> = files.keys().map(String::as_str).collect();
            return Err(EksaError::new(EksaErrorKind::NotFound, format!("get {what}"))
                .because(format!("there is no `{name}` in `{}`", path.display()))
                .hint(format!("it has {}", there.join(", "))));
        };
        let place = std::path::absolute(path).ok().and_then(|path| Url::from_file_path(path).ok());
        Ok((place.unwrap_or_else(|| url.clone()), bytes.clone()))
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

/// Reads a tar of manifests.
fn open(path: &Path) -> Result<Files, EksaError> {
    let attempt = || format!("read the manifests in `{}`", path.display());
    let failed = |error: std::io::Error| {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => EksaErrorKind::NotFound,
            _ => EksaErrorKind::Other,
        };
        EksaError::new(kind, attempt()).because(error)
    };
    let bytes = std::fs::read(path).map_err(failed)?;
    tarball::read(&bytes).map_err(|fault| EksaError::new(EksaErrorKind::Manifest, attempt()).because(fault))
}

fn read<T>(
    what: &str,
    url: &Url,
    bytes: &[u8],
    read: impl Fn(&[u8]) -> Result<T, ManifestFault>,
) -> Result<T, EksaError> {
    let attempt = || format!("read {what} at `{}`", PlainUrl(url));
    read(bytes).map_err(|fault| EksaError::new(EksaErrorKind::Manifest, attempt()).because(fault))
}

pub(super) fn bundle_url(release: &Release) -> Result<Url, EksaError> {
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
