//! What a build fetches, exactly: each file with its address, and what cannot be known before the guest runs.
//!
//! ```text
//!   base     the disk image or the medium that the build starts from
//!   steps    what the steps of this guest download, by this host or by the guest
//!   packages what apt gets: a closure, worked out by this host's apt
//!   rpm      what dnf gets of the repositories that steps name: a closure of our own
//!   images   what container images consist of
//!   unseen   what steps may fetch without saying it
//! ```
//!
//! Start reading at [`inputs`]. It fetches small files only: digests beside others, manifests, lists of packages.
mod base;
mod images;
mod packages;
mod rpm;
mod steps;
mod unseen;

use super::{BuildError, BuildErrorKind, preview};
use crate::{
    cx::Cx,
    fetch::{self, FetchError, Fetcher},
    guest::PackageManager,
    plan::{Input, InputKind, Plan, SourcePlan, Step, StepKind},
    value::{Digest, digest_of},
};
use serde::Serialize;
use std::collections::BTreeMap;
use url::Url;

/// A file with digests is not larger than this.
const LARGEST_SUMS: usize = 4 << 20;

/// What a build fetches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Inputs {
    /// Each file once, in the order in which the build needs them first.
    pub files: Vec<Input>,
    /// What the build may fetch besides, as far as it is known that there is something unknown.
    pub unknowable: Vec<Unknowable>,
}

/// Something that a build may fetch and that cannot be listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Unknowable {
    /// What: a sentence without its end.
    pub what: String,
    /// What needs it: `step 3 (image.toml:40): install the agent`.
    pub needed_by: String,
    /// What makes it known, if anything does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Finds out what a build of `plan` fetches. `system` (`ubuntu-24.04`) is what its guest is; without it, it is what the source is
/// known to be, which is only known of bootstraps.
pub async fn inputs(
    cx: &Cx,
    plan: &Plan,
    fetcher: &Fetcher,
    system: Option<&str>,
) -> Result<Inputs, BuildError> {
    let mut found = Found { cx, fetcher, inputs: Inputs::default(), places: BTreeMap::new() };
    base::collect(&mut found, plan).await?;
    let steps = certain_steps(&mut found, plan, system)?;
    packages::progress(cx, 0, steps.len());
    let mut guest = packages_of(&mut found, cx, fetcher, plan, (system, &steps)).await?;
    for (index, step) in steps.iter().enumerate() {
        cx.check()?;
        packages::progress(cx, index, steps.len());
        steps::collect(&mut found, index, step).await?;
        images::collect(&mut found, plan.arch, index, step).await?;
        match &mut guest {
            Software::Apt(guest) => Box::pin(guest.step(&mut found, index, step)).await?,
            Software::Rpm(guest) => Box::pin(guest.step(&mut found, index, step)).await?,
            Software::Unknown(why) if takes_packages(step) => {
                found.unknowable(format!("its packages: {why}"), &place(index, step), None);
            }
            Software::Unknown(_) => {}
        }
        unseen::collect(&mut found.inputs.unknowable, index, step);
    }
    packages::finished(cx);
    Ok(found.inputs)
}

/// What is known of a guest's packages.
enum Software<'a> {
    Apt(Box<packages::Guest<'a>>),
    Rpm(Box<rpm::Guest<'a>>),
    /// Nothing, and why.
    Unknown(String),
}

/// The packages that a guest begins with.
async fn packages_of<'a>(
    found: &mut Found<'_>,
    cx: &'a Cx,
    fetcher: &'a Fetcher,
    plan: &Plan,
    (system, steps): (Option<&str>, &[Step]),
) -> Result<Software<'a>, BuildError> {
    use packages::Guest;
    if let SourcePlan::Bootstrap(bootstrap) = &plan.source {
        let guest = Box::pin(Guest::bootstrapped(found, cx, fetcher, plan, bootstrap)).await?;
        return Ok(Software::Apt(Box::new(guest)));
    }
    if !steps.iter().any(takes_packages) {
        return Ok(Software::Unknown(String::new()));
    }
    let facts = preview::facts(plan, system).ok().flatten();
    let manager = facts.as_ref().and_then(|facts| facts.package_manager);
    Ok(match (manager, &plan.source) {
        (Some(PackageManager::Dnf | PackageManager::Yum | PackageManager::Tdnf), _) => {
            let version = facts.map(|facts| facts.os_version).unwrap_or_default();
            Software::Rpm(Box::new(rpm::Guest::new(cx, fetcher, plan.arch, &version)))
        }
        (Some(PackageManager::Zypper), _) => {
            Software::Unknown("repositories of zypper are not looked at".to_owned())
        }
        (None | Some(PackageManager::Apt), SourcePlan::Disk(disk)) => {
            match Box::pin(Guest::of_image(cx, fetcher, plan, disk)).await? {
                Ok(guest) => Software::Apt(Box::new(guest)),
                Err(why) => Software::Unknown(format!("the image could not be looked into: {why}")),
            }
        }
        _ => Software::Unknown("which of them the guest has already is known only to it".to_owned()),
    })
}

/// Whether a step has the guest's package manager get something.
fn takes_packages(step: &Step) -> bool {
    // What comes as a file is listed by itself.
    let is_named = |wanted: &String| !wanted.starts_with('/') && !wanted.contains("://");
    matches!(&step.kind, StepKind::Package(package) if package.upgrade || package.install.iter().any(is_named))
}

