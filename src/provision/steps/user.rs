//! `user`: an account of the image.
use crate::provision::checks::{CheckSpec, Expect};
use crate::{
    guest::{quote, quote_all},
    plan::UserStep,
};

/// The file that lets `user` use sudo. sudo ignores names with dots and tildes.
pub(in crate::provision) fn sudoers_file(user: &str) -> String {
    format!("/etc/sudoers.d/{}", user.replace(['.', '~', '/'], "_"))
}

/// The script that does `step`.
pub(in crate::provision) fn script(step: &UserStep) -> String {
    let name = quote(&step.name);
    let sudoers = quote(&sudoers_file(&step.name));
    if step.absent {
        return format!(
            "if getent passwd {name} >/dev/null; then userdel -r {name}; fi\n\
             if getent group {name} >/dev/null; then groupdel {name} || true; fi\n\
             rm -f {sudoers}\n"
        );
    }
    let mut script = String::new();
    for group in &step.groups {
        let group = quote(group);
        script.push_str(&format!("getent group {group} >/dev/null || groupadd {group}\n"));
    }
    // What both making and changing understand.
    let mut common = Vec::new();
    if let Some(uid) = step.uid {
        common.extend(["-u".to_owned(), uid.to_string()]);
    }
    if let Some(shell) = &step.shell {
        common.extend(["-s".to_owned(), shell.clone()]);
    }
    let mut make = vec!["useradd".to_owned()];
    if step.system {
        make.push("-r".into());
    }
    if !step.system || !step.authorized_keys.is_empty() {
        make.push("-m".into());
    }
    make.extend(common.iter().cloned());
    let change =
        if common.is_empty() { ":".to_owned() } else { format!("usermod {} {name}", quote_all(&common)) };
    script.push_str(&format!(
        "if getent passwd {name} >/dev/null; then {change}; else {} {name}; fi\n",
        quote_all(&make)
    ));
    if !step.groups.is_empty() {
        script.push_str(&format!("usermod -aG {} {name}\n", quote(&step.groups.join(","))));
    }
    if step.sudo {
        script.push_str(&format!(
            "t=$(mktemp)\nprintf '%s ALL=(ALL:ALL) NOPASSWD:ALL\\n' {name} >\"$t\"\nvisudo -q -c -f \"$t\"\n\
             install -D -m 0440 \"$t\" {sudoers}\nrm -f \"$t\"\n"
        ));
    }
    if !step.authorized_keys.is_empty() {
        script.push_str(&format!(
            "h=$(getent passwd {name} | cut -d: -f6); g=$(id -g {name})\n\
             install -d -m 0700 -o {name} -g \"$g\" \"$h/.ssh\"\n\
             f=$h/.ssh/authorized_keys; touch \"$f\"\n"
        ));
        for key in &step.authorized_keys {
            let key = quote(key.trim());
            script.push_str(&format!("grep -qxF -- {key} \"$f\" || printf '%s\\n' {key} >>\"$f\"\n"));
        }
        script.push_str(&format!("chown {name}:\"$g\" \"$f\"\nchmod 0600 \"$f\"\n"));
    }
    script
}

/// What follows from `step`.
pub(in crate::provision) fn checks(step: &UserStep) -> Vec<CheckSpec> {
    let name = quote(&step.name);
    let exists = |expect: &str, title: String, script: String| {
        CheckSpec::new(format!("user {}", step.name), title, script, Expect::Text(expect.to_owned()))
    };
    if step.absent {
        let script = format!("if getent passwd {name} >/dev/null; then echo there; else echo absent; fi");
        return vec![exists("absent", format!("user `{}` does not exist", step.name), script)];
    }
    // One line: what is missing, or `complete`.
    let mut script =
        format!("p=$(getent passwd {name} || true)\n[ -n \"$p\" ] || {{ echo absent; exit 0; }}\nm=\n");
    if let Some(uid) = step.uid {
        script.push_str(&format!("[ \"$(id -u {name})\" = {uid} ] || m=\"$m, uid is $(id -u {name})\"\n"));
    }
    if let Some(shell) = &step.shell {
        script.push_str(&format!("[ \"${{p##*:}}\" = {} ] || m=\"$m, shell is ${{p##*:}}\"\n", quote(shell)));
    }
    if !step.groups.is_empty() {
        script.push_str(&format!(
            "for g in {}; do id -Gn {name} | tr ' ' '\\n' | grep -qxF -- \"$g\" || m=\"$m, not in group $g\"; done\n",
            quote_all(&step.groups)
        ));
    }
    if step.sudo {
        let file = quote(&sudoers_file(&step.name));
        script.push_str(&format!("grep -q NOPASSWD {file} 2>/dev/null || m=\"$m, no sudo\"\n"));
    }
    if !step.authorized_keys.is_empty() {
        script.push_str("f=$(echo \"$p\" | cut -d: -f6)/.ssh/authorized_keys\n");
        for (index, key) in step.authorized_keys.iter().enumerate() {
            let key = quote(key.trim());
            script.push_str(&format!(
                "grep -qxF -- {key} \"$f\" 2>/dev/null || m=\"$m, key {} may not log in\"\n",
                index + 1
            ));
        }
    }
    script.push_str("if [ -z \"$m\" ]; then echo complete; else echo \"${m#, }\"; fi");
    vec![exists("complete", format!("user `{}` exists as defined", step.name), script)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step() -> UserStep {
        UserStep {
            name: "ops.team".into(),
            absent: false,
            uid: Some(2001),
            groups: vec!["adm".into(), "ops".into()],
            shell: Some("/bin/bash".into()),
            system: false,
            sudo: true,
            authorized_keys: vec!["ssh-ed25519 AAAA it's me".into()],
        }
    }

    #[test]
    fn the_script_is_as_reviewed() {
        insta::assert_snapshot!("present", script(&step()));
        insta::assert_snapshot!("absent", script(&UserStep { absent: true, ..step() }));
    }

    #[test]
    fn sudo_reads_the_file_whatever_the_name() {
        assert_eq!(sudoers_file("ops.team~"), "/etc/sudoers.d/ops_team_");
    }
}
