//! The packages of a guest with apt: those of the bootstrap, and those of each step on top of them.
use super::{Found, place, steps, trouble};
use crate::{
    build::{BuildError, BuildErrorKind},
    cx::{Cx, Event, Unit},
    fetch::Fetcher,
    plan::{
        BootstrapPlan, Content, DiskSourcePlan, FileOrigin, Input, InputKind, PackageStep, Plan, Step,
        StepKind,
    },
    provision::RepositoryFiles,
    source::{Choice, PackageFile, Packages, SourceError},
};
use std::collections::BTreeMap;

/// A file of keys, or about archives, is not larger.
const LARGEST: usize = 4 << 20;
/// Name of the progress.
const WHAT: &str = "packages";

/// The packages of one guest.
pub(super) struct Guest<'a> {
    packages: Packages<'a>,
    files: RepositoryFiles,
    /// Keys that came with the system.
    keys: BTreeMap<String, Vec<u8>>,
    /// Packages that steps download to the guest: address by path.
    downloaded: BTreeMap<String, String>,
}

impl<'a> Guest<'a> {
    /// The guest that a bootstrap assembles.
    pub(super) async fn bootstrapped(
        found: &mut Found<'_>,
        cx: &'a Cx,
        fetcher: &'a Fetcher,
        plan: &Plan,
        bootstrap: &BootstrapPlan,
    ) -> Result<Self, BuildError> {
        let (packages, files) =
            Packages::bootstrapped(cx, plan, bootstrap, fetcher).await.map_err(|error| {
                failed("the packages of the bootstrap could not be worked out", "the source", error)
            })?;
        let mut guest = Self::new(packages);
        guest.add(found, files, "the source");
        Ok(guest)
    }

    /// The guest that starts from an image; why its packages are not known.
    pub(super) async fn of_image(
        cx: &'a Cx,
        fetcher: &'a Fetcher,
        plan: &Plan,
        disk: &DiskSourcePlan,
    ) -> Result<Result<Self, String>, BuildError> {
        let looked = Packages::of_image(cx, plan, disk, fetcher).await;
        let wrong = |error| failed("the packages of the image could not be looked at", "the steps", error);
        Ok(looked.map_err(wrong)?.map(Self::new))
    }

    fn new(mut packages: Packages<'a>) -> Self {
        let mut files = RepositoryFiles::default();
        let sources = packages.sources().clone().into_iter();
        files.sources.extend(sources.map(|(path, text)| (path, Content::Text(text))));
        let keys = packages.keys().clone();
        Self { packages, files, keys, downloaded: BTreeMap::new() }
    }

    /// What `step`, the one with this index, changes and takes.
    pub(super) async fn step(
        &mut self,
        found: &mut Found<'_>,
        index: usize,
        step: &Step,
    ) -> Result<(), BuildError> {
        self.files.apply(step);
        match &step.kind {
            StepKind::Download(download) => {
                if let FileOrigin::Url(url) = &download.from.origin {
                    self.downloaded.insert(download.dest.clone(), url.clone());
                }
                Ok(())
            }
            StepKind::Package(package) => self.package(found, &place(index, step), package).await,
            _ => Ok(()),
        }
    }

    async fn package(
        &mut self,
        found: &mut Found<'_>,
        needed_by: &str,
        step: &PackageStep,
    ) -> Result<(), BuildError> {
        let wrong = |error| failed("the packages of a step could not be worked out", needed_by, error);
        self.settle(found, needed_by).await?;
        self.packages.hold(&step.unhold, false);
        let mut files = Vec::new();
        if step.upgrade {
            files.extend(self.packages.upgrade().await.map_err(wrong)?);
        }
        if !step.install.is_empty() {
            let choice = Choice {
                recommends: step.recommends,
                downgrade: step.downgrade,
                unauthenticated: !step.gpg_check,
            };
            let names = self.names(found, needed_by, &step.install).await?;
            files.extend(self.packages.install(&names, choice).await.map_err(wrong)?);
        }
        self.packages.remove(&step.remove).await.map_err(wrong)?;
        self.packages.hold(&step.hold, true);
        self.add(found, files, needed_by);
        Ok(())
    }

