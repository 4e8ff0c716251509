//! `goldsmith bundle extract`: files out of bundles.
use super::{absolute, line, open, run as run_task, target};
use crate::{
    bundle::{self, Card},
    cli::{args::ExtractBundle, console::Console, exit::Exit, problem::Problem, theme::Tone, words::count},
    value::Size,
};
use serde_json::json;
use std::path::PathBuf;

pub(super) fn run(arguments: &ExtractBundle, console: &Console) -> Result<Exit, Problem> {
    let bundles = open(&arguments.bundles.files)?;
    let files: Vec<(PathBuf, Card)> = if let Some(url) = &arguments.url {
        let Some(card) = bundles.card(url) else {
            return Err(Problem::usage(format!("no file of the bundle is from `{url}`"))
                .hint("`goldsmith bundle list FILE` shows the addresses"));
        };
        vec![(target(&arguments.output, arguments.force)?, card.clone())]
    } else {
        let folder = absolute(&arguments.output)?;
        let files = bundle::tree(&bundles.cards(), &folder).map_err(Problem::Bundle)?;
        if let Some((path, _)) = files.iter().find(|(path, _)| path.exists() && !arguments.force) {
            return Err(
                Problem::usage(format!("`{}` is there already", path.display())).hint("`--force` overwrites")
            );
        }
        files
    };
    let to = absolute(&arguments.output)?;
    let (done, exit) = run_task(console, ("bundle-extract", &to), async |cx, _| {
        Ok(Box::pin(bundle::extract_all(cx, &bundles, &files)).await?)
    })?;
    if done.is_none() {
        return Ok(exit);
    }
    let bytes: u64 = files.iter().map(|(_, card)| card.bytes).sum();
    if console.json() {
        let files: Vec<_> = files
            .iter()
            .map(|(path, card)| json!({ "path": path, "sha256": card.sha256, "bytes": card.bytes }))
            .collect();
        line(console, &json!({ "event": "extracted", "files": files }))?;
        return Ok(exit);
    }
    let theme = console.err_theme();
    let name = theme.paint(Tone::Strong, arguments.output.display().to_string());
    console.note(&format!(
        "{} {name}: {}, {}",
        theme.mark(true),
        count(files.len(), "file"),
        Size::bytes(bytes)
    ));
    if !console.out_is_terminal() {
        for (path, _) in &files {
            console.out(&path.display().to_string());
        }
    }
    Ok(exit)
}