/// The steps that are done in the guest. Without knowing the guest, those that every guest has.
fn certain_steps(found: &mut Found<'_>, plan: &Plan, system: Option<&str>) -> Result<Vec<Step>, BuildError> {
    match preview::steps(plan, system) {
        Ok(Some(steps)) => Ok(steps),
        Ok(None) => {
            let depends = |step: &&Step| {
                step.rules.templated || step.rules.when.is_some() || step.rules.for_each.is_some()
            };
            if let Some(step) = plan.provision.iter().find(depends) {
                found.inputs.unknowable.push(Unknowable {
                    what: "what the steps need that depend on the guest's system".to_owned(),
                    needed_by: format!("the steps from {} on", step.at),
                    hint: Some("say which system it is, such as `--guest ubuntu-24.04`".to_owned()),
                });
            }
            Ok(preview::certain(plan))
        }
        Err(error) => Err(BuildError::because("what the guest's steps need could not be worked out", error)
            .kind_unless_interrupted(BuildErrorKind::Preflight)),
    }
}

/// For people: which step.
fn place(index: usize, step: &Step) -> String {
    format!("step {} ({}): {}", index + 1, step.at, step.label)
}

/// What was found so far.
struct Found<'a> {
    cx: &'a Cx,
    fetcher: &'a Fetcher,
    inputs: Inputs,
    /// Where each address is in the list.
    places: BTreeMap<Url, usize>,
}

impl Found<'_> {
    /// Adds a file, unless it is there already; what is known about it is put together.
    fn add(&mut self, input: Input) {
        if let Some(there) = self.places.get(&input.url).and_then(|at| self.inputs.files.get_mut(*at)) {
            there.digest = there.digest.take().or(input.digest);
            there.bytes = there.bytes.or(input.bytes);
            return;
        }
        self.places.insert(input.url.clone(), self.inputs.files.len());
        self.inputs.files.push(input);
    }

    /// Adds what `needed_by` fetches from `url`, with its size if that can be had without the file.
    async fn add_file(&mut self, url: Url, digest: Option<Digest>, kind: InputKind, needed_by: &str) {
        let bytes = self.size(&url, digest.as_ref()).await;
        self.add(Input { url, digest, bytes, kind, needed_by: needed_by.to_owned() });
    }

    /// What is known of the file at `url`.
    fn digest(&self, url: &Url) -> Option<Digest> {
        self.places.get(url).and_then(|at| self.inputs.files.get(*at)).and_then(|input| input.digest.clone())
    }

    /// Adds what cannot be listed.
    fn unknowable(&mut self, what: impl Into<String>, needed_by: &str, hint: Option<&str>) {
        let (needed_by, hint) = (needed_by.to_owned(), hint.map(str::to_owned));
        self.inputs.unknowable.push(Unknowable { what: what.into(), needed_by, hint });
    }

    /// How long a file is: as the cache has it, or as its server says. Who does not say it is no trouble here; fetching will tell.
    async fn size(&self, url: &Url, digest: Option<&Digest>) -> Option<u64> {
        if let Some(bytes) = digest.and_then(|digest| fetch::cached(self.fetcher.folder(), digest)) {
            return Some(bytes);
        }
        let asked = self.cx.stop().unless_cancelled(self.fetcher.probe(url, digest)).await.ok()?;
        asked.ok().and_then(|probed| probed.bytes)
    }

    /// The digest of the file at `url`, by the list at `list`, which is an input itself.
    /// Offline, a list that is not there is missing like any other file, and does not hide what else is.
    async fn listed(&mut self, list: &Url, url: &Url, needed_by: &str) -> Result<Option<Digest>, BuildError> {
        if !self.fetcher.gate().lets_through(list, None) {
            self.add_file(list.clone(), None, InputKind::File, needed_by).await;
            return Ok(None);
        }
        let attempt = format!("the digest of `{}` is not known", fetch::PlainUrl(url));
        let name = url.path().rsplit('/').next().unwrap_or_default().to_owned();
        let read = |_: &Url, bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            let digest = digest_of(&text, &name).map_err(NoDigest::Sums)?;
            Ok::<_, NoDigest>((digest, bytes.len() as u64))
        };
        let (digest, bytes) = self
            .fetcher
            .list(self.cx, list, Some(url), LARGEST_SUMS, read)
            .await
            .map_err(|error| trouble(attempt, needed_by, error))?;
        self.add(Input {
            url: list.clone(),
            digest: None,
            bytes: Some(bytes),
            kind: InputKind::File,
            needed_by: needed_by.to_owned(),
        });
        Ok(Some(digest))
    }
}

/// Why a list of digests does not tell the one that is needed.
#[derive(Debug, thiserror::Error)]
enum NoDigest {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("could not take it from the list")]
    Sums(#[source] crate::value::SumsError),
}

/// What needs an input stops before anything is made when that is not to be had.
fn trouble(
    attempt: String,
    needed_by: &str,
    error: impl std::error::Error + Send + Sync + 'static,
) -> BuildError {
    let needed = format!("it is needed by {needed_by}");
    BuildError::because(attempt, error).kind_unless_interrupted(BuildErrorKind::Preflight).hint(needed)
}
