//! `swap`: none at all, or a file.
use super::edit::{EDIT, parent, touch};
use crate::guest::quote;
use crate::plan::SwapStep;
use crate::provision::{
    checks::{CheckSpec, Expect, Voided},
    runner::StepError,
};
use crate::value::Size;

const FSTAB: &str = "/etc/fstab";

/// The script that does `step`.
pub(in crate::provision) fn script(step: &SwapStep) -> Result<String, StepError> {
    let (file, size) = match step {
        SwapStep::Off {} => return Ok(off()),
        SwapStep::File { file, size } => (file, size),
    };
    let bytes = size
        .parse::<Size>()
        .map_err(|error| StepError::value("size of the swap file", size, error.to_string()))?
        .as_bytes();
    let (path, folder) = (quote(file), quote(parent(file)));
    Ok(format!(
        "{EDIT}s={path}\n\
         if awk 'NR > 1 {{ print $1 }}' /proc/swaps | grep -q -x -F -e \"$s\"; then swapoff \"$s\"; fi\n\
         mkdir -p -- {folder}\nrm -f -- \"$s\"\n: >\"$s\"\nchmod 0600 \"$s\"\n\
         # On btrfs, a file that is copied on write cannot be swapped to.\n\
         chattr +C \"$s\" 2>/dev/null || true\n\
         fill() {{ dd if=/dev/zero of=\"$s\" bs=1048576 count={blocks} conv=notrunc; }}\n\
         fallocate -l {bytes} \"$s\" || fill\nmkswap \"$s\"\n\
         if [ -d /run/systemd/system ] && [ \"$(systemctl is-enabled swap.target 2>/dev/null || true)\" = masked ]; then\n\
         \x20 systemctl unmask swap.target\nfi\n\
         # Older kernels take no file on XFS that was not written.\n\
         swapon \"$s\" || {{ fill; mkswap \"$s\"; swapon \"$s\"; }}\n\
         {touch}edit {FSTAB} env s={field} awk '$1 != ENVIRON[\"s\"] {{ print }} END {{ print ENVIRON[\"s\"] \" none swap sw 0 0\" }}'\n",
        blocks = bytes.div_ceil(1 << 20),
        touch = touch(FSTAB),
        field = quote(&super::mount::field(file)),
    ))
}

fn off() -> String {
    format!(
        "{EDIT}# What counts is what is left, below.\n\
         swapoff -a || true\n\
         if [ -e {FSTAB} ]; then edit {FSTAB} awk '$0 ~ /^[ \\t]*#/ || $3 != \"swap\" {{ print }}'; fi\n\
         if [ -d /run/systemd/system ]; then\n\
         \x20 systemctl daemon-reload\n\
         \x20 # Also those that a generator finds on the disk, such as a swap partition of a known type.\n\
         \x20 {{ systemctl list-units --all --type=swap --plain --no-legend --no-pager\n\
         \x20   systemctl list-unit-files --type=swap --plain --no-legend --no-pager; }} | awk '{{ print $1 }}' | sort -u \\\n\
         \x20 | while read -r u; do systemctl mask \"$u\"; done\n\
         \x20 systemctl mask swap.target\n\
         fi\n\
         if [ \"$(wc -l </proc/swaps)\" -gt 1 ]; then echo 'there still is swap:' >&2; cat /proc/swaps >&2; exit 1; fi\n"
    )
}

/// What follows from `step`.
pub(in crate::provision) fn checks(step: &SwapStep) -> Vec<CheckSpec> {
    let list = "awk 'NR > 1 { print $1 }' /proc/swaps";
    let spec = match step {
        SwapStep::Off {} => {
            let script = format!("s=$({list} | xargs); echo \"${{s:-none}}\"");
            CheckSpec::new("swap", "there is no swap", script, Expect::Text("none".into()))
        }
        SwapStep::File { file, .. } => {
            let script = format!(
                "if {list} | grep -q -x -F -e {}; then echo used; else echo not used; fi",
                quote(file)
            );
            CheckSpec::new("swap", format!("`{file}` is swapped to"), script, Expect::Text("used".into()))
        }
    };
    vec![spec.voiding(Voided::Subject(format!("path {FSTAB}")))]
}
