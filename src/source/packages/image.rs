//! What an image has of packages already: read out of its file system, without booting it.
use super::{Packages, answers};
use crate::{
    cx::Cx,
    disk::{self, BackingPolicy, DiskErrorKind, Format, OpenOptions, look::RootView},
    fetch::Fetcher,
    plan::{DiskSourcePlan, ImageFormat, Plan},
    source::{SourceError, blocking, image::unpack, origin},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// dpkg's own record.
const STATUS: &str = "/var/lib/dpkg/status";
/// Folders with files of keys.
const KEYS: &[&str] = &["/etc/apt/keyrings", "/etc/apt/trusted.gpg.d", "/usr/share/keyrings"];
/// Where archives are named.
const SOURCES: &str = "/etc/apt/sources.list.d";

/// What was read out of an image.
#[derive(Debug, Default)]
struct Read {
    status: String,
    sources: BTreeMap<String, String>,
    keys: BTreeMap<String, Vec<u8>>,
}

impl<'a> Packages<'a> {
    /// The system that an image holds; why not, when it cannot be looked at. The image is fetched for that.
    pub async fn of_image(
        cx: &'a Cx,
        plan: &Plan,
        source: &DiskSourcePlan,
        fetcher: &'a Fetcher,
    ) -> Result<Result<Self, String>, SourceError> {
        let (fetched, _) = origin::obtain(cx, &source.origins, source.digest.as_ref(), fetcher).await?;
        let image = unpack(cx, &fetched.path).await?;
        let (path, format) = (image.clone(), source.format);
        let read = blocking(move || match read(&path, format) {
            Ok(read) => Ok(Ok(read)),
            // It is another file system, or no Debian: that is no fault of it.
            Err(error) if matches!(error.kind(), DiskErrorKind::Unsupported | DiskErrorKind::NotFound) => {
                Ok(Err(error.to_string()))
            }
            Err(source) => {
                Err(SourceError::Disk { attempt: format!("look into `{}`", path.display()), source })
            }
        })
        .await?;
        if image != fetched.path {
            let removed = tokio::fs::remove_file(&image).await;
            removed.map_err(|source| SourceError::io("remove", &image, source))?;
        }
        let Read { status, sources, keys } = match read {
            Ok(read) => read,
            Err(why) => return Ok(Err(why)),
        };
        let mut packages = Self::empty(cx, fetcher, plan.arch)?;
        for paragraph in status.split("\n\n") {
            let (Some(name), Some(state)) =
                (answers::field(paragraph, "Package"), answers::field(paragraph, "Status"))
            else {
                continue;
            };
            let foreign = answers::field(paragraph, "Architecture")
                .is_some_and(|arch| arch != "all" && arch != plan.arch.debian());
            if !state.ends_with(" installed") || foreign {
                continue;
            }
            if state.starts_with("hold") {
                packages.held.insert(name.to_owned());
            }
            packages.installed.extend(answers::paragraphs(paragraph));
        }
        packages.trusts(&keys)?;
        packages.sources = sources;
        packages.keys = keys;
        Ok(Ok(packages))
    }

    /// Entries without keys of their own are signed with what the image trusts, not with what this host does.
    fn trusts(&mut self, keys: &BTreeMap<String, Vec<u8>>) -> Result<(), SourceError> {
        let folder: PathBuf = self.root.join("trusted");
        std::fs::create_dir_all(&folder).map_err(|source| SourceError::io("create", &folder, source))?;
        for (path, bytes) in keys.iter().filter(|(path, _)| path.starts_with("/etc/apt/trusted.gpg.d/")) {
            super::write(&folder.join(path.rsplit('/').next().unwrap_or(path)), bytes)?;
        }
        self.trusted = Some(folder);
        Ok(())
    }
}

fn read(path: &Path, format: Option<ImageFormat>) -> Result<Read, disk::DiskError> {
    let stated = format.map(|format| match format {
        ImageFormat::Raw => Format::Raw,
        ImageFormat::Qcow2 => Format::Qcow2,
    });
    let limits = OpenOptions { backing: BackingPolicy::Never, ..OpenOptions::default() };
    let root = disk::look::open_root(disk::open(path, stated, &limits)?)?;
    let text = |path: &str| Ok::<_, disk::DiskError>(String::from_utf8_lossy(&root.read(path)?).into_owned());
    if !root.exists(STATUS)? {
        return Err(disk::DiskError::new(DiskErrorKind::NotFound, "it has no packages of dpkg"));
    }
    let mut read = Read { status: text(STATUS)?, ..Read::default() };
    let mut named = files(&root, SOURCES)?;
    named.push("/etc/apt/sources.list".to_owned());
    for path in named {
        let counts = [".list", ".sources"].iter().any(|end| path.ends_with(end));
        if counts && root.exists(&path)? {
            let plain = without_lists(&text(&path)?, |list| text(list).ok());
            read.sources.insert(path, plain);
        }
    }
    for folder in KEYS {
        for path in files(&root, folder)? {
            read.keys.insert(path.clone(), root.read(&path)?);
        }
    }
    Ok(read)
}

/// Paths of what is in a folder of the image and can be read.
fn files(root: &RootView, folder: &str) -> Result<Vec<String>, disk::DiskError> {
    if !root.exists(folder)? {
        return Ok(Vec::new());
    }
    let paths = root.list_dir(folder)?.into_iter().map(|name| format!("{folder}/{name}"));
    Ok(paths
        .filter(|path| root.metadata(path).is_ok_and(|inode| inode.kind == disk::look::FileKind::File))
        .collect())
}

/// Puts the first mirror of a list in the image into the place of the list: `mirror+file:/etc/apt/mirrors/debian.list`.
fn without_lists(text: &str, read: impl Fn(&str) -> Option<String>) -> String {
    const LIST: &str = "mirror+file:";
    let mut plain = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let mut line = line.to_owned();
        while let Some(at) = line.find(LIST) {
            let end = line[at..].find(char::is_whitespace).map_or(line.len(), |length| at + length);
            let path = line[at + LIST.len()..end].trim_start_matches('/');
            let list = read(&format!("/{path}")).unwrap_or_default();
            let first = list
                .lines()
                .find_map(|line| line.split_whitespace().next().filter(|word| !word.starts_with('#')));
            // What cannot be read stays as it is, and is told later.
            let Some(first) = first else { break };
            line.replace_range(at..end, first);
        }
        plain.push_str(&line);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case(
        "URIs: mirror+file:///etc/apt/mirrors/a.list\nSuites: x\n",
        "URIs: https://deb.example.org/debian\nSuites: x\n"
    )]
    #[test_case(
        "deb mirror+file:/etc/apt/mirrors/a.list x main",
        "deb https://deb.example.org/debian x main"
    )]
    #[test_case("URIs: mirror+file:/none\n", "URIs: mirror+file:/none\n"; "a list that is not there")]
    fn lists_of_mirrors_become_their_first(text: &str, plain: &str) {
        let read = |path: &str| {
            let list = "# comment\nhttps://deb.example.org/debian\tpriority:1\nhttps://other.example.org\n";
            (path == "/etc/apt/mirrors/a.list").then(|| list.to_owned())
        };
        assert_eq!(without_lists(text, read), plain);
    }
}
