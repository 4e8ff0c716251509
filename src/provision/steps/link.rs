//! `link`: a symbolic link.
use super::edit::parent;
use crate::guest::quote;
use crate::plan::LinkStep;
use crate::provision::checks::{CheckSpec, Expect, Voided, lasts};

/// The script that does `step`.
pub(in crate::provision) fn script(step: &LinkStep) -> String {
    let link = quote(&step.path);
    if step.absent {
        return format!(
            "l={link}\nif [ -e \"$l\" ] && [ ! -L \"$l\" ]; then echo \"$l is no link\" >&2; exit 1; fi\nrm -f -- \"$l\"\n"
        );
    }
    format!(
        "l={link}\n\
         if [ -d \"$l\" ] && [ ! -L \"$l\" ]; then echo \"there is a folder at $l\" >&2; exit 1; fi\n\
         mkdir -p -- {}\nln -s -f -n -T -- {} \"$l\"\n",
        quote(parent(&step.path)),
        quote(&step.to)
    )
}

/// What follows from `step`.
pub(in crate::provision) fn checks(step: &LinkStep) -> Vec<CheckSpec> {
    if !lasts(&step.path) {
        return vec![];
    }
    let link = quote(&step.path);
    let (name, expected) = if step.absent {
        (format!("link `{}` does not exist", step.path), "absent".to_owned())
    } else {
        (format!("`{}` points to `{}`", step.path, step.to), format!("link to {}", step.to))
    };
    let script = format!(
        "if [ -L {link} ]; then echo \"link to $(readlink -- {link})\"\n\
         elif [ -e {link} ]; then stat -c %F {link}; else echo absent; fi"
    );
    let spec = CheckSpec::new(format!("path {}", step.path), name, script, Expect::Text(expected));
    vec![spec.voiding(Voided::Below(step.path.clone()))]
}
