//! An image of Bottlerocket from its publisher's repository: verified by a root whose digest is known here, then fetched by the digest that it tells.
use super::ImageName;
use crate::{
    cx::Cx,
    eksa::{EksaError, EksaErrorKind, hook::deliver, wanted::address},
    fetch::{Fetcher, PlainUrl},
    tuf::{Place, Repository, TargetFile, TrustedRoot, TufError, TufErrorKind},
    value::{Digest, DigestAlgorithm},
};
use jiff::Timestamp;
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use url::Url;

/// Where Bottlerocket publishes its root.
const ROOT: &str = "https://cache.bottlerocket.aws/root.json";
/// The root's SHA-512, as EKS Anywhere's documentation and build tooling have it.
const PIN: &str = "33eb2f01738391907a9380f74b6b2a84fada845b0474d3a30c5756f49067690e520c1d7a531a3e9d1877d3a2f05ec21d9093a8f7307e3fe5b61aa4584472dc9a";
/// That of the root before it, which older documentation has.
const OLDER: &str = "a3c58bc73999264f6f28f3ed9bfcb325a5be943a782852c7d53e803881968e0a4698bd54c2f125493f4669610a9da83a1787eb58a8303b2ee488fa2a3f7d802f";
const METADATA: &str = "https://updates.bottlerocket.aws/2020-07-07/";
const TARGETS: &str = "https://updates.bottlerocket.aws/targets/";
/// The largest root that is read; real ones have some tens of kilobytes.
const LIMIT: usize = 1 << 20;

/// What the user says about the repository.
#[derive(Debug, Clone, Default)]
pub struct RepositorySaid {
    /// Address or folder of the metadata.
    pub metadata: Option<String>,
    /// Address or folder of the files.
    pub targets: Option<String>,
    /// Address or path of the root.
    pub root: Option<String>,
    /// The root's digest.
    pub root_digest: Option<Digest>,
    /// Ask no server: take copies.
    pub offline: bool,
}

/// Which repository is meant, and by whom it is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryWanted {
    place: Place,
    root: Url,
    /// None for a file of the user, who vouches for it.
    pin: Option<Digest>,
    offline: bool,
}

impl RepositorySaid {
    /// The repository that an image is in.
    pub fn wanted(&self, image: &ImageName) -> Result<RepositoryWanted, EksaError> {
        let metadata = match &self.metadata {
            Some(said) => folder(said)?,
            None => address(&format!("{METADATA}{}/{}/", image.variant, image.arch))?,
        };
        let targets = match &self.targets {
            Some(said) => folder(said)?,
            None => address(TARGETS)?,
        };
        let root = address(self.root.as_deref().unwrap_or(ROOT))?;
        let pin = match (&self.root_digest, &self.root) {
            (Some(said), _) => Some(said.clone()),
            (None, None) => Some(pin(PIN)?),
            (None, Some(_)) if root.scheme() == "file" => None,
            (None, Some(said)) => {
                return Err(EksaError::new(EksaErrorKind::Usage, format!("trust the root at `{said}`"))
                    .because("nobody says which digest it must have")
                    .hint("`--root-digest sha512:…` says it; a file of this host needs none"));
            }
        };
        Ok(RepositoryWanted { place: Place { metadata, targets }, root, pin, offline: self.offline })
    }
}

/// An image of Bottlerocket that is here and was verified.
#[derive(Debug)]
pub struct FetchedImage {
    /// What it is.
    pub file: TargetFile,
    /// Where it is; it belongs to the cache.
    pub path: PathBuf,
    /// Nothing had to be downloaded.
    pub from_cache: bool,
    /// The version of the root that vouches for it.
    pub root_version: u64,
    /// The SHA-512 of the root that was trusted beforehand.
    pub root_sha512: Digest,
    /// Until when the repository's word holds.
    pub expires: Timestamp,
    fetcher: Arc<Fetcher>,
}

/// A file that was handed to the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct HandedImage {
    /// The file; its digests are beside it.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: String,
    /// Its SHA-512.
    pub sha512: String,
}

impl RepositoryWanted {
    /// Fetches an image. What is downloaded is kept in `cache`, also when it is interrupted.
    pub async fn fetch(&self, cx: &Cx, cache: &Path, image: &ImageName) -> Result<FetchedImage, EksaError> {
        let fetcher = Arc::new(Fetcher::new(cache));
        let root = self.trusted(cx, &fetcher).await?;
        let repository = Repository::open(cx, &fetcher, &self.place, &root, self.offline).await;
        let repository = repository.map_err(from_tuf)?;
        let name = image.target();
        let file = repository.target(&name).cloned().ok_or_else(|| self.absent(image, &repository))?;
        let fetched = file.fetch(cx, &fetcher, self.offline).await.map_err(from_tuf)?;
        Ok(FetchedImage {
            file,
            path: fetched.path,
            from_cache: fetched.from_cache,
            root_version: repository.root_version,
            root_sha512: root.sha512,
            expires: repository.expires,
            fetcher,
        })
    }

