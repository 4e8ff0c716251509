//! `goldsmith ami table`.
use super::text;
use crate::{
    cli::{args::AmiTable, commands::pretty, console::Console, exit::Exit, problem::Problem, words::count},
    publish::{
        ami::CopyReport,
        table::{self, Row},
    },
};
use serde::Deserialize;
use std::path::Path;

/// What `ami copy --json` prints.
#[derive(Debug, Deserialize)]
struct Report {
    images: Vec<CopyReport>,
}

pub(super) fn run(arguments: &AmiTable, console: &Console) -> Result<Exit, Problem> {
    arguments.tables.check()?;
    let mut reports: Vec<CopyReport> = Vec::new();
    for path in &arguments.reports {
        for report in read(path)?.images {
            let source = &report.source;
            if reports
                .iter()
                .any(|other| other.source.id == source.id && other.source.region == source.region)
            {
                return Err(Problem::usage(format!("`{}` is in two of the reports", source.id)));
            }
            reports.push(report);
        }
    }
    let rows = table::rows(&reports, &arguments.tables.words());
    arguments.tables.write(&rows)?;
    if console.json() {
        console.out(&pretty(&rows)?);
    } else {
        console.out(&shown(console, &rows));
    }
    let undone = reports.iter().flat_map(CopyReport::undone).count();
    if undone > 0 {
        let theme = console.err_theme();
        let regions = count(undone, "region");
        console.err(&format!("{} {regions} of the reports are not done, and left out", theme.mark(false)));
        return Ok(Exit::Partial);
    }
    Ok(Exit::Ok)
}

fn read(path: &Path) -> Result<Report, Problem> {
    let attempt = || format!("could not read the report `{}`", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| Problem::host(attempt(), error))?;
    serde_json::from_str(&text).map_err(|error| Problem::host(attempt(), error))
}

fn shown(console: &Console, rows: &[Row]) -> String {
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            [&row.distribution, &row.version, &row.region, &row.ami, &row.arch].map(Clone::clone).to_vec()
        })
        .collect();
    text::grid(console.out_theme(), &["distribution", "version", "region", "AMI", "arch"], &cells)
}
