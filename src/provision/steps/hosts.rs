//! `hostname` and `hosts`: names of machines.
use super::edit::{EDIT, touch};
use crate::guest::quote;
use crate::plan::{HostnameStep, HostsStep};
use crate::provision::checks::{CheckSpec, Expect, Voided};

const HOSTS: &str = "/etc/hosts";

/// The script that names the guest, now and until the seal takes the name away.
pub(in crate::provision) fn hostname(step: &HostnameStep) -> String {
    // The name in the kernel is what programs ask for; hostnamectl needs a bus.
    format!(
        "n={}\nprintf '%s\\n' \"$n\" >/etc/hostname\nprintf %s \"$n\" >/proc/sys/kernel/hostname\n",
        quote(&step.name)
    )
}

/// The script that does `step`.
pub(in crate::provision) fn script(step: &HostsStep) -> String {
    let mut script = format!("{EDIT}{}", touch(HOSTS));
    for (address, names) in &step.entries {
        script.push_str(&format!(
            "edit {HOSTS} env a={} n={} awk '$1 \"\" != ENVIRON[\"a\"] {{ print }}\n\
             \x20 END {{ if (ENVIRON[\"n\"] != \"\") print ENVIRON[\"a\"] \"\\t\" ENVIRON[\"n\"] }}'\n",
            quote(address),
            quote(&names.join(" "))
        ));
    }
    script
}

/// What follows from `step`.
pub(in crate::provision) fn checks(step: &HostsStep) -> Vec<CheckSpec> {
    let spec = |(address, names): (&String, &Vec<String>)| {
        let script = format!(
            "a={} awk '$1 \"\" == ENVIRON[\"a\"] {{ $1 = \"\"; sub(/#.*/, \"\"); print }}' {HOSTS} | xargs",
            quote(address)
        );
        let name = if names.is_empty() {
            format!("`{address}` has no name in {HOSTS}")
        } else {
            format!("`{address}` is {} in {HOSTS}", names.join(", "))
        };
        CheckSpec::new(format!("hosts {address}"), name, script, Expect::Text(names.join(" ")))
            .voiding(Voided::Subject(format!("path {HOSTS}")))
    };
    step.entries.iter().map(spec).collect()
}
