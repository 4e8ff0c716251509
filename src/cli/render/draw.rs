//! Lines for a terminal: the lasting ones and the live ones below them.
//!
//! ```text
//!   ✓ connect           31 s                               lasting
//!   · provision         12 s  1/5 install tcpdump, jq      lasting
//!   ⠹ provision          8 s  2/5 install nginx            live
//!     │ Unpacking nginx (1.22.1-9) ...                     live
//!     next seal · shut-down · convert · verify             live
//! ```
use super::track::{Bar, Running, Track, since};
use crate::{
    cli::{
        theme::{Theme, Tone, columns, pad, pad_left, wrap},
        words::count,
    },
    cx::{Event, Level, Record, Sight, Stream, Unit},
    value::{HumanDuration, Size},
};
use jiff::Timestamp;

/// Columns of a duration: `59 min 59 s`.
const DURATION: usize = 11;

/// A wider bar says nothing more.
const WIDEST_BAR: usize = 32;

/// Columns of what stands behind a progress bar, at most times: bars that stand together are equally long then.
const FIGURES: usize = "460.8 MiB of 1.5 GiB  204.8 MiB/s  13 s left".len();

/// Columns of the gaps and of the percentage.
const BETWEEN: usize = 11;

/// How the lines of one build are drawn.
#[derive(Debug)]
pub(super) struct Draw<'a> {
    pub(super) theme: &'a Theme,
    /// Columns of the terminal.
    pub(super) width: usize,
    /// Columns of the longest build name when there are several builds; their lines begin with the name then.
    pub(super) names: Option<usize>,
    pub(super) verbose: bool,
}

