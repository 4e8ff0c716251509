//! Commands about releases of EKS Anywhere, and what they share: which manifests, and a task with journal, progress and signals.
pub(super) mod artifacts;
#[cfg(feature = "tuf")]
pub(super) mod bottlerocket;
pub(super) mod hook;
mod list;
pub(super) mod manifests;
mod show;

pub(super) use list::today;

use super::{dirs, task};
use crate::{
    build::Dirs,
    cli::{
        args::{ManifestArgs, Release},
        console::Console,
        exit::Exit,
        problem::Problem,
        render::{self, Plain, Show},
    },
    cx::Cx,
    eksa::{EksaError, Manifests},
    fetch::Gate,
};
use std::{path::Path, sync::Arc};

/// `goldsmith release …`
pub(super) fn command(what: &Release, console: &Console) -> Result<Exit, Problem> {
    match what {
        Release::List(arguments) => list::run(arguments, console),
        Release::Show(arguments) => show::run(arguments, console),
    }
}

/// How much a command shows while it works.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// Warnings: it is over in a moment.
    Warnings,
    /// What there is to see.
    Progress,
}

/// Runs `work` with the manifests of `release` as a task called `name` about `subject`. Returns what it made and how the command ends; what went
/// wrong was told.
pub(super) fn run<T>(
    console: &Console,
    (manifests, release): (&ManifestArgs, Option<&String>),
    about: (&str, &Path, Shown),
    work: impl AsyncFnOnce(&Cx, &Manifests) -> Result<T, EksaError>,
) -> Result<(Option<T>, Exit), Problem> {
    run_behind(Gate::open(), console, (manifests, release), about, work)
}

/// The same, where addresses go through `gate`.
pub(super) fn run_behind<T>(
    gate: Gate,
    console: &Console,
    (manifests, release): (&ManifestArgs, Option<&String>),
    about: (&str, &Path, Shown),
    work: impl AsyncFnOnce(&Cx, &Manifests) -> Result<T, EksaError>,
) -> Result<(Option<T>, Exit), Problem> {
    let wanted = manifests.said(release).wanted(|name| std::env::var(name).ok()).map_err(Problem::Eksa)?;
    let dirs = dirs()?;
    let manifests = Manifests::open(dirs.cache(), wanted).map_err(Problem::Eksa)?.behind(gate);
    with_dirs(console, &dirs, about, async |cx: &Cx| work(cx, &manifests).await)
}

/// Runs `work` as a task called `name` about `subject`.
fn with_dirs<T>(
    console: &Console,
    dirs: &Dirs,
    (name, subject, shown): (&str, &Path, Shown),
    work: impl AsyncFnOnce(&Cx) -> Result<T, EksaError>,
) -> Result<(Option<T>, Exit), Problem> {
    let show: Arc<dyn Show> = match shown {
        Shown::Warnings => Arc::new(Plain::new(console.hushed(), false)),
        Shown::Progress => render::choose(console, &[name]),
    };
    task::run(console, (&show, dirs), (name, subject), Problem::Eksa, work)
}

/// Columns as wide as what is in them; the last is as long as it is.
pub(in crate::cli::commands) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = (0..header.len())
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain([header[column].len()]).max().unwrap_or(0)
        })
        .collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(&mut header.iter().copied())];
    lines.extend(rows.iter().map(|row| line(&mut row.iter().map(String::as_str))));
    lines.join("\n")
}
