//! `goldsmith ami …`: results are one JSON value with `--json`; progress goes to stderr then.
mod channel;
mod copy;
mod export;
mod files;
mod gc;
mod show;
mod table;
mod text;

use super::{block_on, run_shown};
use crate::{
    aws::{Aws, AwsError},
    cli::{
        args::{AccountArgs, Ami, AmiCommand},
        console::Console,
        exit::Exit,
        problem::Problem,
        render::{Plain, Show},
    },
    cx::{Cx, Event},
    value::HumanDuration,
};
use std::{path::Path, sync::Arc, time::Instant};

pub(in crate::cli::commands) fn run(arguments: &Ami, console: &Console) -> Result<Exit, Problem> {
    match &arguments.command {
        AmiCommand::Show(arguments) => show::run(arguments, console),
        AmiCommand::Copy(arguments) => copy::run(arguments, console),
        AmiCommand::Channel(arguments) => channel::run(arguments, console),
        AmiCommand::Table(arguments) => table::run(arguments, console),
        AmiCommand::Test(arguments) => super::test::run(arguments, console),
        AmiCommand::Export(arguments) => export::run(arguments, console),
        AmiCommand::Gc(arguments) => gc::run(arguments, console),
    }
}

/// Asks, and changes nothing: no journal, no log.
fn ask<T>(account: &AccountArgs, work: impl AsyncFnOnce(&Aws) -> Result<T, AwsError>) -> Result<T, Problem> {
    let account = account.account();
    block_on(async {
        let aws = Aws::open(&account).await.map_err(Problem::Aws)?;
        work(&aws).await.map_err(Problem::Aws)
    })?
}

/// Does something: with journal, log, progress and signals, as a stage of the same name.
fn work<T>(
    console: &Console,
    account: &AccountArgs,
    (name, stage): (&str, &str),
    subject: &str,
    work: impl AsyncFnOnce(&Cx, &Aws) -> Result<T, AwsError>,
) -> Result<(Option<T>, Exit), Problem> {
    let work = async |cx: &Cx, aws: &Aws| {
        let stage = stage.to_owned();
        let begun = Instant::now();
        cx.emit(Event::StageStarted { stage: stage.clone() });
        let result = work(cx, aws).await;
        let seconds: HumanDuration = begun.elapsed().into();
        cx.emit(match &result {
            Ok(_) => Event::StageFinished { stage, seconds },
            Err(error) => Event::StageFailed { stage, seconds, error: error.to_string() },
        });
        result
    };
    let subject = Path::new(subject);
    if console.json() {
        // The result alone is JSON.
        let show: Arc<dyn Show> = Arc::new(Plain::new(console.clone(), false));
        return run_shown(console, show, account, (name, subject), work);
    }
    super::run(console, account, name, subject, work)
}
