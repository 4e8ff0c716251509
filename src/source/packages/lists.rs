//! The lists of archives: fetched into the cache, laid out as apt finds them in folders, and read by apt, which verifies them.
use super::{PackageFile, Packages, release, release::Release, write};
use crate::{
    fetch::{FetchError, PlainUrl},
    source::{
        SourceError,
        bootstrap::{AptEntry, parse_deb822, parse_list},
    },
    value::{Digest, DigestAlgorithm},
};
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeSet, path::Path};
use url::Url;

/// Where the folders are that stand for archives; part of their addresses, by which they are found again.
const MIRRORS: &str = "goldsmith-mirror";

impl Packages<'_> {
    /// Brings the lists up to the sources. The files that this takes; none when nothing changed.
    pub(super) async fn lists(&mut self) -> Result<Vec<PackageFile>, SourceError> {
        let now = (self.sources.clone(), self.keys.clone());
        if self.read.as_ref() == Some(&now) {
            return Ok(Vec::new());
        }
        self.read = Some(now);
        let mut files = Vec::new();
        let mut stanzas = String::new();
        let mut seen = BTreeSet::new();
        for (path, text) in self.sources.clone() {
            let is_list = Path::new(&path).extension().is_some_and(|end| end == "list");
            let entries = if is_list { parse_list(&text) } else { parse_deb822(&text) };
            for entry in entries {
                if let Some(stanza) = self.archive(&path, entry, &mut files).await?
                    && seen.insert(stanza.clone())
                {
                    stanzas.push_str(&stanza);
                    stanzas.push('\n');
                }
            }
        }
        self.write("etc/apt/sources.list.d/goldsmith.sources", stanzas.as_bytes())?;
        self.configure()?;
        if !stanzas.is_empty() {
            let arguments = ["-q", "-oAPT::Update::Error-Mode=any", "update"].map(str::to_owned);
            self.ask("apt-get", &arguments, "read the lists of the archives").await?;
        }
        Ok(files)
    }

    /// Fetches the lists of one entry; what apt is told instead of it.
    async fn archive(
        &mut self,
        at: &str,
        mut entry: AptEntry,
        files: &mut Vec<PackageFile>,
    ) -> Result<Option<String>, SourceError> {
        let arch = self.arch.debian();
        let fits = |list: &str| list.split_whitespace().any(|name| name == arch);
        if !entry.field("Architectures").is_none_or(fits) {
            return Ok(None);
        }
        entry.uri = entry.uri.replace("$(ARCH)", arch);
        for suite in &mut entry.suites {
            *suite = suite.replace("$(ARCH)", arch);
        }
        let base = format!("{}/", entry.uri.trim_end_matches('/'));
        if entry.uri.starts_with("file:") || entry.uri.starts_with("copy:") {
            // apt reads it where it is, and nothing of it is fetched.
            return Ok(Some(entry.stanza()));
        }
        let Some(url) = Url::parse(&base).ok().filter(|url| matches!(url.scheme(), "http" | "https")) else {
            self.remarks
                .push(format!("the packages of `{}` in {at}: only http and https are followed", entry.uri));
            return Ok(None);
        };
        let number = self.mirrors.iter().position(|mirror| *mirror == base).unwrap_or_else(|| {
            self.mirrors.push(base.clone());
            self.mirrors.len() - 1
        });
        let folder = self.root.join(MIRRORS).join(number.to_string());
        let is_signed = self.signed_by(&mut entry);
        for suite in entry.suites.clone() {
            let flat = suite.ends_with('/');
            let below =
                if flat { suite.trim_start_matches('/').to_owned() } else { format!("dists/{suite}/") };
            let place = Place { base: &base, below: &below, folder: &folder, shown: &url };
            let release = self.release(&place, is_signed, files).await?;
            let components: &[String] = if flat { &[] } else { &entry.components };
            for index in release.indices(components, arch) {
                self.index(&place, &index, files).await?;
            }
        }
        entry.uri = format!("file:{}", folder.display());
        Ok(Some(entry.stanza()))
    }

    /// Says which of the keys of this host and of the system the entry is signed with; whether there are any.
    fn signed_by(&mut self, entry: &mut AptEntry) -> bool {
        let trusted = entry.field("Trusted").is_some_and(|value| value.eq_ignore_ascii_case("yes"));
        let named = entry.keyrings();
        if trusted || (named.is_empty() && entry.field("Signed-By").is_some()) {
            // Its keys are written out in the entry, or nobody looks at them.
            return !trusted;
        }
        let mut found = Vec::new();
        for path in &named {
            if let Some(bytes) = self.keys.get(&path.display().to_string()) {
                let armoured = bytes.starts_with(b"-----BEGIN");
                let copy = self.root.join("keys").join(format!(
                    "{}.{}",
                    hex::encode(Sha256::digest(path.as_os_str().as_encoded_bytes())),
                    if armoured { "asc" } else { "gpg" }
                ));
                if write(&copy, bytes).is_ok() {
                    found.push(copy);
                }
            } else if path.exists() {
                found.push(path.clone());
            }
        }
        entry.fields.retain(|(key, _)| !key.eq_ignore_ascii_case("Signed-By"));
        if !named.is_empty() && found.is_empty() {
            self.cx.events().warn(
                format!(
                    "the keys of `{}` are not on this host (`{}`): its lists are taken without looking at signatures",
                    entry.uri,
                    named.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join("`, `")
                ),
                Some("the guest's apt looks at them all the same".to_owned()),
            );
            entry.fields.push(("Trusted".to_owned(), "yes".to_owned()));
            return false;
        }
        if !found.is_empty() {
            let paths: Vec<String> = found.iter().map(|path| path.display().to_string()).collect();
            entry.fields.push(("Signed-By".to_owned(), paths.join(" ")));
        }
        true
    }

    /// The Release file of a suite, with its signature.
    async fn release(
        &mut self,
        place: &Place<'_>,
        is_signed: bool,
        files: &mut Vec<PackageFile>,
    ) -> Result<Release, SourceError> {
        let (name, bytes) = match self.small(place, "InRelease").await {
            Ok(bytes) => ("InRelease", bytes),
            Err(error) if error.is_gone() => {
                let bytes = self
                    .small(place, "Release")
                    .await
                    .map_err(|error| if error.is_gone() { place.none() } else { SourceError::from(error) })?;
                match self.small(place, "Release.gpg").await {
                    Ok(signature) => Self::keep(place, "Release.gpg", &signature, files)?,
                    Err(error) if error.is_gone() && !is_signed => {}
                    Err(error) => return Err(error.into()),
                }
                ("Release", bytes)
            }
            Err(error) => return Err(error.into()),
        };
        Self::keep(place, name, &bytes, files)?;
        Ok(Release::parse(&String::from_utf8_lossy(&bytes)))
    }

    async fn small(&self, place: &Place<'_>, name: &str) -> Result<Vec<u8>, FetchError> {
        match place.url(name) {
            Some(url) => self.fetcher.small(self.cx, &url, release::LARGEST).await,
            None => Err(FetchError::NoOrigin),
        }
    }

    /// Puts a small file into the folder of its archive, and into the list of files.
    fn keep(
        place: &Place<'_>,
        name: &str,
        bytes: &[u8],
        files: &mut Vec<PackageFile>,
    ) -> Result<(), SourceError> {
        let path = place.path(name);
        folder_of(&path)?;
        write(&path, bytes)?;
        if let Some(url) = place.url(name) {
            // The very version that the lists belong to.
            let digest = Digest::from_bytes(DigestAlgorithm::Sha256, &Sha256::digest(bytes));
            files.push(PackageFile { url, digest, bytes: bytes.len() as u64, index: true });
        }
        Ok(())
    }

    /// A list of packages: in the cache, and a link to it in the folder of its archive.
    async fn index(
        &mut self,
        place: &Place<'_>,
        index: &release::Index,
        files: &mut Vec<PackageFile>,
    ) -> Result<(), SourceError> {
        let names = index.by_hash.iter().chain([&index.path]);
        let urls: Vec<Url> = names.filter_map(|name| place.url(name)).collect();
        for url in &urls {
            let digest = Some(index.digest.clone());
            files.push(PackageFile { url: url.clone(), digest, bytes: index.bytes, index: true });
        }
        // Nobody reads descriptions here.
        if index.path.contains("Packages") {
            let fetched = self.fetcher.get(self.cx, &urls, Some(&index.digest)).await?;
            let path = place.path(&index.path);
            folder_of(&path)?;
            let _ = std::fs::remove_file(&path);
            std::os::unix::fs::symlink(&fetched.path, &path)
                .map_err(|source| SourceError::io("create", &path, source))?;
        }
        Ok(())
    }

    /// The address that a file of one of our folders stands for.
    pub(super) fn original(&self, uri: &str) -> Option<Url> {
        let (_, rest) = uri.split_once(&format!("/{MIRRORS}/"))?;
        let (number, path) = rest.split_once('/')?;
        let base = self.mirrors.get(number.parse::<usize>().ok()?)?;
        Url::parse(&format!("{base}{path}")).ok()
    }

    /// What apt says of our folders, with the addresses that they stand for.
    pub(super) fn named(&self, line: String) -> String {
        // Backwards, since the name of one folder may begin with another's.
        (0..self.mirrors.len()).rev().fold(line, |line, number| {
            let folder = format!("file:{}", self.root.join(MIRRORS).join(number.to_string()).display());
            line.replace(&folder, self.mirrors[number].trim_end_matches('/'))
        })
    }

    /// The settings of our apt.
    fn configure(&self) -> Result<(), SourceError> {
        let root = self.root.display();
        let arch = self.arch.debian();
        let host = Path::new("/etc/apt/trusted.gpg.d");
        let trusted = self.trusted.as_deref().unwrap_or(host).display();
        let mut text = format!(
            "Dir \"{root}\";\nDir::State::status \"{root}/var/lib/dpkg/status\";\n\
             Dir::Etc::Trusted \"/etc/apt/trusted.gpg\";\nDir::Etc::TrustedParts \"{trusted}/\";\n\
             APT::Architecture \"{arch}\";\nAPT::Architectures {{ \"{arch}\"; }};\nAPT::Sandbox::User \"root\";\n\
             pkgCacheGen::ForceEssential \",\";\nAcquire::Languages \"none\";\nAcquire::By-Hash \"no\";\n\
             Acquire::GzipIndexes \"true\";\nAcquire::ForceHash \"SHA256\";\nDebug::NoLocking \"true\";\n"
        );
        for line in &self.validity {
            text.push_str(line);
            text.push('\n');
        }
        self.write("apt.conf", text.as_bytes())
    }
}

/// A suite of an archive.
struct Place<'a> {
    /// The archive's address, with a slash at its end.
    base: &'a str,
    /// The path of its Release file's folder, from there.
    below: &'a str,
    /// The folder that stands for the archive.
    folder: &'a Path,
    shown: &'a Url,
}

impl Place<'_> {
    fn url(&self, name: &str) -> Option<Url> {
        Url::parse(&format!("{}{}{name}", self.base, self.below)).ok()
    }

    /// Names of an archive's files are foreign: none leads out of its folder.
    fn path(&self, name: &str) -> std::path::PathBuf {
        let mut path = self.folder.to_owned();
        let parts = self.below.split('/').chain(name.split('/'));
        path.extend(parts.filter(|part| !part.is_empty() && *part != "." && *part != ".."));
        path
    }

    fn none(&self) -> SourceError {
        let suite = self.below.trim_start_matches("dists/").trim_end_matches('/');
        SourceError::Archive {
            reason: format!("`{}` has no suite `{suite}`", PlainUrl(self.shown)),
            hint: "check the address and the suite: the folder has to hold InRelease or Release".to_owned(),
        }
    }
}

fn folder_of(path: &Path) -> Result<(), SourceError> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder).map_err(|source| SourceError::io("create", folder, source))
}
