//! Which package archives a system is assembled from: this host's, or the ones that the definition names.
use super::super::{SourceError, tool};
use super::apt::{self, AptConfig, Entry};
use crate::{
    fetch::{Gate, Way},
    plan::{BootstrapPlan, Mirror},
    value::Arch,
};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use url::Url;

/// apt's own downloader: it knows this host's proxies, certificates and transports, as the bootstrap will.
const APT_HELPER: &str = "/usr/lib/apt/apt-helper";

/// A Release file has not more.
const RELEASE_LIMIT: usize = 32 << 20;

/// The longest that one Release file may take.
const ANSWER: Duration = Duration::from_secs(60);

/// Whose archive it is; decides names of keyrings and of folders on the EFI system partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Distribution {
    /// Debian, or something else that is built like it.
    Debian,
    /// Ubuntu.
    Ubuntu,
}

impl Distribution {
    /// Lower-case name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Debian => "debian",
            Self::Ubuntu => "ubuntu",
        }
    }

    fn by_origin(origin: &str) -> Option<Self> {
        match origin {
            "Debian" => Some(Self::Debian),
            "Ubuntu" => Some(Self::Ubuntu),
            _ => None,
        }
    }

    const fn keyring(self) -> (&'static str, &'static str) {
        match self {
            Self::Debian => ("/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring"),
            Self::Ubuntu => ("/usr/share/keyrings/ubuntu-archive-keyring.gpg", "ubuntu-keyring"),
        }
    }
}

/// Where the packages come from, checked to answer.
#[derive(Debug, Clone)]
pub(super) struct Archive {
    pub(super) distribution: Distribution,
    pub(super) entries: Vec<Entry>,
    pub(super) config: AptConfig,
}

impl Archive {
    /// The entries as a deb822 file.
    pub(super) fn sources(&self) -> String {
        self.entries.iter().map(Entry::stanza).collect::<Vec<_>>().join("\n")
    }

    /// Keyring files of this host that the entries name.
    pub(super) fn keyrings(&self) -> Vec<PathBuf> {
        let mut keyrings: Vec<PathBuf> = self.entries.iter().flat_map(Entry::keyrings).collect();
        keyrings.sort();
        keyrings.dedup();
        keyrings
    }
}

/// The header of a Release file.
#[derive(Debug, Default, PartialEq, Eq)]
struct Release {
    origin: String,
    components: Vec<String>,
}

impl Release {
    /// Of `InRelease` or `Release`; only the lines before the checksums are looked at.
    fn parse(text: &str) -> Self {
        let mut release = Self::default();
        for line in text.lines() {
            match line.split_once(':') {
                Some(("Origin", value)) => value.trim().clone_into(&mut release.origin),
                Some(("Components", value)) => {
                    release.components = value.split_whitespace().map(str::to_owned).collect();
                }
                Some(("MD5Sum" | "SHA256", _)) => break,
                _ => {}
            }
        }
        release
    }

    /// Old security archives call theirs `updates/main`.
    fn has(&self, component: &str) -> bool {
        self.components.is_empty()
            || self.components.iter().any(|c| c.rsplit('/').next() == Some(component) || c == component)
    }
}

/// Finds out which archives to use and that the main one answers.
pub(super) async fn resolve(plan: &BootstrapPlan, arch: Arch, gate: &Gate) -> Result<Archive, SourceError> {
    let config = host_config().await;
    match &plan.mirror {
        Mirror::Host => {
            let candidates = fitting(apt::host_entries(Path::new("/etc/apt")), plan, arch);
            of_host(plan, candidates, config, gate).await
        }
        Mirror::Url { main, security } => {
            let config = AptConfig { validity: Vec::new(), ..config };
            of_urls(plan, main.as_str(), security.as_ref().map(Url::as_str), config, gate).await
        }
    }
}

/// This host's entries reduced to what is asked for: the suite, its updates and its security fixes.
fn fitting(entries: Vec<Entry>, plan: &BootstrapPlan, arch: Arch) -> Vec<Entry> {
    let suites = wanted_suites(&plan.suite);
    entries
        .into_iter()
        .filter_map(|mut entry| {
            entry.suites.retain(|suite| suites.contains(suite));
            let offers = entry.components.iter().any(|component| plan.components.contains(component));
            let fits = entry
                .field("Architectures")
                .is_none_or(|list| list.split_whitespace().any(|name| name == arch.debian()));
            if entry.suites.is_empty() || !offers || !fits {
                return None;
            }
            entry.uri = entry.uri.replace("$(ARCH)", arch.debian());
            entry.fields.retain(|(key, _)| !key.eq_ignore_ascii_case("Architectures"));
            plan.components.clone_into(&mut entry.components);
            Some(entry)
        })
        .collect()
}

