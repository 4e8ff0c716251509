//! What is known about one running build: events go in, and the drawing looks at it. Knows no terminal.
use crate::{
    cx::{Event, Record, Sight, Unit},
    value::HumanDuration,
};
use jiff::{SignedDuration, Timestamp};
use std::{collections::VecDeque, time::Duration};

/// A wait that was not heard of for this long is over; waits report once a second.
const WAIT_STALE: SignedDuration = SignedDuration::from_secs(12);

/// Speeds are averages over this long: short enough to follow a change, long enough to be read.
const SPEED_WINDOW: SignedDuration = SignedDuration::from_secs(8);

/// One running build.
#[derive(Debug)]
pub(super) struct Track {
    /// The definition's name.
    pub(super) name: String,
    /// Stages to come, in order.
    pub(super) stages: Vec<String>,
    /// What goes on.
    pub(super) running: Option<Running>,
}

/// The running stage, or the clean-up.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) stage: String,
    pub(super) since: Timestamp,
    pub(super) step: Option<Step>,
    /// Steps that ended, of how many.
    pub(super) steps: (usize, usize),
    pub(super) checks: Checks,
    pub(super) bars: Vec<Bar>,
    /// The last line of output.
    pub(super) line: Option<String>,
    wait: Option<Wait>,
    /// Things removed, of how many; only while cleaning up.
    pub(super) undo: Option<(usize, usize)>,
}

/// The running provisioning step.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) index: usize,
    pub(super) total: usize,
    pub(super) label: String,
}

/// How many checks were made.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Checks {
    pub(super) passed: usize,
    pub(super) failed: usize,
}

/// A wait that goes on.
#[derive(Debug)]
pub(super) struct Wait {
    pub(super) what: String,
    pub(super) seen: Vec<Sight>,
    pub(super) limit: HumanDuration,
    at: Timestamp,
    elapsed: HumanDuration,
}

impl Wait {
    /// For how long already.
    pub(super) fn elapsed(&self, now: Timestamp) -> HumanDuration {
        (self.elapsed.get() + since(self.at, now).get()).into()
    }
}

/// Progress of one piece of work.
#[derive(Debug)]
pub(super) struct Bar {
    pub(super) what: String,
    pub(super) done: u64,
    pub(super) total: Option<u64>,
    pub(super) unit: Unit,
    samples: VecDeque<(Timestamp, u64)>,
}

impl Bar {
    pub(super) fn new(what: &str, at: Timestamp, done: u64, total: Option<u64>, unit: Unit) -> Self {
        Self { what: what.to_owned(), done, total, unit, samples: VecDeque::from([(at, done)]) }
    }

    pub(super) fn update(&mut self, at: Timestamp, done: u64, total: Option<u64>) {
        (self.done, self.total) = (done, total);
        self.samples.push_back((at, done));
        // One sample older than the window stays, so that the average spans the whole of it.
        while self.samples.len() > 2 && at.duration_since(self.samples[1].0) >= SPEED_WINDOW {
            self.samples.pop_front();
        }
    }

    /// From 0 to 1.
    pub(super) fn fraction(&self) -> Option<f64> {
        let total = self.total.filter(|total| *total > 0)?;
        Some((self.done as f64 / total as f64).min(1.0))
    }

    /// Units per second, once there is something to measure.
    pub(super) fn speed(&self) -> Option<f64> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        let seconds = last.0.duration_since(first.0).as_secs_f64();
        // A shorter span makes wild figures.
        (seconds >= 0.5 && last.1 >= first.1).then(|| (last.1 - first.1) as f64 / seconds)
    }

    /// Time that is left, at the present speed. Countable things take too differently long to foretell it.
    pub(super) fn left(&self) -> Option<HumanDuration> {
        if self.unit != Unit::Bytes {
            return None;
        }
        let rest = self.total?.checked_sub(self.done)?;
        let speed = self.speed().filter(|speed| *speed > 0.0)?;
        let left = Duration::try_from_secs_f64((rest as f64 / speed).ceil()).ok()?;
        // Beyond a day it is a guess about a stalled transfer.
        (left < Duration::from_secs(86_400)).then(|| left.into())
    }
}

/// Time from `from` to `to`, never negative: clocks may be set while a build runs.
pub(super) fn since(from: Timestamp, to: Timestamp) -> HumanDuration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default().into()
}

