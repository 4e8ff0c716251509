//! `goldsmith bundle list`: what is in bundles.
use super::{open, shrunk};
use crate::{
    bundle::{About, Card},
    cli::{
        args::ListBundle,
        commands::{inputs::kind, pretty, release::table},
        console::Console,
        exit::Exit,
        problem::Problem,
        theme::{Theme, Tone},
        words::count,
    },
    value::Size,
};
use serde_json::json;

pub(super) fn run(arguments: &ListBundle, console: &Console) -> Result<Exit, Problem> {
    let bundles = open(&arguments.bundles.files)?;
    let (about, cards) = (bundles.about(), bundles.cards());
    if console.json() {
        console.out(&pretty(&json!({ "bundles": about, "files": cards }))?);
        return Ok(Exit::Ok);
    }
    let theme = console.out_theme();
    let mut parts: Vec<String> = about.iter().map(|about| bundle(theme, about)).collect();
    if !cards.is_empty() {
        let rows: Vec<Vec<String>> = cards.iter().map(row).collect();
        parts.push(table(&["SIZE", "KIND", "ADDRESS", "NEEDED BY"], &rows));
    }
    console.out(&parts.join("\n\n"));
    Ok(Exit::Ok)
}

fn bundle(theme: &Theme, about: &About) -> String {
    let mut lines = vec![
        theme.paint(Tone::Strong, about.path.display().to_string()),
        format!("  {}", about.id),
        format!("  {}, {}", count(about.files, "file"), shrunk(about.total, about.bytes)),
    ];
    let once = if about.since.is_empty() {
        format!("each stretch once: {}, packed {}", Size::bytes(about.unique), Size::bytes(about.stored))
    } else {
        format!("of them in this file: {}, packed {}", Size::bytes(about.unique), Size::bytes(about.stored))
    };
    lines.push(format!("  {once}"));
    lines.extend(about.since.iter().map(|id| format!("  to be used with the bundle {id}")));
    lines.join("\n")
}

fn row(card: &Card) -> Vec<String> {
    let more = |n: usize| if n > 1 { format!(" (and {} more)", n - 1) } else { String::new() };
    let first = card.urls.first().map(ToString::to_string).unwrap_or_default();
    let needed = card.needed_by.first().cloned().unwrap_or_default();
    vec![
        Size::bytes(card.bytes).to_string(),
        kind(card.kind).to_owned(),
        format!("{first}{}", more(card.urls.len())),
        format!("{needed}{}", more(card.needed_by.len())),
    ]
}
