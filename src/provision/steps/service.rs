//! `service`: state of a systemd unit, now and at boot.
//!
//! Under emulation each call of systemctl costs a good part of a second, and each reload of the manager, which runs all
//! generators, several. So one question tells how things are, nothing is done that is so already, and one script can do several
//! steps: what they want at boot is then done at once, with one reload.
use crate::provision::checks::{CheckSpec, Expect};
use crate::{
    guest::{quote, quote_all},
    plan::{ServiceState, ServiceStep},
};

/// `name` with its type, which is `service` when not said.
pub(in crate::provision) fn unit(name: &str) -> String {
    const TYPES: [&str; 11] = [
        "service",
        "socket",
        "timer",
        "target",
        "mount",
        "automount",
        "swap",
        "path",
        "slice",
        "scope",
        "device",
    ];
    match name.rsplit_once('.') {
        Some((_, suffix)) if TYPES.contains(&suffix) => name.to_owned(),
        _ => format!("{name}.service"),
    }
}

/// What one step wants of its unit.
#[derive(Debug)]
pub(in crate::provision) struct Part {
    pub(in crate::provision) step: ServiceStep,
    /// The step has written the unit, so that what systemd knows of it may be of yesterday.
    pub(in crate::provision) written: bool,
}

/// What becomes of a unit at boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::provision) enum AtBoot {
    On,
    Off,
    Masked,
}

/// What `step` wants at boot, if anything.
pub(in crate::provision) fn at_boot(step: &ServiceStep) -> Option<AtBoot> {
    match (step.masked, step.enabled) {
        (Some(true), _) => Some(AtBoot::Masked),
        (_, Some(true)) => Some(AtBoot::On),
        (_, Some(false)) => Some(AtBoot::Off),
        (_, None) => None,
    }
}

/// The script that does `step`.
pub(in crate::provision) fn script(step: &ServiceStep) -> String {
    parts_script(&[Part { step: step.clone(), written: false }], "")
}