    /// What is installed, as apt on this host takes it: packages that come as files are fetched.
    async fn names(
        &mut self,
        found: &mut Found<'_>,
        needed_by: &str,
        wanted: &[String],
    ) -> Result<Vec<String>, BuildError> {
        let mut names = Vec::new();
        for name in wanted {
            let address = match name {
                path if path.starts_with('/') => self.downloaded.get(path).cloned(),
                url if url.contains("://") => Some(url.clone()),
                _ => {
                    names.push(name.clone());
                    continue;
                }
            };
            let Some(address) = address else {
                found.unknowable(
                    format!("what the package in the guest's file `{name}` depends on"),
                    needed_by,
                    Some("let a `download` step put it there, or give its address"),
                );
                continue;
            };
            let Some(url) = steps::address(found, &address, needed_by)? else { continue };
            let digest = found.digest(&url);
            let fetched =
                found.fetcher.get(found.cx, &[url], digest.as_ref()).await.map_err(|error| {
                    trouble("a package could not be looked at".to_owned(), needed_by, error)
                })?;
            let wrong = |error| failed("a package could not be looked at", needed_by, error);
            names.push(self.packages.file(&fetched.path).map_err(wrong)?);
        }
        Ok(names)
    }

    /// Brings what apt reads up to what the steps so far made of it.
    async fn settle(&mut self, found: &mut Found<'_>, needed_by: &str) -> Result<(), BuildError> {
        let mut sources = BTreeMap::new();
        for (path, content) in &self.files.sources {
            let bytes = read(content, needed_by).await?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if text.contains("${secret.") {
                found.unknowable(
                    format!("the packages of the archives in `{path}`: it holds a secret"),
                    needed_by,
                    None,
                );
                continue;
            }
            sources.insert(path.clone(), text);
        }
        *self.packages.sources() = sources;
        let mut keys = self.keys.clone();
        for (path, content) in &self.files.keys {
            keys.insert(path.clone(), read(content, needed_by).await?);
        }
        for (path, address) in self.downloaded.iter().filter(|(path, _)| RepositoryFiles::is_key(path)) {
            let Some(url) = steps::address(found, address, needed_by)? else { continue };
            let bytes = found.fetcher.small(found.cx, &url, LARGEST).await;
            let wrong = |error| trouble(format!("the keys of `{path}` could not be had"), needed_by, error);
            keys.insert(path.clone(), bytes.map_err(wrong)?);
        }
        *self.packages.keys() = keys;
        Ok(())
    }

    fn add(&mut self, found: &mut Found<'_>, files: Vec<PackageFile>, needed_by: &str) {
        for remark in self.packages.remarks() {
            found.unknowable(remark, needed_by, None);
        }
        for PackageFile { url, digest, bytes, index } in files {
            let kind = if index { InputKind::PackageIndex } else { InputKind::Package };
            found.add(Input { url, digest, bytes: Some(bytes), kind, needed_by: needed_by.to_owned() });
        }
    }
}

/// Shows how far the steps were looked at.
pub(super) fn progress(cx: &Cx, done: usize, total: usize) {
    let (what, unit) = (WHAT.to_owned(), Unit::Items);
    cx.emit(Event::Progress { what, done: done as u64, total: Some(total as u64), unit });
}

/// All steps were looked at.
pub(super) fn finished(cx: &Cx) {
    cx.emit(Event::ProgressFinished { what: WHAT.to_owned() });
}

pub(super) async fn read(content: &Content, needed_by: &str) -> Result<Vec<u8>, BuildError> {
    match content {
        Content::Text(text) => Ok(text.clone().into_bytes()),
        Content::Path(path) => tokio::fs::read(path)
            .await
            .map_err(|error| trouble(format!("could not read `{}`", path.display()), needed_by, error)),
    }
}

fn failed(attempt: &str, needed_by: &str, error: SourceError) -> BuildError {
    let hint = error.hint();
    let built = BuildError::because(attempt, error)
        .kind_unless_interrupted(BuildErrorKind::Preflight)
        .hint(format!("they are needed by {needed_by}"));
    match hint {
        Some(hint) => built.hint(hint),
        None => built,
    }
}
