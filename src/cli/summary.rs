//! What a person reads when a build succeeded.
//!
//! ```text
//! ✓ debian-12 in 4 min 12 s · QEMU 7.2.22, libvirt 9.0.0, kvm
//!
//!   image    out/debian-12.qcow2
//!            qcow2 · 412 MiB on disk · 8 GiB virtual · sha256 3f2a9c41b7d0e5a1…
//!            ✓ booted efi in 18 s, 23 checks · ✓ looked into, 6 checks
//! ```
use super::{
    failure::quoted,
    theme::{Theme, Tone, columns, pad, pad_left},
};
use crate::{
    build::{Artifact, BuildResult, Outcome, StageTime, Verified},
    driver::KeptKind,
    plan::{Firmware, OutputFormat, Plan},
    value::Arch,
};
use std::{fmt::Write as _, path::Path, time::Duration};

/// Columns of the labels on the left.
const LABEL: usize = 9;

/// Digits of a digest that tell files apart at a glance; the whole one is in `result.json`.
const DIGEST: usize = 16;

/// Stages that took less are not worth a line.
const WORTH_A_LINE: Duration = Duration::from_millis(500);

/// The summary. `report` is where `result.json` is.
pub(super) fn success(
    theme: &Theme,
    width: usize,
    outcome: &Outcome,
    made: &BuildResult,
    plan: &Plan,
    report: Option<&Path>,
) -> String {
    let next = next(theme, made, plan);
    let dot = format!(" {} ", theme.symbols().dot);
    let machine = match &plan.machine.ec2 {
        Some(_) => made.machine.hypervisor.clone(),
        None => format!("{}, {}", made.machine.hypervisor, made.machine.accelerator),
    };
    let mut text = format!(
        "{} {} in {}{}\n",
        theme.mark(true),
        theme.paint(Tone::Strong, &outcome.name),
        theme.paint(Tone::Strong, outcome.seconds.to_string()),
        theme.paint(Tone::Dim, format!("{dot}{machine}")),
    );
    let mut row = |label: &str, value: &str| {
        let label = pad(&theme.paint(Tone::Dim, label), LABEL);
        let _ = writeln!(text, "{}", format!("  {label}{value}").trim_end());
    };
    for artifact in &made.artifacts {
        row("", "");
        row("image", &theme.paint(Tone::Strong, theme.path(&artifact.path)));
        row("", &facts(theme, artifact));
        let proofs: Vec<String> = artifact.verified.iter().map(|proof| self::proof(theme, proof)).collect();
        if proofs.is_empty() {
            row("", &theme.paint(Tone::Warn, "not proved"));
        }
        for line in wrapped(&proofs, &theme.paint(Tone::Dim, &dot), width.saturating_sub(LABEL + 2)) {
            row("", &line);
        }
    }
    for ami in &made.amis {
        row("", "");
        row("ami", &theme.paint(Tone::Strong, format!("{} in {}", ami.ami.id, ami.ami.region)));
        let made_of =
            (!ami.ami.snapshots.is_empty()).then(|| format!("made of {}", ami.ami.snapshots.join(", ")));
        let size = ami.virtual_bytes.map(|size| format!("{size} virtual"));
        let facts: Vec<String> = [Some(ami.ami.name.clone()), made_of, size].into_iter().flatten().collect();
        row("", &facts.join(&theme.paint(Tone::Dim, &dot)));
        let proofs: Vec<String> = match &ami.verified[..] {
            [] => vec![theme.paint(Tone::Warn, "not proved")],
            proofs => proofs.iter().map(|proof| self::proof(theme, proof)).collect(),
        };
        for line in wrapped(&proofs, &theme.paint(Tone::Dim, &dot), width.saturating_sub(LABEL + 2)) {
            row("", &line);
        }
    }
    for kept in &made.kept {
        row("", "");
        row(
            what(kept.image.kind),
            &theme.paint(Tone::Strong, format!("{} in {}", kept.image.id, kept.image.place)),
        );
        row("", &kept.image.description);
        let proofs: Vec<String> = match &kept.verified[..] {
            [] => vec![theme.paint(Tone::Warn, "not proved")],
            proofs => proofs.iter().map(|proof| self::proof(theme, proof)).collect(),
        };
        for line in wrapped(&proofs, &theme.paint(Tone::Dim, &dot), width.saturating_sub(LABEL + 2)) {
            row("", &line);
        }
    }
    row("", "");
    for (index, line) in times(theme, width, &outcome.stages).iter().enumerate() {
        row(if index == 0 { "time" } else { "" }, line);
    }
    row("", "");
    row("source", &made.source);
    row("logs", &format!("{}/", theme.path(&outcome.logs)));
    if let Some(report) = report {
        row("result", &theme.path(report));
    }
    if let Some((label, command)) = next {
        row(label, &theme.paint(Tone::Accent, command));
    }
    text.truncate(text.trim_end().len());
    text
}

