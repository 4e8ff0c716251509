//! dnf, yum and tdnf: one family of commands, with a few differences.
use super::{exact, pattern};
use crate::guest::{quote, quote_all};
use crate::plan::PackageStep;
use crate::provision::steps::edit::{EDIT, touch};

/// A member of the family.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manager {
    program: &'static str,
    /// Its settings, with the list of what it leaves alone.
    settings: &'static str,
    /// The key of that list.
    excluded: &'static str,
    /// Whether packages may go that are in the way.
    erases: bool,
}

pub(super) const DNF: Manager =
    Manager { program: "dnf", settings: "/etc/dnf/dnf.conf", excluded: "excludepkgs", erases: true };
pub(super) const YUM: Manager =
    Manager { program: "yum", settings: "/etc/yum.conf", excluded: "exclude", erases: false };
pub(super) const TDNF: Manager =
    Manager { program: "tdnf", settings: "/etc/tdnf/tdnf.conf", excluded: "excludepkgs", erases: false };

/// All the ways to write the version of an installed package, one a line.
pub(super) const FORMS: &str = "%{VERSION}-%{RELEASE}\\n%{VERSION}\\n\
    %|EPOCH?{%{EPOCH}}:{0}|:%{VERSION}-%{RELEASE}\\n%|EPOCH?{%{EPOCH}}:{0}|:%{VERSION}\\n";

/// Changes the list of what is left alone: `$add` and `$drop` are names, `$key` is its key. The rest stays as it is.
const LIST: &str = "\
BEGIN { n = split(ENVIRON[\"drop\"], d, \" \"); for (i = 1; i <= n; i++) gone[d[i]] = 1 }
function take(v,  p, k, i) {
  gsub(/,/, \" \", v); k = split(v, p, \" \")
  for (i = 1; i <= k; i++) if (!(p[i] in seen)) { seen[p[i]] = 1; w[++m] = p[i] }
}
function put(  s, i) {
  for (i = 1; i <= m; i++) if (!(w[i] in gone) && !(\"*\" in gone)) s = s \" \" w[i]
  k = split(ENVIRON[\"add\"], p, \" \")
  for (i = 1; i <= k; i++) if (!(p[i] in seen) || p[i] in gone || \"*\" in gone) s = s \" \" p[i]
  if (s != \"\") print ENVIRON[\"key\"] \"=\" substr(s, 2)
  done = 1
}
/^[ \\t]*\\[/ { if (main && !done) put(); main = $0 ~ /^[ \\t]*\\[main\\]/; fold = 0 }
main && /^exclude(pkgs)?[ \\t]*=/ { v = $0; sub(/^[^=]*=/, \"\", v); take(v); fold = 1; next }
main && fold && /^[ \\t]+[^ \\t]/ { take($0); next }
{ fold = 0; print }
END { if (!done) { if (!main) print \"[main]\"; put() } }
";

pub(super) fn script(manager: Manager, step: &PackageStep) -> String {
    let Manager { program, .. } = manager;
    let check = if step.gpg_check { "" } else { " --nogpgcheck" };
    let mut script = String::new();
    if !step.hold.is_empty() || !step.unhold.is_empty() {
        script.push_str(EDIT);
        script.push_str(&touch(manager.settings));
        script.push_str(&format!(
            "leave() {{\n\x20 edit {} env key={} add=\"$1\" drop=\"$2\" awk {}\n}}\n",
            manager.settings,
            manager.excluded,
            quote(LIST)
        ));
    }
    if !step.unhold.is_empty() {
        script.push_str(&format!("leave '' {}\n", quote(&step.unhold.join(" "))));
    }
    if step.upgrade {
        let verb = if program == "dnf" { "upgrade" } else { "update" };
        script.push_str(&format!("{program} -y{check} {verb}\n"));
    }
    if !step.install.is_empty() {
        install(manager, step, check, &mut script);
    }
    if !step.remove.is_empty() {
        script.push_str(&format!(
            "set --; for p in {}; do\n\
             \x20 if rpm -q --quiet \"$p\"; then set -- \"$@\" \"$p\"; fi\n\
             done\n\
             [ $# -eq 0 ] || {program} -y remove \"$@\"\n",
            quote_all(&step.remove)
        ));
    }
    if step.hold.iter().any(|name| name == "*") {
        script.push_str("leave \"$(rpm -qa --qf '%{NAME} ' | sed 's/gpg-pubkey //g')\" ''\n");
    } else if !step.hold.is_empty() {
        script.push_str(&format!("leave {} ''\n", quote(&step.hold.join(" "))));
    }
    script
}

fn install(manager: Manager, step: &PackageStep, check: &str, script: &mut String) {
    let Manager { program, erases, .. } = manager;
    // They write name-version where apt and zypper write name=version.
    let spec = |wanted: &String| match exact(wanted) {
        Some((name, version)) => format!("{name}-{version}"),
        None => wanted.clone(),
    };
    let versions: Vec<(&str, &str)> = step.install.iter().filter_map(|wanted| exact(wanted)).collect();
    if !versions.is_empty() {
        script.push_str(&format!("forms() {{ rpm -q --qf '{FORMS}' \"$1\" 2>/dev/null || true; }}\n"));
        for (index, (name, version)) in versions.iter().enumerate() {
            script.push_str(&format!(
                "right{index}() {{ forms {} | {{ while read -r v; do case $v in {}) exit 0;; esac; done; exit 1; }}; }}\n",
                quote(name),
                pattern(version)
            ));
        }
    }
    let erase = if step.downgrade && erases { " --allowerasing" } else { "" };
    if step.downgrade {
        // Installing does not always go back, and going back does not install.
        for (index, (name, version)) in versions.iter().enumerate() {
            script.push_str(&format!(
                "if rpm -q --quiet {0} && ! right{index}; then {program} -y{check}{erase} downgrade {1} || true; fi\n",
                quote(name),
                quote(&format!("{name}-{version}"))
            ));
        }
    }
    // The older ones of the family know no recommendations.
    let weak = if step.recommends || program != "dnf" { "" } else { " --setopt=install_weak_deps=False" };
    script.push_str(&format!(
        "{program} -y{check}{erase}{weak} install {}\n",
        quote_all(step.install.iter().map(spec))
    ));
    let names: Vec<&String> =
        step.install.iter().filter(|wanted| exact(wanted).is_none() && !super::is_file(wanted)).collect();
    if step.latest && !names.is_empty() {
        let verb = if program == "dnf" { "upgrade" } else { "update" };
        script.push_str(&format!("{program} -y{check} {verb} {}\n", quote_all(names)));
    }
    // Some of them say that there is nothing to do, and leave another version in place.
    for (index, (name, version)) in versions.iter().enumerate() {
        script.push_str(&format!(
            "if ! right{index}; then\n\
             \x20 echo \"there is no\" {} {} \"now, but: $(rpm -q {0})\" >&2; exit 1\nfi\n",
            quote(name),
            quote(version)
        ));
    }
}
