//! Repositories of The Update Framework: who may sign what is told by a root that is trusted beforehand, and everything else follows from it.
//!
//! ```text
//!   trusted root ─► 2.root.json … ─► timestamp ─► snapshot ─► targets ─► length and digest of a file
//! ```
//!
//! The crate `tough` does the workflow of the specification (part 5); files come through our own [`Fetcher`], with its proxies, authorities, retries and
//! copies. What was trusted the last time is kept in the cache, so that nobody can show an older state. A target is fetched by the digest that
//! the metadata tell, so it is resumed and kept as any other download. Start reading at [`Repository::open`].
mod error;
mod root;
mod store;
mod transport;

pub use error::{TufError, TufErrorKind};
pub use root::TrustedRoot;

use crate::{
    cx::Cx,
    fetch::{Fetched, Fetcher, cached},
    value::{Digest, DigestAlgorithm},
};
use jiff::Timestamp;
use std::{collections::BTreeMap, sync::Arc};
use store::Store;
use tough::RepositoryLoader;
use transport::Through;
use url::Url;

/// Where a repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The folder of its metadata.
    pub metadata: Url,
    /// The folder of its files.
    pub targets: Url,
}

/// A repository whose metadata were verified.
#[derive(Debug)]
pub struct Repository {
    /// The version of the root that was arrived at.
    pub root_version: u64,
    /// Until when what it says holds.
    pub expires: Timestamp,
    targets: BTreeMap<String, TargetFile>,
}

/// A file of a repository, as its signed metadata describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetFile {
    /// Its name, as it is signed. It is no path: never write to it.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: Digest,
    /// Where it is.
    pub url: Url,
}

impl Repository {
    /// Reads and verifies the metadata. With `offline`, only copies of the last time count; they must not have expired either.
    pub async fn open(
        cx: &Cx,
        fetcher: &Arc<Fetcher>,
        place: &Place,
        root: &TrustedRoot,
        offline: bool,
    ) -> Result<Self, TufError> {
        let store = Store::open(cx, fetcher.folder(), place, root).await?;
        let begin = store.root(root);
        let through = Through::new(cx, fetcher, offline);
        let loaded = RepositoryLoader::new(&begin, place.metadata.clone(), place.targets.clone())
            .transport(through.clone())
            .limits(transport::LIMITS)
            .datastore(store.folder())
            .load();
        let repository = Box::pin(loaded).await.map_err(|error| match through.failure() {
            // That there is no newer root is a failure, too, and none of the repository.
            Some(failure) if error::is_about_transport(&error) => TufError::fetch(place, failure),
            _ => TufError::distrust(place, &error),
        })?;
        let signed = [
            repository.root().signed.expires,
            repository.timestamp().signed.expires,
            repository.snapshot().signed.expires,
            repository.targets().signed.expires,
        ];
        let consistent = repository.root().signed.consistent_snapshot;
        let mut targets = BTreeMap::new();
        for (name, target) in repository.all_targets() {
            let name = name.raw().to_owned();
            // Without a digest nothing can be verified, so for us there is no such file.
            let Some(sha256) = Digest::from_bytes(DigestAlgorithm::Sha256, &target.hashes.sha256) else {
                continue;
            };
            let Some(url) = address(&place.targets, &name, consistent.then_some(&sha256)) else { continue };
            targets.insert(name.clone(), TargetFile { name, bytes: target.length, sha256, url });
        }
        Ok(Self {
            root_version: repository.root().signed.version.get(),
            expires: signed.into_iter().min().unwrap_or_default(),
            targets,
        })
    }

    /// The file of this name.
    pub fn target(&self, name: &str) -> Option<&TargetFile> {
        self.targets.get(name)
    }

    /// The names of all files.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.targets.keys().map(String::as_str)
    }
}

impl TargetFile {
    /// The file, verified; from the cache if it is there. With `offline`, from nowhere else.
    pub async fn fetch(&self, cx: &Cx, fetcher: &Fetcher, offline: bool) -> Result<Fetched, TufError> {
        if offline && self.url.scheme() != "file" && cached(fetcher.folder(), &self.sha256).is_none() {
            return Err(TufError::new(TufErrorKind::NotFound, format!("download `{}`", self.name))
                .because("it is not in the cache, and no server is to be asked")
                .hint("run the same command once without `--offline`"));
        }
        let fetched = Box::pin(fetcher.get_no_longer_than(cx, &self.url, &self.sha256, self.bytes)).await;
        fetched.map_err(|error| TufError::target(&self.name, error))
    }
}

/// Where a file lies: with consistent snapshots, its digest stands before the last part of its name.
fn address(targets: &Url, name: &str, digest: Option<&Digest>) -> Option<Url> {
    let mut url = targets.clone();
    {
        let mut segments = url.path_segments_mut().ok()?;
        segments.pop_if_empty();
        let (folders, file) =
            name.rsplit_once('/').map_or((None, name), |(folders, file)| (Some(folders), file));
        // What `.` and `..` mean in an address is none of a name's business.
        let mut parts = folders.into_iter().flat_map(|folders| folders.split('/'));
        if matches!(file, "" | "." | "..") || parts.clone().any(|part| matches!(part, "" | "." | "..")) {
            return None;
        }
        segments.extend(&mut parts);
        match digest {
            Some(digest) => segments.push(&format!("{}.{file}", digest.hex())),
            None => segments.push(file),
        };
    }
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("http://m/targets/", "a.ova", "http://m/targets/HASH.a.ova"; "a folder")]
    #[test_case("http://m/targets", "a.ova", "http://m/targets/HASH.a.ova"; "without the slash")]
    #[test_case("http://m/", "x/y/a.ova", "http://m/x/y/HASH.a.ova"; "a name with folders")]
    #[test_case("http://m/t/", "a b?c#d.img", "http://m/t/HASH.a%20b%3Fc%23d.img"; "signs that mean something")]
    fn the_digest_stands_before_the_name(base: &str, name: &str, expected: &str) {
        let digest: Digest = "ab".repeat(32).parse().unwrap();
        let found = address(&base.parse().unwrap(), name, Some(&digest)).unwrap();
        assert_eq!(found.as_str(), expected.replace("HASH", digest.hex()));
        let plain = address(&base.parse().unwrap(), name, None).unwrap();
        assert_eq!(plain.as_str(), expected.replace("HASH.", ""));
    }

    #[test_case("../../etc/passwd")]
    #[test_case("a/../b")]
    #[test_case("/etc/passwd")]
    #[test_case("a/")]
    #[test_case("..")]
    #[test_case("")]
    fn a_name_that_leads_elsewhere_has_no_address(name: &str) {
        assert_eq!(address(&"http://m/t/".parse().unwrap(), name, None), None);
    }
}
