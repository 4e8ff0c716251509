//! Which packages a system gets, worked out on this host: apt solves, in a root of its own that holds nothing but lists.
//!
//! ```text
//!   sources ──▸ Release, Packages   fetched into the cache, laid out as an archive, verified by apt with the archive's keys
//!   status                          what the system has at that moment; each answer of apt is put into it
//!   apt-get --simulate              what would be installed and removed
//!   apt-get --print-uris            which files that takes
//! ```
//!
//! It needs apt and no more: nothing is unpacked, so the system may be of another release or distribution than this host.
mod answers;
mod image;
mod lists;
mod release;
#[cfg(test)]
mod tests;

use super::{SourceError, bootstrap, tool};
use crate::{
    cx::Cx,
    fetch::Fetcher,
    plan::{BootstrapPlan, Plan},
    value::{Arch, Digest},
};
use answers::Change;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};
use url::Url;

/// The longest that one question to apt may take.
const ANSWER: Duration = Duration::from_secs(300);

/// Files of a system about archives, and of keys, by their paths.
type Settings = (BTreeMap<String, String>, BTreeMap<String, Vec<u8>>);

/// What apt-cache is asked for.
const SHOW: &str = "look at the packages' own descriptions";

/// A file of a package archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageFile {
    /// Where it is, as apt asks for it.
    pub url: Url,
    /// Its digest, by the archive's own lists.
    pub digest: Option<Digest>,
    /// Its size, by the same lists.
    pub bytes: u64,
    /// Whether it is a list and no package.
    pub index: bool,
}

/// How packages are chosen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Choice {
    /// Whether what is recommended comes, too.
    pub recommends: bool,
    /// Whether a version may be older than what is there.
    pub downgrade: bool,
    /// Whether signatures do not count.
    pub unauthenticated: bool,
}

/// A system of packages that grows.
#[derive(Debug)]
pub struct Packages<'a> {
    cx: &'a Cx,
    fetcher: &'a Fetcher,
    arch: Arch,
    /// Everything of ours is in here.
    root: PathBuf,
    /// What the system's files say of archives, by their paths in it.
    sources: BTreeMap<String, String>,
    /// Files of keys, by their paths in the system.
    keys: BTreeMap<String, Vec<u8>>,
    /// The folder that stands for each address.
    mirrors: Vec<String>,
    /// The sources and keys that apt has read.
    read: Option<Settings>,
    /// Settings of this host that concern what is believed of archives.
    validity: Vec<String>,
    /// The paragraph of each package that is there.
    installed: BTreeMap<String, String>,
    held: BTreeSet<String>,
    /// Packages that are files of this host.
    files: Vec<String>,
    /// Keys for entries that name none; those of this host if nothing else is said.
    trusted: Option<PathBuf>,
    /// What could not be looked at, and why.
    remarks: Vec<String>,
}

impl<'a> Packages<'a> {
    /// A system without any package.
    pub fn empty(cx: &'a Cx, fetcher: &'a Fetcher, arch: Arch) -> Result<Self, SourceError> {
        if tool::find("apt-get").is_none() {
            let name = || vec!["apt".to_owned()];
            return Err(SourceError::MissingTools { programs: vec!["apt-get".to_owned()], packages: name() });
        }
        let root = cx.work().join(format!("packages-{}", uuid::Uuid::new_v4().simple()));
        let _ = cx.plan_path(&root)?;
        for folder in [
            "etc/apt/apt.conf.d",
            "etc/apt/preferences.d",
            "etc/apt/sources.list.d",
            "keys",
            "var/lib/dpkg",
            "var/lib/apt/lists/partial",
            "var/cache/apt/archives/partial",
        ] {
            let path = root.join(folder);
            std::fs::create_dir_all(&path).map_err(|source| SourceError::io("create", &path, source))?;
        }
        Ok(Self {
            cx,
            fetcher,
            arch,
            root,
            sources: BTreeMap::new(),
            keys: BTreeMap::new(),
            mirrors: Vec::new(),
            read: None,
            validity: Vec::new(),
            installed: BTreeMap::new(),
            held: BTreeSet::new(),
            files: Vec::new(),
            trusted: None,
            remarks: Vec::new(),
        })
    }

