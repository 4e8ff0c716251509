//! How commands end that made something: a line of JSON, or a summary for people and the name of what was made for scripts.
use crate::{
    cli::{
        console::{Console, Verbosity},
        problem::Problem,
        theme::{Theme, Tone},
    },
    value::HumanDuration,
};
use serde::Serialize;
use std::time::Instant;

/// The last line of `--json`.
#[derive(Serialize)]
struct Line<'a, T> {
    /// `published`, `exported`
    event: &'static str,
    #[serde(flatten)]
    made: &'a T,
    seconds: HumanDuration,
}

/// Tells what was made since `begun`: `summary` to people, `name` to whoever reads standard output.
pub(super) fn tell<T: Serialize>(
    console: &Console,
    begun: Instant,
    (event, made): (&'static str, &T),
    name: &str,
    summary: impl FnOnce(&Theme, HumanDuration) -> String,
) -> Result<(), Problem> {
    let seconds: HumanDuration = begun.elapsed().into();
    if console.json() {
        let line = serde_json::to_string(&Line { event, made, seconds });
        console.out(&line.map_err(|error| Problem::Internal(error.to_string()))?);
        return Ok(());
    }
    if console.verbosity() != Verbosity::Quiet {
        console.note(&summary(console.err_theme(), seconds));
    }
    if !console.out_is_terminal() {
        console.out(name);
    }
    Ok(())
}

/// ```text
/// ✓ /DC0/vm/templates/web in 12 s, in place of the one before
///
///   template  vm-42 in vc.example.com
/// ```
pub(super) fn summary(
    theme: &Theme,
    name: &str,
    seconds: HumanDuration,
    more: &str,
    rows: &[(&str, String)],
) -> String {
    let strong = |text: &str| theme.paint(Tone::Strong, text);
    let mut text =
        format!("{} {} in {}{more}\n", theme.mark(true), strong(name), strong(&seconds.to_string()));
    for (label, value) in rows {
        text.push_str(&format!("\n  {} {value}", theme.paint(Tone::Dim, format!("{label:<9}"))));
    }
    text
}