    /// The root, if it is the one that is meant.
    async fn trusted(&self, cx: &Cx, fetcher: &Fetcher) -> Result<TrustedRoot, EksaError> {
        let kept = fetcher.kept(cx, &self.root, LIMIT, self.offline).await;
        let attempt = || format!("get the root at `{}`", PlainUrl(&self.root));
        let bytes = kept.map_err(|error| EksaError::fetch(attempt(), error))?.bytes;
        let Some(pin) = &self.pin else {
            let root = TrustedRoot::vouched(bytes);
            return root.ok_or_else(|| EksaError::new(EksaErrorKind::Other, attempt()));
        };
        let older = TrustedRoot::vouched(bytes.clone()).is_some_and(|root| root.sha512.hex() == OLDER);
        TrustedRoot::pinned(bytes, pin).map_err(|error| {
            let error = from_tuf(error);
            if older {
                return error.hint("this is Bottlerocket's older root, which was replaced: the mirror or file is to have the present one");
            }
            error.hint(format!(
                "when Bottlerocket exchanged its root, its documentation tells the new digest: `--root-digest` takes it; otherwise do not trust `{}`",
                PlainUrl(&self.root)
            ))
        })
    }

    fn absent(&self, image: &ImageName, repository: &Repository) -> EksaError {
        let others = image.others(repository.names());
        let error = EksaError::new(EksaErrorKind::NotFound, format!("find `{}`", image.target()))
            .because(format!("the repository at `{}` has no such file", PlainUrl(&self.place.metadata)));
        if others.is_empty() {
            let variant = &image.variant;
            return error
                .hint(format!("it has no {} of `{variant}` for {} at all", image.format, image.arch));
        }
        let newest: Vec<&str> = others.iter().take(5).copied().collect();
        error.hint(format!("`--version` takes what it has: {}", newest.join(", ")))
    }
}

impl FetchedImage {
    /// Copies the file as it is to `folder`, under the name `name`, with its digests beside it.
    pub async fn hand_out(&self, cx: &Cx, folder: &Path, name: &str) -> Result<HandedImage, EksaError> {
        let path = folder.join(name);
        let sha512 = self.fetcher.digest(cx, &self.path, DigestAlgorithm::Sha512).await;
        let sha512 = sha512.map_err(|error| EksaError::fetch(format!("hash `{}`", self.file.name), error))?;
        deliver(cx, &self.path, &path).await?;
        for digest in [&self.file.sha256, &sha512] {
            let beside = folder.join(format!("{name}.{}", digest.algorithm().name()));
            let failed = |why: std::io::Error| {
                EksaError::new(EksaErrorKind::Other, format!("write `{}`", beside.display())).because(why)
            };
            tokio::fs::write(&beside, format!("{}  {name}\n", digest.hex())).await.map_err(failed)?;
        }
        let (sha256, sha512) = (self.file.sha256.hex().to_owned(), sha512.hex().to_owned());
        Ok(HandedImage { path, bytes: self.file.bytes, sha256, sha512 })
    }
}

/// An address or path of a folder.
fn folder(text: &str) -> Result<Url, EksaError> {
    let mut url = address(text)?;
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

fn pin(hex: &str) -> Result<Digest, EksaError> {
    let attempt = "read the digest of Bottlerocket's root";
    hex.parse::<Digest>().map_err(|error| EksaError::new(EksaErrorKind::Other, attempt).because(error))
}

fn from_tuf(error: TufError) -> EksaError {
    let (kind, attempt, source, hint) = error.into_parts();
    let kind = match kind {
        TufErrorKind::Untrusted => EksaErrorKind::Signature,
        TufErrorKind::NotFound => EksaErrorKind::NotFound,
        TufErrorKind::Unavailable => EksaErrorKind::Unavailable,
        TufErrorKind::Timeout => EksaErrorKind::Timeout,
        TufErrorKind::Cancelled => EksaErrorKind::Cancelled,
        _ => EksaErrorKind::Other,
    };
    let error = EksaError::new(kind, attempt).maybe_hint(hint);
    match source {
        Some(source) => error.because(source),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{eksa::ImageFormat, value::Arch};

    fn image() -> ImageName {
        let channel = "1-34".parse().unwrap();
        ImageName::choose(channel, ImageFormat::Ova, Arch::X86_64, None, None).unwrap()
    }

    #[test]
    fn by_default_it_is_bottlerockets_own_repository_under_the_pinned_root() {
        let wanted = RepositorySaid::default().wanted(&image()).unwrap();
        assert_eq!(
            wanted.place.metadata.as_str(),
            "https://updates.bottlerocket.aws/2020-07-07/vmware-k8s-1.34/x86_64/"
        );
        assert_eq!(wanted.place.targets.as_str(), "https://updates.bottlerocket.aws/targets/");
        assert_eq!(wanted.root.as_str(), ROOT);
        assert_eq!(wanted.pin.unwrap().to_string(), format!("sha512:{PIN}"));
        assert_ne!(pin(OLDER).unwrap(), pin(PIN).unwrap());
    }

    #[test]
    fn an_address_of_a_root_needs_a_digest_and_a_file_does_not() {
        let said = |root: &str, digest: Option<&str>| RepositorySaid {
            root: Some(root.to_owned()),
            root_digest: digest.map(|digest| digest.parse().unwrap()),
            metadata: Some("http://mirror/m".to_owned()),
            ..RepositorySaid::default()
        };
        let error = said("https://mirror/root.json", None).wanted(&image()).unwrap_err();
        assert_eq!(error.kind(), EksaErrorKind::Usage);
        assert!(said("https://mirror/root.json", Some(PIN)).wanted(&image()).unwrap().pin.is_some());
        let mine = said("root.json", None).wanted(&image()).unwrap();
        assert_eq!((mine.pin, mine.root.scheme()), (None, "file"));
        assert_eq!(mine.place.metadata.as_str(), "http://mirror/m/", "a folder");
    }
}
