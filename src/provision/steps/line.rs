//! `line`: a line in a file. grep finds it, since not every awk knows all of an extended regular expression.
use super::edit::{EDIT, touch};
use crate::guest::quote;
use crate::plan::LineStep;
use crate::provision::{
    Secrets,
    checks::{CheckSpec, Expect, Voided, lasts, line_subject},
    runner::{StepError, Worker},
    secrets::{Place, has_secret},
};

pub(in crate::provision) async fn run(
    worker: &Worker<'_>,
    step: &LineStep,
    secrets: &Secrets,
) -> Result<(), StepError> {
    let line = secrets.fill(worker.cx, &step.line, Place::Text).await?;
    worker.script(script(&LineStep { line: line.expose().to_owned(), ..step.clone() })).await
}

/// The script that does `step`, whose secrets are filled.
pub(in crate::provision) fn script(step: &LineStep) -> String {
    let mut script = String::from(EDIT);
    // grep ends with 1 when nothing matches, and with more when the expression is wrong.
    script.push_str("found() { r=0; grep -a \"$@\" || r=$?; [ \"$r\" -le 1 ]; }\n");
    if step.create {
        script.push_str(&touch(&step.path));
    }
    script.push_str(&format!("file={}\n", quote(&step.path)));
    for expression in [&step.matching, &step.after].into_iter().flatten() {
        script.push_str(&format!("found -E -e {} </dev/null\n", quote(expression)));
    }
    if step.absent {
        script.push_str("[ -e \"$file\" ] || exit 0\n");
        let mut drop = Vec::new();
        if !step.line.is_empty() {
            drop.push(format!("-x -F -e {}", quote(&step.line)));
        }
        if let Some(expression) = &step.matching {
            drop.push(format!("-E -e {}", quote(expression)));
        }
        for options in drop {
            script.push_str(&format!(
                "if grep -a -q {options} -- \"$file\"; then edit \"$file\" found -v {options}; fi\n"
            ));
        }
        return script;
    }
    script.push_str(
        "if [ ! -e \"$file\" ]; then echo \"$file is not there; create = true would make it\" >&2; exit 1; fi\n\
         last() { grep -a -n -E -e \"$1\" -- \"$file\" | tail -n 1 | cut -d: -f1; }\n",
    );
    script.push_str(&format!("line={}\nn=\n", quote(&step.line)));
    if let Some(expression) = &step.matching {
        script.push_str(&format!("n=$(last {})\n", quote(expression)));
    }
    script.push_str(
        "if [ -n \"$n\" ]; then\n\
         \x20 edit \"$file\" env LC_ALL=C n=\"$n\" line=\"$line\" \\\n\
         \x20   awk 'NR == ENVIRON[\"n\"] + 0 { print ENVIRON[\"line\"]; next } { print }'\n\
         elif ! grep -a -q -x -F -e \"$line\" -- \"$file\"; then\n",
    );
    if let Some(expression) = &step.after {
        script.push_str(&format!("  n=$(last {})\n", quote(expression)));
    }
    script.push_str(
        "\x20 edit \"$file\" env LC_ALL=C n=\"${n:-0}\" line=\"$line\" \\\n\
         \x20   awk '{ print } NR == ENVIRON[\"n\"] + 0 { print ENVIRON[\"line\"] }\n\
         \x20     END { if (ENVIRON[\"n\"] + 0 == 0) print ENVIRON[\"line\"] }'\n\
         fi\n",
    );
    script
}

/// What follows from `step`.
pub(in crate::provision) fn checks(step: &LineStep) -> Vec<CheckSpec> {
    if !lasts(&step.path) {
        return vec![];
    }
    let path = quote(&step.path);
    let of_file = || Voided::Subject(format!("path {}", step.path));
    let spec = |key: &str, name: String, options: String, expected: &str| {
        let script =
            format!("if grep -a -q {options} -- {path} 2>/dev/null; then echo there; else echo missing; fi");
        CheckSpec::new(line_subject(&step.path, key), name, script, Expect::Text(expected.to_owned()))
            .voiding(of_file())
    };
    let expected = if step.absent { "missing" } else { "there" };
    let is = if step.absent { "does not have" } else { "has" };
    let mut specs = Vec::new();
    if !step.line.is_empty() && !has_secret(&step.line) {
        let name = format!("`{}` {is} the line `{}`", step.path, step.line);
        specs.push(spec(&step.line, name, format!("-x -F -e {}", quote(&step.line)), expected));
    }
    match &step.matching {
        Some(expression) if step.absent => {
            let name = format!("no line of `{}` matches `{expression}`", step.path);
            specs.push(spec(expression, name, format!("-E -e {}", quote(expression)), expected));
        }
        // A line that took the place of another one is no longer there as it was.
        Some(expression) => {
            let old = Voided::Subject(line_subject(&step.path, expression));
            specs = specs.into_iter().map(|spec| spec.voiding(old.clone())).collect();
        }
        None => {}
    }
    specs
}
