//! How commands end that are tasks: no builds, but with a journal.
use crate::{
    build::TaskOutcome,
    cli::{console::Console, exit::Exit, problem::Problem},
    cx::Stop,
};

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
