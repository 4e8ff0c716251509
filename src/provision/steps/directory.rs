//! `directory`: a folder.
use super::edit::parent;
use crate::guest::quote;
use crate::plan::DirectoryStep;
use crate::provision::checks::{CheckSpec, Expect, Voided, lasts};

/// The script that does `step`.
pub(in crate::provision) fn script(step: &DirectoryStep) -> String {
    let mut script = format!("d={}\n", quote(&step.path));
    if step.absent {
        // Of a link, only the link goes.
        script.push_str("rm -rf -- \"$d\"\n");
        return script;
    }
    script.push_str(&format!(
        "if [ -d \"$d\" ]; then new=; else\n\
         \x20 if [ -e \"$d\" ] || [ -L \"$d\" ]; then echo \"$d is there and is no folder\" >&2; exit 1; fi\n\
         \x20 mkdir -p -- {}; new=yes; mkdir -- \"$d\"\n\
         fi\n",
        quote(parent(&step.path))
    ));
    if step.empty {
        script.push_str("find -H \"$d\" -mindepth 1 -delete\n");
    }
    if step.owner.is_some() || step.group.is_some() {
        let name = |name: &Option<String>| name.clone().unwrap_or_default();
        let owner = format!("{}:{}", name(&step.owner), name(&step.group));
        // `chown user:` would also take the group from the user.
        script.push_str(&format!("chown -- {} \"$d\"\n", quote(owner.trim_end_matches(':'))));
    }
    match step.mode {
        Some(mode) => script.push_str(&format!("chmod {:04o} \"$d\"\n", mode & 0o7777)),
        None => script.push_str("if [ -n \"$new\" ]; then chmod 0755 \"$d\"; fi\n"),
    }
    script.push_str("if command -v restorecon >/dev/null; then restorecon -- \"$d\" || true; fi\n");
    script
}

/// What follows from `step`.
pub(in crate::provision) fn checks(step: &DirectoryStep) -> Vec<CheckSpec> {
    if !lasts(&step.path) {
        return vec![];
    }
    let subject = format!("path {}", step.path);
    let path = quote(&step.path);
    if step.absent {
        let script = format!("if [ -e {path} ] || [ -L {path} ]; then echo there; else echo absent; fi");
        let name = format!("`{}` does not exist", step.path);
        let spec = CheckSpec::new(subject, name, script, Expect::Text("absent".into()));
        return vec![spec.voiding(Voided::Below(step.path.clone()))];
    }
    // Only what the step says, in the words that `stat` has for it.
    let by = |name: &str, letters: [&'static str; 2]| {
        if name.bytes().all(|b| b.is_ascii_digit()) { letters[0] } else { letters[1] }
    };
    let (mut format, mut expected) = (vec!["%F"], vec!["directory".to_owned()]);
    if let Some(mode) = step.mode {
        format.push("%a");
        expected.push(format!("{:o}", mode & 0o7777));
    }
    if let Some(owner) = &step.owner {
        format.push(by(owner, ["%u", "%U"]));
        expected.push(owner.clone());
    }
    if let Some(group) = &step.group {
        format.push(by(group, ["%g", "%G"]));
        expected.push(group.clone());
    }
    let script = format!("stat -L -c '{}' {path} 2>/dev/null || echo missing", format.join(" "));
    let name = format!("folder `{}` is there as defined", step.path);
    let spec = CheckSpec::new(subject, name, script, Expect::Text(expected.join(" ")));
    // What was put there before it was emptied is gone; what comes later is not the folder's concern.
    vec![if step.empty { spec.voiding(Voided::Below(step.path.clone())) } else { spec }]
}
