//! `repository`: where packages come from.
use super::{download::plain, file, package::APT_STAMP};
use crate::guest::{PackageManager, quote};
use crate::plan::{AptRepository, Content, RepositoryStep, RpmRepository};
use crate::provision::{
    Secrets,
    checks::{CheckSpec, Expect, Voided},
    runner::{StepError, Worker},
};

/// Begins our own files, which `public` leaves alone.
pub(in crate::provision) const MARK: &str = "# Made by goldsmith.";
pub(in crate::provision) const APT: &str = "/etc/apt/sources.list.d";
pub(in crate::provision) const YUM: &str = "/etc/yum.repos.d";
const ZYPP: &str = "/etc/zypp/repos.d";

pub(in crate::provision) async fn run(
    worker: &Worker<'_>,
    step: &RepositoryStep,
    secrets: &Secrets,
) -> Result<(), StepError> {
    let none = || StepError::NoPackageManager { os: worker.facts.os_name.clone() };
    let manager = worker.facts.package_manager.ok_or_else(none)?;
    let is_apt = manager == PackageManager::Apt;
    let folder = match manager {
        PackageManager::Apt => APT,
        PackageManager::Zypper => ZYPP,
        PackageManager::Dnf | PackageManager::Tdnf | PackageManager::Yum => YUM,
    };
    let write =
        async |dest: String, content: Content| file::run(worker, &plain(dest, content), secrets).await;
    // Lists that were fetched before know nothing of it.
    let stale = format!("rm -f {APT_STAMP}\n");
    match step {
        RepositoryStep::Apt(apt) => {
            if !is_apt {
                return Err(StepError::value("repository", &apt.name, "the guest has no apt".to_owned()));
            }
            if let Some(key) = &apt.key {
                write(apt_key(apt), key.clone()).await?;
            }
            write(format!("{APT}/{}.sources", apt.name), Content::Text(apt_content(apt))).await?;
            worker.script(stale).await
        }
        RepositoryStep::Rpm(rpm) => {
            if is_apt {
                return Err(StepError::value(
                    "repository",
                    &rpm.name,
                    "the guest has apt, which takes `uris`".to_owned(),
                ));
            }
            if let Some(key) = &rpm.key {
                write(rpm_key(rpm), key.clone()).await?;
            }
            write(format!("{folder}/{}.repo", rpm.name), Content::Text(rpm_content(rpm))).await?;
            if manager == PackageManager::Zypper && rpm.enabled {
                let refresh =
                    format!("zypper --non-interactive --gpg-auto-import-keys refresh {}\n", quote(&rpm.name));
                return worker.script(refresh).await;
            }
            Ok(())
        }
        RepositoryStep::File { content, name, dest } => {
            let name = name.rsplit('/').next().unwrap_or_default();
            let dest = dest.clone().unwrap_or_else(|| format!("{folder}/{name}"));
            write(dest, content.clone()).await?;
            worker.script(stale).await
        }
        RepositoryStep::Absent { name } => worker.script(format!("{}{stale}", absent(name))).await,
        RepositoryStep::Public { state } => {
            worker.script(format!("{}{stale}", public(is_enabled(state)?))).await
        }
    }
}

fn is_enabled(state: &str) -> Result<bool, StepError> {
    match state {
        "enabled" => Ok(true),
        "disabled" => Ok(false),
        other => Err(StepError::value(
            "state of the public repositories",
            other,
            "it is `enabled` or `disabled`".to_owned(),
        )),
    }
}

pub(in crate::provision) fn apt_key(apt: &AptRepository) -> String {
    format!("/etc/apt/keyrings/{}.asc", apt.name)
}

