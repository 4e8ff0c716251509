//! Commands that are tasks: no builds, but with a journal; and how they end.
use super::block_on;
use crate::{
    build::{self, Dirs, RealWorld, TaskOutcome},
    cli::{console::Console, exit::Exit, problem::Problem, render::Show, signals},
    cx::{Cx, Stop},
};
use std::{error::Error, path::Path, sync::Arc};

/// Runs `work` as a task called `name` about `subject`, without a session anywhere: with a journal, progress, and signals. Returns what it made and
/// how the command ends; what went wrong was told. `problem` says whose error it is.
pub(super) fn run<T, E: Error>(
    console: &Console,
    (show, dirs): (&Arc<dyn Show>, &Dirs),
    (name, subject): (&str, &Path),
    problem: impl FnOnce(E) -> Problem,
    work: impl AsyncFnOnce(&Cx) -> Result<T, E>,
) -> Result<(Option<T>, Exit), Problem> {
    block_on(async {
        let stop = Stop::default();
        let _watch = signals::watch(stop.clone(), Arc::clone(show), console.err_theme().clone())
            .map_err(|error| Problem::host("could not listen for signals", error))?;
        let world = RealWorld::new(dirs.clone());
        let sinks = vec![Arc::clone(show).sink()];
        let outcome = build::task(&world, (name, subject), dirs, sinks, &stop, work).await;
        show.close();
        Ok(ended(console, outcome.map_err(Problem::Build)?, &stop, problem))
    })?
}

/// What the task made and how the command ends; what went wrong is told. `problem` says whose error it is.
pub(super) fn ended<T, E>(
    console: &Console,
    outcome: TaskOutcome<T, E>,
    stop: &Stop,
    problem: impl FnOnce(E) -> Problem,
) -> (Option<T>, Exit) {
    let left = !outcome.unwound.leftovers.is_empty();
    for leftover in &outcome.unwound.leftovers {
        console.err(&format!("{} is still there", leftover.undo));
    }
    match outcome.result {
        Ok(made) => (Some(made), if left { Exit::Leftovers } else { Exit::Ok }),
        Err(error) => {
            let problem = problem(error);
            let exit = match (left, stop.is_cancelled()) {
                (true, true) => Exit::InterruptedLeftovers,
                (true, false) => Exit::Leftovers,
                (false, true) => Exit::Interrupted,
                (false, false) => problem.exit(),
            };
            console.err(&problem.render(console.err_theme(), console.err_width()));
            (None, exit)
        }
    }
}