fn wanted_suites(suite: &str) -> [String; 4] {
    [suite.to_owned(), format!("{suite}-updates"), format!("{suite}-security"), format!("{suite}/updates")]
}

async fn of_host(
    plan: &BootstrapPlan,
    candidates: Vec<Entry>,
    config: AptConfig,
    gate: &Gate,
) -> Result<Archive, SourceError> {
    let hint = || {
        format!(
            "name the archive in the definition, such as `source.bootstrap.mirror = \"http://deb.example.org/debian\"`, \
             or add `{}` to this host's apt sources",
            plan.suite
        )
    };
    if !candidates.iter().any(|entry| entry.suites.contains(&plan.suite)) {
        return Err(SourceError::Archive {
            reason: format!(
                "this host's apt sources have no entry for suite `{}` with component `{}`",
                plan.suite,
                plan.components.join("` or `")
            ),
            hint: hint(),
        });
    }
    // Other people's archives name their suites after the distribution's, too.
    let mut known = Vec::new();
    let mut foreign = Vec::new();
    for entry in candidates {
        let suite = entry.suites.first().unwrap_or(&plan.suite);
        let release = release(&entry.uri, suite, gate).await?.ok_or_else(|| SourceError::Archive {
            reason: format!("`{}` has no suite `{suite}`", shown(&entry.uri)),
            hint: hint(),
        })?;
        check_components(plan, &entry.uri, &release)?;
        match Distribution::by_origin(&release.origin) {
            Some(distribution) => known.push((distribution, entry)),
            None => foreign.push((Distribution::Debian, entry)),
        }
    }
    let chosen =
        if known.iter().any(|(_, entry)| entry.suites.contains(&plan.suite)) { known } else { foreign };
    let distribution = chosen.first().map_or(Distribution::Debian, |(distribution, _)| *distribution);
    Ok(Archive { distribution, entries: chosen.into_iter().map(|(_, entry)| entry).collect(), config })
}

async fn of_urls(
    plan: &BootstrapPlan,
    main: &str,
    security: Option<&str>,
    config: AptConfig,
    gate: &Gate,
) -> Result<Archive, SourceError> {
    let missing = |uri: &str, suite: &str| SourceError::Archive {
        reason: format!("`{}` has no suite `{suite}`", shown(uri)),
        hint: "`mirror` is the folder that holds `dists` and `pool`; check it and the suite's code name"
            .to_owned(),
    };
    let base = release(main, &plan.suite, gate).await?.ok_or_else(|| missing(main, &plan.suite))?;
    check_components(plan, main, &base)?;
    let distribution = Distribution::by_origin(&base.origin);
    let mut suites = vec![plan.suite.clone()];
    let updates = format!("{}-updates", plan.suite);
    // Rolling suites have none.
    if optional(main, &updates, gate).await?.is_some() {
        suites.push(updates);
    }
    let fields = match distribution.map(Distribution::keyring) {
        Some((path, package)) if !Path::new(path).exists() => {
            return Err(SourceError::Archive {
                reason: format!("the keys that sign it are not on this host: `{path}` is missing"),
                hint: format!("sudo apt-get install -y {package}"),
            });
        }
        Some((path, _)) => vec![("Signed-By".to_owned(), path.to_owned())],
        None => Vec::new(),
    };
    let entry = |uri: &str, suites| Entry {
        uri: uri.trim_end_matches('/').to_owned(),
        suites,
        components: plan.components.clone(),
        fields: fields.clone(),
    };
    let mut entries = vec![entry(main, suites)];
    if let Some(security) = security {
        let names = [format!("{}-security", plan.suite), format!("{}/updates", plan.suite)];
        let mut found = None;
        for name in names {
            if optional(security, &name, gate).await?.is_some() {
                found = Some(name);
                break;
            }
        }
        let suite = found.ok_or_else(|| missing(security, &format!("{}-security", plan.suite)))?;
        entries.push(entry(security, vec![suite]));
    }
    Ok(Archive { distribution: distribution.unwrap_or(Distribution::Debian), entries, config })
}

