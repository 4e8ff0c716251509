//! `goldsmith inspect` of an installer's medium.
use super::LABEL;
use crate::{
    cli::{
        commands::pretty,
        console::Console,
        exit::Exit,
        problem::Problem,
        theme::{Theme, Tone, pad},
    },
    cx::clean_line,
    source::iso::{self, BootImage, Choice, Inspection, Iso, Names, Platform},
    value::Size,
};
use serde::Serialize;
use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

/// What `--json` prints.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Report {
    pub(in crate::cli) path: PathBuf,
    pub(in crate::cli) iso: Inspection,
}

/// Only the beginning of a medium and its menus are read, so nothing needs to be shown on the way.
pub(super) fn run(path: &Path, console: &Console) -> Result<Exit, Problem> {
    let found = Iso::open(path).and_then(|iso| iso::inspect(&iso)).map_err(Problem::Iso)?;
    let report = Report { path: path.to_owned(), iso: found };
    console.out(&if console.json() { pretty(&report)? } else { text(console.out_theme(), &report) });
    Ok(Exit::Ok)
}

/// For people.
pub(in crate::cli) fn text(theme: &Theme, report: &Report) -> String {
    let found = &report.iso;
    let mut text = format!("{}\n", theme.paint(Tone::Strong, theme.path(&report.path)));
    // What a medium says must not move the cursor.
    let mut row = |label: &str, value: &str| {
        let label = pad(&theme.paint(Tone::Dim, label), LABEL);
        let _ = writeln!(text, "{}", format!("  {label}{}", clean_line(value)).trim_end());
    };
    let names = match found.names {
        Names::RockRidge => "names of Rock Ridge",
        Names::Joliet => "names of Joliet",
        Names::Plain => "capital letters only",
    };
    row("format", &format!("ISO 9660, {names}"));
    row("size", &size(found));
    row("label", if found.label.is_empty() { "none" } else { &found.label });
    for (label, value) in [
        ("publisher", &found.origin.publisher),
        ("preparer", &found.origin.preparer),
        ("application", &found.origin.application),
        ("created", &found.origin.created),
    ] {
        if let Some(value) = value {
            row(label, value);
        }
    }
    let boot: Vec<String> = found.boot.iter().map(firmware).collect();
    row("boots by", &if boot.is_empty() { "no firmware".to_owned() } else { boot.join(", ") });
    match &found.installer {
        Some(installer) => row(
            "installer",
            &[installer.name.as_str(), installer.version.as_deref().unwrap_or_default()].join(" "),
        ),
        None => row("installer", "none that is known here"),
    }
    for choice in &found.entries {
        for (label, value) in entry(choice) {
            row(label, &value);
        }
    }
    for missing in &found.missing {
        row("missing", missing);
    }
    if let Some(note) = &found.note {
        row("note", note);
    }
    text.truncate(text.trim_end().len());
    text
}

fn size(found: &Inspection) -> String {
    let file = Size::bytes(found.file_bytes).to_string();
    match found.file_bytes.checked_sub(found.volume_bytes) {
        None | Some(0) => file,
        Some(behind) => format!("{file}, of which {} are behind the volume", Size::bytes(behind)),
    }
}

fn firmware(image: &BootImage) -> String {
    let mut text = match image.platform {
        Platform::Bios => "BIOS".to_owned(),
        Platform::Efi => "UEFI".to_owned(),
        Platform::Other(number) => format!("firmware {number:#04x}"),
    };
    if image.emulated {
        text.push_str(" (as a floppy or a hard disk)");
    }
    if !image.bootable {
        text.push_str(" (switched off)");
    }
    text
}

fn entry(choice: &Choice) -> Vec<(&'static str, String)> {
    let entry = &choice.entry;
    let chosen = if choice.chosen { ": what a build starts" } else { "" };
    let mut rows = vec![("entry", format!("{} (in {}){chosen}", entry.title, entry.from))];
    rows.push(("  kernel", entry.kernel.clone()));
    rows.extend(entry.initrd.iter().map(|path| ("  initrd", path.clone())));
    if !entry.arguments.is_empty() {
        rows.push(("  arguments", entry.command_line(&[])));
    }
    rows
}
