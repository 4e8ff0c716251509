//! `goldsmith inputs`: what builds fetch.
use super::{dirs, door, pretty, task};
use crate::{
    build::{self, Inputs},
    cli::{
        args,
        console::Console,
        exit::Exit,
        problem::Problem,
        render::{self, Plain, Show},
        theme::{Theme, Tone, pad, pad_left},
        words::count,
    },
    cx::Cx,
    fetch::Fetcher,
    plan::{Input, InputKind, Plan},
    value::Size,
};
use serde::Serialize;
use std::{collections::BTreeSet, path::Path, sync::Arc};

/// What one build fetches, for scripts.
#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    bytes: u64,
    #[serde(flatten)]
    inputs: &'a Inputs,
}

/// Lists what builds fetch.
pub(super) fn run(arguments: &args::Inputs, console: &Console) -> Result<Exit, Problem> {
    let args::Inputs { definitions, guest } = arguments;
    let plans = match door::all_plans(definitions, console)? {
        Ok(plans) => plans,
        Err(exit) => return Ok(exit),
    };
    let subject = plans.first().map_or(Path::new("/"), |plan| plan.definition.as_path());
    let dirs = dirs()?;
    // The answer is one document, so events have no place beside it.
    let show: Arc<dyn Show> = if console.json() {
        Arc::new(Plain::new(console.hushed(), false))
    } else {
        render::choose(console, &["inputs"])
    };
    let fetcher = Fetcher::new(dirs.cache());
    let work = async |cx: &Cx| {
        let mut all = Vec::new();
        for plan in &plans {
            all.push(Box::pin(build::inputs(cx, plan, &fetcher, guest.as_deref())).await?);
        }
        Ok(all)
    };
    let (found, exit) = task::run(console, (&show, &dirs), ("inputs", subject), Problem::Build, work)?;
    let Some(found) = found else { return Ok(exit) };
    let builds: Vec<(&Plan, &Inputs)> = plans.iter().zip(&found).collect();
    if console.json() {
        let lines: Vec<Line<'_>> = builds
            .iter()
            .map(|(plan, inputs)| Line { name: &plan.name, bytes: bytes(&inputs.files), inputs })
            .collect();
        // One definition is one object; scripts that give several expect a list.
        console.out(&if let [line] = &lines[..] { pretty(line)? } else { pretty(&lines)? });
        return Ok(exit);
    }
    let theme = console.out_theme();
    let texts: Vec<String> = builds.iter().map(|(plan, inputs)| text(theme, &plan.name, inputs)).collect();
    console.out(&texts.join("\n\n"));
    Ok(exit)
}

/// Each file once: one may have several addresses.
fn different(files: &[Input]) -> impl Iterator<Item = &Input> {
    let mut seen = BTreeSet::new();
    files.iter().filter(move |file| file.digest.as_ref().is_none_or(|digest| seen.insert(digest)))
}

fn bytes(files: &[Input]) -> u64 {
    different(files).filter_map(|file| file.bytes).sum()
}

/// What a build fetches, for people.
fn text(theme: &Theme, name: &str, inputs: &Inputs) -> String {
    let size =
        |file: &Input| file.bytes.map_or_else(|| "?".to_owned(), |bytes| Size::bytes(bytes).to_string());
    let kinds = inputs.files.iter().map(|file| kind(file.kind).len()).max().unwrap_or(0);
    let sizes = inputs.files.iter().map(|file| size(file).len()).max().unwrap_or(0);
    let mut lines = vec![format!(
        "{} {}",
        theme.paint(Tone::Strong, name),
        theme.paint(
            Tone::Dim,
            format!(
                "{}, {}",
                count(different(&inputs.files).count(), "file"),
                Size::bytes(bytes(&inputs.files))
            )
        )
    )];
    for file in &inputs.files {
        lines.push(format!(
            "  {}  {}  {}",
            theme.paint(Tone::Dim, pad(kind(file.kind), kinds)),
            pad_left(&size(file), sizes),
            file.url
        ));
    }
    if !inputs.unknowable.is_empty() {
        lines.push(theme.paint(Tone::Strong, "cannot be known beforehand"));
    }
    for unknown in &inputs.unknowable {
        lines.push(format!("  {} {}", theme.mark(false), unknown.what));
        lines.push(format!("    {}", theme.paint(Tone::Dim, &unknown.needed_by)));
        if let Some(hint) = &unknown.hint {
            lines.push(format!("    {}", theme.paint(Tone::Dim, hint)));
        }
    }
    lines.join("\n")
}

/// In a word.
pub(super) const fn kind(kind: InputKind) -> &'static str {
    match kind {
        InputKind::Base => "base",
        InputKind::File => "file",
        InputKind::PackageIndex => "list",
        InputKind::Package => "package",
        InputKind::ContainerImage => "image",
        InputKind::Manifest => "manifest",
        InputKind::Key => "key",
    }
}
