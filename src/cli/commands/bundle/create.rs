//! `goldsmith bundle create`: every input of builds in one file.
use super::{gathered, line, lock, new_bundle, open, run as run_task, shrunk};
use crate::{
    bundle,
    cli::{
        args::CreateBundle, commands::load, console::Console, exit::Exit, problem::Problem, theme::Tone,
        words::count,
    },
    fetch::Fetcher,
    plan::Input,
    value::{Digest, HumanDuration},
};
use serde::Serialize;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Instant,
};

/// The last line of `bundle create --json`.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Line<'a> {
    /// `bundled`
    event: &'static str,
    path: &'a Path,
    id: &'a Digest,
    since: &'a [Digest],
    bytes: u64,
    files: usize,
    total: u64,
    locks: &'a [PathBuf],
    seconds: HumanDuration,
}

pub(super) fn run(arguments: &CreateBundle, console: &Console) -> Result<Exit, Problem> {
    let begun = Instant::now();
    let to = new_bundle(&arguments.output, &arguments.since)?;
    let inputs = load::inputs(&arguments.inputs, None);
    let plans = load::all(&arguments.definitions, &inputs, &arguments.selection)?;
    let mut listed = Vec::new();
    for list in &arguments.lists {
        listed.extend(read_list(list)?);
    }
    let since = if arguments.since.is_empty() { None } else { Some(open(&arguments.since)?) };
    let level = arguments.output.level;
    let (made, exit) = run_task(console, ("bundle-create", &to), async |cx, dirs| {
        let (needs, gathered) =
            gathered(cx, &Fetcher::new(dirs.cache()), &plans, (arguments.guest.as_deref(), &listed)).await?;
        let locks = if arguments.no_lock { Vec::new() } else { lock::write(cx, &needs, &gathered).await? };
        // What came under several addresses is one file.
        let (files, total) = {
            let each = gathered.iter().map(|one| (&one.sha256, one.bytes));
            let once: BTreeMap<&Digest, u64> = each.collect();
            (once.len(), once.values().sum::<u64>())
        };
        let written = Box::pin(bundle::create(cx, gathered, &to, (level, since))).await?;
        Ok((written, files, total, locks))
    })?;
    let Some((written, files, total, locks)) = made else { return Ok(exit) };
    if console.json() {
        let (seconds, event) = (begun.elapsed().into(), "bundled");
        let (path, id, bytes, locks) = (to.as_path(), &written.id, written.bytes, locks.as_slice());
        line(console, &Line { event, path, id, since: &written.since, bytes, files, total, locks, seconds })?;
        return Ok(exit);
    }
    let theme = console.err_theme();
    let name = theme.paint(Tone::Strong, arguments.output.output.display().to_string());
    let (mark, files) = (theme.mark(true), count(files, "file"));
    console.note(&format!("{mark} {name}: {files}, {}, {}", shrunk(total, written.bytes), written.id));
    for id in &written.since {
        console.note(&format!("  {}", theme.paint(Tone::Dim, format!("to be used with the bundle {id}"))));
    }
    for lock in &locks {
        console.note(&format!("{mark} {}", theme.path(lock)));
    }
    if !console.out_is_terminal() {
        console.out(&arguments.output.output.display().to_string());
    }
    Ok(exit)
}

/// Inputs that the user lists: what is needed, or what `goldsmith inputs --json` printed.
fn read_list(path: &Path) -> Result<Vec<Input>, Problem> {
    let failed = |why: String| {
        Problem::usage(format!("could not read the list `{}`: {why}", path.display())).hint(
            r#"it is JSON: [{"url": "https://…", "kind": "file", "needed-by": "…", "digest": "sha256:…"}], the last of which may be left out; or what `goldsmith inputs --json` prints"#,
        )
    };
    let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let mut list: Value = serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))?;
    let parts = match &mut list {
        Value::Array(parts) => std::mem::take(parts),
        one => vec![one.take()],
    };
    let mut inputs = Vec::new();
    for mut part in parts {
        let files = part.get_mut("files").map(Value::take);
        match files {
            Some(files) => {
                let files: Vec<Input> =
                    serde_json::from_value(files).map_err(|error| failed(error.to_string()))?;
                inputs.extend(files);
            }
            None => inputs.push(serde_json::from_value(part).map_err(|error| failed(error.to_string()))?),
        }
    }
    Ok(inputs)
}
