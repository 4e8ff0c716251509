//! `module`: kernel modules.
use super::edit::touch;
use crate::guest::quote;
use crate::plan::ModuleStep;
use crate::provision::checks::{CheckSpec, Expect, Voided, lasts};

/// Where modprobe finds what it must not load for hardware.
const BLACKLIST: &str = "/etc/modprobe.d/goldsmith-blacklist.conf";

/// The script that does `step`.
pub(in crate::provision) fn script(step: &ModuleStep) -> String {
    let mut script = String::from(
        "add() {\n\
         \x20 if grep -q -x -F -e \"$2\" -- \"$1\"; then return 0; fi\n\
         \x20 if [ -s \"$1\" ] && [ -n \"$(tail -c 1 -- \"$1\")\" ]; then echo >>\"$1\"; fi\n\
         \x20 printf '%s\\n' \"$2\" >>\"$1\"\n\
         }\n",
    );
    if !step.load.is_empty() {
        script.push_str(&touch(&step.file));
    }
    for name in &step.load {
        script.push_str(&format!("add {} {}\n", quote(&step.file), quote(name)));
    }
    if !step.blacklist.is_empty() {
        script.push_str(&touch(BLACKLIST));
    }
    for name in &step.blacklist {
        script.push_str(&format!("add {BLACKLIST} {}\n", quote(&format!("blacklist {name}"))));
    }
    if step.now {
        for name in &step.load {
            script.push_str(&format!("modprobe -- {}\n", quote(name)));
        }
        for name in &step.blacklist {
            script.push_str(&format!(
                "if grep -qs {} /proc/modules; then modprobe -r -- {} || echo 'in use until the next boot'; fi\n",
                quote(&format!("^{} ", loaded_name(name))),
                quote(name)
            ));
        }
    }
    script
}

/// The kernel's own spelling.
fn loaded_name(name: &str) -> String {
    name.replace('-', "_")
}

/// What follows from `step`.
pub(in crate::provision) fn checks(step: &ModuleStep) -> Vec<CheckSpec> {
    let mut specs = Vec::new();
    let subject = |name: &str| format!("module {}", loaded_name(name));
    if lasts(&step.file) {
        for name in &step.load {
            let own = loaded_name(name);
            // What is compiled into the kernel is not always in /sys/module.
            let script = format!(
                "m={}\nif [ -d \"/sys/module/$m\" ]; then echo loaded\n\
                 elif sed 's|.*/||; s|\\.ko.*||; s|-|_|g' \"/lib/modules/$(uname -r)/modules.builtin\" 2>/dev/null \\\n\
                 \x20 | grep -q -x -F -e \"$m\"; then echo loaded; else echo missing; fi",
                quote(&own)
            );
            let title = format!("kernel module `{name}` is loaded");
            let spec = CheckSpec::new(subject(name), title, script, Expect::Text("loaded".into()));
            specs.push(spec.voiding(Voided::Subject(format!("path {}", step.file))));
        }
    }
    for name in &step.blacklist {
        let script = format!(
            "if grep -qs {} /proc/modules; then echo loaded\n\
             elif grep -q -x -F -e {} {BLACKLIST} 2>/dev/null; then echo absent; else echo not blacklisted; fi",
            quote(&format!("^{} ", loaded_name(name))),
            quote(&format!("blacklist {name}"))
        );
        let title = format!("kernel module `{name}` is blacklisted");
        specs.push(CheckSpec::new(subject(name), title, script, Expect::Text("absent".into())));
    }
    specs
}
