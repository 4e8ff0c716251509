//! Neighbouring steps about systemd's units, done by one script: systemd is asked once for all of them and reads its units anew
//! once, which costs seconds each time under emulation. Each step is reported as if it were alone.
use super::{
    explain::{explain, while_alive},
    runner::{LAST_LINES, ProvisionError, StepError, Supplies, Worker},
    steps::{
        service::{self, Part, at_boot},
        unit,
    },
};
use crate::{
    cx::{Cx, Event, Stream},
    guest::{CommError, Command, Communicator, Exit, Facts, Guest, Trouble},
    plan::{Step, StepKind},
};
use std::{collections::VecDeque, time::Duration};
use tokio::time::Instant;

/// So many at most: an error is to be near to what it is about.
const MOST: usize = 32;
/// The steps have one time for all of them, so each must have so much for itself alone.
const ENOUGH: Duration = Duration::from_secs(600);

/// How many of `steps`, from the first on, are done together; at least 1.
///
/// They want the same at boot, or nothing, so that it does not matter in which order that is done; of each unit, only one step wants
/// anything; and a unit is written before anything is started or stopped, as it would be if each step were alone.
pub(super) fn neighbours(steps: &[Step]) -> usize {
    let mut wanted: Vec<String> = Vec::new();
    let (mut boot, mut acts, mut count) = (None, false, 0);
    let first = steps.first().map(|step| step.timeout);
    for step in steps.iter().take(MOST) {
        let Some(part) = part(step) else { break };
        let name = service::unit(&part.step.name);
        let wants = at_boot(&part.step);
        let moves = part.step.state.is_some() || part.step.masked.is_some();
        if step.rules.finally
            || step.retries > 0
            || step.timeout.get() < ENOUGH
            || first != Some(step.timeout)
            || (part.written && acts)
            || wanted.contains(&name)
            || (wants.is_some() && boot.is_some() && wants != boot)
        {
            break;
        }
        boot = boot.or(wants);
        acts |= moves;
        if moves || wants.is_some() {
            wanted.push(name);
        }
        count += 1;
    }
    count.max(1)
}

/// What a step wants of its unit, if it is about one.
fn part(step: &Step) -> Option<Part> {
    match &step.kind {
        StepKind::Service(step) => Some(Part { step: step.clone(), written: false }),
        StepKind::Unit(step) => Some(unit::part(step)),
        _ => None,
    }
}

/// Runs such neighbours; the first is step `place.0` of `place.1`.
pub(super) async fn run(
    cx: &Cx,
    guest: &Guest,
    facts: &Facts,
    place: (usize, usize),
    steps: &[Step],
    supplies: Supplies<'_>,
    trouble: Trouble<'_>,
) -> Result<(), ProvisionError> {
    match all(cx, guest, facts, place, steps, supplies, trouble).await {
        Ok(()) => Ok(()),
        Err(ProvisionError { number, label, at, source }) => {
            let source = explain(cx, guest, trouble, source).await;
            Err(ProvisionError { number, label, at, source })
        }
    }
}

async fn all(
    cx: &Cx,
    guest: &Guest,
    facts: &Facts,
    place: (usize, usize),
    steps: &[Step],
    supplies: Supplies<'_>,
    trouble: Trouble<'_>,
) -> Result<(), ProvisionError> {
    let mut progress = Progress::new(cx, place, steps);
    cx.check().map_err(|cancelled| progress.failed(0, cancelled.into()))?;
    progress.begin(0);
    // Files first. When one cannot be written, the steps before it are done all the same.
    let mut ready = steps.len();
    let mut broken = None;
    for (index, step) in steps.iter().enumerate() {
        let StepKind::Unit(kind) = &step.kind else { continue };
        let worker = Worker::of(cx, guest, facts, step, supplies, trouble);
        if let Err(error) = while_alive(trouble, unit::put(&worker, kind, supplies.secrets)).await {
            (ready, broken) = (index, Some(error));
            break;
        }
    }
    let parts: Vec<Part> = steps.iter().take(ready).filter_map(part).collect();
    if let Some(first) = steps.first()
        && !parts.is_empty()
    {
        let script = service::parts_script(&parts, &progress.mark);
        let command = Command::script(&first.label, script).timeout(first.timeout.get());
        let mut show = |stream, line: &str| progress.line(stream, line);
        let work = async { Ok(guest.run_script(cx, &command, &mut show).await?) };
        match while_alive(trouble, work).await {
            Ok(Exit::Code(0)) => {}
            Ok(exit) => return Err(progress.ended(exit)),
            Err(error) => return Err(progress.lost(error)),
        }
    }
    match broken {
        None => {
            progress.finish(steps.len());
            Ok(())
        }
        Some(error) => {
            progress.finish(ready);
            progress.begin(ready);
            Err(progress.failed(ready, error))
        }
    }
}

/// How far the script is, and what it said.
struct Progress<'a> {
    cx: &'a Cx,
    place: (usize, usize),
    steps: &'a [Step],
    /// What the script says before the number of a step; a unit cannot guess it.
    mark: String,
    /// The step that each stream is at.
    at: [usize; 2],
    /// So many steps are reported as ended.
    ended: usize,
    /// When the one after them began.
    since: Instant,
    /// What was said last, and by which step.
    last: VecDeque<(usize, String)>,
}

impl<'a> Progress<'a> {
    fn new(cx: &'a Cx, place: (usize, usize), steps: &'a [Step]) -> Self {
        let mark = format!("@step-{}-", uuid::Uuid::new_v4().simple());
        Self { cx, place, steps, mark, at: [0, 0], ended: 0, since: Instant::now(), last: VecDeque::new() }
    }

    fn label(&self, index: usize) -> String {
        self.steps.get(index).map(|step| step.label.clone()).unwrap_or_default()
    }

