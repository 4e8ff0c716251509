//! `package`: with the guest's own package manager. apt is proven against real guests; the lines for dnf and zypper are
//! written after their manuals and have run nowhere yet.
use crate::{
    guest::quote,
    provision::checks::{CheckSpec, Expect},
};
use crate::{
    guest::{PackageManager, quote_all},
    plan::PackageStep,
};

/// Package lists are fetched once per boot. /run forgets at a reboot and never gets into the image.
const APT_STAMP: &str = "/run/goldsmith-apt-lists";

/// The script that does `step`.
pub(in crate::provision) fn script(manager: PackageManager, step: &PackageStep) -> String {
    match manager {
        PackageManager::Apt => apt(step),
        PackageManager::Dnf => dnf(step),
        PackageManager::Zypper => zypper(step),
    }
}

fn apt(step: &PackageStep) -> String {
    let mut script = String::from(
        "export DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical APT_LISTCHANGES_FRONTEND=none\n\
         export NEEDRESTART_MODE=l UCF_FORCE_CONFFOLD=1\n\
         apt() {\n\
         \x20 apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 \\\n\
         \x20   -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \"$@\" </dev/null\n\
         }\n\
         # An earlier try may have been killed in the middle.\n\
         dpkg --configure -a\n",
    );
    if !step.install.is_empty() || step.upgrade {
        // Error-Mode: an unreachable mirror is an error, not a warning about old lists.
        script.push_str(&format!(
            "if [ ! -e {APT_STAMP} ]; then apt -o APT::Update::Error-Mode=any update; : >{APT_STAMP}; fi\n"
        ));
    }
    if step.upgrade {
        script.push_str(&format!("apt dist-upgrade || {{ rm -f {APT_STAMP}; exit 100; }}\n"));
    }
    if !step.install.is_empty() {
        // If the lists were out of date after all, the next try gets new ones.
        script.push_str(&format!(
            "apt install -- {} || {{ rm -f {APT_STAMP}; exit 100; }}\n",
            quote_all(&step.install)
        ));
    }
    if !step.remove.is_empty() {
        // apt does not know packages that are in no list; those are absent already.
        script.push_str(&format!(
            "set --; for p in {}; do\n\
             \x20 if dpkg-query -W \"$p\" >/dev/null 2>&1; then set -- \"$@\" \"$p\"; fi\n\
             done\n\
             [ $# -eq 0 ] || apt purge -- \"$@\"\n",
            quote_all(&step.remove)
        ));
    }
    script
}

fn dnf(step: &PackageStep) -> String {
    let mut script = String::new();
    if step.upgrade {
        script.push_str("dnf -y upgrade\n");
    }
    if !step.install.is_empty() {
        // dnf writes name-version where apt and zypper write name=version.
        let names = step.install.iter().map(|name| name.replacen('=', "-", 1));
        script.push_str(&format!("dnf -y install -- {}\n", quote_all(names)));
    }
    if !step.remove.is_empty() {
        script.push_str(&format!("dnf -y remove -- {}\n", quote_all(&step.remove)));
    }
    script
}

fn zypper(step: &PackageStep) -> String {
    let mut script = String::new();
    if step.upgrade {
        script.push_str("zypper --non-interactive update\n");
    }
    if !step.install.is_empty() {
        script.push_str(&format!("zypper --non-interactive install -- {}\n", quote_all(&step.install)));
    }
    if !step.remove.is_empty() {
        script.push_str(&format!("zypper --non-interactive remove -- {}\n", quote_all(&step.remove)));
    }
    script
}

/// What follows from `step`.
pub(in crate::provision) fn checks(step: &PackageStep) -> Vec<CheckSpec> {
    let mut specs = Vec::new();
    for wanted in &step.install {
        let (name, version) = match wanted.split_once('=') {
            Some((name, version)) => (name, Some(version)),
            None => (wanted.as_str(), None),
        };
        // apt's `name/release` and `task^`: the first is a name with a wish, the second no package.
        let name = name.split('/').next().unwrap_or(name);
        if name.ends_with('^') {
            continue;
        }
        let title = format!("package `{wanted}` is installed");
        specs.push(match version {
            Some(version) => CheckSpec::new(
                format!("package {name}"),
                title,
                package_script(name, true),
                Expect::Text(format!("installed {version}")),
            ),
            None => CheckSpec::new(
                format!("package {name}"),
                title,
                package_script(name, false),
                Expect::Text("installed".into()),
            ),
        });
    }
    for name in &step.remove {
        specs.push(CheckSpec::new(
            format!("package {name}"),
            format!("package `{name}` is not installed"),
            package_script(name, false),
            Expect::Text("absent".into()),
        ));
    }
    specs
}

fn package_script(name: &str, version: bool) -> String {
    let name = quote(name);
    let (dpkg, rpm) = if version {
        ("${db:Status-Status} ${Version}", "installed %{VERSION}-%{RELEASE}")
    } else {
        ("${db:Status-Status}", "installed")
    };
    // A name that other packages provide counts as installed when one of them is.
    format!(
        "p={name}\nif command -v dpkg-query >/dev/null; then\n\
         \x20 s=$(dpkg-query -W -f '{dpkg}\\n' \"$p\" 2>/dev/null | head -n 1 || true)\n\
         \x20 case $s in\n\
         \x20 installed*) echo \"$s\";;\n\
         \x20 *) if dpkg-query -W -f '${{db:Status-Status}} ${{Provides}},\\n' | grep '^installed ' \\\n\
         \x20      | tr ',' '\\n' | sed 's/^installed //; s/^ *//; s/ .*//' | grep -qxF -- \"$p\"\n\
         \x20   then echo installed; else echo absent; fi;;\n\
         \x20 esac\n\
         else rpm -q --whatprovides --qf '{rpm}\\n' \"$p\" 2>/dev/null | head -n 1 | grep . || echo absent; fi"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    fn step() -> PackageStep {
        PackageStep {
            install: vec!["jq".into(), "nginx=1.22.1-9".into(), "$(reboot)".into()],
            remove: vec!["nano".into()],
            upgrade: true,
        }
    }

    #[test_case(PackageManager::Apt, "apt")]
    #[test_case(PackageManager::Dnf, "dnf")]
    #[test_case(PackageManager::Zypper, "zypper")]
    fn the_script_is_as_reviewed(manager: PackageManager, name: &str) {
        insta::assert_snapshot!(name, script(manager, &step()));
    }

    #[test]
    fn removing_needs_no_package_lists() {
        let step = PackageStep { remove: vec!["nano".into()], ..PackageStep::default() };
        assert!(!script(PackageManager::Apt, &step).contains("update"));
    }
}
