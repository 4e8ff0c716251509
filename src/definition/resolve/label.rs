//! What people read while a step runs, when the definition has no words of its own for it.
use crate::plan::{PackageStep, ServiceState, ServiceStep, StepKind};

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
    }
}

/// The first line of `script` that does something, shortened.
fn first_command(script: &str) -> String {
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
    for (verb, names) in [("install", &step.install), ("remove", &step.remove)] {
        match &names[..] {
            [] => {}
            few if few.len() <= MOST_NAMES => parts.push(format!("{verb} {}", few.join(", "))),
            many => {
                let shown = many[..MOST_NAMES].join(", ");
                parts.push(format!("{verb} {shown} and {} more", many.len() - MOST_NAMES));
            }
        }
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
