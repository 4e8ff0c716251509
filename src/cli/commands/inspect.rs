//! `goldsmith inspect`.
pub(in crate::cli) mod iso;

use super::{pretty, work};
use crate::{
    cli::{
        args,
        console::Console,
        exit::Exit,
        problem::Problem,
        render::{Plain, Show},
        theme::{Theme, Tone, pad, pad_left},
    },
    disk::{self, Input, Inspection, Layer, Packing, Zeroes},
    source::iso::Iso,
    value::Size,
};
use serde::Serialize;
use std::{fmt::Write as _, path::PathBuf, sync::Arc};

/// Columns of the labels on the left.
const LABEL: usize = 12;

/// What `--json` prints.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Report {
    pub(in crate::cli) path: PathBuf,
    /// How the file around the image is compressed.
    pub(in crate::cli) packing: Option<Packing>,
    #[serde(flatten)]
    pub(in crate::cli) found: Inspection,
}

pub(super) fn run(arguments: args::Inspect, console: &Console) -> Result<Exit, Problem> {
    let source = &arguments.source;
    if source.input_format.is_none() && !work::is_dash(&source.image) && Iso::is_one(&source.image) {
        return iso::run(&source.image, console);
    }
    let name = arguments.source.image.display().to_string();
    // Stdout is for the report alone, so events are not for JSON here.
    let show: Arc<dyn Show> = if console.json() {
        Arc::new(Plain::new(console.clone(), false))
    } else {
        work::show(console, &name)
    };
    let done = work::run(console, show, &name, move |work| {
        let source = &arguments.source;
        let cancelled = || work.cancelled();
        let attempt =
            |error| Problem::disk(format!("could not look into `{}`", source.image.display()), error);
        // Holes of an unpacked raw disk are those of its zeroes here: nothing is made from it.
        let (disk, packing) = match work::open(source, Zeroes::Holes, &cancelled)? {
            Input::Disk(disk) => (disk, None),
            Input::Stream(stream) => {
                let packing = stream.packing();
                let folder = work::temp_dir(source, None);
                let limit = source.max_unpacked.as_bytes();
                let unpack =
                    |progress: &(dyn Fn(disk::Progress) + Sync)| stream.spool(&folder, limit, progress);
                (work.stage("unpack", unpack).map_err(attempt)?, packing)
            }
        };
        let found = disk::inspect(disk.into(), &cancelled).map_err(attempt)?;
        Ok(Report { path: source.image.clone(), packing, found })
    });
    let report = match done {
        Ok(report) => report,
        Err(problem) if problem.exit() == Exit::Interrupted => return Ok(Exit::Interrupted),
        Err(problem) => return Err(problem),
    };
    console.out(&if console.json() { pretty(&report)? } else { text(console.out_theme(), &report) });
    Ok(Exit::Ok)
}

/// For people.
pub(in crate::cli) fn text(theme: &Theme, report: &Report) -> String {
    let found = &report.found;
    let mut text = format!("{}\n", theme.paint(Tone::Strong, theme.path(&report.path)));
    let mut row = |label: &str, value: &str| {
        let label = pad(&theme.paint(Tone::Dim, label), LABEL);
        let _ = writeln!(text, "{}", format!("  {label}{value}").trim_end());
    };
    if let Some(packing) = report.packing {
        row("compressed", &format!("{packing}; the figures are those of the unpacked file"));
    }
    for (index, layer) in found.layers.iter().enumerate() {
        row(if index == 0 { "format" } else { "backing" }, &self::layer(layer, index > 0));
    }
    row("size", &format!("{} virtual", Size::bytes(found.virtual_bytes)));
    let holes = match found.holes {
        0 => "no holes".to_owned(),
        1 => format!("{} in 1 hole", Size::bytes(found.hole_bytes)),
        holes => format!("{} in {holes} holes", Size::bytes(found.hole_bytes)),
    };
    row("map", &format!("{} of data, {holes}", Size::bytes(found.data_bytes)));
    match (found.partition_table, found.file_system) {
        (Some(table), _) => row("partitions", table),
        (None, Some(file_system)) => row("content", &format!("{file_system}, without partitions")),
        (None, None) => row("partitions", "none"),
    }
    for line in partitions(theme, found) {
        row("", &line);
    }
    if let Some(os) = &found.os {
        row("system", &os.name);
    }
    if let Some(note) = &found.note {
        row("note", &theme.prose(note));
    }
    text.truncate(text.trim_end().len());
    text
}

fn layer(layer: &Layer, named: bool) -> String {
    let mut facts = vec![layer.format.to_string()];
    for (name, value) in &layer.facts {
        let name = name.replace('_', " ");
        facts.push(match (name.strip_suffix(" bytes"), value.as_u64(), value.as_str()) {
            (Some(what), Some(bytes), _) => format!("{what} {}", Size::bytes(bytes)),
            (_, _, Some(text)) => format!("{name} {text}"),
            _ if value.as_bool() == Some(true) => name,
            _ => format!("{name} {value}"),
        });
    }
    facts.push(format!("{} on disk", Size::bytes(layer.allocated_bytes.min(layer.file_bytes))));
    let facts = facts.join(", ");
    if named { format!("{}: {facts}", layer.path.display()) } else { facts }
}

fn partitions(theme: &Theme, found: &Inspection) -> Vec<String> {
    let columns = |partition: &disk::PartitionFacts| {
        [
            partition.number.to_string(),
            Size::bytes(partition.offset).to_string(),
            Size::bytes(partition.bytes).to_string(),
            partition.file_system.unwrap_or("-").to_owned(),
            partition.purpose.map_or_else(
                || partition.type_guid.map_or_else(|| "-".to_owned(), |guid| guid.to_string()),
                str::to_owned,
            ),
            partition.name.clone(),
        ]
    };
    if found.partitions.is_empty() {
        return Vec::new();
    }
    let head = ["", "from", "size", "content", "purpose", "name"].map(str::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(found.partitions.iter().map(columns)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    rows.iter()
        .enumerate()
        .map(|(index, row)| {
            let cells: Vec<String> = row
                .iter()
                .enumerate()
                .map(|(column, cell)| match column {
                    1 | 2 => pad_left(cell, width(column)),
                    _ => pad(cell, width(column)),
                })
                .collect();
            let line = cells.join("  ").trim_end().to_owned();
            if index == 0 { theme.paint(Tone::Dim, line) } else { line }
        })
        .collect()
}