/// `qcow2 · 412 MiB on disk · 8 GiB virtual · sha256 3f2a…`
fn facts(theme: &Theme, artifact: &Artifact) -> String {
    let size = if artifact.allocated_bytes < artifact.file_bytes {
        format!("{} on disk (sparse)", artifact.allocated_bytes)
    } else {
        format!("{} on disk", artifact.file_bytes)
    };
    let digest = artifact.sha256.get(..DIGEST).unwrap_or(&artifact.sha256);
    [
        artifact.format.to_string(),
        size,
        format!("{} virtual", artifact.virtual_bytes),
        format!("sha256 {digest}{}", theme.symbols().ellipsis),
    ]
    .join(&theme.paint(Tone::Dim, format!(" {} ", theme.symbols().dot)))
}

/// `✓ booted efi in 18 s, 23 checks`
fn proof(theme: &Theme, proof: &Verified) -> String {
    let good = proof.checks.iter().all(|check| check.passed);
    let what = match (proof.firmware, proof.boot_seconds) {
        (Some(firmware), Some(seconds)) => format!("booted {firmware} in {seconds}"),
        (Some(firmware), None) => format!("booted {firmware}"),
        (None, Some(seconds)) => format!("started, logged in after {seconds}"),
        (None, None) => "looked into".to_owned(),
    };
    let checks = match proof.checks.len() {
        0 => String::new(),
        1 => ", 1 check".to_owned(),
        n => format!(", {n} checks"),
    };
    format!("{} {what}{checks}", theme.mark(good))
}

/// `parts` in lines of at most `width` columns.
fn wrapped(parts: &[String], separator: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if columns(line) + columns(separator) + columns(part) <= width => {
                line.push_str(separator);
                line.push_str(part);
            }
            _ => lines.push(part.clone()),
        }
    }
    lines
}

/// One line per stage that took its time, with a bar as long as its share.
fn times(theme: &Theme, width: usize, stages: &[StageTime]) -> Vec<String> {
    let worth: Vec<&StageTime> = stages.iter().filter(|stage| stage.seconds.get() >= WORTH_A_LINE).collect();
    let longest = worth.iter().map(|stage| stage.seconds.get()).max().unwrap_or_default();
    let name = worth.iter().map(|stage| stage.stage.len()).max().unwrap_or(0);
    let time = worth.iter().map(|stage| stage.seconds.to_string().len()).max().unwrap_or(0);
    let cells = width.saturating_sub(LABEL + name + time + 8).clamp(8, 40);
    worth
        .iter()
        .map(|stage| {
            let share = stage.seconds.get().as_secs_f64() / longest.as_secs_f64().max(f64::MIN_POSITIVE);
            format!(
                "{}  {}  {}",
                pad(&stage.stage, name),
                pad_left(&stage.seconds.to_string(), time),
                theme.paint(Tone::Accent, bar(theme, share, cells)),
            )
        })
        .collect()
}

