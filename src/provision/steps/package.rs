//! `package`: with the guest's own package manager. apt is proven against real guests; the lines for dnf and zypper are
//! written after their manuals and have run nowhere yet.
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
