//! apt.
use super::is_file;
use crate::guest::{quote, quote_all};
use crate::plan::PackageStep;
use crate::provision::steps::edit::GET;

/// Package lists are fetched once per boot. /run forgets at a reboot and never gets into the image.
pub(in crate::provision::steps) const STAMP: &str = "/run/goldsmith-apt-lists";

/// Said after a failure when the lists are as new as can be.
pub(in crate::provision) const FRESH: &str = "(the package lists were fetched just now)";

pub(super) fn script(step: &PackageStep) -> String {
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
    if step.unhold.iter().any(|name| name == "*") {
        script.push_str("apt-mark showhold | while read -r p; do apt-mark unhold \"$p\"; done\n");
    } else if !step.unhold.is_empty() {
        script.push_str(&format!("apt-mark unhold {}\n", quote_all(&step.unhold)));
    }
    if !step.install.is_empty() || step.upgrade {
        // Error-Mode: an unreachable mirror is an error, not a warning about old lists.
        script.push_str(&format!(
            "if [ ! -e {STAMP} ]; then apt -o APT::Update::Error-Mode=any update; : >{STAMP}; fresh=yes; else fresh=; fi\n\
             fail() {{ rm -f {STAMP}; [ -z \"$fresh\" ] || echo '{FRESH}' >&2; exit 100; }}\n"
        ));
    }
    if step.upgrade {
        script.push_str("apt dist-upgrade || fail\n");
    }
    if !step.install.is_empty() {
        install(step, &mut script);
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
    if step.hold.iter().any(|name| name == "*") {
        script.push_str(
            "dpkg-query -W -f '${db:Status-Status} ${binary:Package}\\n' | sed -n 's/^installed //p' | xargs apt-mark hold\n",
        );
    } else if !step.hold.is_empty() {
        script.push_str(&format!("apt-mark hold {}\n", quote_all(&step.hold)));
    }
    script
}

fn install(step: &PackageStep, script: &mut String) {
    let mut options = String::new();
    if step.downgrade {
        options.push_str(" --allow-downgrades");
    }
    if !step.recommends {
        options.push_str(" --no-install-recommends");
    }
    if !step.gpg_check {
        options.push_str(" --allow-unauthenticated");
    }
    // apt takes files, but no addresses.
    let addresses: Vec<&String> =
        step.install.iter().filter(|wanted| is_file(wanted) && !wanted.starts_with('/')).collect();
    let names = step.install.iter().filter(|wanted| !addresses.contains(wanted));
    script.push_str(&format!("set -- {}\n", quote_all(names)));
    if !addresses.is_empty() {
        script.push_str(GET);
        // apt looks at the files as a user of its own.
        script.push_str("d=$(mktemp -d); chmod 0755 \"$d\"; trap 'rm -rf -- \"$d\"' EXIT\n");
        for (index, address) in addresses.into_iter().enumerate() {
            script.push_str(&format!(
                "get {} \"$d/{index}.deb\"; set -- \"$@\" \"$d/{index}.deb\"\n",
                quote(address)
            ));
        }
    }
    // If the lists were out of date after all, the next try gets new ones.
    script.push_str(&format!("apt install{options} -- \"$@\" || fail\n"));
}
