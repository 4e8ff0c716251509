//! Which RPMs a guest's steps take: a closure over what the repositories that they name say, worked out on this host without dnf.
//!
//! ```text
//!   .repo files ──▸ repomd.xml ──▸ primary.xml   fetched into the cache
//!   solve                                        over provides, requires, files, rich dependencies
//! ```
//!
//! What the guest has already is not known, so the closure begins with nothing, and what only the guest has is no error.
mod metadata;
mod solve;
mod version;

use super::{PackageFile, SourceError, blocking};
use crate::{
    cx::Cx,
    fetch::{FetchError, Fetcher},
    value::{Arch, Digest, DigestAlgorithm},
};
use metadata::{Data, Package};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read as _,
    path::Path,
};
use url::Url;

/// A repository, as a `.repo` file names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpmRepo {
    /// Its id.
    pub id: String,
    /// Where it is: the first that is named.
    pub base: Option<Url>,
    /// Addresses of keys.
    pub keys: Vec<Url>,
}

/// The repositories of a text that are used, with dnf's variables replaced.
pub fn rpm_repos(text: &str, arch: Arch, release: &str) -> Vec<RpmRepo> {
    let mut found = Vec::new();
    let mut section: Option<(String, BTreeMap<String, String>)> = None;
    let mut key = String::new();
    for line in text.lines().chain(["[end]"]) {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(id) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            if let Some((id, keys)) = section.replace((id.to_owned(), BTreeMap::new())) {
                found.extend(repo(id, &keys, arch, release));
            }
        } else if let Some((_, keys)) = &mut section {
            match line.split_once('=') {
                Some((name, value)) if !line.starts_with([' ', '\t']) => {
                    name.trim().clone_into(&mut key);
                    keys.insert(key.clone(), value.trim().to_owned());
                }
                // A value may go on in the next line.
                _ => {
                    if let Some(value) = keys.get_mut(&key) {
                        value.push(' ');
                        value.push_str(trimmed);
                    }
                }
            }
        }
    }
    found
}

fn repo(id: String, keys: &BTreeMap<String, String>, arch: Arch, release: &str) -> Option<RpmRepo> {
    let off = |value: &String| matches!(value.to_ascii_lowercase().as_str(), "0" | "no" | "false" | "off");
    if id == "main" || keys.get("enabled").is_some_and(off) {
        return None;
    }
    let fill = |text: &str| {
        let (arch, basearch) = (arch.to_string(), arch.to_string());
        text.replace("$releasever", release).replace("$basearch", &basearch).replace("$arch", &arch)
    };
    let addresses = |name: &str| -> Vec<Url> {
        let text = fill(keys.get(name).map_or("", String::as_str));
        let words = text.split([' ', ',', '\t']).filter(|word| !word.is_empty());
        words
            .filter_map(|word| Url::parse(word).ok())
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .collect()
    };
    Some(RpmRepo { id, base: addresses("baseurl").into_iter().next(), keys: addresses("gpgkey") })
}

/// Whether `text` can be read as what a repository says of its files or of its packages: for who has only the text, such as a fuzzer.
pub fn is_rpm_metadata(text: &str) -> bool {
    metadata::repomd(text).is_ok() || metadata::primary(text).is_ok_and(|packages| !packages.is_empty())
}

/// What a step wants of repositories.
#[derive(Debug, Clone, Copy)]
pub struct RpmWanted<'a> {
    /// Names of packages, or of what they provide, perhaps with versions.
    pub names: &'a [String],
    /// Everything in its newest version.
    pub upgrade: bool,
    /// Whether what is recommended comes, too.
    pub recommends: bool,
}

/// What steps take of some repositories.
#[derive(Debug, Default)]
pub struct RpmTaken {
    /// Files of the repositories, and packages.
    pub files: Vec<PackageFile>,
    /// What was asked for and is in none of them.
    pub missing: Vec<String>,
    /// What packages need and is in none of them: the guest must have it.
    pub outside: BTreeSet<String>,
}

/// A repository that was read.
#[derive(Debug, Default)]
struct Read {
    /// The files of its metadata.
    files: Vec<PackageFile>,
    packages: Vec<Package>,
    /// The list of all files of its packages, which is long and seldom needed.
    all_files: Option<(Url, Option<Digest>)>,
}

