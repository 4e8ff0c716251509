//! What people read while a step runs, when the definition has no words of its own for it.
use crate::plan::{
    AptRepository, Awaited, FileOrigin, PackageStep, RepositoryStep, RpmRepository, ServiceState,
    ServiceStep, StepKind, SwapStep, Transfer, UnitStep,
};
use std::collections::BTreeMap;

/// More names than this make a line too long to read.
const MOST_NAMES: usize = 3;
/// More letters of a script than this make a line too long.
const MOST_LETTERS: usize = 48;

/// A short phrase for `kind`; `script_name` is the file of a script that came from one.
pub(super) fn of(kind: &StepKind, script_name: Option<&str>) -> String {
    match kind {
        StepKind::Shell(shell) => match script_name {
            Some(name) => format!("run {name}"),
            None => format!("run `{}`", first_command(&shell.script)),
        },
        StepKind::File(file) => format!("write {}", file.dest),
        StepKind::Template(template) => format!("write {}", template.dest),
        StepKind::Package(package) => packages(package),
        StepKind::Service(service) => self::service(service),
        StepKind::User(user) if user.absent => format!("remove user {}", user.name),
        StepKind::User(user) => format!("make user {}", user.name),
        StepKind::Reboot(_) => "reboot".to_owned(),
        StepKind::Directory(step) => match (&step.source, step.absent, step.empty) {
            (Some(source), ..) => {
                let name = source.file_name().unwrap_or_default().to_string_lossy();
                format!("copy {name} to {}", step.path)
            }
            (None, true, _) => format!("remove {}", step.path),
            (None, false, true) => format!("empty {}", step.path),
            (None, false, false) => format!("make {}", step.path),
        },
        StepKind::Link(step) if step.absent => format!("remove link {}", step.path),
        StepKind::Link(step) => format!("link {} to {}", step.path, step.to),
        StepKind::Line(step) if step.absent => format!("remove a line from {}", step.path),
        StepKind::Line(step) => format!("put a line into {}", step.path),
        StepKind::Unit(step) => unit(step),
        StepKind::Sysctl(step) => format!("set {}", listed(&keys(&step.values))),
        StepKind::Module(step) => {
            let verbs = [("load", &step.load), ("blacklist", &step.blacklist)];
            verbs_with(&verbs, " modules")
        }
        StepKind::Group(step) if step.absent => format!("remove group {}", step.name),
        StepKind::Group(step) => format!("make group {}", step.name),
        StepKind::Sudoers(step) if step.absent => format!("remove sudo rules {}", step.name),
        StepKind::Sudoers(step) => format!("write sudo rules {}", step.name),
        StepKind::Hostname(step) => format!("set the host name {}", step.name),
        StepKind::Hosts(step) => format!("name {}", listed(&keys(&step.entries))),
        StepKind::Swap(SwapStep::Off {}) => "turn swap off".to_owned(),
        StepKind::Swap(SwapStep::File { file, size }) => format!("swap {size} to {file}"),
        StepKind::Mount(step) if step.absent => format!("unmount {}", step.path),
        StepKind::Mount(step) => format!("mount {} at {}", step.device, step.path),
        StepKind::WaitFor(step) => match &step.what {
            Awaited::Path(path) => format!("wait for {path}"),
            Awaited::Port { host, port } => format!("wait for {host}:{port}"),
            Awaited::Unit(unit) => format!("wait for {unit}"),
            Awaited::Run(run) => format!("wait for `{}`", first_command(run)),
        },
        StepKind::Check(step) => format!("check later: {}", step.name),
        StepKind::Repository(step) => match step {
            RepositoryStep::Apt(AptRepository { name, .. })
            | RepositoryStep::Rpm(RpmRepository { name, .. }) => {
                format!("add repository {name}")
            }
            RepositoryStep::File { name, .. } => format!("add repository {name}"),
            RepositoryStep::Absent { name } => format!("remove repository {name}"),
            RepositoryStep::Public { state } => format!("set public repositories {state}"),
        },
        StepKind::Download(step) => format!("download {}", step.dest),
        StepKind::Archive(step) => format!("unpack {} in {}", origin(&step.from), step.dest),
        StepKind::Image(step) => match &step.from {
            Some(from) => format!("import images of {}", origin(from)),
            None => format!("pull {}", listed(&step.pull)),
        },
        StepKind::Ansible(step) => {
            let name = step.playbook.file_name().unwrap_or_default().to_string_lossy();
            format!("run playbook {name}")
        }
    }
}