impl Running {
    fn new(stage: &str, since: Timestamp) -> Self {
        Self {
            stage: stage.to_owned(),
            since,
            step: None,
            steps: (0, 0),
            checks: Checks::default(),
            bars: Vec::new(),
            line: None,
            wait: None,
            undo: None,
        }
    }

    /// The wait that goes on at `now`.
    pub(super) fn wait(&self, now: Timestamp) -> Option<&Wait> {
        self.wait.as_ref().filter(|wait| now.duration_since(wait.at) < WAIT_STALE)
    }
}

impl Track {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), stages: Vec::new(), running: None }
    }

    /// Names of the stages that have not begun.
    pub(super) fn to_come(&self) -> &[String] {
        let Some(running) = &self.running else { return &self.stages };
        let at = self.stages.iter().position(|stage| *stage == running.stage);
        at.map_or(&[], |at| &self.stages[at + 1..])
    }

    /// Takes one event. Returns the stage that it ended, with what happened in it.
    pub(super) fn apply(&mut self, record: &Record) -> Option<Running> {
        let at = record.at;
        match &record.event {
            Event::BuildStarted { stages, .. } => self.stages.clone_from(stages),
            Event::StageStarted { stage } => self.running = Some(Running::new(stage, at)),
            Event::StageFinished { .. }
            | Event::StageFailed { .. }
            | Event::BuildFinished { .. }
            | Event::BuildFailed { .. } => return self.running.take(),
            Event::UndoStarted { count } if *count > 0 => {
                let mut running = Running::new("clean-up", at);
                running.undo = Some((0, *count));
                self.running = Some(running);
            }
            event => {
                if let Some(running) = &mut self.running {
                    running.apply(at, event);
                }
            }
        }
        None
    }
}

impl Running {
    fn apply(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::Waiting { what, seen, elapsed, limit } => {
                self.wait = Some(Wait {
                    what: what.clone(),
                    seen: seen.clone(),
                    limit: *limit,
                    at,
                    elapsed: *elapsed,
                });
            }
            Event::Progress { what, done, total, unit } => {
                self.wait = None;
                match self.bars.iter_mut().find(|bar| bar.what == *what) {
                    Some(bar) => bar.update(at, *done, *total),
                    None => self.bars.push(Bar::new(what, at, *done, *total, *unit)),
                }
            }
            Event::ProgressFinished { what } => self.bars.retain(|bar| bar.what != *what),
            Event::StepStarted { index, total, label } => {
                (self.wait, self.line) = (None, None);
                self.steps.1 = *total;
                self.step = Some(Step { index: *index, total: *total, label: label.clone() });
            }
            Event::StepFinished { .. } => {
                self.steps.0 += 1;
                (self.wait, self.line, self.step) = (None, None, None);
            }
            Event::Output { line, .. } if !line.trim().is_empty() => {
                self.line = Some(line.trim_end().to_owned());
            }
            Event::Checked { check, .. } => {
                self.wait = None;
                if check.passed {
                    self.checks.passed += 1;
                } else {
                    self.checks.failed += 1;
                }
            }
            Event::Undone { .. } => {
                if let Some((done, _)) = &mut self.undo {
                    *done += 1;
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    #[test]
    fn speed_is_measured_over_the_last_seconds_only() {
        let mut bar = Bar::new("x", at(0), 0, Some(1000), Unit::Bytes);
        assert_eq!(bar.speed(), None);
        for second in 1..=20 {
            // Ten times faster after the tenth second.
            let done = if second <= 10 { second } else { 10 + (second - 10) * 10 };
            bar.update(at(second), done.cast_unsigned(), Some(1000));
        }
        assert_eq!(bar.speed(), Some(10.0));
        assert_eq!(bar.left(), Some(HumanDuration::seconds(89)));
    }

    #[test]
    fn a_bar_without_total_promises_nothing() {
        let mut bar = Bar::new("x", at(0), 0, None, Unit::Bytes);
        bar.update(at(2), 100, None);
        assert_eq!((bar.fraction(), bar.left()), (None, None));
        bar.update(at(3), 100, Some(0));
        assert_eq!(bar.fraction(), None);
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_negative_time() {
        assert_eq!(since(at(5), at(3)), HumanDuration::seconds(0));
    }
}