impl Draw<'_> {
    /// What `record` leaves on the screen. `ended` is the stage that it ended.
    pub(super) fn lasting(&self, track: &Track, record: &Record, ended: Option<&Running>) -> Vec<String> {
        let theme = self.theme;
        let row = |mark: &str, stage: &str, seconds: &HumanDuration, detail: &str| {
            self.row(track, mark, stage, &seconds.to_string(), detail)
        };
        match &record.event {
            Event::StageFinished { stage, seconds } => {
                let detail = ended.map(|running| self.done_detail(running)).unwrap_or_default();
                vec![row(&theme.mark(true), stage, seconds, &detail)]
            }
            Event::StageFailed { stage, seconds, error } => {
                vec![row(&theme.mark(false), stage, seconds, &theme.prose(&first_line(error)))]
            }
            Event::StepFinished { index, label, seconds } => {
                let running = track.running.as_ref();
                let count = running
                    .map_or_else(|| index.to_string(), |running| format!("{index}/{}", running.steps.1));
                let stage = running.map_or("", |running| &running.stage);
                let detail = format!("{} {label}", theme.paint(Tone::Dim, count));
                vec![row(&theme.paint(Tone::Good, theme.symbols().dot), stage, seconds, &detail)]
            }
            Event::Message { level, text, hint } => {
                let head = match level {
                    Level::Notice => theme.paint(Tone::Accent, "note"),
                    Level::Warning => theme.paint(Tone::Warn, "warning"),
                };
                let text = format!("{head}: {}", theme.prose(text));
                let room = self.width.saturating_sub(columns(&self.prefix(track)) + 2);
                let mut lines: Vec<String> = Vec::new();
                for line in wrap(&text, room) {
                    let indent = if lines.is_empty() { "" } else { "  " };
                    lines.push(self.loose(track, &format!("{indent}{line}")));
                }
                // A hint may be a command, which must stay whole to be copied.
                if let Some(hint) = hint {
                    let head = theme.paint(Tone::Accent, "hint");
                    lines.push(self.loose(track, &format!("  {head}: {}", theme.prose(hint))));
                }
                lines
            }
            Event::Checked { subject, check } if !check.passed => vec![
                self.loose(track, &format!("{} {subject}: {}", theme.mark(false), theme.prose(&check.name))),
                self.loose(track, &format!("    expected {}", check.expected)),
                self.loose(track, &format!("    found    {}", check.found)),
            ],
            Event::Checked { subject, check } if self.verbose => {
                vec![
                    self.loose(
                        track,
                        &format!("{} {subject}: {}", theme.mark(true), theme.prose(&check.name)),
                    ),
                ]
            }
            Event::Output { source, line, stream } if self.verbose && *stream != Stream::Serial => {
                let head = theme.paint(Tone::Dim, format!("{source} {}", theme.symbols().gutter));
                vec![self.loose(track, &format!("{head} {line}"))]
            }
            Event::BuildFailed { .. } => match ended.and_then(|running| Some((running, running.undo?))) {
                Some((running, (done, all))) => {
                    let seconds = since(running.since, record.at);
                    let detail = theme.paint(Tone::Dim, format!("{done} of {all} removed"));
                    vec![row(&theme.mark(done == all), &running.stage, &seconds, &detail)]
                }
                None => Vec::new(),
            },
            Event::UndoFailed { what, error } => {
                let head = theme.paint(Tone::Warn, "warning");
                vec![self.loose(track, &format!("{head}: could not remove {}: {error}", theme.prose(what)))]
            }
            Event::Undone { what } if self.verbose => {
                vec![self.loose(track, &theme.paint(Tone::Dim, format!("removed {what}")))]
            }
            _ => Vec::new(),
        }
    }

    /// What goes on in `track` at `now`; at most `height` lines.
    pub(super) fn live(&self, track: &Track, now: Timestamp, height: usize) -> Vec<String> {
        let Some(running) = &track.running else { return Vec::new() };
        let theme = self.theme;
        let spinner = theme.symbols().spinner;
        let turn = (now.as_millisecond() / 100).rem_euclid(spinner.len() as i64) as usize;
        let mark = theme.paint(Tone::Accent, spinner[turn]);
        let elapsed = since(running.since, now);
        let wait = running.wait(now);
        let mut headline = Vec::new();
        if let Some(step) = &running.step {
            headline.push(format!(
                "{} {}",
                theme.paint(Tone::Dim, format!("{}/{}", step.index, step.total)),
                step.label
            ));
        } else if let Some((done, count)) = running.undo {
            headline.push(format!("{done} of {count} removed"));
        } else if running.checks.passed + running.checks.failed > 0 {
            headline.push(self.checks(running));
        }
        if let Some(wait) = wait {
            let limit = format!("({} of at most {})", whole(wait.elapsed(now)), wait.limit);
            headline.push(format!("waiting for {} {}", wait.what, theme.paint(Tone::Dim, limit)));
        }
        let detail = headline.join(&theme.paint(Tone::Dim, format!(" {} ", theme.symbols().dot)));
        let mut lines = vec![self.row(track, &mark, &running.stage, &whole(elapsed), &detail)];
        if let Some(wait) = wait {
            lines.push(self.below(&self.sights(&wait.seen)));
        }
        let label = running.bars.iter().map(|bar| columns(&bar.what)).max().unwrap_or(0);
        for bar in &running.bars {
            lines.push(self.below(&self.bar(bar, label)));
        }
        if let (Some(line), None, false) = (&running.line, wait, self.verbose) {
            let line = format!("{} {line}", theme.symbols().gutter);
            lines.push(self.below(&theme.paint(Tone::Dim, theme.fit(&line, self.room_below()))));
        }
        let next = track.to_come();
        if self.names.is_none() && !next.is_empty() {
            let next = next.join(&format!(" {} ", theme.symbols().dot));
            lines.push(
                self.below(&theme.paint(Tone::Dim, theme.fit(&format!("next {next}"), self.room_below()))),
            );
        }
        lines.truncate(height.max(1));
        lines
    }

    fn row(&self, track: &Track, mark: &str, stage: &str, duration: &str, detail: &str) -> String {
        let widest = track.stages.iter().map(|stage| columns(stage)).max().unwrap_or(0).max("clean-up".len());
        let line = format!(
            "{}{mark} {} {}  {detail}",
            self.prefix(track),
            pad(stage, widest),
            pad_left(duration, DURATION),
        );
        self.theme.fit(line.trim_end(), self.width)
    }

    /// A line that belongs to no stage. Never cut: it may hold what the user has to read or copy.
    fn loose(&self, track: &Track, text: &str) -> String {
        format!("{}{text}", self.prefix(track))
    }

    fn prefix(&self, track: &Track) -> String {
        match self.names {
            Some(width) => format!("  {} ", self.theme.paint(Tone::Accent, pad(&track.name, width))),
            None => "  ".to_owned(),
        }
    }

    fn indent(&self) -> usize {
        self.names.map_or(4, |width| width + 5)
    }

    fn room_below(&self) -> usize {
        self.width.saturating_sub(self.indent())
    }

    fn below(&self, text: &str) -> String {
        self.theme.fit(&format!("{:1$}{text}", "", self.indent()), self.width)
    }

    fn done_detail(&self, running: &Running) -> String {
        let checks = running.checks;
        if running.steps.0 > 0 {
            self.theme.paint(Tone::Dim, count(running.steps.0, "step"))
        } else if checks.passed + checks.failed > 0 {
            self.checks(running)
        } else {
            String::new()
        }
    }

    fn checks(&self, running: &Running) -> String {
        let checks = running.checks;
        let passed = self.theme.paint(Tone::Dim, count(checks.passed, "check"));
        if checks.failed == 0 {
            return passed;
        }
        format!("{passed}, {}", self.theme.paint(Tone::Bad, format!("{} failed", checks.failed)))
    }

    /// What a wait sees: `lease ✓ · port 22 ✗ (refused)`.
    pub(super) fn sights(&self, seen: &[Sight]) -> String {
        let symbols = self.theme.symbols();
        let sights: Vec<String> = seen
            .iter()
            .map(|sight| {
                let mark = match sight.up {
                    Some(up) => self.theme.mark(up),
                    None => self.theme.paint(Tone::Dim, symbols.unknown),
                };
                let detail =
                    if sight.detail.is_empty() { String::new() } else { format!(" ({})", sight.detail) };
                format!("{} {mark}{}", sight.label, self.theme.paint(Tone::Dim, detail))
            })
            .collect();
        sights.join(&self.theme.paint(Tone::Dim, format!(" {} ", symbols.dot)))
    }

    /// `label` is the width of the longest name of the bars that stand together.
    fn bar(&self, bar: &Bar, label: usize) -> String {
        let theme = self.theme;
        let mut figures = vec![amount(bar)];
        if let (Some(speed), Unit::Bytes) = (bar.speed(), bar.unit) {
            figures.push(format!("{}/s", Size::bytes(speed as u64)));
        }
        if let Some(left) = bar.left() {
            figures.push(format!("{left} left"));
        }
        let figures = figures.join("  ");
        let Some(fraction) = bar.fraction() else {
            return format!("{}  {}", bar.what, theme.paint(Tone::Dim, figures));
        };
        // The figures are the point; what is worked on gives way first, then the bar.
        let room = self.room_below().saturating_sub(columns(&figures).max(FIGURES) + BETWEEN);
        let cells = room.saturating_sub(label).clamp(room / 2, WIDEST_BAR.max(room / 2)).max(6);
        let label = label.min(room.saturating_sub(cells)).max(8);
        let what = pad(&theme.fit(&bar.what, label), label);
        let percent = format!("{:>3.0} %", (fraction * 100.0).floor());
        format!("{what}  {}  {percent}  {}", self.cells(fraction, cells), theme.paint(Tone::Dim, figures))
    }

    fn cells(&self, fraction: f64, cells: usize) -> String {
        let [full, head, rest] = self.theme.symbols().bar;
        let done = ((fraction * cells as f64).floor() as usize).min(cells);
        let mut begun = full.repeat(done);
        if done < cells {
            begun.push_str(head);
        }
        let rest = rest.repeat((cells - done).saturating_sub(1));
        format!("{}{}", self.theme.paint(Tone::Good, begun), self.theme.paint(Tone::Dim, rest))
    }
}

/// `1.2 GiB of 8 GiB`, `3 of 40`.
pub(super) fn amount(bar: &Bar) -> String {
    let text = |value: u64| match bar.unit {
        Unit::Bytes => Size::bytes(value).to_string(),
        Unit::Items => value.to_string(),
    };
    match bar.total {
        Some(total) => format!("{} of {}", text(bar.done), text(total)),
        None => text(bar.done),
    }
}

/// Whole seconds: tenths that change while one looks are only unrest.
pub(super) fn whole(duration: HumanDuration) -> String {
    match duration.get().as_secs() {
        0 => "0 s".to_owned(),
        seconds => HumanDuration::seconds(seconds).to_string(),
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
