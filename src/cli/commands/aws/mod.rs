//! Commands about Amazon's cloud, and what they share: the session, and a task with journal, progress and signals.
mod ami;
mod marketplace;
mod permissions;
pub(super) mod publish;
mod test;

pub(super) use ami::run as ami;
pub(super) use marketplace::marketplace;
pub(super) use permissions::permissions;

use super::{block_on, dirs, task::ended};
use crate::{
    aws::{Account, Aws, AwsError},
    build::{self, RealWorld},
    cli::{args::AccountArgs, console::Console, exit::Exit, problem::Problem, render, signals},
    cx::{Cx, Stop},
};
use std::{path::Path, sync::Arc};

impl AccountArgs {
    /// As the session wants it.
    fn account(&self) -> Account {
        Account {
            profile: self.profile.clone(),
            region: self.region.clone(),
            endpoint: self.endpoint_url.clone(),
        }
    }
}

/// Runs `work` as a task called `name` about `subject`: with a session, a journal, progress, and signals. Returns what it made and how the
/// command ends; what went wrong was told.
fn run<T>(
    console: &Console,
    account: &AccountArgs,
    name: &str,
    subject: &Path,
    work: impl AsyncFnOnce(&Cx, &Aws) -> Result<T, AwsError>,
) -> Result<(Option<T>, Exit), Problem> {
    run_shown(console, render::choose(console, &[name]), account, (name, subject), work)
}

/// The same, with progress shown by `show`: some commands print one result, and no events, as JSON.
fn run_shown<T>(
    console: &Console,
    show: Arc<dyn render::Show>,
    account: &AccountArgs,
    (name, subject): (&str, &Path),
    work: impl AsyncFnOnce(&Cx, &Aws) -> Result<T, AwsError>,
) -> Result<(Option<T>, Exit), Problem> {
    let account = account.account();
    let dirs = dirs()?;
    block_on(async {
        let stop = Stop::default();
        let _watch = signals::watch(stop.clone(), Arc::clone(&show), console.err_theme().clone())
            .map_err(|error| Problem::host("could not listen for signals", error))?;
        let aws = Aws::open(&account).await.map_err(Problem::Aws)?;
        let world = RealWorld::new(dirs.clone());
        let sinks = vec![Arc::clone(&show).sink()];
        let work = async |cx: &Cx| work(cx, &aws).await;
        let outcome = build::task(&world, (name, subject), &dirs, sinks, &stop, work).await;
        show.close();
        Ok(ended(console, outcome.map_err(Problem::Build)?, &stop, Problem::Aws))
    })?
}