pub(in crate::provision) fn apt_content(apt: &AptRepository) -> String {
    let mut text = format!("{MARK}\n");
    let mut field = |name: &str, value: &str| {
        if !value.is_empty() {
            text.push_str(&format!("{name}: {value}\n"));
        }
    };
    field("Enabled", if apt.enabled { "" } else { "no" });
    field("Types", &apt.types.join(" "));
    field("URIs", &apt.uris.join(" "));
    field("Suites", &apt.suites.join(" "));
    field("Components", &apt.components.join(" "));
    field("Signed-By", &apt.key.as_ref().map(|_| apt_key(apt)).unwrap_or_default());
    for (name, value) in &apt.options {
        field(name, value);
    }
    text
}

fn rpm_key(rpm: &RpmRepository) -> String {
    format!("/etc/pki/rpm-gpg/RPM-GPG-KEY-{}", rpm.name)
}

pub(in crate::provision) fn rpm_content(rpm: &RpmRepository) -> String {
    let digit = |on: bool| if on { "1" } else { "0" };
    let mut text = format!(
        "{MARK}\n[{0}]\nname={0}\nbaseurl={1}\nenabled={2}\ngpgcheck={3}\n",
        rpm.name,
        rpm.baseurl,
        digit(rpm.enabled),
        digit(rpm.gpg_check)
    );
    let own = rpm.key.as_ref().map(|_| format!("file://{}", rpm_key(rpm)));
    let keys: Vec<String> =
        rpm.gpg_key.clone().into_iter().filter(|key| !key.is_empty()).chain(own).collect();
    if !keys.is_empty() {
        text.push_str(&format!("gpgkey={}\n", keys.join(" ")));
    }
    for (name, value) in &rpm.options {
        text.push_str(&format!("{name}={value}\n"));
    }
    text
}

fn absent(name: &str) -> String {
    let paths = [
        format!("{APT}/{name}.sources"),
        format!("{APT}/{name}.list"),
        format!("/etc/apt/keyrings/{name}.asc"),
        format!("{YUM}/{name}.repo"),
        format!("{ZYPP}/{name}.repo"),
        format!("/etc/pki/rpm-gpg/RPM-GPG-KEY-{name}"),
    ];
    format!("rm -f -- {}\n", crate::guest::quote_all(paths))
}

/// Turns on or off what came with the system.
fn public(enabled: bool) -> String {
    // cloud-init would write the file of the distribution anew at the first boot.
    const KEEP: &str = "/etc/cloud/cloud.cfg.d/90-goldsmith-repositories.cfg";
    if enabled {
        return format!(
            "for f in /etc/apt/sources.list.disabled {APT}/*.disabled {YUM}/*.repo.disabled {ZYPP}/*.repo.disabled; do\n\
             \x20 if [ -e \"$f\" ] && [ ! -e \"${{f%.disabled}}\" ]; then mv -T -- \"$f\" \"${{f%.disabled}}\"; fi\n\
             done\nrm -f {KEEP}\n"
        );
    }
    format!(
        "for f in /etc/apt/sources.list {APT}/*.list {APT}/*.sources {YUM}/*.repo {ZYPP}/*.repo; do\n\
         \x20 if [ -e \"$f\" ] && [ \"$(head -n 1 -- \"$f\")\" != '{MARK}' ]; then mv -f -T -- \"$f\" \"$f.disabled\"; fi\n\
         done\n\
         if [ -d /etc/apt ] && [ -d /etc/cloud/cloud.cfg.d ]; then\n\
         \x20 printf 'apt:\\n  preserve_sources_list: true\\n' >{KEEP}\nfi\n"
    )
}

