//! `goldsmith bundle verify`: all bytes of bundles, and whether builds find their inputs.
use super::{line, needs, open, run as run_task};
use crate::{
    bundle::{self, Bundles, Damage},
    cli::{
        args::VerifyBundle, commands::load, console::Console, exit::Exit, failure, problem::Problem,
        words::count,
    },
    fetch::{Fetcher, Stock as _},
    plan::{Input, Plan},
    value::Size,
};
use serde_json::json;
use std::path::Path;

pub(super) fn run(arguments: &VerifyBundle, console: &Console) -> Result<Exit, Problem> {
    let inputs = load::inputs(&arguments.inputs, None);
    let plans = load::all(&arguments.definition, &inputs, &arguments.selection)?;
    let bundles = open(&arguments.bundles.files)?;
    let subject = arguments.bundles.files.first().map_or(Path::new("bundle"), |path| path.as_path());
    let (found, exit) = run_task(console, ("bundle-verify", subject), async |cx, dirs| {
        let verdict = Box::pin(bundle::verified(cx, &bundles)).await?;
        let missing = missing(cx, dirs.cache(), &plans, (arguments.guest.as_deref(), &bundles)).await?;
        Ok((verdict, missing))
    })?;
    let Some((verdict, missing)) = found else { return Ok(exit) };
    let well = verdict.damaged.is_empty() && missing.is_empty();
    if console.json() {
        line(
            console,
            &json!({
                "event": "verified", "bundles": bundles.about(), "files": verdict.files, "bytes": verdict.bytes,
                "damaged": verdict.damaged, "missing": missing,
            }),
        )?;
    } else {
        let theme = console.err_theme();
        if !verdict.damaged.is_empty() {
            let said = format!("in `{}`, {} damaged", bundles.name(), are(verdict.damaged.len(), "part"));
            let mut chain = vec![said];
            chain.extend(verdict.damaged.iter().map(damage));
            console.err(&failure::chain(
                theme,
                &chain,
                &["carry it over anew: what is damaged cannot be mended".to_owned()],
            ));
        }
        if !missing.is_empty() {
            let said = format!("{} not in the bundle", are(missing.len(), "input"));
            let mut chain = vec![said];
            chain.extend(
                missing.iter().map(|input| format!("`{}` (needed by {})", input.url, input.needed_by)),
            );
            let hint =
                "`goldsmith bundle create DEFINITION --since FILE -o NEW` makes a bundle of what is missing";
            console.err(&failure::chain(theme, &chain, &[hint.to_owned()]));
        }
        if well {
            let (files, bytes) = (count(verdict.files, "file"), Size::bytes(verdict.bytes));
            let complete = if plans.is_empty() { "" } else { ", and all that is needed is there" };
            console.note(&format!(
                "{} {}: {files}, {bytes}, all as they were{complete}",
                theme.mark(true),
                bundles.name()
            ));
        }
    }
    Ok(if well { exit } else { exit.max(Exit::Failed) })
}

/// What builds need and the bundles do not have.
async fn missing(
    cx: &crate::cx::Cx,
    cache: &Path,
    plans: &[Plan],
    (guest, bundles): (Option<&str>, &Bundles),
) -> Result<Vec<Input>, super::Why> {
    let fetcher = Fetcher::new(cache);
    let mut missing: Vec<Input> = Vec::new();
    for needs in needs(cx, &fetcher, plans, guest).await? {
        for input in needs.files {
            let by_digest = || input.digest.as_ref().and_then(|digest| bundles.find_digest(digest));
            let here = bundles.find(&input.url).or_else(by_digest).is_some();
            if !here && missing.iter().all(|other| other.url != input.url) {
                missing.push(input);
            }
        }
    }
    Ok(missing)
}

fn damage(damage: &Damage) -> String {
    damage.urls.first().map_or_else(|| damage.why.clone(), |url| format!("`{url}`: {}", damage.why))
}

/// `1 part is`, `2 parts are`.
fn are(n: usize, what: &str) -> String {
    format!("{} {}", count(n, what), if n == 1 { "is" } else { "are" })
}
