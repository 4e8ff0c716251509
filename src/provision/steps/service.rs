//! `service`: state of a systemd unit, now and at boot.
use crate::provision::checks::{CheckSpec, Expect};
use crate::{
    guest::quote,
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

/// The script that does `step`.
pub(in crate::provision) fn script(step: &ServiceStep) -> String {
    // A reload runs all generators, which takes seconds under emulation, and most units need none.
    let mut script = format!(
        "u={}\n\
         case $(systemctl show -p NeedDaemonReload -p LoadState \"$u\") in\n\
         *=yes*|*not-found*) systemctl daemon-reload;;\nesac\n",
        quote(&unit(&step.name))
    );
    if step.masked == Some(false) {
        script.push_str("systemctl unmask \"$u\"\n");
    }
    if step.masked == Some(true) {
        // Stopped and disabled first: a masked unit can be neither.
        script.push_str("systemctl disable --now \"$u\" || true\nsystemctl mask \"$u\"\n");
    }
    // The build itself may have masked it for the time being, such as apt's timers.
    let unmask = "if [ -L \"/run/systemd/system/$u\" ]; then systemctl unmask --runtime \"$u\"; fi\n";
    if step.enabled.is_some() || matches!(step.state, Some(ServiceState::Started | ServiceState::Restarted)) {
        script.push_str(unmask);
    }
    match step.enabled {
        Some(true) => script.push_str("systemctl enable \"$u\"\n"),
        Some(false) => script.push_str("systemctl disable \"$u\"\n"),
        None => {}
    }
    let verb = match step.state {
        Some(ServiceState::Started) => "start",
        Some(ServiceState::Stopped) => "stop",
        Some(ServiceState::Restarted) => "restart",
        None => return script,
    };
    script.push_str(&format!(
        "if ! systemctl {verb} \"$u\"; then\n\
         \x20 systemctl --no-pager --full status \"$u\" || true\n\
         \x20 journalctl --no-pager -n 20 -u \"$u\" || true\n\
         \x20 exit 1\nfi\n"
    ));
    script
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

    #[test]
    fn the_script_is_as_reviewed() {
        let step = ServiceStep {
            name: "nginx".into(),
            enabled: Some(true),
            masked: Some(false),
            state: Some(ServiceState::Restarted),
        };
        insta::assert_snapshot!(script(&step));
    }
}
