//! Commands about bundles and locks, and what they share: what builds fetch, and a task with journal, progress and signals.
mod create;
mod extract;
mod list;
pub(super) mod lock;
mod merge;
mod push;
mod serve;
mod verify;

use super::{dirs, task};
use crate::{
    build::{self, BuildError, Dirs},
    bundle::{BundleError, Bundles, Gathered},
    cli::{
        args::{Bundle, BundleOutput},
        console::Console,
        exit::Exit,
        problem::Problem,
        render,
    },
    cx::Cx,
    fetch::Fetcher,
    plan::{Input, Plan},
    value::Size,
};
use std::path::{Path, PathBuf};

/// `goldsmith bundle …`
pub(super) fn command(what: &Bundle, console: &Console) -> Result<Exit, Problem> {
    match what {
        Bundle::Create(arguments) => create::run(arguments, console),
        Bundle::Verify(arguments) => verify::run(arguments, console),
        Bundle::List(arguments) => list::run(arguments, console),
        Bundle::Extract(arguments) => extract::run(arguments, console),
        Bundle::Merge(arguments) => merge::run(arguments, console),
        Bundle::Serve(arguments) => serve::run(arguments, console),
        Bundle::Push(arguments) => push::run(arguments, console),
    }
}

/// Why a task about bundles failed.
#[derive(Debug, thiserror::Error)]
enum Why {
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Build(#[from] BuildError),
}

impl Why {
    fn problem(self) -> Problem {
        match self {
            Self::Bundle(error) => Problem::Bundle(error),
            Self::Build(error) => Problem::Build(error),
        }
    }
}

/// Runs `work` as a task called `name` about `subject`. Returns what it made and how the command ends; what went wrong was told.
fn run<T>(
    console: &Console,
    (name, subject): (&str, &Path),
    work: impl AsyncFnOnce(&Cx, &Dirs) -> Result<T, Why>,
) -> Result<(Option<T>, Exit), Problem> {
    let show = render::choose(console, &[name]);
    let dirs = dirs()?;
    let work = async |cx: &Cx| Box::pin(work(cx, &dirs)).await;
    task::run(console, (&show, &dirs), (name, subject), Why::problem, work)
}

/// What one build needs.
struct Needs {
    build: String,
    definition: PathBuf,
    files: Vec<Input>,
}

/// What each build needs. What nobody can know is told.
async fn needs(
    cx: &Cx,
    fetcher: &Fetcher,
    plans: &[Plan],
    guest: Option<&str>,
) -> Result<Vec<Needs>, BuildError> {
    let mut all = Vec::new();
    for plan in plans {
        let found = Box::pin(build::inputs(cx, plan, fetcher, guest)).await?;
        for one in found.unknowable {
            cx.events()
                .warn(format!("`{}` may fetch more: {} ({})", plan.name, one.what, one.needed_by), one.hint);
        }
        all.push(Needs { build: plan.name.clone(), definition: plan.definition.clone(), files: found.files });
    }
    Ok(all)
}

/// Brings all of it here, and what is in `more`. Returns what each build needs, and each file once.
async fn gathered(
    cx: &Cx,
    fetcher: &Fetcher,
    plans: &[Plan],
    (guest, more): (Option<&str>, &[Input]),
) -> Result<(Vec<Needs>, Vec<Gathered>), Why> {
    let needs = needs(cx, fetcher, plans, guest).await?;
    let wanted: Vec<Input> = needs.iter().flat_map(|needs| &needs.files).chain(more).cloned().collect();
    let gathered = Box::pin(crate::bundle::gather(cx, fetcher, &wanted)).await?;
    Ok((needs, gathered))
}

/// Opens bundles that are only read.
fn open(files: &[PathBuf]) -> Result<Bundles, Problem> {
    Bundles::open(files).map_err(Problem::Bundle)
}

/// Where a new file goes, if it may.
fn target(output: &Path, force: bool) -> Result<PathBuf, Problem> {
    let to = absolute(output)?;
    if to.parent().is_none_or(|folder| !folder.is_dir()) || to.is_dir() {
        return Err(Problem::usage(format!("`{}` cannot be a file", output.display())));
    }
    if to.exists() && !force {
        return Err(Problem::usage(format!("`{}` is there already", output.display()))
            .hint("`--force` overwrites it"));
    }
    Ok(to)
}

/// The same for a bundle. It must be none of those that are read for it.
fn new_bundle(output: &BundleOutput, read: &[PathBuf]) -> Result<PathBuf, Problem> {
    let to = target(&output.output, output.force)?;
    let same =
        |path: &PathBuf| std::fs::canonicalize(path).ok() == std::fs::canonicalize(&to).ok() && to.exists();
    if read.iter().any(same) {
        return Err(Problem::usage(format!("`{}` is also read", output.output.display()))
            .hint("write to another path"));
    }
    Ok(to)
}

fn absolute(path: &Path) -> Result<PathBuf, Problem> {
    std::path::absolute(path)
        .map_err(|error| Problem::host(format!("could not find `{}`", path.display()), error))
}

/// One line of JSON.
fn line(console: &Console, value: &impl serde::Serialize) -> Result<(), Problem> {
    console.out(&serde_json::to_string(value).map_err(|error| Problem::Internal(error.to_string()))?);
    Ok(())
}

/// `1.2 GiB in a file of 300 MiB (25 %)`.
fn shrunk(total: u64, bytes: u64) -> String {
    let share = if total == 0 { 100.0 } else { bytes as f64 * 100.0 / total as f64 };
    format!("{} in a file of {} ({share:.0} %)", Size::bytes(total), Size::bytes(bytes))
}
