//! The live view: lasting lines scroll away above, what goes on is redrawn below them.
//!
//! indicatif owns the screen; what is on it is drawn by [`super::draw`], when indicatif asks for it.
use super::{Show, draw::Draw, track::Track};
use crate::{
    cli::{
        console::{Console, Verbosity},
        theme::{Theme, Tone},
    },
    cx::{BuildId, Event, Record, Sink},
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use jiff::Timestamp;
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A spinner that turns ten times a second looks alive and costs nothing.
const TICK: Duration = Duration::from_millis(100);

/// The renderer for terminals.
#[derive(Debug)]
pub(in crate::cli) struct Terminal {
    screen: Arc<Screen>,
    bar: ProgressBar,
    console: Console,
}

/// What is on the screen. Shared with the bar that draws it.
#[derive(Debug)]
pub(super) struct Screen {
    theme: Theme,
    verbose: bool,
    names: Option<usize>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    builds: Vec<(BuildId, Track)>,
    /// Lines that came during a pause.
    held: Option<Vec<String>>,
}

impl Screen {
    pub(super) fn new(theme: Theme, verbose: bool, names: Option<usize>) -> Self {
        Self { theme, verbose, names, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw(&self, width: usize) -> Draw<'_> {
        Draw { theme: &self.theme, width, names: self.names, verbose: self.verbose }
    }

    /// Takes one record; returns the lines that it leaves for good.
    pub(super) fn take(&self, record: &Record, width: usize) -> Vec<String> {
        let mut state = self.state();
        let known = state.builds.iter().position(|(id, _)| *id == record.build);
        let index = known.unwrap_or(state.builds.len());
        if known.is_none() {
            state.builds.push((record.build.clone(), Track::new(&record.name)));
        }
        let track = &mut state.builds[index].1;
        let ended = track.apply(record);
        let lines = match &record.event {
            Event::BuildStarted { definition, logs, .. } => self.opening(record, definition, logs),
            _ => self.draw(width).lasting(track, record, ended.as_ref()),
        };
        if matches!(record.event, Event::BuildFinished { .. } | Event::BuildFailed { .. }) {
            state.builds.remove(index);
        }
        match &mut state.held {
            Some(held) => {
                held.extend(lines);
                Vec::new()
            }
            None => lines,
        }
    }

    fn opening(&self, record: &Record, definition: &std::path::Path, logs: &std::path::Path) -> Vec<String> {
        let theme = &self.theme;
        let dim = |text: String| theme.paint(Tone::Dim, text);
        let dot = theme.symbols().dot;
        vec![
            format!(
                "{} {}",
                theme.paint(Tone::Strong, &record.name),
                dim(format!("{dot} {} {dot} build {}", theme.path(definition), record.build))
            ),
            dim(format!("  logs in {}", theme.path(logs))),
        ]
    }

    /// What is live at `now`, on a terminal of this size.
    pub(super) fn live(&self, now: Timestamp, width: usize, height: usize) -> Vec<String> {
        let state = self.state();
        if state.held.is_some() || state.builds.is_empty() {
            return Vec::new();
        }
        // Lines that do not fit on the screen could not be taken back.
        let share = height.saturating_sub(2) / state.builds.len();
        let draw = self.draw(width);
        let mut lines: Vec<String> =
            state.builds.iter().flat_map(|(_, track)| draw.live(track, now, share)).collect();
        lines.truncate(height.saturating_sub(1).max(1));
        lines
    }
}

fn size() -> (usize, usize) {
    let (height, width) = console::Term::stderr().size();
    // The last column stays free: some terminals wrap when it is written.
    (usize::from(width).saturating_sub(1).max(20), usize::from(height).max(4))
}

impl Terminal {
    pub(in crate::cli) fn new(console: &Console, names: Option<usize>) -> Self {
        let verbose = console.verbosity() == Verbosity::Verbose;
        let screen = Arc::new(Screen::new(console.err_theme().clone(), verbose, names));
        let drawn = Arc::clone(&screen);
        let frame = move |_: &ProgressState, out: &mut dyn fmt::Write| {
            let (width, height) = size();
            let _ = out.write_str(&drawn.live(Timestamp::now(), width, height).join("\n"));
        };
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        // The template is a constant of ours; without it there is nothing to see, but nothing fails either.
        if let Ok(style) = ProgressStyle::with_template("{frame}") {
            bar.set_style(style.with_key("frame", frame));
        }
        bar.enable_steady_tick(TICK);
        Self { screen, bar, console: console.clone() }
    }

    /// Prints above the live lines. indicatif's own `println` fills lines with blanks up to the width of the terminal, which
    /// then wrap when the window becomes narrower, and are copied with the text.
    fn print(&self, text: &str) {
        self.bar.suspend(|| self.console.err(text));
    }
}

impl Sink for Terminal {
    fn take(&self, record: &Record) {
        // The lock is free again when the bar asks for the live lines.
        let lines = self.screen.take(record, size().0);
        if !lines.is_empty() {
            self.print(&lines.join("\n"));
        }
    }
}

impl Show for Terminal {
    fn say(&self, text: &str) {
        if self.screen.state().held.is_some() || self.bar.is_finished() {
            self.console.err(text);
        } else {
            self.print(text);
        }
    }

    fn pause(&self) {
        self.screen.state().held.get_or_insert_default();
        self.bar.disable_steady_tick();
        self.bar.force_draw();
    }

    fn resume(&self) {
        let held = self.screen.state().held.take().unwrap_or_default();
        if !held.is_empty() {
            self.print(&held.join("\n"));
        }
        self.bar.enable_steady_tick(TICK);
    }

    fn close(&self) {
        self.bar.finish_and_clear();
    }

    fn sink(self: Arc<Self>) -> Arc<dyn Sink> {
        self
    }
}
