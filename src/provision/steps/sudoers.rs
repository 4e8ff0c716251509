//! `sudoers`: rules for sudo, which visudo has looked at: with one bad file, sudo refuses everybody.
use crate::guest::quote;
use crate::plan::SudoersStep;
use crate::provision::checks::{CheckSpec, Expect, Voided};

fn path(step: &SudoersStep) -> String {
    format!("/etc/sudoers.d/{}", step.name)
}

fn content(step: &SudoersStep) -> String {
    format!("{}\n", step.content.trim_end_matches('\n'))
}

/// The script that does `step`.
pub(in crate::provision) fn script(step: &SudoersStep) -> String {
    let path = quote(&path(step));
    if step.absent {
        return format!("rm -f -- {path}\n");
    }
    format!(
        "if ! command -v visudo >/dev/null; then echo 'visudo is not there: install sudo first' >&2; exit 1; fi\n\
         t=$(mktemp)\ntrap 'rm -f -- \"$t\"' EXIT\nprintf %s {} >\"$t\"\nchmod 0440 \"$t\"\nvisudo -c -f \"$t\"\n\
         mkdir -p /etc/sudoers.d\ninstall -m 0440 -o 0 -g 0 \"$t\" {path}\n",
        quote(&content(step))
    )
}

/// What follows from `step`.
pub(in crate::provision) fn checks(step: &SudoersStep) -> Vec<CheckSpec> {
    use sha2::{Digest, Sha256};
    let file = path(step);
    let quoted = quote(&file);
    let subject = format!("path {file}");
    if step.absent {
        let script = format!("if [ -e {quoted} ]; then echo there; else echo absent; fi");
        let name = format!("there are no sudo rules `{}`", step.name);
        return vec![
            CheckSpec::new(subject, name, script, Expect::Text("absent".into())).voiding(Voided::Below(file)),
        ];
    }
    let digest = hex::encode(Sha256::digest(content(step)));
    let script = format!(
        "f={quoted}\n[ -f \"$f\" ] || {{ echo missing; exit 0; }}\nvisudo -c -q -f \"$f\" || exit 1\n\
         echo \"$(stat -c '%a %u:%g' \"$f\") $(sha256sum <\"$f\" | cut -d' ' -f1)\""
    );
    let name = format!("sudo rules `{}` are there and valid", step.name);
    vec![
        CheckSpec::new(subject, name, script, Expect::Text(format!("440 0:0 {digest}")))
            .voiding(Voided::Below(file)),
    ]
}