    fn begin(&mut self, index: usize) {
        self.since = Instant::now();
        let (first, total) = self.place;
        self.cx.emit(Event::StepStarted { index: first + index, total, label: self.label(index) });
    }

    /// Reports the steps before `count` as ended; each but the last of them has the next one begin.
    fn finish(&mut self, count: usize) {
        while self.ended < count {
            let (index, seconds) = (self.place.0 + self.ended, self.since.elapsed().into());
            self.cx.emit(Event::StepFinished { index, label: self.label(self.ended), seconds });
            self.ended += 1;
            if self.ended < count {
                self.begin(self.ended);
            }
        }
    }

    fn line(&mut self, stream: Stream, line: &str) {
        let Some(at) = self.at.get_mut(usize::from(stream == Stream::Stderr)) else { return };
        if let Some(number) = line.strip_prefix(&self.mark).and_then(|number| number.parse().ok()) {
            *at = number;
            if stream == Stream::Stdout {
                self.finish(number);
                self.begin(number);
            }
            return;
        }
        let index = *at;
        if self.last.len() == LAST_LINES {
            self.last.pop_front();
        }
        self.last.push_back((index, self.cx.redactor().redact(line)));
        self.cx.emit(Event::Output { source: self.label(index), stream, line: line.to_owned() });
    }

    /// The step that ran last.
    fn current(&self) -> usize {
        self.at.into_iter().max().unwrap_or_default()
    }

    fn failed(&self, index: usize, source: StepError) -> ProvisionError {
        let at = self.steps.get(index).map(|step| step.at.clone()).unwrap_or_default();
        ProvisionError { number: self.place.0 + index, label: self.label(index), at, source }
    }

    fn ended(&self, exit: Exit) -> ProvisionError {
        let index = self.current();
        let said = self.last.iter().filter(|(by, _)| *by == index).map(|(_, line)| line.clone());
        self.failed(index, StepError::Exit { exit, last: said.collect() })
    }

    fn lost(&self, error: StepError) -> ProvisionError {
        let index = self.current();
        let error = match error {
            StepError::Comm(CommError::TimedOut { limit, .. }) => {
                CommError::TimedOut { label: self.label(index), limit }.into()
            }
            other => other,
        };
        self.failed(index, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        plan::{Content, Rules, ServiceState, ServiceStep, UnitStep},
        provision::tests::Bench,
        value::HumanDuration,
    };
    use std::error::Error as _;
    use test_case::test_case;

    fn step(kind: StepKind) -> Step {
        Step {
            label: "step".into(),
            kind,
            timeout: HumanDuration::seconds(1800),
            retries: 0,
            at: "image.toml:12".into(),
            rules: Rules::default(),
        }
    }

    fn service(name: &str, enabled: Option<bool>, state: Option<ServiceState>) -> Step {
        step(StepKind::Service(ServiceStep { name: name.into(), enabled, masked: None, state }))
    }

    fn drop_in(name: &str, state: Option<ServiceState>) -> Step {
        let content = Content::Text("[Unit]\n".into());
        let drop_in = Some("x.conf".into());
        let kind =
            UnitStep { name: name.into(), content, drop_in, mode: 0o644, enabled: None, masked: None, state };
        step(StepKind::Unit(kind))
    }

    const UP: Option<ServiceState> = Some(ServiceState::Started);

    #[test_case(&[service("a", Some(true), UP), service("b", Some(true), None)] => 2; "both at boot")]
    #[test_case(&[service("a", Some(true), UP), service("b", Some(false), None)] => 1; "one at boot and one not")]
    #[test_case(&[service("a", Some(true), UP), service("a.service", None, UP)] => 1; "the same unit")]
    #[test_case(&[drop_in("a", None), drop_in("a", None), service("a", Some(true), UP)] => 3; "parts of a unit and the unit")]
    #[test_case(&[drop_in("a", UP), drop_in("b", None)] => 1; "one starts before the other is written")]
    #[test_case(&[service("a", None, UP), step(StepKind::Reboot(crate::plan::RebootStep {}))] => 1; "another kind")]
    #[test_case(&[service("a", None, UP), Step { timeout: HumanDuration::seconds(900), ..service("b", None, UP) }] => 1; "another time")]
    #[test_case(&[service("a", None, UP), Step { retries: 1, ..service("b", None, UP) }] => 1; "one that is tried again")]
    fn neighbours_are_done_together_when_their_order_does_not_matter(steps: &[Step]) -> usize {
        neighbours(steps)
    }

    fn named(label: &str, kind: Step) -> Step {
        Step { label: label.into(), ..kind }
    }

    #[tokio::test]
    async fn a_failure_names_its_step_and_the_ones_before_it_are_reported() {
        let bench = Bench::new().await;
        let steps = [
            named("nothing to do", service("goldsmith-none-a", None, None)),
            named("as little", service("goldsmith-none-b", None, None)),
            named("start what is not there", service("goldsmith-none-c", None, UP)),
            named("never", service("goldsmith-none-d", None, UP)),
        ];
        assert_eq!(neighbours(&steps), 4);
        let error = bench.run(&steps).await.unwrap_err();
        assert_eq!(error.to_string(), "step 3 (`start what is not there`, image.toml:12) failed");
        let why = error.source().unwrap().to_string();
        assert!(why.starts_with("exit code 1; it said last:\n"), "{why}");
        assert!(!why.contains("@step-"), "{why}");
        let events = bench.memory.json();
        for (label, count) in
            [("nothing to do", 2), ("as little", 2), ("start what is not there", 1), ("never", 0)]
        {
            let steps = events.matches(&format!("\"label\":\"{label}\"")).count();
            assert_eq!(steps, count, "{label}: {events}");
        }
    }
}
