//! `goldsmith gc`.
use super::{block_on, dirs, pretty};
use crate::{
    build::{self, Collected, DeadBuild, RealWorld},
    cli::{
        args,
        console::{Console, Verbosity},
        exit::Exit,
        failure,
        problem::Problem,
        render::{Plain, Show},
        signals,
        theme::{Theme, Tone},
    },
    cx::{Event, Stop},
};
use jiff::Timestamp;
use std::sync::Arc;

pub(super) fn run(arguments: &args::Gc, console: &Console) -> Result<Exit, Problem> {
    let dirs = dirs()?;
    let now = Timestamp::now();
    if arguments.dry_run {
        let dead = build::dead_builds(&dirs).map_err(Problem::Build)?;
        if console.json() {
            console.out(&pretty(&dead)?);
        } else {
            console.out(&listed(console.out_theme(), &dead, now));
        }
        return Ok(Exit::Ok);
    }
    let stop = Stop::default();
    let collected = block_on(async {
        let show: Arc<dyn Show> = Arc::new(Plain::new(console.clone(), false));
        let _watch = signals::watch(stop.clone(), show, console.err_theme().clone())
            .map_err(|error| Problem::host("could not listen for signals", error))?;
        let world = RealWorld::new(dirs.clone());
        let report = |build: &DeadBuild, event: Event| progress(console, build, &event, now);
        build::collect(&world, &dirs, &stop, &report).await.map_err(Problem::Build)
    })??;
    if console.json() {
        console.out(&pretty(&json(&collected))?);
    } else {
        let text = verdict(console.err_theme(), &collected);
        let say = if collected.is_clean() { Console::note } else { Console::err };
        say(console, &text);
    }
    Ok(match (collected.is_clean(), stop.is_cancelled()) {
        (true, _) => Exit::Ok,
        (false, false) => Exit::Leftovers,
        (false, true) => Exit::InterruptedLeftovers,
    })
}

/// `web (build 3f2a9c41b7d0), 3 hours old`
fn headline(theme: &Theme, build: &DeadBuild, now: Timestamp) -> String {
    match &build.header {
        Some(header) => {
            let age = age(now.duration_since(header.created).as_secs());
            let note = format!("(build {}, {age} old)", header.build);
            format!("{} {}", theme.paint(Tone::Strong, &header.name), theme.paint(Tone::Dim, note))
        }
        None => format!("{} (it died before it wrote its name)", theme.path(&build.journal)),
    }
}

/// An age in one unit: nobody needs more.
fn age(seconds: i64) -> String {
    let (n, unit) = match seconds.max(0) {
        s if s < 120 => (s, "second"),
        s if s < 2 * 3600 => (s / 60, "minute"),
        s if s < 2 * 86_400 => (s / 3600, "hour"),
        s => (s / 86_400, "day"),
    };
    if n == 1 { format!("1 {unit}") } else { format!("{n} {unit}s") }
}

/// What would be removed.
pub(in crate::cli) fn listed(theme: &Theme, dead: &[DeadBuild], now: Timestamp) -> String {
    if dead.is_empty() {
        return "nothing was left behind".to_owned();
    }
    let mut lines = Vec::new();
    for build in dead {
        lines.push(headline(theme, build, now));
        for undo in &build.owed {
            lines.push(format!("  {}", theme.prose(&undo.to_string())));
        }
        if build.owed.is_empty() {
            lines.push("  only its journal".to_owned());
        }
    }
    lines.join("\n")
}

fn progress(console: &Console, build: &DeadBuild, event: &Event, now: Timestamp) {
    let theme = console.err_theme();
    match event {
        Event::UndoStarted { .. } => console.note(&headline(theme, build, now)),
        Event::Undone { what } => {
            console.note(&format!("  {} removed {}", theme.mark(true), theme.prose(what)));
        }
        // The verdict says it, with the cause.
        Event::UndoFailed { what, .. } if console.verbosity() != Verbosity::Quiet => {
            console.note(&format!("  {} could not remove {}", theme.mark(false), theme.prose(what)));
        }
        _ => {}
    }
}

/// What was done in all, and what stays.
pub(in crate::cli) fn verdict(theme: &Theme, collected: &Collected) -> String {
    let mut lines = Vec::new();
    for path in &collected.strays {
        lines.push(format!("{} removed {}, which belonged to no build", theme.mark(true), theme.path(path)));
    }
    for (_, report) in &collected.builds {
        let text = failure::leftovers(theme, &report.leftovers);
        if !text.is_empty() {
            lines.push(text.trim().to_owned());
        }
    }
    for (path, why) in &collected.failures {
        let chain = [format!("could not deal with `{}`", path.display()), why.clone()];
        lines.push(failure::chain(theme, &chain, &[]));
    }
    if collected.is_clean() {
        let things: usize =
            collected.builds.iter().map(|(_, report)| report.undone).sum::<usize>() + collected.strays.len();
        lines.push(match (things, collected.builds.len()) {
            (0, 0) => format!("{} nothing was left behind", theme.mark(true)),
            (1, _) => format!("{} removed 1 thing; nothing is left", theme.mark(true)),
            (things, _) => format!("{} removed {things} things; nothing is left", theme.mark(true)),
        });
    }
    lines.join("\n")
}

fn json(collected: &Collected) -> serde_json::Value {
    let builds: Vec<_> = collected
        .builds
        .iter()
        .map(|(build, report)| {
            let leftovers: Vec<_> = report
                .leftovers
                .iter()
                .map(|left| serde_json::json!({ "what": left.undo, "why": causes(&left.error) }))
                .collect();
            serde_json::json!({
                "journal": build.journal, "header": build.header, "undone": report.undone, "leftovers": leftovers,
            })
        })
        .collect();
    let failures: Vec<_> = collected
        .failures
        .iter()
        .map(|(path, why)| serde_json::json!({ "path": path, "why": why }))
        .collect();
    serde_json::json!({
        "clean": collected.is_clean(), "builds": builds, "strays": collected.strays, "failures": failures,
    })
}

fn causes(error: &dyn std::error::Error) -> Vec<String> {
    std::iter::successors(error.source(), |error| error.source()).map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_one_unit() {
        let ages: Vec<String> = [-5, 1, 119, 120, 7199, 7200, 200_000].into_iter().map(age).collect();
        assert_eq!(
            ages,
            ["0 seconds", "1 second", "119 seconds", "2 minutes", "119 minutes", "2 hours", "2 days"]
        );
    }
}