    /// The system that a bootstrap assembles, and the files that it takes for that.
    pub async fn bootstrapped(
        cx: &'a Cx,
        plan: &Plan,
        bootstrap: &BootstrapPlan,
        fetcher: &'a Fetcher,
    ) -> Result<(Self, Vec<PackageFile>), SourceError> {
        let mut packages = Self::empty(cx, fetcher, plan.arch)?;
        let base = bootstrap::base(bootstrap, plan.arch, fetcher.gate()).await?;
        packages.validity = base.validity;
        if fetcher.gate().is_closed() {
            // What was collected is as old as it is.
            packages.validity.push("Acquire::Check-Valid-Until \"false\";".to_owned());
        }
        packages.sources.insert(base.path, base.sources);
        let mut files = packages.lists().await?;
        // As mmdebstrap asks, in the same two steps.
        let narrow = |what: &str| {
            format!(
                "?narrow(?or(?archive(^{0}$),?codename(^{0}$)),?architecture({1}),{what})",
                bootstrap.suite,
                plan.arch.debian()
            )
        };
        files.extend(packages.install(&[narrow("?essential")], Choice::default()).await?);
        let mut names = base.packages;
        names.push("apt".to_owned());
        names.push(narrow("?and(?priority(required),?not(?essential))"));
        files.extend(packages.install(&names, Choice::default()).await?);
        Ok((packages, files))
    }

    /// What the files of the system say of archives, by their paths in it.
    pub fn sources(&mut self) -> &mut BTreeMap<String, String> {
        &mut self.sources
    }

    /// The files of keys in the system, by their paths in it.
    pub fn keys(&mut self) -> &mut BTreeMap<String, Vec<u8>> {
        &mut self.keys
    }

    /// What could not be looked at since this was asked last, and why.
    pub fn remarks(&mut self) -> Vec<String> {
        std::mem::take(&mut self.remarks)
    }

    /// Adds packages: names, `name=version`, patterns of apt, or paths of files on this host. The files that this takes.
    pub async fn install(
        &mut self,
        names: &[String],
        choice: Choice,
    ) -> Result<Vec<PackageFile>, SourceError> {
        let mut arguments = vec!["install".to_owned()];
        arguments.extend(names.iter().cloned());
        self.change(&arguments, choice).await
    }

    /// Brings all packages to their newest versions. The files that this takes.
    pub async fn upgrade(&mut self) -> Result<Vec<PackageFile>, SourceError> {
        let choice = Choice { recommends: true, ..Choice::default() };
        self.change(&["dist-upgrade".to_owned()], choice).await
    }

    /// Takes packages away that are there.
    pub async fn remove(&mut self, names: &[String]) -> Result<(), SourceError> {
        let there = names.iter().filter(|name| self.installed.contains_key(*name)).cloned();
        let mut arguments: Vec<String> = there.collect();
        if arguments.is_empty() {
            return Ok(());
        }
        arguments.insert(0, "purge".to_owned());
        self.change(&arguments, Choice::default()).await.map(drop)
    }

    /// Keeps packages from being changed, or lets them go; `*` for all.
    pub fn hold(&mut self, names: &[String], held: bool) {
        for name in names {
            let all = || self.installed.keys().cloned().collect::<BTreeSet<_>>();
            match (name.as_str(), held) {
                ("*", true) => self.held = all(),
                ("*", false) => self.held.clear(),
                (name, true) => drop(self.held.insert(name.to_owned())),
                (name, false) => drop(self.held.remove(name)),
            }
        }
    }