/// What follows from `step`.
pub(in crate::provision) fn checks(step: &RepositoryStep) -> Vec<CheckSpec> {
    match step {
        RepositoryStep::Apt(apt) => {
            let key = apt.key.clone().map(|key| plain(apt_key(apt), key));
            let main = plain(format!("{APT}/{}.sources", apt.name), Content::Text(apt_content(apt)));
            key.into_iter().chain([main]).flat_map(|step| file::checks(&step)).collect()
        }
        RepositoryStep::Rpm(rpm) => {
            let key = rpm.key.clone().map(|key| plain(rpm_key(rpm), key));
            let main = plain(format!("{YUM}/{}.repo", rpm.name), Content::Text(rpm_content(rpm)));
            let mut specs: Vec<CheckSpec> = key.iter().flat_map(file::checks).collect();
            // zypper has a folder of its own, and steps do not know the guest yet.
            specs.extend(file::checks(&main).into_iter().map(|mut spec| {
                let (yum, zypp) = (quote(&main.dest), quote(&format!("{ZYPP}/{}.repo", rpm.name)));
                let chosen = format!("f={yum}\nif command -v zypper >/dev/null; then f={zypp}; fi\n");
                spec.script = spec.script.replacen(&format!("f={yum}\n"), &chosen, 1);
                spec
            }));
            specs
        }
        RepositoryStep::File { content, dest: Some(dest), .. } => {
            let mut specs = file::checks(&plain(dest.clone(), content.clone()));
            for spec in &mut specs {
                spec.subject = format!("repository file {dest}");
            }
            specs
        }
        RepositoryStep::File { name, dest: None, .. } => {
            let name = name.rsplit('/').next().unwrap_or_default();
            let paths = [APT, YUM, ZYPP].map(|folder| format!("{folder}/{name}"));
            let script = format!(
                "for f in {}; do if [ -s \"$f\" ]; then echo there; exit 0; fi; done; echo missing",
                crate::guest::quote_all(paths)
            );
            let title = format!("the repository file `{name}` is there");
            vec![CheckSpec::new(
                format!("repository file {name}"),
                title,
                script,
                Expect::Text("there".into()),
            )]
        }
        RepositoryStep::Absent { name } => {
            let paths = [
                format!("{APT}/{name}.sources"),
                format!("{APT}/{name}.list"),
                format!("{YUM}/{name}.repo"),
                format!("{ZYPP}/{name}.repo"),
            ];
            let script = format!(
                "for f in {}; do if [ -e \"$f\" ]; then echo \"$f\"; exit 0; fi; done; echo absent",
                crate::guest::quote_all(&paths)
            );
            let title = format!("there is no repository `{name}`");
            let spec =
                CheckSpec::new(format!("repository {name}"), title, script, Expect::Text("absent".into()));
            let key = Voided::Subject(format!("path /etc/apt/keyrings/{name}.asc"));
            let rpm = Voided::Subject(format!("path /etc/pki/rpm-gpg/RPM-GPG-KEY-{name}"));
            vec![paths.into_iter().fold(spec.voiding(key).voiding(rpm), |spec, path| {
                // It may have come as a file.
                let copied = Voided::Subject(format!("repository file {path}"));
                spec.voiding(copied).voiding(Voided::Below(path))
            })]
        }
        RepositoryStep::Public { state } => {
            let enabled = state == "enabled";
            let script = if enabled {
                format!(
                    "for f in /etc/apt/sources.list.disabled {APT}/*.disabled {YUM}/*.repo.disabled {ZYPP}/*.repo.disabled; do\n\
                     if [ -e \"$f\" ]; then echo \"$f\"; exit 0; fi; done; echo enabled"
                )
            } else {
                format!(
                    "for f in /etc/apt/sources.list.disabled {APT}/*.disabled {YUM}/*.repo.disabled {ZYPP}/*.repo.disabled; do\n\
                     if [ -e \"${{f%.disabled}}\" ] && [ -e \"$f\" ]; then echo \"${{f%.disabled}}\"; exit 0; fi; done; echo disabled"
                )
            };
            let title = format!("the public repositories are {state}");
            let spec = CheckSpec::new("repositories", title, script, Expect::Text(state.clone()));
            // A file that was copied before is as much off as the others.
            vec![if enabled { spec } else { spec.voiding(Voided::StartingWith("repository file ".into())) }]
        }
    }
}
