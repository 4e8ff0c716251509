//! One line for each event, with the time since the start: for logs, pipes and CI.
use super::{
    Show,
    draw::{Draw, amount, whole},
    track::{Bar, Running, Track, since},
};
use crate::{
    cli::{
        console::{Console, Verbosity},
        theme::{Theme, Tone},
    },
    cx::{BuildId, Event, Level, Record, Sink, Stream, Unit},
    value::Size,
};
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Lines about the same wait or the same work come so often; a log of an hour stays readable.
const EVERY: SignedDuration = SignedDuration::from_secs(10);

/// Progress is worth a line earlier when it grew by so much, but never earlier than [`SOONEST`]: what is over in a moment
/// needs no line at all.
const STRIDE: f64 = 0.1;

/// The least time between two lines about the same work.
const SOONEST: SignedDuration = SignedDuration::from_secs(3);

/// The renderer of plain lines.
#[derive(Debug)]
pub(in crate::cli) struct Plain {
    console: Console,
    lines: Mutex<Lines>,
}

/// Turns records into lines. Knows no stream, so that tests can have the lines.
#[derive(Debug)]
pub(super) struct Lines {
    theme: Theme,
    verbosity: Verbosity,
    /// Several builds: each line says which one it is about.
    named: bool,
    start: Option<Timestamp>,
    builds: HashMap<BuildId, Seen>,
}

/// What was last said about one build.
#[derive(Debug)]
struct Seen {
    track: Track,
    wait: Option<(String, Timestamp)>,
    bars: HashMap<String, (f64, Timestamp)>,
    /// A build that went well has only its temporary files to remove: nobody asks about those.
    failed: bool,
}

impl Lines {
    pub(super) fn new(theme: Theme, verbosity: Verbosity, named: bool) -> Self {
        Self { theme, verbosity, named, start: None, builds: HashMap::new() }
    }

    /// The lines of one record.
    pub(super) fn take(&mut self, record: &Record) -> Vec<String> {
        let start = *self.start.get_or_insert(record.at);
        let seen = self.builds.entry(record.build.clone()).or_insert_with(|| Seen {
            track: Track::new(&record.name),
            wait: None,
            bars: HashMap::new(),
            failed: false,
        });
        let ended = seen.track.apply(record);
        let quiet = self.verbosity == Verbosity::Quiet;
        let mut lines = if quiet {
            Vec::new()
        } else {
            seen.progress(&self.theme, self.verbosity, record, ended.as_ref())
        };
        lines.extend(warnings(&self.theme, &record.event, quiet));
        let clock = self.theme.paint(Tone::Dim, clock(start, record.at));
        let head = match (quiet, self.named) {
            (true, true) => format!("{}: ", record.name),
            (true, false) => String::new(),
            (false, true) => format!("{clock} {}: ", self.theme.paint(Tone::Accent, &record.name)),
            (false, false) => format!("{clock} "),
        };
        lines.iter().map(|line| format!("{head}{line}")).collect()
    }
}

impl Seen {
    fn progress(
        &mut self,
        theme: &Theme,
        verbosity: Verbosity,
        record: &Record,
        ended: Option<&Running>,
    ) -> Vec<String> {
        let verbose = verbosity == Verbosity::Verbose;
        let at = record.at;
        let line = match &record.event {
            Event::BuildStarted { definition, logs, .. } => format!(
                "building {} (build {}), logs in {}",
                theme.path(definition),
                record.build,
                theme.path(logs)
            ),
            Event::StageStarted { stage } => {
                self.wait = None;
                self.bars.clear();
                theme.paint(Tone::Strong, format!("stage {stage}"))
            }
            Event::StageFinished { stage, seconds } => {
                let checks = ended.map_or(0, |running| running.checks.passed);
                let checks = if checks > 0 { format!(", {checks} checks passed") } else { String::new() };
                format!("stage {stage} {} in {seconds}{checks}", theme.paint(Tone::Good, "done"))
            }
            Event::StageFailed { stage, seconds, error } => {
                self.failed = true;
                format!("stage {stage} {} after {seconds}: {error}", theme.paint(Tone::Bad, "failed"))
            }
            Event::StepStarted { index, total, label } => format!("step {index}/{total}: {label}"),
            Event::StepFinished { index, seconds, .. } => format!("step {index} done in {seconds}"),
            Event::Progress { what, .. } => match self.bar_line(what, at) {
                Some(line) => line,
                None => return Vec::new(),
            },
            Event::Waiting { what, limit, .. } => {
                let recent = self
                    .wait
                    .as_ref()
                    .is_some_and(|(last, when)| last == what && at.duration_since(*when) < EVERY);
                let wait = self.track.running.as_ref().and_then(|running| running.wait(at));
                let Some(wait) = wait.filter(|_| !recent) else { return Vec::new() };
                let sights = Draw { theme, width: usize::MAX, names: None, verbose }.sights(&wait.seen);
                self.wait = Some((what.clone(), at));
                let seen = if sights.is_empty() { String::new() } else { format!(": {sights}") };
                format!("waiting for {what}{seen} ({} of at most {limit})", whole(wait.elapsed(at)))
            }
            Event::Output { source, stream, line } => {
                if *stream == Stream::Serial && !verbose {
                    return Vec::new();
                }
                format!("  {} {line}", theme.paint(Tone::Dim, format!("{source} |")))
            }
            Event::Message { level: Level::Notice, text, hint } => {
                return with_hint(
                    theme,
                    format!("{}: {text}", theme.paint(Tone::Accent, "note")),
                    hint.as_deref(),
                );
            }
            Event::Checked { subject, check } if check.passed && verbose => {
                format!("{} {subject}: {}", theme.mark(true), check.name)
            }
            Event::Artifact { path, format, bytes, sha256 } => {
                format!("delivered {} ({format}, {}, sha256 {sha256})", theme.path(path), Size::bytes(*bytes))
            }
            Event::Ami { id, name, region, snapshots } => {
                format!("registered {id} ({name}) in {region}, made of {}", snapshots.join(", "))
            }
            Event::Kept { id, place, .. } => format!("delivered {id} in {place}"),
            Event::UndoStarted { count } if *count > 0 && self.failed => {
                format!("cleaning up: {count} to remove")
            }
            Event::Undone { what } if verbose => format!("removed {what}"),
            _ => return Vec::new(),
        };
        vec![line]
    }

