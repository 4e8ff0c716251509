//! Commands about vCenters, and what they share: the session, and a task with journal, progress and signals.
mod capture;
mod deploy;
pub(super) mod doctor;
mod download;
mod ending;
mod export;
mod list;
mod place;
pub(super) mod publish;
mod shelve;

use super::{block_on, dirs, task::ended};
use crate::{
    build::{self, RealWorld},
    cli::{args::Vsphere, console::Console, exit::Exit, problem::Problem, render, signals},
    cx::{Cx, Stop},
    vsphere::{Place, VCenter, VsphereError},
};
use std::{path::Path, sync::Arc};

/// `goldsmith vsphere …`
pub(super) fn command(what: &Vsphere, console: &Console) -> Result<Exit, Problem> {
    match what {
        Vsphere::Export(arguments) => export::run(arguments, console),
        Vsphere::Ls(arguments) => list::run(arguments, console),
        Vsphere::Capture(arguments) => capture::run(arguments, console),
        Vsphere::Deploy(arguments) => deploy::run(arguments, console),
        Vsphere::Download(arguments) => download::run(arguments, console),
    }
}

/// Runs `work` as a task called `name` about `subject`: with a session, a journal, progress, and signals. Returns what it made and how the
/// command ends; what went wrong was told.
fn run<T>(
    console: &Console,
    place: &Place,
    (name, subject): (&str, &Path),
    work: impl AsyncFnOnce(&Cx, &VCenter) -> Result<T, VsphereError>,
) -> Result<(Option<T>, Exit), Problem> {
    let show = render::choose(console, &[name]);
    let dirs = dirs()?;
    block_on(async {
        let stop = Stop::default();
        let _watch = signals::watch(stop.clone(), Arc::clone(&show), console.err_theme().clone())
            .map_err(|error| Problem::host("could not listen for signals", error))?;
        let vcenter = stop
            .unless_cancelled(VCenter::connect(place))
            .await
            .map_err(VsphereError::from)
            .flatten()
            .map_err(Problem::Vsphere)?;
        // What is undone at the end is undone in this session: its password may be known to nobody else.
        let world = RealWorld::new(dirs.clone()).with_vcenter(vcenter.clone());
        let sinks = vec![Arc::clone(&show).sink()];
        let work = async |cx: &Cx| work(cx, &vcenter).await;
        let outcome = build::task(&world, (name, subject), &dirs, sinks, &stop, work).await;
        show.close();
        // Servers allow a limited number of sessions, and forget them by themselves.
        let _ = vcenter.log_out().await;
        Ok(ended(console, outcome.map_err(Problem::Build)?, &stop, Problem::Vsphere))
    })?
}
