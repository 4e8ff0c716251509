//! The packages of a guest with dnf, yum or tdnf: of the repositories that steps name, everything that those packages need.
use super::{Found, place, trouble};
use crate::{
    build::BuildError,
    cx::Cx,
    fetch::Fetcher,
    plan::{Content, Input, InputKind, PackageStep, Step, StepKind},
    provision::RepositoryFiles,
    source::{PackageFile, RpmRepos, RpmWanted, rpm_repos},
    value::Arch,
};
use std::collections::BTreeSet;
use url::Url;

/// So many names are shown of what is missing.
const SHOWN: usize = 6;

/// The packages of one guest.
pub(super) struct Guest<'a> {
    cx: &'a Cx,
    fetcher: &'a Fetcher,
    arch: Arch,
    /// dnf's `$releasever`.
    release: String,
    files: RepositoryFiles,
    repos: RpmRepos,
    /// Repositories that were told to be lists of mirrors.
    told: BTreeSet<String>,
}

impl<'a> Guest<'a> {
    /// A guest of this release, which nothing more is known of.
    pub(super) fn new(cx: &'a Cx, fetcher: &'a Fetcher, arch: Arch, version: &str) -> Self {
        let release = version.split('.').next().unwrap_or(version).to_owned();
        let (files, repos) = (RepositoryFiles::default(), RpmRepos::default());
        Self { cx, fetcher, arch, release, files, repos, told: BTreeSet::new() }
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
            StepKind::Package(package) if super::takes_packages(step) => {
                self.package(found, &place(index, step), package).await
            }
            _ => Ok(()),
        }
    }

    async fn package(
        &mut self,
        found: &mut Found<'_>,
        needed_by: &str,
        step: &PackageStep,
    ) -> Result<(), BuildError> {
        let bases = self.bases(found, needed_by).await?;
        if bases.is_empty() {
            let hint = "let `repository` steps name what the guest installs from, each with a `baseurl`";
            found.unknowable(
                "its packages: no step says which repositories they come from",
                needed_by,
                Some(hint),
            );
            return Ok(());
        }
        let is_named = |wanted: &&String| !wanted.starts_with('/') && !wanted.contains("://");
        let names: Vec<String> = step.install.iter().filter(is_named).cloned().collect();
        let wanted = RpmWanted { names: &names, upgrade: step.upgrade, recommends: step.recommends };
        let taken = self.repos.take(self.cx, self.fetcher, &bases, self.arch, wanted).await;
        let attempt = || "the packages of a step could not be worked out".to_owned();
        let taken = taken.map_err(|error| {
            let hint = error.hint();
            let built = trouble(attempt(), needed_by, error);
            match hint {
                Some(hint) => built.hint(hint),
                None => built,
            }
        })?;
        for PackageFile { url, digest, bytes, index } in taken.files {
            let kind = if index { InputKind::PackageIndex } else { InputKind::Package };
            found.add(Input { url, digest, bytes: Some(bytes), kind, needed_by: needed_by.to_owned() });
        }
        if !taken.missing.is_empty() {
            let what =
                format!("{}: in no repository that a step names with a `baseurl`", some(&taken.missing));
            found.unknowable(what, needed_by, None);
        }
        if !taken.outside.is_empty() {
            let names: Vec<String> = taken.outside.into_iter().collect();
            let what = format!("what its packages need and no such repository has: {}", some(&names));
            found.unknowable(what, needed_by, Some("the guest must have it already"));
        }
        Ok(())
    }

    /// The addresses of the repositories that the guest has now, as far as steps say them.
    async fn bases(&mut self, found: &mut Found<'_>, needed_by: &str) -> Result<Vec<Url>, BuildError> {
        let mut bases = Vec::new();
        let texts: Vec<(String, Content)> = self.files.repos.clone().into_iter().collect();
        for (path, content) in texts {
            let bytes = super::packages::read(&content, needed_by).await?;
            let text = String::from_utf8_lossy(&bytes);
            if text.contains("${secret.") {
                if self.told.insert(path.clone()) {
                    let what = format!("the packages of the repositories in `{path}`: it holds a secret");
                    found.unknowable(what, needed_by, None);
                }
                continue;
            }
            for repo in rpm_repos(&text, self.arch, &self.release) {
                for key in repo.keys {
                    found.add_file(key, None, InputKind::Key, needed_by).await;
                }
                match repo.base {
                    Some(base) if !bases.contains(&base) => bases.push(base),
                    None if self.told.insert(repo.id.clone()) => found.unknowable(
                        format!(
                            "the packages of the repository `{}`: which mirror is taken is not known",
                            repo.id
                        ),
                        needed_by,
                        Some("give it a `baseurl`"),
                    ),
                    // It is there already, or was told already.
                    Some(_) | None => {}
                }
            }
        }
        Ok(bases)
    }
}

/// Some of many names.
fn some(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