fn check_components(plan: &BootstrapPlan, uri: &str, release: &Release) -> Result<(), SourceError> {
    match plan.components.iter().find(|component| !release.has(component)) {
        None => Ok(()),
        Some(component) => Err(SourceError::Archive {
            reason: format!("`{}` has no component `{component}`", shown(uri)),
            hint: format!("it has: {}", release.components.join(", ")),
        }),
    }
}

/// An address without user and password.
fn shown(uri: &str) -> String {
    url::Url::parse(uri)
        .map_or_else(|_| uri.to_owned(), |url| crate::fetch::PlainUrl(&url).to_string())
        .trim_end_matches('/')
        .to_owned()
}

/// The Release file of a suite that need not be. Offline, what was not collected was not there.
async fn optional(uri: &str, suite: &str, gate: &Gate) -> Result<Option<Release>, SourceError> {
    let through = |file: &&str| address(uri, suite, file).is_none_or(|url| gate.lets_through(&url, None));
    if RELEASES.iter().any(through) { release(uri, suite, gate).await } else { Ok(None) }
}

/// The files that say what a suite has; the first has its signature in it.
const RELEASES: [&str; 2] = ["InRelease", "Release"];

fn address(uri: &str, suite: &str, file: &str) -> Option<Url> {
    Url::parse(&format!("{}/dists/{suite}/{file}", uri.trim_end_matches('/'))).ok()
}

/// The Release file of a suite; `None` when the archive says that it has no such suite.
async fn release(uri: &str, suite: &str, gate: &Gate) -> Result<Option<Release>, SourceError> {
    if gate.is_closed() && !uri.starts_with("file:") {
        let mut network = false;
        for url in RELEASES.iter().filter_map(|file| address(uri, suite, file)) {
            match gate.way(&url, None) {
                Way::Stock(..) => {
                    let text = gate.read(&url, RELEASE_LIMIT).await?;
                    return Ok(Some(Release::parse(&String::from_utf8_lossy(&text))));
                }
                Way::Network => network = true,
                Way::Refused => {}
            }
        }
        if let (false, Some(url)) = (network, address(uri, suite, RELEASES[0])) {
            return Err(gate.refuse(&url).into());
        }
    }
    let folder = tempfile::tempdir()
        .map_err(|source| SourceError::io("create a folder in", &std::env::temp_dir(), source))?;
    let mut failure = String::new();
    for file in RELEASES {
        let address = format!("{}/dists/{suite}/{file}", uri.trim_end_matches('/'));
        let path = folder.path().join(file);
        let mut command = tool::command(APT_HELPER);
        command
            .args([
                "-o",
                "Acquire::Retries=1",
                "-o",
                "Acquire::http::Timeout=15",
                "-o",
                "Acquire::https::Timeout=15",
            ])
            .args(["-o", "APT::Sandbox::User=root", "download-file"])
            .arg(&address)
            .arg(&path);
        let (succeeded, said) = tool::ask(command, ANSWER)
            .await
            .map_err(|source| SourceError::Spawn { program: APT_HELPER.to_owned(), source })?;
        if succeeded {
            let text =
                tokio::fs::read(&path).await.map_err(|source| SourceError::io("read", &path, source))?;
            return Ok(Some(Release::parse(&String::from_utf8_lossy(&text))));
        }
        failure = said;
    }
    if failure.contains("404") || failure.contains("File not found") {
        return Ok(None);
    }
    // `E: Failed to fetch ADDRESS  reason`: the reason is what is new.
    let last = failure.lines().rev().find(|line| line.starts_with("E:")).unwrap_or("no answer");
    let last = last.split("  ").last().unwrap_or(last).trim();
    Err(SourceError::Archive {
        reason: format!("`{}` did not deliver suite `{suite}`: {last}", shown(uri)),
        hint:
            "check the address and the network; apt's own proxy settings are used (apt-config dump Acquire)"
                .to_owned(),
    })
}

/// What this host's apt is configured to do; a host without apt has nothing configured.
async fn host_config() -> AptConfig {
    let Some(program) = tool::find("apt-config") else { return AptConfig::default() };
    let mut command = tool::command(program);
    command.arg("dump");
    match tool::ask(command, Duration::from_secs(20)).await {
        Ok((true, dump)) => apt::parse_apt_config(&dump),
        _ => AptConfig::default(),
    }
}

