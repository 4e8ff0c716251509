//! zypper.
use super::exact;
use crate::guest::quote_all;
use crate::plan::PackageStep;

pub(super) fn script(step: &PackageStep) -> String {
    let check = if step.gpg_check { "" } else { " --no-gpg-checks" };
    // 100 and up to 103 are news, such as that a reboot would be good.
    let mut script = format!(
        "z() {{ r=0; zypper --non-interactive{check} \"$@\" || r=$?; case $r in 0|100|101|102|103) ;; *) exit $r;; esac; }}\n"
    );
    if step.unhold.iter().any(|name| name == "*") {
        script.push_str("zypper --non-interactive --quiet locks | awk -F '|' 'NR > 2 { gsub(/ /, \"\", $2); print $2 }' \\\n\
                         | while read -r p; do z removelock \"$p\"; done\n");
    } else if !step.unhold.is_empty() {
        script.push_str(&format!("z removelock {}\n", quote_all(&step.unhold)));
    }
    if step.upgrade {
        script.push_str("z update\n");
    }
    if !step.install.is_empty() {
        let old = if step.downgrade { " --oldpackage" } else { "" };
        let weak = if step.recommends { "" } else { " --no-recommends" };
        script.push_str(&format!("z install{old}{weak} -- {}\n", quote_all(&step.install)));
        let names: Vec<&String> =
            step.install.iter().filter(|wanted| exact(wanted).is_none() && !super::is_file(wanted)).collect();
        if step.latest && !names.is_empty() {
            script.push_str(&format!("z update -- {}\n", quote_all(names)));
        }
    }
    if !step.remove.is_empty() {
        script.push_str(&format!(
            "set --; for p in {}; do\n\
             \x20 if rpm -q --quiet \"$p\"; then set -- \"$@\" \"$p\"; fi\n\
             done\n\
             [ $# -eq 0 ] || z remove -- \"$@\"\n",
            quote_all(&step.remove)
        ));
    }
    if step.hold.iter().any(|name| name == "*") {
        script.push_str("rpm -qa --qf '%{NAME}\\n' | grep -v '^gpg-pubkey$' | sort -u | xargs zypper --non-interactive addlock\n");
    } else if !step.hold.is_empty() {
        script.push_str(&format!("z addlock {}\n", quote_all(&step.hold)));
    }
    script
}