/// Repositories that were read, by their addresses.
#[derive(Debug, Default)]
pub struct RpmRepos {
    read: BTreeMap<Url, Read>,
}

impl RpmRepos {
    /// What this takes of these repositories.
    pub async fn take(
        &mut self,
        cx: &Cx,
        fetcher: &Fetcher,
        bases: &[Url],
        arch: Arch,
        RpmWanted { names, upgrade, recommends }: RpmWanted<'_>,
    ) -> Result<RpmTaken, SourceError> {
        let mut taken = RpmTaken::default();
        let mut packages = Vec::new();
        for (number, base) in bases.iter().enumerate() {
            if !self.read.contains_key(base) {
                let read = read(cx, fetcher, base).await?;
                self.read.insert(base.clone(), read);
            }
            let Some(read) = self.read.get(base) else { continue };
            taken.files.extend(read.files.iter().cloned());
            packages.extend(read.packages.iter().map(|package| (number, package.clone())));
        }
        let mut looked = BTreeSet::new();
        let closure = loop {
            let closure = {
                let pool = solve::Pool::new(&packages, &arch.to_string());
                let mut closure = pool.closure(names, recommends);
                if upgrade {
                    closure.packages.extend(pool.newest());
                }
                closure
            };
            // The shorter list has only the files that are needed most.
            let is_new = |name: &&String| name.starts_with('/') && !looked.contains(*name);
            let paths: BTreeSet<String> = closure.outside.iter().filter(is_new).cloned().collect();
            if paths.is_empty() {
                break closure;
            }
            self.look(cx, fetcher, bases, &paths, &mut packages).await?;
            looked.extend(paths);
        };
        for at in closure.packages {
            let Some((number, package)) = packages.get(at) else { continue };
            let Some(url) = bases.get(*number).and_then(|base| below(base, &package.href)) else { continue };
            let (digest, bytes) = (package.digest.clone(), package.bytes.unwrap_or(0));
            taken.files.push(PackageFile { url, digest, bytes, index: false });
        }
        (taken.missing, taken.outside) = (closure.missing, closure.outside);
        Ok(taken)
    }

    /// Looks for files in the lists of all files, and tells their packages.
    async fn look(
        &self,
        cx: &Cx,
        fetcher: &Fetcher,
        bases: &[Url],
        paths: &BTreeSet<String>,
        packages: &mut [(usize, Package)],
    ) -> Result<(), SourceError> {
        for (number, base) in bases.iter().enumerate() {
            let Some((url, digest)) = self.read.get(base).and_then(|read| read.all_files.clone()) else {
                continue;
            };
            let fetched = fetcher.get(cx, std::slice::from_ref(&url), digest.as_ref()).await?;
            let (path, shown) = (fetched.path, url);
            let text = blocking(move || unpacked(&path, &shown)).await?;
            let found = metadata::holders(&text, paths).map_err(|error| odd(base, &error.to_string()))?;
            for (id, path) in found {
                let own = packages.iter_mut().filter(|(of, _)| *of == number).map(|(_, package)| package);
                let is_it = |digest: &Digest| digest.hex() == id;
                for package in own.filter(|package| package.digest.as_ref().is_some_and(is_it)) {
                    package.files.push(path.clone());
                }
            }
        }
        Ok(())
    }
}

/// Something there is not what repositories have.
fn odd(base: &Url, why: &str) -> SourceError {
    SourceError::Archive {
        reason: format!("`{}` is no repository of RPMs: {why}", crate::fetch::PlainUrl(base)),
        hint: "`baseurl` is the folder that holds `repodata`; a list of mirrors is none".to_owned(),
    }
}

/// An address below a repository's.
fn below(base: &Url, href: &str) -> Option<Url> {
    Url::parse(&format!("{}/{href}", base.as_str().trim_end_matches('/'))).ok()
}

