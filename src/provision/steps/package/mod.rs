//! `package`: with the guest's own package manager. apt is proven against real guests, dnf against packages of our own in a root of
//! its own; the lines for yum, tdnf and zypper are written after their manuals and have run nowhere yet.
mod apt;
mod rpm;
mod zypper;

use crate::{
    guest::{PackageManager, quote},
    plan::PackageStep,
    provision::{
        checks::{CheckSpec, Expect, Voided},
        runner::{StepError, Worker},
    },
    value::HumanDuration,
};
use std::time::Instant;

pub(in crate::provision) use apt::FRESH as APT_FRESH;
pub(super) use apt::STAMP as APT_STAMP;

/// So long another program of the guest may hold apt's locks.
const PATIENCE: HumanDuration = HumanDuration::seconds(300);

pub(in crate::provision) async fn run(
    worker: &Worker<'_>,
    manager: PackageManager,
    step: &PackageStep,
) -> Result<(), StepError> {
    let mut left = worker.timeout;
    if manager == PackageManager::Apt {
        // Neither dpkg nor `apt-get update` wait by themselves; dnf and yum do.
        let begin = Instant::now();
        worker.guest.apt_is_free(worker.cx, PATIENCE.min(left), worker.trouble).await?;
        left = left.get().saturating_sub(begin.elapsed()).into();
    }
    Worker { timeout: left, ..*worker }.script(script(manager, step)).await
}

/// The script that does `step`: what was held is let go, all is upgraded, some is installed, some removed, some held.
pub(in crate::provision) fn script(manager: PackageManager, step: &PackageStep) -> String {
    match manager {
        PackageManager::Apt => apt::script(step),
        PackageManager::Dnf => rpm::script(rpm::DNF, step),
        PackageManager::Yum => rpm::script(rpm::YUM, step),
        PackageManager::Tdnf => rpm::script(rpm::TDNF, step),
        PackageManager::Zypper => zypper::script(step),
    }
}

/// A name, and the version that it is to have.
fn exact(wanted: &str) -> Option<(&str, &str)> {
    wanted.split_once('=').filter(|_| !is_file(wanted))
}

/// Whether `wanted` is a package's file, or the address of one.
fn is_file(wanted: &str) -> bool {
    wanted.starts_with('/') || wanted.contains("://")
}

/// A version as a pattern of `case`, in which only `*` is special.
fn pattern(version: &str) -> String {
    let parts: Vec<String> =
        version.split('*').map(|part| if part.is_empty() { String::new() } else { quote(part) }).collect();
    parts.join("*")
}

/// What follows from `step`.
pub(in crate::provision) fn checks(step: &PackageStep) -> Vec<CheckSpec> {
    let mut specs = Vec::new();
    for wanted in step.install.iter().filter(|wanted| !is_file(wanted)) {
        let (name, version) = match exact(wanted) {
            Some((name, version)) => (name, Some(version)),
            None => (wanted.as_str(), None),
        };
        // apt's `name/release` and `task^`: the first is a name with a wish, the second no package.
        let name = name.split('/').next().unwrap_or(name);
        if name.ends_with('^') {
            continue;
        }
        let expected = version.map_or("installed".to_owned(), |version| format!("installed {version}"));
        specs.push(CheckSpec::new(
            format!("package {name}"),
            format!("package `{wanted}` is installed"),
            installed_script(name, version),
            Expect::Text(expected),
        ));
    }
    for name in &step.remove {
        specs.push(CheckSpec::new(
            format!("package {name}"),
            format!("package `{name}` is not installed"),
            installed_script(name, None),
            Expect::Text("absent".into()),
        ));
    }
    let held = |name: &String, expected: &str| {
        let (title, script) = match name.as_str() {
            // What is installed later is not held, so not all are.
            "*" => (
                "packages are".to_owned(),
                format!("{HELD}held | sed 's/.*/held/' | sort -u | grep . || echo not held"),
            ),
            name => (
                format!("package `{name}` is"),
                format!(
                    "{HELD}if held | grep -q -x -F -e {}; then echo held; else echo not held; fi",
                    quote(name)
                ),
            ),
        };
        let title = format!("{title} {expected}");
        let spec = CheckSpec::new(format!("hold {name}"), title, script, Expect::Text(expected.to_owned()));
        if name == "*" && expected != "held" {
            spec.voiding(Voided::StartingWith("hold ".into()))
        } else {
            spec
        }
    };
    specs.extend(step.unhold.iter().map(|name| held(name, "not held")));
    specs.extend(step.hold.iter().map(|name| held(name, "held")));
    specs
}