/// Whether apt's downloader is there.
pub(super) fn has_apt() -> bool {
    Path::new(APT_HELPER).exists()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Size;

    fn plan(mirror: Mirror) -> BootstrapPlan {
        BootstrapPlan {
            cloud_init: true,
            suite: "bookworm".into(),
            mirror,
            components: vec!["main".into()],
            packages: vec![],
            kernel: "linux-image-cloud-amd64".into(),
            cmdline: String::new(),
            initramfs_modules: vec![],
            partitions: vec![],
            esp: Size::mib(64),
        }
    }

    #[test]
    fn only_the_suite_its_updates_and_its_security_fixes_are_taken_from_the_host() {
        let entries = apt::parse_list(
            "deb http://deb.example.org/debian bookworm main contrib\n\
             deb http://deb.example.org/debian bookworm-backports main\n\
             deb [arch=arm64] http://ports.example.org/debian bookworm main\n\
             deb http://docker.example.org/debian bookworm stable\n\
             deb [arch=amd64] http://sec.example.org/debian-security bookworm-security main\n",
        );
        let taken = fitting(entries, &plan(Mirror::Host), Arch::X86_64);
        let uris: Vec<&str> = taken.iter().map(|entry| entry.uri.as_str()).collect();
        assert_eq!(uris, ["http://deb.example.org/debian", "http://sec.example.org/debian-security"]);
        assert_eq!(taken[0].components, ["main"]);
        assert!(taken[1].fields.is_empty());
    }

    #[test]
    fn a_release_file_tells_whose_it_is() {
        let release = Release::parse(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: Debian\nSuite: oldstable\n\
             Components: updates/main contrib\nSHA256:\n Origin: no\nOrigin: Later\n",
        );
        assert_eq!(release.origin, "Debian");
        assert!(release.has("main") && release.has("contrib") && !release.has("non-free"));
    }

    #[tokio::test]
    async fn a_host_without_the_suite_says_how_to_name_a_mirror() {
        let error =
            of_host(&plan(Mirror::Host), vec![], AptConfig::default(), &Gate::open()).await.unwrap_err();
        assert!(error.to_string().contains("no entry for suite `bookworm`"), "{error}");
        assert!(error.hint().unwrap().contains("source.bootstrap.mirror"));
    }

    #[tokio::test]
    async fn an_archive_in_a_local_folder_is_asked_through_apt_itself() {
        if !has_apt() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let suite = folder.path().join("dists/bookworm");
        std::fs::create_dir_all(&suite).unwrap();
        std::fs::write(suite.join("InRelease"), "Origin: Example\nComponents: main\n").unwrap();
        let uri = format!("file:{}", folder.path().display());
        assert_eq!(release(&uri, "bookworm", &Gate::open()).await.unwrap().unwrap().origin, "Example");
        assert_eq!(release(&uri, "trixie", &Gate::open()).await.unwrap(), None);
    }

    #[tokio::test]
    #[cfg_attr(not(feature = "test-guest"), ignore = "takes a package mirror: the one of this host")]
    async fn a_named_mirror_gives_the_suite_its_updates_and_its_keys() {
        let of_host = resolve(&plan(Mirror::Host), Arch::X86_64, &Gate::open()).await.unwrap();
        assert_eq!(of_host.distribution, Distribution::Debian);
        let uri = |suite: &str| {
            let entry = of_host.entries.iter().find(|entry| entry.suites.iter().any(|name| name == suite));
            entry.unwrap().uri.parse().unwrap()
        };
        let named = Mirror::Url { main: uri("bookworm"), security: Some(uri("bookworm-security")) };
        let archive = resolve(&plan(named.clone()), Arch::X86_64, &Gate::open()).await.unwrap();
        assert_eq!(archive.entries[0].suites, ["bookworm", "bookworm-updates"]);
        assert_eq!(archive.entries[1].suites, ["bookworm-security"]);
        assert_eq!(archive.keyrings().len(), 1);
        let mut odd = plan(named);
        odd.components.push("restricted".into());
        let error = resolve(&odd, Arch::X86_64, &Gate::open()).await.unwrap_err();
        assert!(error.to_string().contains("no component `restricted`"), "{error}");
        odd.suite = "warty".into();
        let error = resolve(&odd, Arch::X86_64, &Gate::open()).await.unwrap_err();
        assert!(error.to_string().contains("no suite `warty`"), "{error}");
    }
}