/// Shell functions of [`parts_script`]. `stale` is not empty while systemd must read its units again, `acted` once something was
/// started or stopped, which may have had an effect on other units.
const FUNCTIONS: &str = "\
stale= acted=
explain() {
  systemctl --no-pager --full status \"$u\" || true
  journalctl --no-pager -n 20 -u \"$u\" || true
  exit 1
}
fresh() { if [ -n \"$stale\" ]; then systemctl daemon-reload; stale=; fi; }
linked() {
  for l in /etc/systemd/system/*.wants/\"$1\" /etc/systemd/system/*.requires/\"$1\"; do
    if [ -L \"$l\" ]; then return 0; fi
  done
  return 1
}
";

/// The script that does all `parts`, which are about different units and want no different things [at boot](AtBoot). Where the second and
/// each further one begins, it says `mark` and its number, from 1, on both streams.
pub(in crate::provision) fn parts_script(parts: &[Part], mark: &str) -> String {
    let mut script = FUNCTIONS.to_owned();
    script.push_str(&look(parts));
    let joint = parts.iter().filter(|part| at_boot(&part.step).is_some()).count() > 1;
    for (index, part) in parts.iter().enumerate() {
        script.push_str(&wish(index, part));
    }
    if joint {
        script.push_str(&together(parts));
    }
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            script.push_str(&format!("echo {0}; echo {0} >&2\n", quote(&format!("{mark}{index}"))));
        }
        script.push_str(&do_part(index, part));
    }
    script.push_str("fresh\n");
    script
}

/// Whether systemd can be asked about it: a template has no state, and a pattern would be answered for several.
fn has_state(unit: &str) -> bool {
    !unit.contains("@.") && !unit.contains(['*', '?', '['])
}

/// Asks for the state of all units in one question. What stays empty is not known, and then nothing is left out.
fn look(parts: &[Part]) -> String {
    let mut names = Vec::new();
    let mut script = String::new();
    // Units with a state come first, so that the answers count like they do.
    for (index, part) in parts.iter().enumerate() {
        script.push_str(&format!("load{index}= boot{index}= run{index}=\n"));
        let name = unit(&part.step.name);
        if has_state(&name) {
            names.push((index, name));
        }
    }
    if names.is_empty() {
        return script;
    }
    let order: Vec<String> = names.iter().map(|(index, _)| index.to_string()).collect();
    script.push_str(&format!(
        "set -- {order}\n\
         while IFS= read -r l; do\n\
         \x20 case $l in\n\
         \x20 '') if [ $# -gt 1 ]; then shift; fi;;\n\
         \x20 NeedDaemonReload=yes) stale=yes;;\n\
         \x20 LoadState=*) eval \"load$1=\\${{l#*=}}\"; case $l in *=not-found) stale=yes;; esac;;\n\
         \x20 UnitFileState=*) eval \"boot$1=\\${{l#*=}}\";;\n\
         \x20 ActiveState=*) eval \"run$1=\\${{l#*=}}\";;\n\
         \x20 esac\n\
         done <<END\n\
         $(systemctl show -p LoadState -p UnitFileState -p ActiveState -p NeedDaemonReload {names})\n\
         END\n",
        order = order.join(" "),
        names = quote_all(names.iter().map(|(_, name)| name)),
    ));
    script
}

/// Sets `want` of a part unless it is at boot as it wants it. systemd's memory of links is as old as its last reload, so the
/// folder is looked at, too.
fn wish(index: usize, part: &Part) -> String {
    let word = quote(&unit(&part.step.name));
    let so = match at_boot(&part.step) {
        None => return String::new(),
        // A unit that was just written may want other links than the one it has.
        Some(AtBoot::On) if part.written => "false".to_owned(),
        Some(AtBoot::On) => format!("[ \"$boot{index}\" = enabled ] && linked {word}"),
        Some(AtBoot::Off) => format!("[ \"$boot{index}\" = disabled ] && ! linked {word}"),
        Some(AtBoot::Masked) => format!(
            "[ \"$boot{index}\" = masked ] && [ -c /etc/systemd/system/{word} ] && [ \"$run{index}\" = inactive ]"
        ),
    };
    format!("want{index}=yes; if {so}; then want{index}=; fi\n")
}

/// Does what the parts want at boot, in one call. If that fails, each tries alone and says why.
fn together(parts: &[Part]) -> String {
    let mut script = String::from("set --\n");
    let mut done = String::new();
    let mut all = None;
    for (index, part) in parts.iter().enumerate() {
        let Some(boot) = at_boot(&part.step) else { continue };
        all = Some(boot);
        let mut condition = format!("[ -n \"$want{index}\" ]");
        let mut after = format!("want{index}=;");
        if boot == AtBoot::Masked {
            condition.push_str(&format!(" && [ \"$load{index}\" = loaded ]"));
            after = format!(
                "if [ \"$load{index}\" = loaded ] && [ -n \"$want{index}\" ]; then want{index}=; run{index}=inactive; fi;"
            );
        }
        script
            .push_str(&format!("if {condition}; then set -- \"$@\" {}; fi\n", quote(&unit(&part.step.name))));
        done.push_str(&format!(" {after}"));
    }
    let call = match all {
        Some(AtBoot::Off) => "systemctl disable \"$@\" >/dev/null 2>&1",
        Some(AtBoot::Masked) => {
            "systemctl --no-reload disable --now \"$@\" >/dev/null 2>&1 && acted=yes && systemctl mask \"$@\" >/dev/null 2>&1"
        }
        Some(AtBoot::On) | None => "systemctl enable \"$@\" >/dev/null 2>&1",
    };
    script.push_str(&format!("if [ $# -gt 1 ] && {call}; then stale=;{done} fi\n"));
    script
}

/// What one part does alone.
fn do_part(index: usize, part: &Part) -> String {
    let Part { step, .. } = part;
    let boot = at_boot(step);
    let mut script = format!("u={}\n", quote(&unit(&step.name)));
    if step.masked == Some(false) {
        script.push_str(&format!(
            "case $boot{index} in masked|'') m=yes;; *) m=;; esac\n\
             if [ -n \"$m\" ] || [ -c \"/etc/systemd/system/$u\" ]; then\n\
             \x20 systemctl unmask \"$u\"; stale= want{index}=yes run{index}=\nfi\n"
        ));
    }
    let runs = matches!(step.state, Some(ServiceState::Started | ServiceState::Restarted));
    if step.masked != Some(true) && (step.enabled.is_some() || runs) {
        // The build itself may have masked it for the time being, such as apt's timers.
        script.push_str(&format!(
            "if [ -L \"/run/systemd/system/$u\" ]; then systemctl unmask --runtime \"$u\"; stale= want{index}=yes run{index}=; fi\n"
        ));
    }
    let with_state = match (boot, step.state) {
        (Some(AtBoot::On), Some(ServiceState::Started)) => Some("enable"),
        (Some(AtBoot::Off), Some(ServiceState::Stopped)) => Some("disable"),
        _ => None,
    };
    if let Some(verb) = with_state {
        script.push_str(&format!(
            "if [ -n \"$want{index}\" ]; then\n\
             \x20 systemctl {verb} --now \"$u\" || explain\n\
             \x20 stale= acted=yes\nelse\n{}fi\n",
            now(index, step)
        ));
        return script;
    }
    match boot {
        None => {}
        Some(AtBoot::On) => script.push_str(&at_boot_alone(index, "enable")),
        Some(AtBoot::Off) => script.push_str(&at_boot_alone(index, "disable")),
        // Stopped and disabled first: a masked unit can be neither.
        Some(AtBoot::Masked) => script.push_str(&format!(
            "if [ -n \"$want{index}\" ]; then\n\
             \x20 if [ \"$load{index}\" != not-found ] && systemctl --no-reload disable --now \"$u\"; then run{index}=inactive; fi\n\
             \x20 systemctl mask \"$u\"; stale= acted=yes\nfi\n"
        )),
    }
    script.push_str(&now(index, step));
    script
}

fn at_boot_alone(index: usize, verb: &str) -> String {
    format!("if [ -n \"$want{index}\" ]; then systemctl {verb} \"$u\"; stale=; fi\n")
}

/// What the unit does now, unless it does so already and nothing that was done since the question can have changed that.
fn now(index: usize, step: &ServiceStep) -> String {
    let (verb, needed) = match step.state {
        None => return String::new(),
        Some(ServiceState::Restarted) => ("restart", None),
        Some(ServiceState::Started) => {
            ("start", Some(format!("[ \"$run{index}\" != active ] || [ -n \"$acted\" ]")))
        }
        // Masking has stopped it.
        Some(ServiceState::Stopped) if step.masked == Some(true) => {
            ("stop", Some(format!("[ \"$run{index}\" != inactive ]")))
        }
        // What is not there is an error, as it is to systemctl.
        Some(ServiceState::Stopped) => (
            "stop",
            Some(format!(
                "[ \"$run{index}\" != inactive ] || [ \"$load{index}\" != loaded ] || [ -n \"$acted\" ]"
            )),
        ),
    };
    let act = format!("fresh; systemctl {verb} \"$u\" || explain; acted=yes");
    match needed {
        None => format!("{act}\n"),
        Some(needed) => format!("if {needed}; then {act}; fi\n"),
    }
}

/// What follows from `step`.
pub(in crate::provision) fn checks(step: &ServiceStep) -> Vec<CheckSpec> {
    let unit = unit(&step.name);
    let word = quote(&unit);
    let mut specs = Vec::new();
    let enabled = format!("systemctl is-enabled {word} 2>/dev/null || true");
    let any = |words: &[&str]| Expect::AnyOf(words.iter().map(|word| (*word).to_owned()).collect());
    let on = ["enabled", "enabled-runtime", "static", "alias", "indirect", "generated"];
    let off = ["disabled", "static", "indirect", "masked"];
    let boot = match (step.masked, step.enabled) {
        (Some(true), _) => Some(("is masked", any(&["masked"]))),
        (_, Some(true)) => Some(("starts at boot", any(&on))),
        (_, Some(false)) => Some(("does not start at boot", any(&off))),
        (Some(false), None) => Some(("is not masked", any(&[&on[..], &off[..3]].concat()))),
        (None, None) => None,
    };
    if let Some((what, expect)) = boot {
        specs.push(CheckSpec::new(format!("boot {unit}"), format!("unit `{unit}` {what}"), enabled, expect));
    }
    // What a unit does now says nothing about the next boot, unless it starts then, or nothing may start it.
    let script = format!(
        "systemctl show -p Type -p ActiveState -p Result {word} | sort | tr '\\n' ' ' | sed 's/ $//' \\\n\
         | awk '{{ split($0, f, \" \"); for (i in f) {{ split(f[i], kv, \"=\"); v[kv[1]] = kv[2] }}\n\
         \x20 if (v[\"Type\"] == \"oneshot\" && v[\"ActiveState\"] == \"inactive\" && v[\"Result\"] == \"success\")\n\
         \x20   print \"done\"; else print v[\"ActiveState\"] }}'"
    );
    let runs = matches!(step.state, Some(ServiceState::Started | ServiceState::Restarted));
    if runs && step.enabled == Some(true) && step.masked != Some(true) {
        let name = format!("unit `{unit}` runs");
        specs.push(CheckSpec::new(format!("state {unit}"), name, script, any(&["active", "done"])));
    } else if step.masked == Some(true)
        || (step.state == Some(ServiceState::Stopped) && step.enabled == Some(false))
    {
        let name = format!("unit `{unit}` does not run");
        specs.push(CheckSpec::new(format!("state {unit}"), name, script, any(&["inactive", "done"])));
    }
    specs
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("nginx", "nginx.service")]
    #[test_case("nginx.service", "nginx.service")]
    #[test_case("fstrim.timer", "fstrim.timer")]
    #[test_case("getty@tty1", "getty@tty1.service")]
    #[test_case("dbus-org.freedesktop.login1", "dbus-org.freedesktop.login1.service")]
    fn units_are_services_unless_they_say_otherwise(name: &str, expected: &str) {
        assert_eq!(unit(name), expected);
    }

    fn service(name: &str, enabled: Option<bool>, state: Option<ServiceState>) -> ServiceStep {
        ServiceStep { name: name.into(), enabled, masked: None, state }
    }

    #[test]
    fn the_script_is_as_reviewed() {
        let step = ServiceStep {
            masked: Some(false),
            ..service("nginx", Some(true), Some(ServiceState::Restarted))
        };
        insta::assert_snapshot!(script(&step));
        insta::assert_snapshot!(
            "started",
            script(&service("auditd", Some(true), Some(ServiceState::Started)))
        );
    }

    #[test]
    fn the_script_of_neighbours_is_as_reviewed() {
        let part = |step| Part { step, written: false };
        let parts = [
            Part { step: service("a", Some(true), None), written: true },
            part(service("b.timer", Some(true), Some(ServiceState::Started))),
            part(service("c@.service", None, Some(ServiceState::Stopped))),
        ];
        insta::assert_snapshot!("neighbours", parts_script(&parts, "@step-"));
        let masked = |name| part(ServiceStep { masked: Some(true), ..service(name, None, None) });
        insta::assert_snapshot!("masked", parts_script(&[masked("a"), masked("b")], "@step-"));
    }
}
