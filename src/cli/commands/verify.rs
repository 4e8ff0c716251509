//! `goldsmith verify`: an image that exists already, against a definition.
use super::{block_on, build, dirs, load};
use crate::{
    build::Job,
    cli::{
        args::{self, WhenFailed},
        console::Console,
        exit::Exit,
        problem::Problem,
    },
    fetch::Gate,
};
use std::sync::Arc;

pub(super) fn run(arguments: &args::Verify, console: &Console) -> Result<Exit, Problem> {
    let inputs = load::inputs(&arguments.inputs, None);
    let mut plan = load::one(&arguments.definition, &inputs, &arguments.selection)?;
    let image = std::path::absolute(&arguments.image)
        .map_err(|error| Problem::host(format!("could not find `{}`", arguments.image.display()), error))?;
    if let Some(accelerator) = arguments.accelerator {
        plan.machine.accelerator = accelerator.into();
    }
    // Whoever asks for a proof gets one, whatever builds do.
    plan.verify.boot = true;
    let on_error = WhenFailed::Cleanup.into();
    let jobs = [Job { plan: Arc::new(plan), image: Some(image), ami: None, on_error }];
    let dirs = dirs()?;
    block_on(build::all(&jobs, build::Manner { debug: false, parallel: 1 }, Gate::open(), &dirs, console))?
}