/// A bar of `share` of `cells`, in the finest steps that the character set has; never empty.
fn bar(theme: &Theme, share: f64, cells: usize) -> String {
    let blocks = theme.symbols().blocks;
    let steps = blocks.len();
    let filled = ((share * (cells * steps) as f64).round() as usize).clamp(1, cells * steps);
    let mut bar = blocks[0].repeat(filled / steps);
    if !filled.is_multiple_of(steps) {
        bar.push_str(blocks[steps - filled % steps]);
    }
    bar
}

/// What to do with the image: try it without changing it, or write it to a disk.
fn next(theme: &Theme, made: &BuildResult, plan: &Plan) -> Option<(&'static str, String)> {
    let path = |artifact: &Artifact| {
        let shown = theme.path(&artifact.path);
        // A quoted tilde is not a home folder.
        if quoted(&shown) == shown { shown } else { quoted(&artifact.path.display().to_string()) }
    };
    let bootable = made
        .artifacts
        .iter()
        .find(|artifact| artifact.format == OutputFormat::Qcow2)
        .or_else(|| made.artifacts.iter().find(|artifact| artifact.format == OutputFormat::Raw));
    let Some(disk) = bootable else {
        let packed = made.artifacts.first()?;
        let unpack = match packed.format {
            OutputFormat::RawGz => "gzip -dc",
            OutputFormat::RawZst => "zstd -dc",
            OutputFormat::RawXz => "xz -dc",
            OutputFormat::RawLz4 => "lz4 -dc",
            OutputFormat::Ova => return Some(("import", format!("govc import.ova {}", path(packed)))),
            // What it is made for is not on this host.
            _ => return None,
        };
        return Some(("write", format!("{unpack} {} | sudo dd of=/dev/DISK bs=4M conv=fsync", path(packed))));
    };
    let (memory, cpus) = (plan.machine.memory.as_mib_ceil(), plan.machine.cpus);
    let by_bios = plan.verify.firmware.contains(&Firmware::Bios) || plan.machine.firmware == Firmware::Bios;
    if plan.arch != Arch::X86_64 || !by_bios {
        // virt-install knows where this host keeps its UEFI.
        return Some((
            "try it",
            format!(
                "virt-install --import --transient --name {} --memory {memory} --vcpus {cpus} --boot uefi \
                 --osinfo detect=on,require=off --disk path={},format={},transient=on",
                plan.name,
                path(disk),
                disk.format,
            ),
        ));
    }
    Some((
        "try it",
        format!(
            "qemu-system-x86_64 -machine q35,accel=kvm:tcg -cpu max -smp {cpus} -m {memory} -nographic -snapshot \
             -drive file={},format={},if=virtio",
            path(disk),
            disk.format,
        ),
    ))
}

/// The label of an image that a hypervisor keeps.
fn what(kind: KeptKind) -> &'static str {
    match kind {
        KeptKind::Ami => "ami",
        KeptKind::Machine => "machine",
        KeptKind::Template => "template",
        KeptKind::LibraryItem => "item",
        KeptKind::Image => "image",
        KeptKind::Ova => "ova",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_share_and_never_empty() {
        let theme = Theme::new(false, true);
        let bars: Vec<String> = [0.0, 0.5, 0.53, 1.0, 2.0].map(|share| bar(&theme, share, 8)).to_vec();
        assert_eq!(bars, ["▏", "████", "████▎", "████████", "████████"]);
        assert_eq!(bar(&Theme::new(false, false), 0.0, 8), "#");
    }

    #[test]
    fn proofs_wrap_between_and_not_inside() {
        let parts = ["aaaa".to_owned(), "bbbb".to_owned(), "cccc".to_owned()];
        assert_eq!(wrapped(&parts, " - ", 12), ["aaaa - bbbb", "cccc"]);
    }
}