/// Reads a repository's metadata.
async fn read(cx: &Cx, fetcher: &Fetcher, base: &Url) -> Result<Read, SourceError> {
    let place = |name: &str| below(base, name).ok_or_else(|| odd(base, "its address is none"));
    let mut files = Vec::new();
    let url = place("repodata/repomd.xml")?;
    let repomd = fetcher.small(cx, &url, metadata::LARGEST_REPOMD).await?;
    let digest = |bytes: &[u8]| Digest::from_bytes(DigestAlgorithm::Sha256, &Sha256::digest(bytes));
    let file = |url, bytes: &[u8]| PackageFile {
        url,
        digest: digest(bytes),
        bytes: bytes.len() as u64,
        index: true,
    };
    files.push(file(url, &repomd));
    // Signed or not, dnf asks for what `repo_gpgcheck` says.
    for name in ["repodata/repomd.xml.asc", "repodata/repomd.xml.key"] {
        let url = place(name)?;
        match fetcher.small(cx, &url, metadata::LARGEST_REPOMD).await {
            Ok(bytes) => files.push(file(url, &bytes)),
            Err(FetchError::Http { status: 403 | 404 | 410, .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let named =
        metadata::repomd(&String::from_utf8_lossy(&repomd)).map_err(|error| odd(base, &error.to_string()))?;
    let (mut packages, mut all_files) = (Vec::new(), None);
    for Data { kind, href, digest, bytes } in named {
        let url = place(&href)?;
        if kind == "primary" {
            let fetched = fetcher.get(cx, std::slice::from_ref(&url), digest.as_ref()).await?;
            let (path, shown) = (fetched.path, url.clone());
            let text = blocking(move || unpacked(&path, &shown)).await?;
            packages = metadata::primary(&text).map_err(|error| odd(base, &error.to_string()))?;
        }
        if kind == "filelists" {
            all_files = Some((url.clone(), digest.clone()));
        }
        files.push(PackageFile { url, digest, bytes: bytes.unwrap_or(0), index: true });
    }
    Ok(Read { files, packages, all_files })
}

/// The text of a file that is packed by what its first bytes say.
fn unpacked(path: &Path, url: &Url) -> Result<String, SourceError> {
    let io = |source| SourceError::io("unpack", path, source);
    let file = std::fs::File::open(path).map_err(io)?;
    let mut reader = std::io::BufReader::new(file);
    let head = std::io::BufRead::fill_buf(&mut reader).map_err(io)?;
    let mut unpacked: Box<dyn std::io::Read> = match head {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(reader)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::Decoder::with_buffer(reader).map_err(io)?),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => Box::new(liblzma::bufread::XzDecoder::new(reader)),
        [b'B', b'Z', b'h', ..] => Box::new(bzip2::bufread::MultiBzDecoder::new(reader)),
        _ => Box::new(reader),
    };
    let mut bytes = Vec::new();
    let limit = metadata::LARGEST_PRIMARY;
    unpacked.by_ref().take(limit + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > limit {
        return Err(SourceError::Archive {
            reason: format!("`{}` is larger than any list of packages", crate::fetch::PlainUrl(url)),
            hint: "is `baseurl` the repository that is meant?".to_owned(),
        });
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn repositories_are_read_as_dnf_reads_them() {
        let text = "# x\n[main]\nbaseurl=http://no.example/\n[a]\nname=A $basearch\nbaseurl=http://a.example/$releasever/$basearch/os/\n\
                    \x20 http://b.example/\ngpgkey=file:///etc/x\n\x20 https://a.example/key\n[off]\nbaseurl=http://c.example/\nenabled=0\n\
                    [mirrors]\nmirrorlist=https://mirrors.example/list\n";
        let repos = rpm_repos(text, Arch::X86_64, "9");
        let ids: Vec<&str> = repos.iter().map(|repo| repo.id.as_str()).collect();
        assert_eq!(ids, ["a", "mirrors"]);
        assert_eq!(repos[0].base.as_ref().unwrap().as_str(), "http://a.example/9/x86_64/os/");
        assert_eq!(repos[0].keys[0].as_str(), "https://a.example/key");
        assert_eq!(repos[1].base, None);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read(text in "(\\[[a-z]{0,4}\\]\n|baseurl=|[a-z:/= ]{0,9}\n?| ){0,20}") {
            let _ = rpm_repos(&text, Arch::X86_64, "9");
        }
    }
}
