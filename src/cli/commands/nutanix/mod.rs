//! Commands about Prism Centrals, and what they share: who is spoken to, and a task with journal, progress and signals.
pub(super) mod doctor;
pub(super) mod download;
mod place;
pub(super) mod publish;

use super::{block_on, dirs, task::ended};
use crate::{
    build::{self, RealWorld},
    cli::{console::Console, exit::Exit, problem::Problem, render, signals},
    cx::{Cx, Stop},
    nutanix::{Dialect, Place, Prism, PrismError},
};
use std::{path::Path, sync::Arc};

/// Runs `work` as a task called `name` about `subject`: with a journal, progress, and signals. Returns what it made and how the command
/// ends; what went wrong was told.
fn run<T>(
    console: &Console,
    (place, dialect): (&Place, Option<Dialect>),
    (name, subject): (&str, &Path),
    work: impl AsyncFnOnce(&Cx, &Prism) -> Result<T, PrismError>,
) -> Result<(Option<T>, Exit), Problem> {
    let show = render::choose(console, &[name]);
    let dirs = dirs()?;
    block_on(async {
        let stop = Stop::default();
        let _watch = signals::watch(stop.clone(), Arc::clone(&show), console.err_theme().clone())
            .map_err(|error| Problem::host("could not listen for signals", error))?;
        let prism = stop
            .unless_cancelled(Prism::connect(place, dialect))
            .await
            .map_err(PrismError::from)
            .flatten()
            .map_err(Problem::Prism)?;
        // What is undone at the end is undone with what is known here: the password may be known to nobody else.
        let world = RealWorld::new(dirs.clone()).with_prism(prism.clone());
        let sinks = vec![Arc::clone(&show).sink()];
        let work = async |cx: &Cx| work(cx, &prism).await;
        let outcome = build::task(&world, (name, subject), &dirs, sinks, &stop, work).await;
        show.close();
        Ok(ended(console, outcome.map_err(Problem::Build)?, &stop, Problem::Prism))
    })?
}