    fn bar_line(&mut self, what: &str, at: Timestamp) -> Option<String> {
        let bar = self.track.running.as_ref()?.bars.iter().find(|bar| bar.what == what)?;
        let fraction = bar.fraction().unwrap_or(0.0);
        let Some((last, when)) = self.bars.get(what) else {
            self.bars.insert(what.to_owned(), (fraction, at));
            return None;
        };
        let quiet = at.duration_since(*when);
        if quiet < SOONEST || (quiet < EVERY && fraction - last < STRIDE) {
            return None;
        }
        self.bars.insert(what.to_owned(), (fraction, at));
        Some(bar_text(bar))
    }
}

fn bar_text(bar: &Bar) -> String {
    let mut text = format!("{}:", bar.what);
    if let Some(fraction) = bar.fraction() {
        text.push_str(&format!(" {:.0} %,", (fraction * 100.0).floor()));
    }
    text.push_str(&format!(" {}", amount(bar)));
    if let (Some(speed), Unit::Bytes) = (bar.speed(), bar.unit) {
        text.push_str(&format!(", {}/s", Size::bytes(speed as u64)));
    }
    if let Some(left) = bar.left().filter(|left| !left.get().is_zero()) {
        text.push_str(&format!(", {left} left"));
    }
    text
}

/// What is shown even to those who want quiet.
fn warnings(theme: &Theme, event: &Event, quiet: bool) -> Vec<String> {
    let warning = theme.paint(Tone::Warn, "warning");
    match event {
        Event::Message { level: Level::Warning, text, hint } => {
            with_hint(theme, format!("{warning}: {text}"), hint.as_deref())
        }
        Event::Checked { subject, check } if !check.passed => vec![
            format!("{} {subject}: {}", theme.mark(false), check.name),
            format!("    expected {}", check.expected),
            format!("    found    {}", check.found),
        ],
        // The failure text says it again for those who saw nothing else.
        Event::UndoFailed { what, error } if !quiet => {
            vec![format!("{warning}: could not remove {what}: {error}")]
        }
        _ => Vec::new(),
    }
}

fn with_hint(theme: &Theme, line: String, hint: Option<&str>) -> Vec<String> {
    let hint = hint.map(|hint| format!("  {}: {hint}", theme.paint(Tone::Accent, "hint")));
    std::iter::once(line).chain(hint).collect()
}

/// `[02:31]`, `[1:02:31]`.
fn clock(start: Timestamp, at: Timestamp) -> String {
    let seconds = since(start, at).get().as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("[{hours}:{minutes:02}:{seconds:02}]")
    } else {
        format!("[{minutes:02}:{seconds:02}]")
    }
}

impl Plain {
    pub(in crate::cli) fn new(console: Console, named: bool) -> Self {
        let lines = Lines::new(console.err_theme().clone(), console.verbosity(), named);
        Self { console, lines: Mutex::new(lines) }
    }
}

impl Sink for Plain {
    fn take(&self, record: &Record) {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner).take(record);
        if !lines.is_empty() {
            self.console.err(&lines.join("\n"));
        }
    }
}

impl Show for Plain {
    fn say(&self, text: &str) {
        self.console.err(text);
    }

    fn sink(self: Arc<Self>) -> Arc<dyn Sink> {
        self
    }
}
