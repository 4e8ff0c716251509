//! `check`: nothing now, an assertion about the booted result.
use crate::guest::quote;
use crate::plan::{CheckStep, Expected};
use crate::provision::checks::{CheckSpec, Expect};

/// So long may a command take in the booted result.
const LIMIT: u32 = 300;

/// What follows from `step`.
pub(in crate::provision) fn checks(step: &CheckStep) -> Vec<CheckSpec> {
    let become_user =
        step.as_user.as_ref().map(|user| format!("runuser -u {} -- ", quote(user))).unwrap_or_default();
    let command = format!("timeout {LIMIT} {become_user}/bin/sh -euc {} 2>&1 </dev/null", quote(&step.run));
    let (script, expect) = match &step.expect {
        Expected::Equals(text) => (command, Expect::Text(text.clone())),
        Expected::Matches(expression) => {
            let answer = format!("a line that matches {expression}");
            let script = format!(
                "o=$({command})\nr=0; printf '%s\\n' \"$o\" | grep -q -E -e {} || r=$?\n\
                 case $r in 0) printf '%s\\n' {};; 1) printf '%s\\n' \"$o\";; *) exit $r;; esac",
                quote(expression),
                quote(&answer)
            );
            (script, Expect::Text(answer))
        }
        Expected::ExitCode(code) => {
            let answer = format!("exit code {code}");
            let script = format!(
                "r=0; o=$({command}) || r=$?\n\
                 if [ \"$r\" = {code} ]; then echo 'exit code {code}'; else echo \"exit code $r: $o\"; fi"
            );
            (script, Expect::Text(answer))
        }
    };
    vec![CheckSpec::new(format!("check {} {}", step.name, step.run), step.name.clone(), script, expect)]
}