fn keys<T>(map: &BTreeMap<String, T>) -> Vec<String> {
    map.keys().cloned().collect()
}

/// A few names, or the first of many.
fn listed(names: &[String]) -> String {
    match names {
        few if few.len() <= MOST_NAMES => few.join(", "),
        many => format!("{} and {} more", many[..MOST_NAMES].join(", "), many.len() - MOST_NAMES),
    }
}

/// The verbs that have names, with their names; `what` follows the first.
fn verbs_with(verbs: &[(&str, &Vec<String>)], what: &str) -> String {
    let used = verbs.iter().filter(|(_, names)| !names.is_empty());
    let parts: Vec<String> = used.map(|(verb, names)| format!("{verb}{what} {}", listed(names))).collect();
    parts.join(", ")
}

/// The last part of where a file is.
fn origin(from: &Transfer) -> String {
    let whole = match &from.origin {
        FileOrigin::Url(url) => url.split(['?', '#']).next().unwrap_or_default().to_owned(),
        FileOrigin::Guest(path) => path.clone(),
        FileOrigin::Host(path) => path.display().to_string(),
    };
    // A template may have slashes of its own.
    if whole.contains("{{") { whole } else { whole.rsplit('/').next().unwrap_or_default().to_owned() }
}

fn unit(step: &UnitStep) -> String {
    match &step.drop_in {
        Some(name) => format!("write {name} of unit {}", step.name),
        None => format!("write unit {}", step.name),
    }
}

/// The first line of `script` that does something, shortened.
pub(super) fn first_command(script: &str) -> String {
    let lines = || script.lines().map(str::trim).filter(|line| !line.is_empty());
    let is_work = |line: &&str| !line.starts_with('#') && !line.starts_with("set ");
    let line = lines().find(is_work).or_else(|| lines().next()).unwrap_or_default();
    match line.char_indices().nth(MOST_LETTERS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

fn packages(step: &PackageStep) -> String {
    let mut parts = Vec::new();
    if step.upgrade {
        parts.push("upgrade packages".to_owned());
    }
    let verbs = [
        ("install", &step.install),
        ("remove", &step.remove),
        ("hold", &step.hold),
        ("unhold", &step.unhold),
    ];
    if verbs.iter().any(|(_, names)| !names.is_empty()) {
        parts.push(verbs_with(&verbs, ""));
    }
    parts.join(", ")
}

fn service(step: &ServiceStep) -> String {
    let verbs: Vec<&str> = [
        step.masked.map(|masked| if masked { "mask" } else { "unmask" }),
        step.enabled.map(|enabled| if enabled { "enable" } else { "disable" }),
        step.state.map(|state| match state {
            ServiceState::Started => "start",
            ServiceState::Stopped => "stop",
            ServiceState::Restarted => "restart",
        }),
    ]
    .into_iter()
    .flatten()
    .collect();
    format!("{} {}", verbs.join(" and "), step.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_packages_are_counted_instead_of_listed() {
        let install = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
        let step = PackageStep { install, upgrade: true, ..PackageStep::default() };
        assert_eq!(packages(&step), "upgrade packages, install a, b, c and 2 more");
    }

    #[test]
    fn a_script_is_known_by_its_first_command() {
        assert_eq!(first_command("#!/bin/sh\nset -x\n\n  echo hi\nfalse\n"), "echo hi");
        assert_eq!(first_command("# only a comment"), "# only a comment");
        assert!(first_command(&"é".repeat(99)).ends_with('…'));
    }
}
