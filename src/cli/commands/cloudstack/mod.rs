//! Commands about clouds that CloudStack manages, and what they share: whose keys, and a task with journal, progress and signals.
pub(super) mod doctor;
pub(super) mod download;
pub(super) mod publish;

use super::{block_on, dirs, task::ended};
use crate::{
    build::{self, RealWorld},
    cli::{args::CloudArgs, console::Console, exit::Exit, problem::Problem, render, signals},
    cloudstack::{CloudStack, CloudStackError, Place, Said, Trust},
    cx::{Cx, Stop},
    value::Secret,
};
use std::{path::Path, sync::Arc, time::Duration};

impl CloudArgs {
    /// The cloud, and as whom.
    fn place(&self) -> Result<Place, Problem> {
        let trust = match (&self.ca_file, &self.thumbprint) {
            (Some(path), _) => Some(Trust::CaFile(absolute(path)?)),
            (_, Some(thumbprint)) => Some(Trust::Thumbprint(thumbprint.clone())),
            _ if self.insecure => Some(Trust::Anything),
            _ => None,
        };
        let said = Said {
            endpoint: self.endpoint.clone(),
            key: self.api_key.clone().map(Secret::new),
            secret: self.secret_file.as_deref().map(first_line).transpose()?,
            trust,
            file: self.config.clone(),
            region: self.region.clone(),
        };
        said.place().map_err(Problem::CloudStack)
    }

    fn limit(&self) -> Duration {
        const USUAL: Duration = Duration::from_hours(6);
        self.timeout.map_or(USUAL, |limit| limit.get())
    }
}

fn absolute(path: &Path) -> Result<std::path::PathBuf, Problem> {
    std::path::absolute(path)
        .map_err(|error| Problem::host(format!("could not find `{}`", path.display()), error))
}

pub(super) fn first_line(path: &Path) -> Result<Secret, Problem> {
    let failed =
        |why: String| Problem::usage(format!("could not read the secret in `{}`: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    match text.lines().next().filter(|line| !line.is_empty()) {
        Some(line) => Ok(Secret::new(line)),
        None => Err(failed("its first line is empty".to_owned())),
    }
}

/// Runs `work` as a task called `name` about `subject`. Returns what it made and how the command ends; what went wrong was told.
fn run<T>(
    console: &Console,
    place: &Place,
    (name, subject): (&str, &Path),
    work: impl AsyncFnOnce(&Cx, &CloudStack) -> Result<T, CloudStackError>,
) -> Result<(Option<T>, Exit), Problem> {
    let cloud = CloudStack::open(place).map_err(Problem::CloudStack)?;
    let show = render::choose(console, &[name]);
    let dirs = dirs()?;
    block_on(async {
        let stop = Stop::default();
        let _watch = signals::watch(stop.clone(), Arc::clone(&show), console.err_theme().clone())
            .map_err(|error| Problem::host("could not listen for signals", error))?;
        // What is undone at the end is undone with these keys: nobody else may know them.
        let world = RealWorld::new(dirs.clone()).with_cloud(cloud.clone());
        let sinks = vec![Arc::clone(&show).sink()];
        let work = async |cx: &Cx| {
            for secret in [&place.key, &place.secret] {
                cx.redactor().learn(secret);
            }
            work(cx, &cloud).await
        };
        let outcome = build::task(&world, (name, subject), &dirs, sinks, &stop, work).await;
        show.close();
        Ok(ended(console, outcome.map_err(Problem::Build)?, &stop, Problem::CloudStack))
    })?
}
