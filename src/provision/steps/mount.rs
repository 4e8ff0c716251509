//! `mount`: a line of /etc/fstab.
use super::edit::{EDIT, touch};
use crate::guest::quote;
use crate::plan::MountStep;
use crate::provision::checks::{CheckSpec, Expect, Voided};

const FSTAB: &str = "/etc/fstab";

/// `text` as a field of fstab (see `fstab(5)`).
pub(super) fn field(text: &str) -> String {
    text.replace('\\', "\\134").replace(' ', "\\040").replace('\t', "\\011").replace('\n', "\\012")
}

/// Lines that are of another place, or of none.
const OTHERS: &str = "$0 ~ /^[ \\t]*#/ || $2 != ENVIRON[\"p\"] { print }";

/// The script that does `step`.
pub(in crate::provision) fn script(step: &MountStep) -> String {
    let (path, place) = (quote(&step.path), quote(&field(&step.path)));
    let mut script = format!("{EDIT}{}d={path}\n", touch(FSTAB));
    let reload = "if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi\n";
    if step.absent {
        script.push_str(&format!(
            "if mountpoint -q -- \"$d\"; then umount -- \"$d\"; fi\n\
             edit {FSTAB} env p={place} awk '{OTHERS}'\n{reload}"
        ));
        return script;
    }
    // The root and what it needs is looked at by fsck first; nothing else is.
    let pass = i32::from(step.path == "/");
    let line = [field(&step.device), field(&step.path), field(&step.fs), field(&step.options)].join(" ");
    script.push_str(&format!(
        "edit {FSTAB} env p={place} l={} awk '{OTHERS} END {{ print ENVIRON[\"l\"] }}'\nmkdir -p -- \"$d\"\n{reload}",
        quote(&format!("{line} 0 {pass}"))
    ));
    if step.now {
        script.push_str(
            "if mountpoint -q -- \"$d\"; then mount -o remount -- \"$d\"; else mount -- \"$d\"; fi\n",
        );
    }
    script
}

/// What follows from `step`.
pub(in crate::provision) fn checks(step: &MountStep) -> Vec<CheckSpec> {
    let place = quote(&field(&step.path));
    let listed =
        format!("p={place} awk '$0 !~ /^[ \\t]*#/ && $2 == ENVIRON[\"p\"] {{ print $1, $3, $4 }}' {FSTAB}");
    let (name, script, expected) = if step.absent {
        let script = format!("l=$({listed}); echo \"${{l:-absent}}\"");
        (format!("nothing is mounted at `{}` at boot", step.path), script, "absent".to_owned())
    } else {
        let line = [field(&step.device), field(&step.fs), field(&step.options)].join(" ");
        // The machine that proves the image need not have what the image may do without.
        let may_fail = step
            .options
            .split(',')
            .any(|option| matches!(option, "noauto" | "nofail") || option.starts_with("x-systemd.automount"));
        if may_fail {
            (format!("`{}` is in {FSTAB}", step.path), listed, line)
        } else {
            let script = format!(
                "if mountpoint -q -- {}; then m=mounted; else m='not mounted'; fi\necho \"$({listed}) $m\"",
                quote(&step.path)
            );
            (format!("`{}` is mounted at `{}`", step.device, step.path), script, format!("{line} mounted"))
        }
    };
    vec![
        CheckSpec::new(format!("mount {}", step.path), name, script, Expect::Text(expected))
            .voiding(Voided::Subject(format!("path {FSTAB}"))),
    ]
}