    async fn change(
        &mut self,
        arguments: &[String],
        choice: Choice,
    ) -> Result<Vec<PackageFile>, SourceError> {
        let mut files = self.lists().await?;
        self.write_status()?;
        let shown: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let attempt = format!("work out `apt-get {}`", shown.join(" "));
        let mut options = vec!["-qq".to_owned(), "-y".to_owned()];
        options.push(format!("-oAPT::Install-Recommends={}", choice.recommends));
        if choice.downgrade {
            options.push("--allow-downgrades".to_owned());
        }
        if choice.unauthenticated {
            options.push("--allow-unauthenticated".to_owned());
        }
        let ask = async |way: &str| {
            let mut all = options.clone();
            all.push(way.to_owned());
            all.extend(arguments.iter().cloned());
            self.ask("apt-get", &all, &attempt).await
        };
        let simulated = answers::changes(&ask("--simulate").await?);
        if simulated.is_empty() {
            return Ok(files);
        }
        for wanted in answers::wanted(&ask("--print-uris").await?) {
            // What lies on this host in the first place is no file of an archive.
            let Some(url) = self.original(&wanted.uri) else { continue };
            files.push(PackageFile { url, digest: wanted.digest, bytes: wanted.bytes, index: false });
        }
        self.take(&simulated).await?;
        Ok(files)
    }

    /// Puts what apt would do into the status.
    async fn take(&mut self, changes: &[Change]) -> Result<(), SourceError> {
        let mut wanted = vec!["show".to_owned()];
        for change in changes {
            match change {
                Change::Installed { name, version } => wanted.push(format!("{name}={version}")),
                Change::Removed { name } => {
                    drop(self.installed.remove(name.split(':').next().unwrap_or(name)));
                }
            }
        }
        if wanted.len() == 1 {
            return Ok(());
        }
        match self.ask("apt-cache", &wanted, SHOW).await {
            Ok(text) => self.installed.extend(answers::paragraphs(&text)),
            // A package that came as a file is in no list, and then apt tells nothing of the others either.
            Err(SourceError::Packages { .. }) => {
                let names = wanted.split_off(1).into_iter().chain(self.files.clone());
                for name in names {
                    if let Ok(text) = self.ask("apt-cache", &["show".to_owned(), name], SHOW).await {
                        self.installed.extend(answers::paragraphs(&text));
                    }
                }
            }
            Err(other) => return Err(other),
        }
        Ok(())
    }

    /// A package's file as apt takes it, which goes by names.
    pub fn file(&mut self, path: &Path) -> Result<String, SourceError> {
        let link = self.root.join(format!("{}.deb", self.files.len()));
        std::os::unix::fs::symlink(path, &link).map_err(|source| SourceError::io("create", &link, source))?;
        let name = link.display().to_string();
        self.files.push(name.clone());
        Ok(name)
    }

    fn write_status(&self) -> Result<(), SourceError> {
        let mut text = String::new();
        for (name, paragraph) in &self.installed {
            let wish = if self.held.contains(name) { "hold" } else { "install" };
            text.push_str(&format!("{paragraph}Status: {wish} ok installed\n\n"));
        }
        self.write("var/lib/dpkg/status", text.as_bytes())
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), SourceError> {
        write(&self.root.join(path), bytes)
    }

    /// Asks one of apt's programs.
    async fn ask(&self, program: &str, arguments: &[String], attempt: &str) -> Result<String, SourceError> {
        self.cx.check()?;
        let mut command = tool::command(program);
        command.env("APT_CONFIG", self.root.join("apt.conf")).args(arguments);
        let spawned = |source| SourceError::Spawn { program: program.to_owned(), source };
        let asked = self.cx.stop().unless_cancelled(tool::ask(command, ANSWER)).await?;
        let (succeeded, said) = asked.map_err(spawned)?;
        if succeeded {
            return Ok(said);
        }
        let said = answers::complaints(&said).into_iter().map(|line| self.named(line)).collect();
        Err(SourceError::Packages { attempt: attempt.to_owned(), said })
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), SourceError> {
    std::fs::write(path, bytes).map_err(|source| SourceError::io("write", path, source))
}
