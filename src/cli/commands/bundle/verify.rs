//! `goldsmith bundle verify`: all bytes of bundles, and whether builds find their inputs.
use super::{line, open, run as run_task};
use crate::{
    build,
    bundle::{self, Bundles, Damage},
    cli::{
        args::VerifyBundle, commands::load, console::Console, exit::Exit, failure, problem::Problem,
        words::count,
    },
    cx::Cx,
    fetch::{Fetcher, Gate, Stock},
    plan::{Input, Plan},
    value::Size,
};
use serde_json::json;
use std::{path::Path, sync::Arc};

pub(super) fn run(arguments: &VerifyBundle, console: &Console) -> Result<Exit, Problem> {
    let inputs = load::inputs(&arguments.inputs, None);
    let plans = load::all(&arguments.definition, &inputs, &arguments.selection)?;
    let bundles = Arc::new(open(&arguments.bundles.files)?);
    let subject = arguments.bundles.files.first().map_or(Path::new("bundle"), |path| path.as_path());
    let (found, exit) = run_task(console, ("bundle-verify", subject), async |cx, _| {
        let verdict = Box::pin(bundle::verified(cx, &bundles)).await?;
        let missing = missing(cx, &plans, (arguments.guest.as_deref(), &bundles)).await?;
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

/// What builds need and the bundles do not have: neither a server nor a copy on this host is asked.
async fn missing(
    cx: &Cx,
    plans: &[Plan],
    (guest, bundles): (Option<&str>, &Arc<Bundles>),
) -> Result<Vec<Input>, super::Why> {
    let stock: Arc<dyn Stock> = Arc::<Bundles>::clone(bundles);
    let fetcher = Fetcher::new(cx.work().join("cache")).behind(Gate::closed(vec![stock], Vec::new()));
    let mut missing: Vec<Input> = Vec::new();
    for plan in plans {
        for input in Box::pin(build::lacking(cx, plan, &fetcher, guest)).await? {
            if missing.iter().all(|other| other.url != input.url) {
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
