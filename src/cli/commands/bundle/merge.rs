//! `goldsmith bundle merge`: several bundles in one that needs no other.
use super::{line, new_bundle, open, run as run_task, shrunk};
use crate::{
    bundle,
    cli::{args::MergeBundle, console::Console, exit::Exit, problem::Problem, theme::Tone, words::count},
};
use serde_json::json;

pub(super) fn run(arguments: &MergeBundle, console: &Console) -> Result<Exit, Problem> {
    let to = new_bundle(&arguments.output, &arguments.bundles.files)?;
    let bundles = open(&arguments.bundles.files)?;
    let cards = if arguments.newest { bundles.newest() } else { bundles.cards() };
    let (level, total) = (arguments.output.level, cards.iter().map(|card| card.bytes).sum());
    let (written, exit) = run_task(console, ("bundle-merge", &to), async |cx, _| {
        Ok(Box::pin(bundle::merge(cx, &bundles, arguments.newest, &to, level)).await?)
    })?;
    let Some(written) = written else { return Ok(exit) };
    if console.json() {
        line(
            console,
            &json!({
                "event": "bundled", "path": to, "id": written.id, "bytes": written.bytes, "files": cards.len(), "total": total,
            }),
        )?;
        return Ok(exit);
    }
    let theme = console.err_theme();
    let name = theme.paint(Tone::Strong, arguments.output.output.display().to_string());
    let files = count(cards.len(), "file");
    console.note(&format!(
        "{} {name}: {files}, {}, {}",
        theme.mark(true),
        shrunk(total, written.bytes),
        written.id
    ));
    if !console.out_is_terminal() {
        console.out(&arguments.output.output.display().to_string());
    }
    Ok(exit)
}
