//! `group`: a group of the image.
use crate::guest::quote;
use crate::plan::GroupStep;
use crate::provision::checks::{CheckSpec, Expect};

/// The script that does `step`.
pub(in crate::provision) fn script(step: &GroupStep) -> String {
    let name = quote(&step.name);
    if step.absent {
        return format!("if getent group {name} >/dev/null; then groupdel {name}; fi\n");
    }
    let gid = step.gid.map(|gid| format!(" -g {gid}")).unwrap_or_default();
    let system = if step.system { " -r" } else { "" };
    let change = match step.gid {
        Some(gid) => format!(
            "if [ \"$(getent group {name} | cut -d: -f3)\" != {gid} ]; then groupmod -g {gid} {name}; fi"
        ),
        None => ":".to_owned(),
    };
    format!("if getent group {name} >/dev/null; then {change}; else groupadd{system}{gid} {name}; fi\n")
}

/// What follows from `step`.
pub(in crate::provision) fn checks(step: &GroupStep) -> Vec<CheckSpec> {
    let name = quote(&step.name);
    let script = format!("if g=$(getent group {name}); then echo \"$g\" | cut -d: -f3; else echo absent; fi");
    let subject = format!("group {}", step.name);
    vec![match (step.absent, step.gid) {
        (true, _) => CheckSpec::new(
            subject,
            format!("group `{}` does not exist", step.name),
            script,
            Expect::Text("absent".into()),
        ),
        (false, Some(gid)) => CheckSpec::new(
            subject,
            format!("group `{}` has the id {gid}", step.name),
            script,
            Expect::Text(gid.to_string()),
        ),
        (false, None) => CheckSpec::new(
            subject,
            format!("group `{}` exists", step.name),
            format!("if getent group {name} >/dev/null; then echo there; else echo absent; fi"),
            Expect::Text("there".into()),
        ),
    }]
}