/// Lists what is held, one name a line.
const HELD: &str = "held() {\n\
    if command -v apt-mark >/dev/null; then apt-mark showhold\n\
    elif command -v zypper >/dev/null; then\n\
    \x20 zypper --non-interactive --quiet locks | awk -F '|' 'NR > 2 { gsub(/ /, \"\", $2); print $2 }'\n\
    else for f in /etc/dnf/dnf.conf /etc/tdnf/tdnf.conf /etc/yum.conf; do\n\
    \x20 if [ -f \"$f\" ]; then sed -n 's/^exclude[a-z]*[ \\t]*=//p' \"$f\" | tr ', ' '\\n\\n' | sed '/^$/d'; fi\n\
    done; fi; }\n";

fn installed_script(name: &str, version: Option<&str>) -> String {
    let name = quote(name);
    // With a version, all that it may be written as; else nothing.
    let (dpkg, forms, same) = match version {
        Some(version) => (
            " ${Version}",
            rpm::FORMS,
            format!("case $v in {}) echo installed {}; exit 0;; esac", pattern(version), quote(version)),
        ),
        None => ("", "\\n", "case $v in '') echo installed; exit 0;; esac".to_owned()),
    };
    // A name that other packages provide counts as installed when one of them is.
    format!(
        "p={name}\nif command -v dpkg-query >/dev/null; then\n\
         \x20 s=$(dpkg-query -W -f '${{db:Status-Status}}{dpkg}\\n' \"$p\" 2>/dev/null | head -n 1 || true)\n\
         \x20 case $s in\n\
         \x20 installed*) v=${{s#installed}}; v=${{v# }}; {same}; echo \"$s\";;\n\
         \x20 *) if dpkg-query -W -f '${{db:Status-Status}} ${{Provides}},\\n' | grep '^installed ' \\\n\
         \x20      | tr ',' '\\n' | sed 's/^installed //; s/^ *//; s/ .*//' | grep -qxF -- \"$p\"\n\
         \x20   then echo installed; else echo absent; fi;;\n\
         \x20 esac\n\
         elif s=$(rpm -q --whatprovides --qf '{forms}' \"$p\" 2>/dev/null); then\n\
         \x20 echo \"$s\" | {{ while read -r v; do {same}; done; echo installed \"$(echo \"$s\" | head -n 1)\"; }}\n\
         else echo absent; fi"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    fn step() -> PackageStep {
        PackageStep {
            install: [
                "jq",
                "nginx=1.22.1-9",
                "kubelet=1.30.*",
                "$(reboot)",
                "/opt/a b.deb",
                "https://example.org/b.deb",
            ]
            .map(str::to_owned)
            .to_vec(),
            remove: vec!["nano".into()],
            hold: vec!["kubelet".into()],
            unhold: vec!["*".into()],
            upgrade: true,
            latest: true,
            downgrade: true,
            recommends: false,
            gpg_check: false,
        }
    }

    #[test_case(PackageManager::Apt, "apt")]
    #[test_case(PackageManager::Dnf, "dnf")]
    #[test_case(PackageManager::Yum, "yum")]
    #[test_case(PackageManager::Tdnf, "tdnf")]
    #[test_case(PackageManager::Zypper, "zypper")]
    fn the_script_is_as_reviewed(manager: PackageManager, name: &str) {
        insta::assert_snapshot!(name, script(manager, &step()));
    }

    #[test]
    fn removing_needs_no_package_lists() {
        let step = PackageStep { remove: vec!["nano".into()], ..PackageStep::default() };
        assert!(!script(PackageManager::Apt, &step).contains("update"));
    }

    #[test_case("1.30.*", "1.30.*"; "a star")]
    #[test_case("*", "*"; "only a star")]
    #[test_case("1:2~b", "'1:2~b'"; "special")]
    fn only_a_star_is_special_in_a_version(version: &str, expected: &str) {
        assert_eq!(pattern(version), expected);
    }
}
